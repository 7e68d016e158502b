//! A mail server: does it greet, and does it offer what it should?

use lictor_guest::{Check, Context, Description, Error, Kind, Outcome, Tcp};

/// The longest answer taken, in bytes.
const ANSWER_BYTES_MAX: usize = 32 << 10;

struct Smtp;

impl Check for Smtp {
    fn describe() -> Description {
        Description::new("smtp", env!("CARGO_PKG_VERSION"))
            .summary("Greets an SMTP server and looks at what it offers; no mail is sent")
            .setting("address", Kind::Text, "host:port of the server")
            .default("\"127.0.0.1:25\"")
            .setting("hello", Kind::Text, "Name to greet with")
            .default("\"lictor.invalid\"")
            .setting("timeout_ms", Kind::Integer, "Limit of each step")
            .default("5000")
            .at_least(1)
            .at_most(60_000)
            .setting("offers", Kind::Text, "Extension that must be offered, for example STARTTLS")
            .asks("tcp:{address}", "to reach the server")
    }

    fn run(check: &Context) -> Result<Outcome, Error> {
        let address = check.text("address")?;
        let timeout_ms = u32::try_from(check.integer("timeout_ms").unwrap_or(5000)).unwrap_or(u32::MAX);
        let tcp =
            Tcp::connect(address, timeout_ms).map_err(|error| error.while_doing(&["cannot connect to ", address].concat()))?;
        let (code, banner) = answer(&tcp).map_err(|error| error.while_doing("greeting"))?;
        let line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        if code != 220 {
            return Ok(Outcome::critical([address, " greets with ", &line(&banner)].concat()));
        }
        let hello = check.text_or_none("hello").unwrap_or("lictor.invalid");
        tcp.send(["EHLO ", hello, "\r\n"].concat().as_bytes()).map_err(|error| error.while_doing("EHLO"))?;
        let (code, offers) = answer(&tcp).map_err(|error| error.while_doing("EHLO"))?;
        if code != 250 {
            return Ok(Outcome::critical([address, " answers EHLO with ", &line(&offers)].concat()));
        }
        // It knows already how it is; whether it says good-bye changes nothing.
        let _ = tcp.send(b"QUIT\r\n");
        if let Some(wanted) = check.text_or_none("offers")
            && !has(&offers, wanted)
        {
            return Ok(Outcome::critical([address, " does not offer ", wanted].concat()));
        }
        Ok(Outcome::passing([address, " says ", &line(&banner)].concat()))
    }
}

/// Whether an answer to EHLO names an extension.
fn has(offers: &str, wanted: &str) -> bool {
    offers.lines().skip(1).any(|line| {
        let word = line.get(4..).unwrap_or_default().split([' ', '=']).next().unwrap_or_default();
        word.eq_ignore_ascii_case(wanted)
    })
}

/// A whole answer: its code, and all its lines.
fn answer(tcp: &Tcp) -> Result<(u16, String), Error> {
    let mut text = String::new();
    loop {
        if let Some(code) = complete(&text) {
            return Ok((code, text));
        }
        let piece = tcp.recv(4096)?;
        if piece.is_empty() {
            return Err(Error::new("the server closed the connection"));
        }
        text.push_str(&String::from_utf8_lossy(&piece));
        let is_strange = text.len() >= 4 && !text.as_bytes()[..3].iter().all(u8::is_ascii_digit);
        if text.len() > ANSWER_BYTES_MAX || is_strange {
            let shown: String = text.chars().take(60).collect();
            return Err(Error::new(["the answer is not of SMTP: ", shown.trim_end()].concat()));
        }
    }
}

/// The code, when the last line is there.
fn complete(text: &str) -> Option<u16> {
    let last = text.strip_suffix("\r\n")?.rsplit("\r\n").next()?;
    let is_last = last.len() == 3 || last.as_bytes().get(3) == Some(&b' ');
    is_last.then(|| last.get(..3)?.parse().ok()).flatten()
}

lictor_guest::check!(Smtp);
