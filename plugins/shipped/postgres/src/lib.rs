//! PostgreSQL: login, role, replication, and the answer to a query.

mod auth;
mod wire;

use auth::Scram;
use lictor_guest::tls::Trust;
use lictor_guest::{Check, Context, Description, Error, Kind, Outcome, Tcp, files};
use wire::{Message, Reader};

/// The most that is read of certificates to go by.
const CERTIFICATES_BYTES_MAX: u32 = 1 << 20;

struct Postgres;

impl Check for Postgres {
    fn describe() -> Description {
        Description::new("postgres", env!("CARGO_PKG_VERSION"))
            .summary("Logs into a PostgreSQL server, and looks at its role or the answer to a query")
            .setting("address", Kind::Text, "host:port of the server")
            .default("\"127.0.0.1:5432\"")
            .setting("user", Kind::Text, "User; without one the check only sees whether the server takes connections")
            .setting("password", Kind::Text, "Password")
            .setting("password_env", Kind::Text, "Environment variable of the agent that holds the password")
            .setting("database", Kind::Text, "Database; the user's name by default")
            .setting("sslmode", Kind::Text, "TLS: if the server offers it (prefer), always, or with a certificate that counts")
            .one_of(&["disable", "prefer", "require", "verify-full"])
            .default("\"prefer\"")
            .setting("sslrootcert", Kind::Text, "File of certificates for verify-full, in PEM; the system's by default")
            .setting("server_name", Kind::Text, "Name that the certificate must bear; the host by default")
            .setting("role", Kind::Text, "Critical unless the server is this: primary or replica")
            .setting("max_replication_lag_s", Kind::Integer, "A warning when a replica is further behind")
            .at_least(0)
            .setting("query", Kind::Text, "Query to make; it runs in a read-only transaction")
            .setting("expect", Kind::Text, "First value of the first row, critical otherwise")
            .setting("timeout_ms", Kind::Integer, "Limit of each step")
            .default("3000")
            .at_least(1)
            .at_most(60_000)
            .asks("tcp:{address}", "to reach the server")
            .asks("env:{password_env}", "to read the password")
            .asks("dir:{sslrootcert}", "to read the certificates")
            .likes("random", "to log in by SCRAM")
    }

    fn run(check: &Context) -> Result<Outcome, Error> {
        let address = check.text("address")?;
        let timeout_ms = u32::try_from(check.integer("timeout_ms").unwrap_or(3000)).unwrap_or(u32::MAX);
        let tcp =
            Tcp::connect(address, timeout_ms).map_err(|error| error.while_doing(&["cannot connect to ", address].concat()))?;
        let mode = Mode::of(check);
        let mut session = Session { tcp: &tcp, reader: Reader::default(), tls: None };
        let Some(user) = check.text_or_none("user") else { return session.greet(check, mode, address) };
        session.secure(check, mode).map_err(|error| error.while_doing(address))?;
        let database = check.text_or_none("database").unwrap_or(user);
        tcp.send(&wire::startup(user, database)).map_err(|error| error.while_doing("login"))?;
        match session.login(check, user).map_err(|error| error.while_doing("login"))? {
            Ready::Yes => {}
            Ready::NotNow(why) => return Ok(Outcome::warning([address, ": ", &why].concat())),
        }
        let outcome = session.judge(check, address);
        // It knows already how it is.
        let _ = tcp.send(&wire::terminate());
        outcome
    }
}

/// What TLS is asked for, in the words of PostgreSQL's own clients.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyFull,
}

impl Mode {
    /// The agent lets no other words through.
    fn of(check: &Context) -> Self {
        match check.text_or_none("sslmode") {
            Some("disable") => Self::Disable,
            Some("require") => Self::Require,
            Some("verify-full") => Self::VerifyFull,
            _ => Self::Prefer,
        }
    }
}

enum Ready {
    Yes,
    /// It starts, or ends.
    NotNow(String),
}

struct Session<'a> {
    tcp: &'a Tcp,
    reader: Reader,
    /// The version that is spoken.
    tls: Option<String>,
}

impl Session<'_> {
    fn next(&mut self) -> Result<Message, Error> {
        loop {
            if let Some(message) = self.reader.next().map_err(Error::new)? {
                return Ok(message);
            }
            let data = self.tcp.recv(16 << 10)?;
            if data.is_empty() {
                return Err(Error::new("the server closed the connection"));
            }
            self.reader.feed(&data);
        }
    }

    /// Whether the server offers TLS. One letter is taken and no more: what somebody in between has sent along with it would be
    /// no handshake, and is never read as if it had come through TLS.
    fn offers_tls(&self) -> Result<bool, Error> {
        self.tcp.send(&wire::ssl_request())?;
        match self.tcp.recv(1)?.first() {
            Some(b'S') => Ok(true),
            Some(b'N') => Ok(false),
            Some(_) => Err(Error::new("it does not answer like PostgreSQL")),
            None => Err(Error::new("it closed the connection")),
        }
    }

    /// Goes on with TLS, as far as it is wanted and offered.
    fn secure(&mut self, check: &Context, mode: Mode) -> Result<(), Error> {
        if mode == Mode::Disable {
            return Ok(());
        }
        if !self.offers_tls()? {
            return if mode == Mode::Prefer { Ok(()) } else { Err(Error::new("the server offers no TLS")) };
        }
        let trust = match check.text_or_none("sslrootcert") {
            _ if mode != Mode::VerifyFull => Trust::Anybody,
            None => Trust::System,
            Some(path) => {
                let pem = files::read(path, CERTIFICATES_BYTES_MAX);
                Trust::Only(pem.map_err(|error| error.while_doing(path))?)
            }
        };
        self.tls = Some(self.tcp.secure(check.text_or_none("server_name").unwrap_or_default(), &trust)?);
        Ok(())
    }

    /// Without a user: every server answers a question for TLS with one letter.
    fn greet(&mut self, check: &Context, mode: Mode, address: &str) -> Result<Outcome, Error> {
        let asked = match mode {
            Mode::Disable | Mode::Prefer => self.offers_tls().map(drop),
            Mode::Require | Mode::VerifyFull => self.secure(check, mode),
        };
        asked.map_err(|error| error.while_doing(address))?;
        Ok(Outcome::passing([address, " takes connections", &self.over()].concat()))
    }

    fn over(&self) -> String {
        self.tls.as_ref().map(|version| [" over ", version].concat()).unwrap_or_default()
    }

    fn login(&mut self, check: &Context, user: &str) -> Result<Ready, Error> {
        let mut scram: Option<Scram> = None;
        loop {
            let message = self.next()?;
            match message.kind {
                b'R' => {
                    let (code, rest) = message.u32().ok_or_else(|| Error::new("its answer is damaged"))?;
                    let reply = match code {
                        0 => continue,
                        3 => wire::password(password(check)?.as_bytes()),
                        5 => {
                            let salt = rest.get(..4).ok_or_else(|| Error::new("its answer is damaged"))?;
                            wire::password(auth::md5(user, &password(check)?, salt).as_bytes())
                        }
                        10 => {
                            if !rest.split(|byte| *byte == 0).any(|name| name == b"SCRAM-SHA-256") {
                                return Err(Error::new("the server wants another kind of SASL than SCRAM-SHA-256"));
                            }
                            let secret = password(check)?;
                            let begun = scram.insert(Scram::new(&secret, &lictor_guest::random::bytes(18)));
                            wire::sasl_initial("SCRAM-SHA-256", begun.first().as_bytes())
                        }
                        11 => {
                            let begun = scram.as_mut().ok_or_else(|| Error::new("SASL goes on that has not begun"))?;
                            wire::password_raw(begun.answer(rest).map_err(Error::new)?.as_bytes())
                        }
                        12 => {
                            let begun = scram.as_ref().ok_or_else(|| Error::new("SASL ends that has not begun"))?;
                            begun.verify(rest).map_err(Error::new)?;
                            continue;
                        }
                        other => return Err(Error::new(["the server wants a login of kind ", &other.to_string()].concat())),
                    };
                    self.tcp.send(&reply)?;
                }
                b'E' => {
                    let (code, text) = message.error();
                    // cannot_connect_now: it starts, ends or recovers.
                    return if code == "57P03" { Ok(Ready::NotNow(text)) } else { Err(Error::new(text)) };
                }
                b'Z' => {
                    // A server that proved nothing, though it was asked to, may be anybody.
                    return match &scram {
                        Some(begun) if !begun.is_verified() => {
                            Err(Error::new("the server did not prove that it knows the password"))
                        }
                        _ => Ok(Ready::Yes),
                    };
                }
                _ => {}
            }
        }
    }

    /// The first row's values.
    fn ask(&mut self, query: &str) -> Result<Vec<Option<String>>, Error> {
        self.tcp.send(&wire::query(query))?;
        let mut first = None;
        let mut failed = None;
        loop {
            let message = self.next()?;
            match message.kind {
                b'D' if first.is_none() => first = Some(message.row().ok_or_else(|| Error::new("a damaged row"))?),
                b'E' => failed = Some(message.error().1),
                b'Z' => break,
                _ => {}
            }
        }
        match failed {
            Some(why) => Err(Error::new(why)),
            None => Ok(first.unwrap_or_default()),
        }
    }

    fn judge(&mut self, check: &Context, address: &str) -> Result<Outcome, Error> {
        let mut says = [address, " lets in", &self.over()].concat();
        let (role, lag) = (check.text_or_none("role"), check.integer("max_replication_lag_s"));
        let mut found_lag = None;
        let mut is_late = false;
        if role.is_some() || lag.is_some() {
            // A replica that has replayed all it received is not behind, however old the last transaction is.
            let row = self.ask(
                "SELECT pg_is_in_recovery(), CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 \
                 ELSE EXTRACT(EPOCH FROM now() - pg_last_xact_replay_timestamp()) END",
            )?;
            let is_replica = row.first().and_then(Option::as_deref) == Some("t");
            let is = if is_replica { "replica" } else { "primary" };
            says.push_str(&["; it is a ", is].concat());
            if role.is_some_and(|wanted| wanted != is) {
                return Ok(Outcome::critical([&says, ", but should be a ", role.unwrap_or_default()].concat()));
            }
            if is_replica {
                found_lag = row.get(1).and_then(Option::as_deref).and_then(|text| text.parse::<f64>().ok());
                if let Some(seconds) = found_lag {
                    is_late = lag.is_some_and(|limit| seconds > limit as f64);
                    says.push_str(&[", ", &(seconds.round() as i64).to_string(), " s behind"].concat());
                }
            }
        }
        if let Some(query) = check.text_or_none("query") {
            self.ask("SET default_transaction_read_only = on")?;
            let row = self.ask(query).map_err(|error| error.while_doing("query"))?;
            let value = row.into_iter().next().flatten().unwrap_or_else(|| "nothing".to_owned());
            let shown: String = value.chars().take(200).collect();
            says.push_str(&["; the query answers ", &shown].concat());
            if let Some(wanted) = check.text_or_none("expect")
                && value != wanted
            {
                return Ok(Outcome::critical([&says, ", expected ", wanted].concat()));
            }
        }
        let outcome = if is_late { Outcome::warning([&says, ", too far"].concat()) } else { Outcome::passing(says) };
        Ok(match found_lag {
            Some(seconds) => outcome.metric("replication_lag", seconds, "s"),
            None => outcome,
        })
    }
}

fn password(check: &Context) -> Result<String, Error> {
    if let Some(name) = check.text_or_none("password_env") {
        let value = lictor_guest::env::get(name)?;
        return value.ok_or_else(|| Error::new(["the environment variable ", name, " is not set"].concat()));
    }
    check.text_or_none("password").map(str::to_owned).ok_or_else(|| Error::new("the server wants a password, and none is set"))
}

lictor_guest::check!(Postgres);
