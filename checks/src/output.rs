//! Output of a run: capped while it is read, harmless when it is shown.

/// Bytes of output kept when nothing else is said.
pub const SIZE_MAX_DEFAULT: usize = 4096;
/// What a probe may add around the captured text (method, URL, status line, a sentence) before the whole is cut.
const SENTENCE_MAX: usize = 2048;

/// Keeps the last `cap` bytes of a stream and counts all of them.
#[derive(Debug)]
pub struct Tail {
    bytes: Vec<u8>,
    cap: usize,
    total: u64,
}

impl Tail {
    /// An empty tail of at most `cap` bytes (at least 1).
    pub fn new(cap: usize) -> Self {
        Self { bytes: Vec::new(), cap: cap.max(1), total: 0 }
    }

    /// Takes what was read; never holds more than twice the cap plus one chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        self.total = self.total.saturating_add(chunk.len() as u64);
        let chunk = chunk.get(chunk.len().saturating_sub(self.cap)..).unwrap_or_default();
        if self.bytes.len() + chunk.len() > self.cap * 2 {
            let keep = self.cap.saturating_sub(chunk.len()).min(self.bytes.len());
            self.bytes.drain(..self.bytes.len() - keep);
        }
        self.bytes.extend_from_slice(chunk);
    }

    /// Bytes seen in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    fn kept(&self) -> &[u8] {
        let kept = self.bytes.get(self.bytes.len().saturating_sub(self.cap)..).unwrap_or_default();
        if self.total <= self.cap as u64 {
            return kept;
        }
        // The cut may have gone through a character: drop its remains rather than show a replacement.
        let remains = kept.iter().take(3).take_while(|byte| (0x80..0xC0).contains(*byte)).count();
        kept.get(remains..).unwrap_or_default()
    }

    /// What was kept, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.kept()).into_owned()
    }

    /// What was kept, announced as Consul does when something was dropped.
    pub fn announced_text(&self) -> String {
        if self.total > self.cap as u64 {
            format!("Captured {} of {} bytes\n...\n{}", self.cap, self.total, self.text())
        } else {
            self.text()
        }
    }
}

/// Replaces control characters, except line feed and tab, so that an output can be printed on any terminal. A carriage
/// return before a line feed is dropped.
pub fn harmless(text: String) -> String {
    fn harmful(c: char) -> bool {
        c.is_control() && c != '\n' && c != '\t'
    }
    if !text.chars().any(harmful) {
        return text;
    }
    text.replace("\r\n", "\n").chars().map(|c| if harmful(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The last guard, whatever a probe gave: harmless, and not longer than the cap and a sentence.
pub fn bounded(text: String, cap: usize) -> String {
    if text.len() <= cap.saturating_add(SENTENCE_MAX) {
        return harmless(text);
    }
    let mut tail = Tail::new(cap);
    tail.push(text.as_bytes());
    harmless(tail.announced_text())
}

/// An output that a service reported itself (TTL checks): its beginning is kept, as Consul does.
pub fn reported(text: &str, cap: usize) -> String {
    let total = text.len();
    if total <= cap {
        return harmless(text.to_owned());
    }
    let head = text.get(..text.floor_char_boundary(cap)).unwrap_or_default();
    harmless(format!("{head} ... (captured {cap} of {total} bytes)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_keeps_the_end_and_counts_all() {
        let mut tail = Tail::new(20);
        for line in 1..=10 {
            tail.push(format!("line{line}\n").as_bytes());
        }
        assert_eq!(tail.announced_text(), "Captured 20 of 61 bytes\n...\n\nline8\nline9\nline10\n");
        let mut tail = Tail::new(4);
        tail.push(b"abcd");
        assert_eq!(tail.announced_text(), "abcd");
        tail.push(b"efghijkl");
        assert_eq!((tail.text().as_str(), tail.total()), ("ijkl", 12));
        let mut tail = Tail::new(3);
        tail.push("xé€".as_bytes());
        assert_eq!(tail.text(), "€");
        let mut tail = Tail::new(2);
        tail.push("€".as_bytes());
        assert_eq!(tail.text(), "");
    }

    #[test]
    fn tail_stays_small() {
        let mut tail = Tail::new(100);
        for _ in 0..10_000 {
            tail.push(&[b'x'; 7]);
            assert!(tail.bytes.len() <= 200);
        }
    }

    #[test]
    fn control_characters_are_harmless() {
        for (given, expect) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("a\0b\u{1b}[31mc\r\nd\re\u{7f}\u{9b}", "a\u{fffd}b\u{fffd}[31mc\nd\u{fffd}e\u{fffd}\u{fffd}"),
            ("", ""),
        ] {
            assert_eq!(harmless(given.to_owned()), expect);
        }
    }

    #[test]
    fn outputs_are_bounded() {
        assert_eq!(bounded("x".repeat(5000), 4096).len(), 5000);
        let long = bounded("x".repeat(100_000), 4096);
        assert!(long.starts_with("Captured 4096 of 100000 bytes\n...\nxxx"), "{long}");
        assert_eq!(reported("abc", 3), "abc");
        assert_eq!(reported("abcdef", 3), "abc ... (captured 3 of 6 bytes)");
        assert_eq!(reported("aé", 2), "a ... (captured 2 of 3 bytes)");
    }
}
