//! A time server (RFC 5905, as a client of one exchange): is it in step, and how far is this machine's clock off?

use lictor_guest::{Check, Context, Description, Error, Kind, Outcome, Udp, clock};

/// Seconds from 1900 to 1970.
const ERA_S: f64 = 2_208_988_800.0;

struct Ntp;

impl Check for Ntp {
    fn describe() -> Description {
        Description::new("ntp", env!("CARGO_PKG_VERSION"))
            .summary("Asks a time server, and compares this machine's clock with it")
            .setting("address", Kind::Text, "host:port of the server")
            .default("\"127.0.0.1:123\"")
            .setting("timeout_ms", Kind::Integer, "Limit of one try; there are two")
            .default("1500")
            .at_least(1)
            .at_most(30_000)
            .setting("warning_offset_ms", Kind::Integer, "A warning when the clocks differ by more")
            .default("500")
            .at_least(0)
            .setting("critical_offset_ms", Kind::Integer, "Critical when they do")
            .default("5000")
            .at_least(0)
            .setting("max_stratum", Kind::Integer, "Critical when the server is further from a reference clock")
            .default("15")
            .at_least(1)
            .at_most(15)
            .asks("udp:{address}", "to ask the server")
            .asks("clock", "to compare with it")
    }

    fn run(check: &Context) -> Result<Outcome, Error> {
        let address = check.text("address")?;
        let timeout_ms = u32::try_from(check.integer("timeout_ms").unwrap_or(1500)).unwrap_or(u32::MAX);
        let udp = Udp::connect(address).map_err(|error| error.while_doing(&["cannot ask ", address].concat()))?;
        let (answer, sent_s, came_s) = ask(&udp, timeout_ms).map_err(|error| error.while_doing(address))?;
        let read =
            Answer::read(&answer).ok_or_else(|| Error::new([address, " answers with something else than NTP"].concat()))?;
        // Stratum 0 with a word is a kiss of death (RFC 5905, 7.4); without one the server does not know its own.
        if read.stratum == 0 && !read.reference.is_empty() {
            return Ok(Outcome::critical([address, " refuses: ", &read.reference].concat()));
        }
        if read.unsynchronised || i64::from(read.stratum) > check.integer("max_stratum").unwrap_or(15) {
            return Ok(Outcome::critical([address, " is not in step itself (stratum ", &read.stratum.to_string(), ")"].concat()));
        }
        let offset_ms = ((read.received_s - sent_s) + (read.sent_s - came_s)) / 2.0 * 1000.0;
        let away = offset_ms.abs();
        let says = [
            address,
            " (stratum ",
            &read.stratum.to_string(),
            ") is ",
            &(away.round() as i64).to_string(),
            if offset_ms < 0.0 { " ms behind this clock" } else { " ms ahead of this clock" },
        ]
        .concat();
        let beyond = |key: &str, default: i64| away > check.integer(key).unwrap_or(default) as f64;
        let outcome = if beyond("critical_offset_ms", 5000) {
            Outcome::critical(says)
        } else if beyond("warning_offset_ms", 500) {
            Outcome::warning(says)
        } else {
            Outcome::passing(says)
        };
        Ok(outcome.metric("offset", offset_ms, "ms").metric("stratum", f64::from(read.stratum), ""))
    }
}

/// Asks, twice if need be: datagrams get lost.
fn ask(udp: &Udp, timeout_ms: u32) -> Result<(Vec<u8>, f64, f64), Error> {
    let mut last = Error::new("no answer");
    for _ in 0..2 {
        let mut question = [0; 48];
        question[0] = 0x23; // Version 4, client.
        let sent_s = clock::wall_ms() as f64 / 1000.0;
        // Comes back as the originate timestamp, which tells this answer from an older one.
        question[40..48].copy_from_slice(&stamp(sent_s));
        udp.send(&question)?;
        match udp.recv(512, timeout_ms) {
            Ok(answer) if answer.get(24..32) == Some(&question[40..48]) => {
                return Ok((answer, sent_s, clock::wall_ms() as f64 / 1000.0));
            }
            Ok(_) => last = Error::new("the answer is to another question"),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Seconds since 1970 as an NTP timestamp.
fn stamp(unix_s: f64) -> [u8; 8] {
    (((unix_s + ERA_S) * 4_294_967_296.0) as u64).to_be_bytes()
}

fn unix_s(stamp: &[u8]) -> Option<f64> {
    Some(u64::from_be_bytes(stamp.try_into().ok()?) as f64 / 4_294_967_296.0 - ERA_S)
}

#[derive(Debug)]
struct Answer {
    stratum: u8,
    unsynchronised: bool,
    reference: String,
    received_s: f64,
    sent_s: f64,
}

impl Answer {
    fn read(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        // Mode 4 is a server's.
        if bytes.len() < 48 || first & 7 != 4 {
            return None;
        }
        Some(Self {
            stratum: bytes[1],
            unsynchronised: first >> 6 == 3 || bytes[1] == 0 || bytes[1] >= 16,
            reference: String::from_utf8_lossy(&bytes[12..16]).trim_end_matches('\0').to_owned(),
            received_s: unix_s(&bytes[32..40])?,
            sent_s: unix_s(&bytes[40..48])?,
        })
    }
}

lictor_guest::check!(Ntp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_go_both_ways() {
        for seconds in [0.0, 1.5, 1_700_000_000.25] {
            assert!((unix_s(&stamp(seconds)).unwrap() - seconds).abs() < 1e-5);
        }
        assert!(Answer::read(&[0x24; 47]).is_none() && Answer::read(&[0x23; 48]).is_none());
    }
}
