//! Is this Redis well? PING, and on request its place in replication.

mod info;
mod resp;

use info::Replication;
use lictor_guest::{Check, Context, Description, Error, Kind, Outcome, Status, Tcp};
use resp::{Reader, Reply};

struct RedisPing;

impl Check for RedisPing {
    fn describe() -> Description {
        Description::new("redis_ping", env!("CARGO_PKG_VERSION"))
            .summary("PING to a Redis or Valkey server, with login and replication lag")
            .setting("address", Kind::Text, "host:port of the server")
            .default("\"127.0.0.1:6379\"")
            .setting("username", Kind::Text, "User of the access list; empty: the default user")
            .setting("password", Kind::Text, "Password; empty: no login")
            .setting("password_env", Kind::Text, "Environment variable of the agent that holds the password")
            .setting("timeout_ms", Kind::Integer, "Limit of each step; the check's own timeout holds as well")
            .default("2000")
            .at_least(1)
            .at_most(60_000)
            .setting("role", Kind::Text, "Critical unless the server is this: master or replica")
            .setting("max_replication_lag_s", Kind::Integer, "Warning for a replica that heard from its master longer ago")
            .at_least(0)
            .setting("critical_replication_lag_s", Kind::Integer, "The same, critical")
            .at_least(0)
            .asks("tcp:{address}", "to reach the server")
            .asks("env:{password_env}", "to read the password")
    }

    fn run(check: &Context) -> Result<Outcome, Error> {
        let address = check.text("address")?;
        let timeout_ms = u32::try_from(check.integer("timeout_ms").unwrap_or(2000)).unwrap_or(u32::MAX);
        let tcp =
            Tcp::connect(address, timeout_ms).map_err(|error| error.while_doing(&["cannot connect to ", address].concat()))?;
        let mut redis = Redis { tcp: &tcp, reader: Reader::default() };
        redis.login(check)?;
        match redis.ask(&["PING"])? {
            Reply::Simple(pong) if pong == "PONG" => {}
            Reply::Error(text) if text.starts_with("LOADING") => {
                return Ok(Outcome::warning([address, " is loading its data: ", &text].concat()));
            }
            Reply::Error(text) => return Err(Error::new([address, " answers PING with ", &text].concat())),
            other => return Err(Error::new([address, " answers PING with ", &other.to_string()].concat())),
        }
        let wants_info =
            ["role", "max_replication_lag_s", "critical_replication_lag_s"].iter().any(|key| check.get(key).is_some());
        if !wants_info {
            return Ok(Outcome::passing([address, " answers PONG"].concat()));
        }
        match redis.ask(&["INFO", "replication"])? {
            Reply::Bulk(text) => Ok(judge(check, address, &Replication::read(&text))),
            Reply::Error(text) => Err(Error::new([address, " answers INFO with ", &text].concat())),
            other => Err(Error::new([address, " answers INFO with ", &other.to_string()].concat())),
        }
    }
}

struct Redis<'a> {
    tcp: &'a Tcp,
    reader: Reader,
}

impl Redis<'_> {
    fn login(&mut self, check: &Context) -> Result<(), Error> {
        let from_env = match check.text_or_none("password_env") {
            Some(name) => {
                let value = lictor_guest::env::get(name)?;
                Some(value.ok_or_else(|| Error::new(["the environment variable ", name, " is not set"].concat()))?)
            }
            None => None,
        };
        let Some(password) = from_env.as_deref().or_else(|| check.text_or_none("password")) else { return Ok(()) };
        let reply = match check.text_or_none("username") {
            Some(username) => self.ask(&["AUTH", username, password])?,
            None => self.ask(&["AUTH", password])?,
        };
        match reply {
            Reply::Simple(_) => Ok(()),
            Reply::Error(text) => Err(Error::new(["the login was refused: ", &text].concat())),
            other => Err(Error::new(["the login was answered with ", &other.to_string()].concat())),
        }
    }

    fn ask(&mut self, words: &[&str]) -> Result<Reply, Error> {
        self.tcp.send(&resp::command(words)).map_err(|error| error.while_doing(words[0]))?;
        loop {
            if let Some(reply) = self.reader.next().map_err(Error::new)? {
                return Ok(reply);
            }
            let data = self.tcp.recv(16 << 10).map_err(|error| error.while_doing(words[0]))?;
            if data.is_empty() {
                return Err(Error::new("the server closed the connection").while_doing(words[0]));
            }
            self.reader.feed(&data);
        }
    }
}

fn judge(check: &Context, address: &str, state: &Replication) -> Outcome {
    let limit = |key: &str| check.integer(key).and_then(|seconds| u64::try_from(seconds).ok());
    let (status, text) =
        state.judge(check.text_or_none("role"), limit("max_replication_lag_s"), limit("critical_replication_lag_s"));
    let status = match status {
        info::Verdict::Good => Status::Passing,
        info::Verdict::Late => Status::Warning,
        info::Verdict::Bad => Status::Critical,
    };
    let outcome = Outcome::new(status, [address, " answers PONG; ", &text].concat());
    match state.lag_s {
        Some(lag) => outcome.metric("replication_lag", lag as f64, "s"),
        None => outcome.metric("connected_replicas", state.replicas as f64, ""),
    }
}

lictor_guest::check!(RedisPing);
