//! How a line looks.

use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `time [LEVEL] place: message: key=value`.
pub(super) struct Line;

/// One object per line, with the keys Consul's JSON log has: `@level`, `@message`, `@module`, `@timestamp`.
pub(super) struct Json;

/// Where an event comes from: `lictor_server::write` is `agent.server.write`.
fn place(target: &str) -> String {
    let inner = target.strip_prefix("lictor_").or_else(|| target.strip_prefix("lictor")).unwrap_or(target);
    let dotted = inner.trim_start_matches("::").replace("::", ".");
    match (dotted.is_empty(), std::ptr::eq(inner, target)) {
        (true, _) => "agent".to_owned(),
        (false, true) => dotted,
        (false, false) => format!("agent.{dotted}"),
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::TRACE => "TRACE",
        Level::DEBUG => "DEBUG",
        Level::INFO => "INFO",
        Level::WARN => "WARN",
        Level::ERROR => "ERROR",
    }
}

/// The fields of an event: the message, and the others in order.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.others.push((field.name(), value));
        }
    }
}

/// Line feeds within a value would look like further lines.
fn one_line(text: &str) -> String {
    text.replace('\r', "\\r").replace('\n', "\\n")
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        SystemTime.format_time(&mut writer)?;
        let level = format!("[{}]", word(*event.metadata().level()));
        write!(writer, " {level:<7} {}: {}", place(event.metadata().target()), one_line(&fields.message))?;
        let mut line = String::new();
        for (name, value) in &fields.others {
            let quoted = value.is_empty() || value.contains([' ', '"', '\n', '\r', '=']);
            let _ = if quoted { write!(line, " {name}={value:?}") } else { write!(line, " {name}={value}") };
        }
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            if let Some(of_span) = extensions.get::<tracing_subscriber::fmt::FormattedFields<N>>()
                && !of_span.is_empty()
            {
                let _ = write!(line, " {}", one_line(of_span));
            }
        }
        if !line.is_empty() {
            write!(writer, ":{line}")?;
        }
        writeln!(writer)
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut object = serde_json::Map::new();
        object.insert("@level".to_owned(), word(*event.metadata().level()).to_ascii_lowercase().into());
        object.insert("@message".to_owned(), fields.message.into());
        object.insert("@module".to_owned(), place(event.metadata().target()).into());
        object.insert("@timestamp".to_owned(), time.into());
        for (name, value) in fields.others {
            object.insert(name.to_owned(), value.into());
        }
        writeln!(writer, "{}", serde_json::Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::sync::Arc;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_line() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone()).event_format(Line);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::warn!(target: "lictor_server::write", node = "n1", error = "a b\nc", "no\nleader");
            tracing::error!(target: "lictor", "gone");
        });
        let text = String::from_utf8(buffer.0.lock().clone()).unwrap();
        let lines: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(lines, [r#"[WARN]  agent.server.write: no\nleader: node=n1 error="a b\nc""#, "[ERROR] agent: gone"]);
    }

    #[test]
    fn json_has_consuls_keys() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone()).event_format(Json);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(target: "hyper", count = 3, "hello");
        });
        let value: serde_json::Value = serde_json::from_slice(&buffer.0.lock()).unwrap();
        assert_eq!((&value["@level"], &value["@message"], &value["@module"]), (&"info".into(), &"hello".into(), &"hyper".into()));
        assert_eq!(value["count"], "3");
    }
}
