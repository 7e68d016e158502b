//! Memcached: is it there, and how full is it?

use lictor_guest::{Check, Context, Description, Error, Kind, Outcome, Status, Tcp};

/// The longest answer taken, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

struct Memcached;

impl Check for Memcached {
    fn describe() -> Description {
        Description::new("memcached", env!("CARGO_PKG_VERSION"))
            .summary("Asks a memcached server for its figures")
            .setting("address", Kind::Text, "host:port of the server")
            .default("\"127.0.0.1:11211\"")
            .setting("timeout_ms", Kind::Integer, "Limit of each step")
            .default("2000")
            .at_least(1)
            .at_most(60_000)
            .setting("max_connections_percent", Kind::Integer, "A warning when more of its connections are in use")
            .at_least(1)
            .at_most(100)
            .setting("max_memory_percent", Kind::Integer, "A warning when more of its memory is in use")
            .at_least(1)
            .at_most(100)
            .asks("tcp:{address}", "to reach the server")
    }

    fn run(check: &Context) -> Result<Outcome, Error> {
        let address = check.text("address")?;
        let timeout_ms = u32::try_from(check.integer("timeout_ms").unwrap_or(2000)).unwrap_or(u32::MAX);
        let tcp =
            Tcp::connect(address, timeout_ms).map_err(|error| error.while_doing(&["cannot connect to ", address].concat()))?;
        tcp.send(b"stats\r\n").map_err(|error| error.while_doing("stats"))?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"END\r\n") && !answer.ends_with(b"ERROR\r\n") {
            let piece = tcp.recv(16 << 10).map_err(|error| error.while_doing("stats"))?;
            if piece.is_empty() || answer.len() > ANSWER_BYTES_MAX {
                break;
            }
            answer.extend_from_slice(&piece);
        }
        judge(
            &String::from_utf8_lossy(&answer),
            address,
            check.integer("max_connections_percent"),
            check.integer("max_memory_percent"),
        )
    }
}

fn figure(answer: &str, name: &str) -> Option<f64> {
    answer.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("STAT") && words.next() == Some(name)).then(|| words.next()?.parse().ok()).flatten()
    })
}

fn judge(answer: &str, address: &str, connections: Option<i64>, memory: Option<i64>) -> Result<Outcome, Error> {
    if !answer.starts_with("STAT ") || !answer.ends_with("END\r\n") {
        let shown: String = answer.chars().take(60).collect();
        if shown.starts_with("ERROR ") || shown.starts_with("SERVER_ERROR ") {
            return Err(Error::new([address, " answers with ", shown.trim_end()].concat()));
        }
        return Err(Error::new(["the answer is not of memcached: ", shown.trim_end()].concat()));
    }
    let share = |used: &str, all: &str| match (figure(answer, used), figure(answer, all)) {
        (Some(used), Some(all)) if all > 0.0 => Some(used * 100.0 / all),
        _ => None,
    };
    let used = share("curr_connections", "max_connections");
    let full = share("bytes", "limit_maxbytes");
    let mut status = Status::Passing;
    let mut says = [address, " answers"].concat();
    for (value, limit, what) in [(used, connections, "connections"), (full, memory, "memory")] {
        let Some(value) = value else { continue };
        says.push_str(&["; ", &(value.round() as i64).to_string(), "% of its ", what, " in use"].concat());
        if limit.is_some_and(|limit| value > limit as f64) {
            status = Status::Warning;
            says.push_str(", too much");
        }
    }
    let mut outcome = Outcome::new(status, says);
    for (name, unit) in [("curr_connections", ""), ("curr_items", ""), ("bytes", "bytes"), ("evictions", "")] {
        if let Some(value) = figure(answer, name) {
            outcome = outcome.metric(name, value, unit);
        }
    }
    Ok(outcome)
}

lictor_guest::check!(Memcached);
