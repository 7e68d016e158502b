//! What a command is: its name, flags and work.

use crate::error::Failure;
use crate::flags::{self, Flag, Given, Order, Read};
use crate::terminal::Terminal;
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
    /// Every command of this program.
    pub commands: &'a [&'static Command],
    /// Version of this program.
    pub version: &'a str,
}

/// The future of a command's work.
pub type Work<'a> = Pin<Box<dyn Future<Output = Result<ExitCode, Failure>> + Send + 'a>>;

/// Whom a command talks to, and so which flags it shares with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nobody.
    Nowhere,
    /// The agent, of itself.
    Agent,
    /// A datacenter, through the agent.
    Datacenter,
}

impl Reach {
    /// The flags of all commands that reach as far.
    pub(crate) fn flags(self) -> &'static [&'static [Flag]] {
        match self {
            Self::Nowhere => &[],
            Self::Agent => &[flags::AGENT],
            Self::Datacenter => &[flags::AGENT, flags::DATACENTER],
        }
    }
}

/// One command of the program.
pub struct Command {
    /// Words after `lictor`.
    pub name: &'static str,
    /// One line for the overview.
    pub about: &'static str,
    /// Words shown behind the name in the usage line.
    pub arguments: &'static str,
    /// Explanations and examples shown by `-h`.
    pub help: &'static str,
    /// Its own flags.
    pub flags: &'static [Flag],
    /// Whom it talks to.
    pub reach: Reach,
    /// Its work.
    pub work: for<'a> fn(Invocation<'a>) -> Work<'a>,
}

impl Command {
    /// All flags: its own, and those it shares.
    pub(crate) fn all_flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().chain(self.reach.flags().iter().flat_map(|rows| rows.iter()))
    }

    /// Scripts rely on it that the flags of Consul's commands end at the first argument. Those for authors of plugins are Lictor's
    /// alone; there the flags may stand where they read best.
    fn order(&self) -> Order {
        if self.name.starts_with("plugin ") { Order::Any } else { Order::FlagsFirst }
    }

    /// What `-h` shows.
    pub(crate) fn page(&self) -> String {
        let usage = format!("lictor {} [options] {}", self.name, self.arguments);
        flags::render(usage.trim_end(), &format!("{}.", self.about), self.help, self.flags, self.reach.flags())
    }

    pub(crate) async fn run(
        &self,
        arguments: &[String],
        version: &str,
        commands: &[&'static Command],
        terminal: &mut Terminal,
    ) -> Result<ExitCode, Failure> {
        let given = match flags::read(|name| self.all_flags().find(|row| row.name == name), arguments, self.order())? {
            Read::Given(given) => given,
            Read::Help => {
                terminal.say(self.page().trim_end());
                return Ok(ExitCode::SUCCESS);
            }
        };
        let client = Client::new(match self.reach {
            Reach::Nowhere => Settings::default(),
            Reach::Agent | Reach::Datacenter => settings(&given).map_err(|error| Failure::Failed(error.to_string()))?,
        });
        match (self.work)(Invocation { given, client, terminal, commands, version }).await {
            Err(Failure::Misused(text)) => {
                Err(Failure::Usage(format!("{text}\n\n{}", self.page().trim_end()).trim_start().to_owned()))
            }
            Err(Failure::Missing(text)) => Err(Failure::Usage(format!("{text}\n{}", self.page().trim_end()))),
            done => done,
        }
    }
}

fn settings(given: &Given) -> Result<Settings, lictor_client::ClientError> {
    let mut settings = Settings::from_environment(|name| std::env::var(name).ok())?;
    if !given.text("token-file").is_empty() {
        settings.token = Settings::read_token_file(given.text("token-file"))?;
    }
    for (name, setting) in [
        ("http-addr", &mut settings.address),
        ("token", &mut settings.token),
        ("ca-file", &mut settings.ca_file),
        ("ca-path", &mut settings.ca_path),
        ("client-cert", &mut settings.client_cert),
        ("client-key", &mut settings.client_key),
        ("tls-server-name", &mut settings.server_name),
    ] {
        if !given.text(name).is_empty() {
            *setting = given.text(name).to_owned();
        }
    }
    settings.datacenter = given.text("datacenter").to_owned();
    settings.stale = given.is_on("stale");
    Ok(settings)
}
