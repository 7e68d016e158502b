//! What a watch looks at: the query for each type, and the state in the form that Consul's watches hand out (the API's rows,
//! with every field a client knows, also those the API leaves out).

use crate::error::Failure;
use crate::flags::Given;
use http::StatusCode;
use lictor_client::{ClientError, Response, escape, escape_key};
use serde_json::{Map, Value, json};

/// Flags that belong to some types only.
const PARAMETERS: &[&str] = &["key", "name", "passingonly", "prefix", "service", "state", "tag"];

/// A query and how to read its answer.
pub(super) struct View {
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    shape: fn(Value) -> Value,
}

impl View {
    /// The view that the flags describe.
    pub(super) fn of(given: &Given) -> Result<Self, Failure> {
        let passing = match given.text("passingonly") {
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            word => {
                let reason = format!("strconv.ParseBool: parsing {word:?}: invalid syntax");
                return Err(Failure::Usage(format!("Failed to parse passingonly flag: {reason}")));
            }
        };
        let needed = |flag: &str| match given.text(flag) {
            "" => Err(Failure::Usage(format!("Must specify a single {flag} to watch"))),
            text => Ok(text),
        };
        let view = |path: String, shape| Self { path, query: Vec::new(), shape };
        let (known, mut view): (&[&str], Self) = match given.text("type") {
            "key" => (&["key"], view(format!("/v1/kv/{}", escape_key(needed("key")?)), key)),
            "keyprefix" => (&["prefix"], view(format!("/v1/kv/{}", escape_key(needed("prefix")?)), keys)),
            "services" => (&[], view("/v1/catalog/services".to_owned(), as_is)),
            "nodes" => (&[], view("/v1/catalog/nodes".to_owned(), as_is)),
            "service" => (
                &["service", "tag", "passingonly"],
                view(format!("/v1/health/service/{}", escape(needed("service")?)), instances),
            ),
            "checks" => match (given.text("service"), given.text("state")) {
                (service, "") if !service.is_empty() => {
                    (&["service"], view(format!("/v1/health/checks/{}", escape(service)), checks))
                }
                ("", "") => (&[], view("/v1/health/state/any".to_owned(), checks)),
                ("", state) => (&["state"], view(format!("/v1/health/state/{}", escape(state)), checks)),
                _ => return Err(Failure::Usage("Cannot specify service and state".to_owned())),
            },
            "event" => (&["name"], view("/v1/event/list".to_owned(), as_is)),
            other => return Err(Failure::Usage(format!("Unsupported watch type: {other}"))),
        };
        let foreign: Vec<&str> = PARAMETERS.iter().copied().filter(|flag| given.has(flag) && !known.contains(flag)).collect();
        if !foreign.is_empty() {
            return Err(Failure::Usage(format!("Invalid parameters: [{}]", foreign.join(" "))));
        }
        match given.text("type") {
            "keyprefix" => view.query.push(("recurse", String::new())),
            "service" => {
                view.query.extend(given.texts("tag").into_iter().map(|tag| ("tag", tag.to_owned())));
                if passing {
                    view.query.push(("passing", "1".to_owned()));
                }
            }
            "event" if !given.text("name").is_empty() => view.query.push(("name", given.text("name").to_owned())),
            _ => {}
        }
        Ok(view)
    }

    /// The state in an answer. What is not there is `null`.
    pub(super) fn read(&self, answer: Response) -> Result<Value, ClientError> {
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Value::Null);
        }
        answer.successful()?.json().map(self.shape)
    }
}

fn as_is(state: Value) -> Value {
    state
}

/// Applies `shape` to each row of a list.
fn each(state: Value, shape: fn(Value) -> Value) -> Value {
    match state {
        Value::Array(rows) => Value::Array(rows.into_iter().map(shape).collect()),
        other => other,
    }
}

/// The fields of `defaults`, in their order, with what `row` has.
fn filled(row: Value, defaults: Value) -> Value {
    let (Value::Object(mut row), Value::Object(defaults)) = (row, defaults) else { return Value::Null };
    let fields = defaults.into_iter().map(|(name, default)| {
        let value = row.remove(&name).filter(|value| !value.is_null()).unwrap_or(default);
        (name, value)
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

fn entry(row: Value) -> Value {
    filled(
        row,
        json!({ "Key": "", "CreateIndex": 0, "ModifyIndex": 0, "LockIndex": 0, "Flags": 0, "Value": null, "Session": "" }),
    )
}

fn key(state: Value) -> Value {
    match state {
        Value::Array(rows) => rows.into_iter().next().map_or(Value::Null, entry),
        _ => Value::Null,
    }
}

fn keys(state: Value) -> Value {
    each(state, entry)
}

fn check(row: Value) -> Value {
    let mut row = filled(
        row,
        json!({
            "Node": "", "CheckID": "", "Name": "", "Status": "", "Notes": "", "Output": "", "ServiceID": "", "ServiceName": "",
            "ServiceTags": null, "Type": "", "Definition": {}, "CreateIndex": 0, "ModifyIndex": 0,
        }),
    );
    if let Some(definition) = row.get_mut("Definition") {
        *definition = filled(
            definition.take(),
            json!({
                "Interval": "0s", "Timeout": "0s", "DeregisterCriticalServiceAfter": "0s", "HTTP": "", "Header": null,
                "Method": "", "Body": "", "TLSSkipVerify": false, "TCP": "",
            }),
        );
    }
    row
}

fn checks(state: Value) -> Value {
    each(state, check)
}

fn instances(state: Value) -> Value {
    each(state, |mut row| {
        if let Some(rows) = row.get_mut("Checks") {
            *rows = checks(rows.take());
        }
        row
    })
}

/// The events behind the one whose index is `seen`; all, if it is not among them.
pub(super) fn newer_events(state: Value, seen: u64) -> Value {
    let Value::Array(events) = state else { return state };
    let position = events.iter().position(|event| event.get("ID").and_then(Value::as_str).and_then(index_of) == Some(seen));
    Value::Array(events.into_iter().skip(position.map_or(0, |position| position + 1)).collect())
}

/// The index of an event: the two halves of its id, one XOR the other.
fn index_of(id: &str) -> Option<u64> {
    let digits: String = id.chars().filter(|c| *c != '-').collect();
    let half = |range: std::ops::Range<usize>| u64::from_str_radix(digits.get(range)?, 16).ok();
    Some(half(0..16)? ^ half(16..32)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::watch::WATCH;
    use crate::flags::{Order, Read, read};

    fn view(arguments: &[&str]) -> Result<View, Failure> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        match read(|name| WATCH.all_flags().find(|row| row.name == name), &arguments, Order::FlagsFirst)? {
            Read::Given(given) => View::of(&given),
            Read::Help => panic!("help"),
        }
    }

    #[test]
    fn types_have_their_queries() {
        for (arguments, path, query) in [
            (&["-type=key", "-key=a b/c"][..], "/v1/kv/a%20b/c", ""),
            (&["-type=keyprefix", "-prefix=a/"], "/v1/kv/a/", "recurse= "),
            (&["-type=services"], "/v1/catalog/services", ""),
            (
                &["-type=service", "-service=w", "-tag=a", "-tag=b", "-passingonly=true"],
                "/v1/health/service/w",
                "tag=a tag=b passing=1 ",
            ),
            (&["-type=checks"], "/v1/health/state/any", ""),
            (&["-type=checks", "-state=critical"], "/v1/health/state/critical", ""),
            (&["-type=checks", "-service=w"], "/v1/health/checks/w", ""),
            (&["-type=event", "-name=n"], "/v1/event/list", "name=n "),
        ] {
            let view = view(arguments).unwrap();
            let shown: String = view.query.iter().map(|(name, value)| format!("{name}={value} ")).collect();
            assert_eq!((view.path.as_str(), shown.as_str()), (path, query), "{arguments:?}");
        }
    }

    #[test]
    fn what_does_not_belong_is_refused() {
        for (arguments, text) in [
            (&["-type=nonsense"][..], "Unsupported watch type: nonsense"),
            (&["-type=key"], "Must specify a single key to watch"),
            (&["-type=services", "-key=a"], "Invalid parameters: [key]"),
            (&["-type=checks", "-state=passing", "-service=x"], "Cannot specify service and state"),
            (
                &["-type=service", "-service=x", "-passingonly=nah"],
                "Failed to parse passingonly flag: strconv.ParseBool: parsing \"nah\": invalid syntax",
            ),
        ] {
            assert_eq!(view(arguments).err().unwrap().to_string(), text);
        }
    }

    #[test]
    fn events_already_seen_are_left_out() {
        let events = json!([
            { "ID": "085f3dba-52b8-3265-1a09-8ea8f1832385" },
            { "ID": "185f3dba-52b8-3265-1a09-8ea8f1832385" },
        ]);
        let seen = index_of("085f3dba-52b8-3265-1a09-8ea8f1832385").unwrap();
        assert_eq!(newer_events(events.clone(), seen).as_array().unwrap().len(), 1);
        assert_eq!(newer_events(events.clone(), 1).as_array().unwrap().len(), 2);
        assert_eq!(index_of("00000000-0000-0001-0000-000000000003"), Some(2));
        assert_eq!(index_of("no id"), None);
    }
}
