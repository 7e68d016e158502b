//! What a command is: its name, flags and work.

use crate::error::Failure;
use crate::flags::{self, Given, Read, switch, value};
use crate::terminal::Terminal;
use clap::Arg;
use lictor_client::{Client, Settings};
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;

/// What a command gets to work with.
pub struct Invocation<'a> {
    /// The flags and arguments given.
    pub given: Given,
    /// Client of the agent that the flags and environment name.
    pub client: Client,
    /// The standard streams.
    pub terminal: &'a mut Terminal,
    /// Version of this program.
    pub version: &'a str,
}

/// The future of a command's work.
pub type Work<'a> = Pin<Box<dyn Future<Output = Result<ExitCode, Failure>> + Send + 'a>>;

/// One command of the program.
pub struct Command {
    /// Words after `lictor`.
    pub name: &'static str,
    /// One line for the overview.
    pub about: &'static str,
    /// Words shown behind the name in the usage line.
    pub arguments: &'static str,
    /// Examples and explanations shown by `-h`.
    pub help: &'static str,
    /// Its own flags.
    pub flags: fn() -> Vec<Arg>,
    /// Its work.
    pub work: for<'a> fn(Invocation<'a>) -> Work<'a>,
}

/// Flags that every command talking to an agent knows.
fn api_flags() -> Vec<Arg> {
    vec![
        value(
            "http-addr",
            "address",
            "Address of the agent, host:port or unix:///path. Also by LICTOR_HTTP_ADDR or CONSUL_HTTP_ADDR. Default 127.0.0.1:8500.",
        ),
        value("token", "token", "Token to show. Also by LICTOR_HTTP_TOKEN or CONSUL_HTTP_TOKEN."),
        value("token-file", "path", "File that holds the token."),
        value("datacenter", "name", "Datacenter to ask; the agent's own by default."),
        switch("stale", "Let any server answer, also one that may be behind."),
    ]
}

impl Command {
    pub(crate) async fn run(&self, arguments: &[String], version: &str, terminal: &mut Terminal) -> Result<ExitCode, Failure> {
        let clap = clap::Command::new(self.name)
            .about(self.about)
            .after_help(self.help)
            .override_usage(format!("lictor {} [options] {}", self.name, self.arguments))
            .args((self.flags)())
            .args(api_flags());
        let given = match flags::read(clap, arguments)? {
            Read::Given(given) => given,
            Read::Help(text) => {
                terminal.say(&text);
                return Ok(ExitCode::SUCCESS);
            }
        };
        let client = Client::new(settings(&given).map_err(|error| Failure::Failed(error.to_string()))?);
        (self.work)(Invocation { given, client, terminal, version }).await
    }
}

fn settings(given: &Given) -> Result<Settings, lictor_client::ClientError> {
    let mut settings = Settings::from_environment(|name| std::env::var(name).ok())?;
    if !given.text("http-addr").is_empty() {
        settings.address = given.text("http-addr").to_owned();
    }
    if !given.text("token-file").is_empty() {
        settings.token = Settings::read_token_file(given.text("token-file"))?;
    }
    if !given.text("token").is_empty() {
        settings.token = given.text("token").to_owned();
    }
    settings.datacenter = given.text("datacenter").to_owned();
    settings.stale = given.is_on("stale");
    Ok(settings)
}
