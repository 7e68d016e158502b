//! A JSON document over HTTP, and what must stand in it.

mod judge;

use judge::{Wanted, judge};
use lictor_guest::http::Request;
use lictor_guest::{Check, Context, Description, Error, Kind, Outcome};

struct HttpJson;

impl Check for HttpJson {
    fn describe() -> Description {
        Description::new("http_json", env!("CARGO_PKG_VERSION"))
            .summary("Fetches a JSON document and judges a value in it")
            .setting("url", Kind::Text, "The document")
            .required()
            .setting("method", Kind::Text, "Method of the request")
            .default("\"GET\"")
            .setting("body", Kind::Text, "Body of the request; it is sent as JSON")
            .setting("bearer_env", Kind::Text, "Environment variable of the agent that holds a bearer token")
            .setting("status", Kind::Integer, "Status the answer must have")
            .default("200")
            .at_least(100)
            .at_most(599)
            .setting(
                "path",
                Kind::Text,
                "Value to judge: members and indices with dots between, as in nodes.0.state; empty: only that it is JSON",
            )
            .setting("equals", Kind::Text, "Critical unless the value is this text, or written like this")
            .setting("warning_above", Kind::Number, "A number above it is a warning")
            .setting("critical_above", Kind::Number, "A number above it is critical")
            .setting("warning_below", Kind::Number, "A number below it is a warning")
            .setting("critical_below", Kind::Number, "A number below it is critical")
            .asks("http:{url}", "to fetch it")
            .asks("env:{bearer_env}", "to read the token")
    }

    fn run(check: &Context) -> Result<Outcome, Error> {
        let method = check.text_or_none("method").unwrap_or("GET");
        let mut request = Request::new(method, check.text("url")?, check.timeout_ms()).max_body(1 << 20);
        request = request.header("accept", "application/json");
        if let Some(name) = check.text_or_none("bearer_env") {
            let token = lictor_guest::env::get(name)?;
            let token = token.ok_or_else(|| Error::new(["the environment variable ", name, " is not set"].concat()))?;
            request = request.header("authorization", &["Bearer ", token.trim()].concat());
        }
        if let Some(body) = check.text_or_none("body") {
            request = request.header("content-type", "application/json").body(body.as_bytes());
        }
        let answer = request.send()?;
        let expected = check.integer("status").unwrap_or(200);
        if i64::from(answer.status) != expected {
            return Ok(Outcome::critical(["status ", &answer.status.to_string(), ", expected ", &expected.to_string()].concat()));
        }
        Ok(judge(
            &answer.body,
            &Wanted {
                path: check.text_or_none("path").unwrap_or_default(),
                equals: check.text_or_none("equals"),
                warning_above: check.number("warning_above"),
                critical_above: check.number("critical_above"),
                warning_below: check.number("warning_below"),
                critical_below: check.number("critical_below"),
            },
        ))
    }
}

lictor_guest::check!(HttpJson);
