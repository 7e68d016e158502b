//! `lictor services …`

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{NAMESPACE, integer, pairs, switch, value, values};
use lictor_config::syntax::{self, Format};
use serde_json::{Map, Value, json};
use std::process::ExitCode;

/// `lictor services register`
pub const REGISTER: Command = Command {
    name: "services register",
    about: "Registers services with the agent",
    arguments: "[FILE...]",
    help: "Services come from files (HCL, JSON or TOML) or from flags.\n\nExamples:\n  lictor services register web.hcl\n  lictor services register -name=web -port=80",
    flags: &[
        value("address", "address", "Address of the service."),
        value("id", "id", "Id; the name by default."),
        value("kind", "kind", "Kind of service."),
        pairs("meta", "Metadata; repeatable."),
        value("name", "name", "Name."),
        integer("port", "Port."),
        values("tag", "tag", "Tag; repeatable."),
        pairs("tagged-address", "As name=address[:port]: a further address; repeatable."),
        switch("replace-existing-checks", "Drop checks of the service that are not given."),
        NAMESPACE,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(register(invocation)) as Work<'_>,
};

/// `lictor services deregister`
pub const DEREGISTER: Command = Command {
    name: "services deregister",
    about: "Removes services from the agent",
    arguments: "[FILE...]",
    help: "Example:\n  lictor services deregister -id=web",
    flags: &[value("id", "id", "Id of the service."), NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(deregister(invocation)) as Work<'_>,
};

async fn register(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let files = given.rest();
    let named = !given.text("name").is_empty();
    let services = match (files.is_empty(), named) {
        (true, false) => return Err(Failure::Usage("Service registration requires at least one argument or flags.".to_owned())),
        (false, true) => return Err(Failure::Usage("Service registration requires arguments or -id, not both.".to_owned())),
        (true, true) => vec![from_flags(&given)],
        (false, false) => from_files(&files)?,
    };
    for service in services {
        let name = text_of(&service, "name");
        client
            .register_service(&service)
            .await
            .map_err(|error| Failure::Failed(format!("Error registering service {name:?}: {error}")))?;
        terminal.say(&format!("Registered service: {name}"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn deregister(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let (files, id) = (given.rest(), given.text("id"));
    let ids = match (files.is_empty(), id.is_empty()) {
        (true, true) => return Err(Failure::Usage("Service deregistration requires at least one argument or -id.".to_owned())),
        (false, false) => return Err(Failure::Usage("Service deregistration requires arguments or -id, not both.".to_owned())),
        (true, false) => vec![id.to_owned()],
        (false, true) => from_files(&files)?.iter().map(id_of).collect(),
    };
    for id in ids {
        client
            .deregister_service(&id)
            .await
            .map_err(|error| Failure::Failed(format!("Error deregistering service {id:?}: {error}")))?;
        terminal.say(&format!("Deregistered service: {id}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn from_flags(given: &crate::flags::Given) -> Value {
    let mut meta = Map::new();
    for (name, value) in given.pairs("meta") {
        meta.insert(name.to_owned(), json!(value));
    }
    let mut tagged = Map::new();
    for (name, address) in given.pairs("tagged-address") {
        let (host, port) = match address.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
            Some((host, Ok(port))) => (host, port),
            _ => (address, 0),
        };
        tagged.insert(name.to_owned(), json!({"Address": host, "Port": port}));
    }
    json!({
        "ID": given.text("id"),
        "name": given.text("name"),
        "Kind": given.text("kind"),
        "Address": given.text("address"),
        "Port": given.integer("port").unwrap_or(0),
        "Tags": given.texts("tag"),
        "Meta": meta,
        "TaggedAddresses": tagged,
    })
}

fn from_files(files: &[&str]) -> Result<Vec<Value>, Failure> {
    let mut services = Vec::new();
    for file in files {
        let found = read_services(file)?;
        if found.is_empty() {
            return Err(Failure::Failed(format!("{file}: defines no service")));
        }
        services.extend(found);
    }
    Ok(services)
}

/// The services of a file, as it writes them: under `service` or `services`, one or a list. The agent decodes them.
fn read_services(file: &str) -> Result<Vec<Value>, Failure> {
    let bytes = std::fs::read(file).map_err(|error| Failure::Failed(format!("{file}: {error}")))?;
    let format = Format::of_name(file).unwrap_or(Format::Hcl);
    let tree = syntax::parse(&bytes, format).map_err(|error| Failure::Failed(format!("{file}: {error}")))?;
    let mut services = Vec::new();
    if let Value::Object(object) = tree.to_json() {
        for (key, value) in object {
            if ["service", "services"].iter().any(|name| key.eq_ignore_ascii_case(name)) {
                match value {
                    Value::Array(list) => services.extend(list),
                    one => services.push(one),
                }
            }
        }
    }
    Ok(services)
}

/// A value under a key in any of the notations that files use.
fn text_of<'a>(service: &'a Value, name: &str) -> &'a str {
    let found = service.as_object().and_then(|object| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)));
    found.and_then(|(_, value)| value.as_str()).unwrap_or("")
}

fn id_of(service: &Value) -> String {
    let id = text_of(service, "id");
    if id.is_empty() { text_of(service, "name").to_owned() } else { id.to_owned() }
}
