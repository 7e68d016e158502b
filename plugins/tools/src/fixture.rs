//! Fixtures: what a server says, and what the plugin must make of it. A file of cases in TOML:
//!
//! ```toml
//! [[case]]
//! name   = "a server that loads its data"
//! config = { address = "{tcp.0}" }            # {tcp.N}, {udp.N}: the address of the N-th server of the case
//! allow  = ["tcp:{tcp.0}"]
//! expect = { status = "warning", output = "is loading" }
//! # timeout = "2s", unset: ten seconds
//!
//! [[case.tcp]]
//! steps = [{ receive = "PING" }, { send = "-LOADING wait\r\n" }]
//! ```
//!
//! A TCP server plays its steps on each connection: `receive` waits until the text has come (what came before it is passed over),
//! `send` sends a text, `send_hex` bytes, `receive_bytes` waits for a number of bytes, `close` closes. A UDP server answers each
//! datagram with the next `send` or `send_hex`. A case without servers may name an address nobody listens on: `{refused}`.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Cases of one file, at most.
const CASES_MAX: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) config: Map<String, Value>,
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    pub(crate) expect: Expect,
    pub(crate) timeout: Option<String>,
    #[serde(default)]
    pub(crate) tcp: Vec<Server>,
    #[serde(default)]
    pub(crate) udp: Vec<Server>,
}

/// What the outcome must be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// `passing`, `warning`, `critical`, or `refused`: an agent would not take the call.
    pub(crate) status: String,
    /// A text the output must contain.
    #[serde(default)]
    pub(crate) output: String,
}

/// A server and what it does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
}

/// One step; exactly one of its members is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) receive: Option<String>,
    pub(crate) receive_bytes: Option<usize>,
    pub(crate) send: Option<String>,
    pub(crate) send_hex: Option<String>,
    #[serde(default)]
    pub(crate) close: bool,
}

/// A step, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Until(Vec<u8>),
    Bytes(usize),
    Send(Vec<u8>),
    Close,
}

impl Step {
    pub(crate) fn action(&self) -> Result<Action, String> {
        let mut given = Vec::new();
        given.extend(self.receive.as_ref().map(|text| Ok(Action::Until(text.as_bytes().to_vec()))));
        given.extend(self.receive_bytes.map(|count| Ok(Action::Bytes(count))));
        given.extend(self.send.as_ref().map(|text| Ok(Action::Send(text.as_bytes().to_vec()))));
        given.extend(self.send_hex.as_ref().map(|text| hex(text).map(Action::Send)));
        given.extend(self.close.then_some(Ok(Action::Close)));
        match given.len() {
            1 => given.remove(0),
            _ => Err("a step is one of receive, receive_bytes, send, send_hex and close".to_owned()),
        }
    }
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).ok_or_else(|| format!("{c:?} is no hexadecimal digit")))
        .collect::<Result<_, _>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("an odd number of hexadecimal digits".to_owned());
    }
    pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).map_err(|error| error.to_string())).collect()
}

/// Reads a file of cases; the error says where.
pub(crate) fn read(text: &str) -> Result<Vec<Case>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.case.is_empty() || file.case.len() > CASES_MAX {
        return Err(format!("a file holds 1 to {CASES_MAX} cases, written [[case]]"));
    }
    for case in &file.case {
        let wrong = |why: String| format!("case {:?}: {why}", case.name);
        if !["passing", "warning", "critical", "refused"].contains(&case.expect.status.as_str()) {
            return Err(wrong(format!("{:?} is none of passing, warning, critical and refused", case.expect.status)));
        }
        for step in case.tcp.iter().chain(&case.udp).flat_map(|server| &server.steps) {
            step.action().map_err(wrong)?;
        }
    }
    Ok(file.case)
}

/// Puts addresses in the place of `{tcp.0}` and the like.
pub(crate) fn fill(text: &str, places: &[(String, String)]) -> String {
    places.iter().fold(text.to_owned(), |text, (name, address)| text.replace(&format!("{{{name}}}"), address))
}

/// The same for every text of a value.
pub(crate) fn fill_value(value: &Value, places: &[(String, String)]) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text, places)),
        Value::Array(items) => Value::Array(items.iter().map(|item| fill_value(item, places)).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(key, member)| (key.clone(), fill_value(member, places))).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_and_wrong_ones_told() {
        let good = r#"
            [[case]]
            name = "a"
            config = { address = "{tcp.0}", deep = ["{udp.0}"] }
            expect = { status = "passing" }
            [[case.tcp]]
            steps = [{ receive = "PING" }, { send = "+PONG\r\n" }, { send_hex = "00 ff" }, { close = true }]
        "#;
        let cases = read(good).unwrap();
        let actions: Vec<Action> = cases[0].tcp[0].steps.iter().map(|step| step.action().unwrap()).collect();
        assert_eq!(
            actions,
            [Action::Until(b"PING".to_vec()), Action::Send(b"+PONG\r\n".to_vec()), Action::Send(vec![0, 255]), Action::Close]
        );
        let places = [("tcp.0".to_owned(), "1.2.3.4:5".to_owned()), ("udp.0".to_owned(), "x".to_owned())];
        let filled = fill_value(&Value::Object(cases[0].config.clone()), &places);
        assert_eq!(filled, serde_json::json!({"address": "1.2.3.4:5", "deep": ["x"]}));
        for (bad, sentence) in [
            ("", "1 to 1000 cases"),
            ("[[case]]\nname = \"a\"", "expect"),
            ("[[case]]\nname = \"a\"\nexpect = { status = \"good\" }", "none of passing"),
            ("[[case]]\nname = \"a\"\nexpect = { status = \"passing\" }\n[[case.tcp]]\nsteps = [{}]", "a step is one of"),
            ("[[case]]\nname = \"a\"\nexpect = { status = \"passing\" }\n[[case.tcp]]\nsteps = [{ send_hex = \"0\" }]", "odd"),
            ("[[case]]\nname = \"a\"\nwhat = 1\nexpect = { status = \"passing\" }", "unknown field"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(sentence), "{error}");
        }
    }
}
