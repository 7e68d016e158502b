//! How long a server's certificate is still good, and whether it is trusted.

mod der;

use lictor_guest::{Check, Context, Description, Error, Kind, Outcome, clock, tls};

struct TlsExpiry;

impl Check for TlsExpiry {
    fn describe() -> Description {
        Description::new("tls_expiry", env!("CARGO_PKG_VERSION"))
            .summary("Looks at a TLS server's certificate: its end, and whether it is trusted")
            .setting("address", Kind::Text, "host:port of the server")
            .required()
            .setting("server_name", Kind::Text, "Name to ask for; the host by default")
            .setting("timeout_ms", Kind::Integer, "Limit of the handshake")
            .default("5000")
            .at_least(1)
            .at_most(60_000)
            .setting("warning_days", Kind::Integer, "A warning when the certificate ends within so many days")
            .default("21")
            .at_least(0)
            .setting("critical_days", Kind::Integer, "Critical when it does")
            .default("7")
            .at_least(0)
            .setting("trust", Kind::Boolean, "Critical unless the system's roots vouch for it under that name")
            .default("true")
            .asks("tcp:{address}", "to reach the server")
            .asks("clock", "to know what day it is")
    }

    fn run(check: &Context) -> Result<Outcome, Error> {
        let address = check.text("address")?;
        let timeout_ms = u32::try_from(check.integer("timeout_ms").unwrap_or(5000)).unwrap_or(u32::MAX);
        let name = check.text_or_none("server_name").unwrap_or_default();
        let shown = tls::shake_hands(address, name, timeout_ms).map_err(|error| error.while_doing(address))?;
        let own = shown.chain.first().ok_or_else(|| Error::new("the server shows no certificate"))?;
        let mut ends_s = der::ends_unix_s(own).ok_or_else(|| Error::new("the server's certificate cannot be read"))?;
        // A chain is as good as the first of its certificates to end.
        for issuer in &shown.chain[1..] {
            ends_s = ends_s.min(der::ends_unix_s(issuer).unwrap_or(i64::MAX));
        }
        let now_s = i64::try_from(clock::wall_ms() / 1000).unwrap_or(i64::MAX);
        let left_s = ends_s - now_s;
        let days = left_s.div_euclid(86_400);
        let says = if left_s < 0 {
            [address, ": the certificate ended ", &(-days).to_string(), " days ago"].concat()
        } else {
            [address, ": the certificate is good for ", &days.to_string(), " days, ", &shown.version].concat()
        };
        let distrust = shown.distrust.filter(|_| check.is("trust"));
        let outcome = if left_s < 0 || days < check.integer("critical_days").unwrap_or(7) {
            Outcome::critical(says)
        } else if let Some(why) = distrust {
            Outcome::critical([&says, "; it is not trusted: ", &why].concat())
        } else if days < check.integer("warning_days").unwrap_or(21) {
            Outcome::warning(says)
        } else {
            Outcome::passing(says)
        };
        Ok(outcome.metric("days_left", days as f64, "d"))
    }
}

lictor_guest::check!(TlsExpiry);
