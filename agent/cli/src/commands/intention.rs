//! `lictor intention …`

pub mod create;
pub mod look;

use crate::error::Failure;
use lictor_client::Client;
use lictor_client::intention::Intention;

/// A service's name; there is one namespace, which may be named.
fn service(argument: &str) -> &str {
    argument.strip_prefix("default/").unwrap_or(argument)
}

/// `source => destination (action)`
fn line(intention: &Intention) -> String {
    format!("{} => {} ({})", intention.source_name, intention.destination_name, intention.action)
}

/// The intention that one argument (its id) or two (source and destination) name.
async fn named(client: &Client, arguments: &[&str]) -> Result<Intention, Failure> {
    let failed = Failure::while_doing("Error reading the intention");
    match arguments {
        [id] => {
            let found = client.intention(id).await.map_err(failed)?;
            found.ok_or_else(|| Failure::Failed(format!("Error: Intention with ID {id:?} not found.")))
        }
        [source, destination] => {
            let (source, destination) = (service(source), service(destination));
            let found = client.exact_intention(source, destination).await.map_err(failed)?;
            found.ok_or_else(|| {
                Failure::Failed(format!("Error: Intention with source {source:?} and destination {destination:?} not found."))
            })
        }
        _ => Err(Failure::Usage("Error: command requires exactly 1 or 2 arguments".to_owned())),
    }
}
