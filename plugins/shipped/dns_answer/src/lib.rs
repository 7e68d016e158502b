//! A DNS server: does it answer, and with what it should?

mod message;

use lictor_guest::{Check, Context, Description, Error, Kind, Outcome, Tcp, Udp};
use message::Answer;

struct DnsAnswer;

impl Check for DnsAnswer {
    fn describe() -> Description {
        Description::new("dns_answer", env!("CARGO_PKG_VERSION"))
            .summary("Asks a DNS server a question and judges the answer")
            .setting("address", Kind::Text, "host:port of the server")
            .default("\"127.0.0.1:53\"")
            .setting("name", Kind::Text, "Name to ask for")
            .required()
            .setting("type", Kind::Text, "Type of record: A, AAAA, CNAME, MX, NS, PTR, SOA, SRV or TXT")
            .default("\"A\"")
            .setting("expect", Kind::Text, "Record that must be among the answers, as this check writes it")
            .setting("rcode", Kind::Text, "Code of the answer")
            .default("\"NOERROR\"")
            .setting("authoritative", Kind::Boolean, "Critical unless the server answers for its own zone")
            .setting("timeout_ms", Kind::Integer, "Limit of one try; there are two")
            .default("1500")
            .at_least(1)
            .at_most(30_000)
            .asks("udp:{address}", "to ask the server")
            .likes("tcp:{address}", "to ask again when the answer does not fit a datagram")
    }

    fn run(check: &Context) -> Result<Outcome, Error> {
        let (address, name) = (check.text("address")?, check.text("name")?);
        let kind = check.text_or_none("type").unwrap_or("A").to_ascii_uppercase();
        // Both ends are known to a connected socket: the id tells this run's answer from an older one's.
        let id = (check.run() as u16).wrapping_mul(40_503) ^ 0x5bd1;
        let question = message::question(id, name, &kind).map_err(Error::new)?;
        let timeout_ms = u32::try_from(check.integer("timeout_ms").unwrap_or(1500)).unwrap_or(u32::MAX);
        let mut answer = over_udp(address, &question, id, timeout_ms).map_err(|error| error.while_doing(address))?;
        if answer.is_cut {
            answer = over_tcp(address, &question, id, timeout_ms).map_err(|error| error.while_doing(address))?;
        }
        Ok(judge(check, name, &kind, &answer))
    }
}

fn judge(check: &Context, name: &str, kind: &str, answer: &Answer) -> Outcome {
    let records = answer.records.join(", ");
    let asked = [name, " ", kind].concat();
    let rcode = check.text_or_none("rcode").unwrap_or("NOERROR");
    if answer.rcode != rcode.to_ascii_uppercase() {
        return Outcome::critical([&asked, ": ", &answer.rcode, ", expected ", rcode].concat());
    }
    if check.is("authoritative") && !answer.is_authoritative {
        return Outcome::critical([&asked, ": the server does not answer for its own zone"].concat());
    }
    let outcome = match check.text_or_none("expect") {
        Some(wanted) if !answer.records.iter().any(|record| record.eq_ignore_ascii_case(wanted)) => {
            let had = if records.is_empty() { "no record" } else { &records };
            Outcome::critical([&asked, ": ", had, ", expected ", wanted].concat())
        }
        None if rcode.eq_ignore_ascii_case("NOERROR") && answer.records.is_empty() => {
            Outcome::critical([&asked, ": no record"].concat())
        }
        _ if records.is_empty() => Outcome::passing([&asked, ": ", &answer.rcode].concat()),
        _ => Outcome::passing([&asked, ": ", &records].concat()),
    };
    outcome.metric("records", answer.records.len() as f64, "")
}

fn over_udp(address: &str, question: &[u8], id: u16, timeout_ms: u32) -> Result<Answer, Error> {
    let udp = Udp::connect(address)?;
    let mut last = Error::new("no answer");
    for _ in 0..2 {
        udp.send(question)?;
        match udp.recv(4096, timeout_ms) {
            Ok(data) => match Answer::read(&data, id) {
                Ok(answer) => return Ok(answer),
                Err(why) => last = Error::new(why),
            },
            Err(error) if error.is_timeout() => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn over_tcp(address: &str, question: &[u8], id: u16, timeout_ms: u32) -> Result<Answer, Error> {
    let tcp = Tcp::connect(address, timeout_ms)?;
    let size = u16::try_from(question.len()).unwrap_or(u16::MAX);
    tcp.send(&[&size.to_be_bytes(), question].concat())?;
    let mut data = Vec::new();
    loop {
        if let Some((size, rest)) = data.split_first_chunk::<2>() {
            let size = usize::from(u16::from_be_bytes(*size));
            if let Some(message) = rest.get(..size) {
                return Answer::read(message, id).map_err(Error::new);
            }
        }
        let piece = tcp.recv(16 << 10)?;
        if piece.is_empty() {
            return Err(Error::new("the server closed the connection"));
        }
        data.extend_from_slice(&piece);
    }
}

lictor_guest::check!(DnsAnswer);
