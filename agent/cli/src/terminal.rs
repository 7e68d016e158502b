//! Where commands read and write: the process's standard streams, or buffers in tests.

use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use std::io::{Read, Write};

/// A value as JSON over several lines, indented by `indent` for each depth.
pub(crate) fn json_lines<T: Serialize + ?Sized>(value: &T, indent: &str) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(indent.as_bytes()));
    // Fails only for values whose keys are no texts; ours are.
    let _ = value.serialize(&mut serializer);
    String::from_utf8(text).unwrap_or_default()
}

/// The three standard streams.
pub struct Terminal {
    input: Box<dyn Read + Send>,
    output: Box<dyn Write + Send>,
    errors: Box<dyn Write + Send>,
}

/// Largest standard input read, in bytes.
const INPUT_BYTES_MAX: u64 = 512 << 20;

impl Terminal {
    /// The process's own streams.
    pub fn standard() -> Self {
        Self { input: Box::new(std::io::stdin()), output: Box::new(std::io::stdout()), errors: Box::new(std::io::stderr()) }
    }

    /// Given streams.
    pub fn new(input: Box<dyn Read + Send>, output: Box<dyn Write + Send>, errors: Box<dyn Write + Send>) -> Self {
        Self { input, output, errors }
    }

    /// A line to standard output. A reader that has gone away is no error of ours.
    pub fn say(&mut self, line: &str) {
        let _ = writeln!(self.output, "{line}");
    }

    /// Bytes to standard output, as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        let _ = self.output.write_all(bytes);
        let _ = self.output.flush();
    }

    /// A line to standard error.
    pub fn complain(&mut self, line: &str) {
        let _ = writeln!(self.errors, "{line}");
    }

    /// All of standard input.
    pub fn read_input(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.input).take(INPUT_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
