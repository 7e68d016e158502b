//! `lictor acl auth-method …`

use super::shape::{self, check_format};
use super::{FORMAT, META, set};
use crate::command::{Command, Invocation, Reach, Work};
use crate::commands::kv::read_value;
use crate::error::Failure;
use crate::flags::{Flag, Given, NAMESPACE, duration, switch, value};
use crate::terminal::Terminal;
use lictor_client::{AclKind, Client};
use lictor_types::duration;
use serde_json::{Map, Value, json};
use std::process::ExitCode;

const CONFIG: Flag = value("config", "json", "Its settings as JSON, `-` or `@FILE`.");
const DESCRIPTION: Flag = value("description", "text", "What it is for.");
const DISPLAY_NAME: Flag = value("display-name", "text", "Its name for people.");
const CA_CERT: Flag = value("kubernetes-ca-cert", "pem", "Certificate of the Kubernetes API's authority, or `@FILE`.");
const HOST: Flag = value("kubernetes-host", "address", "Address of the Kubernetes API.");
const JWT: Flag = value("kubernetes-service-account-jwt", "jwt", "What the servers show the Kubernetes API.");
const MAX_TTL: Flag = duration("max-token-ttl", "Longest life of the tokens it makes.");
const LOCALITY: Flag = value("token-locality", "local|global", "Where the tokens it makes count.");
const NAME: Flag = value("name", "name", "Its name.");

/// `lictor acl auth-method create`
pub const CREATE: Command = Command {
    name: "acl auth-method create",
    about: "Makes an auth method",
    arguments: "-name NAME -type TYPE",
    help: "Example:\n  lictor acl auth-method create -type=kubernetes -name=k8s -kubernetes-host=https://10.0.0.1:6443 -kubernetes-ca-cert=@ca.crt -kubernetes-service-account-jwt=JWT",
    flags: &[
        CONFIG,
        DESCRIPTION,
        DISPLAY_NAME,
        FORMAT,
        CA_CERT,
        HOST,
        JWT,
        MAX_TTL,
        META,
        NAME,
        NAMESPACE,
        LOCALITY,
        value("type", "type", "kubernetes or jwt."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(create(invocation)) as Work<'_>,
};

/// `lictor acl auth-method update`
pub const UPDATE: Command = Command {
    name: "acl auth-method update",
    about: "Changes an auth method",
    arguments: "-name NAME",
    help: "What is not given stays, unless -no-merge is.\n\nExample:\n  lictor acl auth-method update -name=k8s -description=\"the new cluster\"",
    flags: &[
        CONFIG,
        DESCRIPTION,
        DISPLAY_NAME,
        FORMAT,
        CA_CERT,
        HOST,
        JWT,
        MAX_TTL,
        META,
        NAME,
        NAMESPACE,
        switch("no-merge", "Replace all of it."),
        LOCALITY,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(update(invocation)) as Work<'_>,
};

/// `lictor acl auth-method read`
pub const READ: Command = Command {
    name: "acl auth-method read",
    about: "Shows an auth method",
    arguments: "-name NAME",
    help: "Example:\n  lictor acl auth-method read -name=k8s",
    flags: &[FORMAT, META, NAME, NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(read(invocation)) as Work<'_>,
};

/// `lictor acl auth-method list`
pub const LIST: Command = Command {
    name: "acl auth-method list",
    about: "Lists the auth methods",
    arguments: "",
    help: "Example:\n  lictor acl auth-method list",
    flags: &[FORMAT, META, NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(list(invocation)) as Work<'_>,
};

/// `lictor acl auth-method delete`
pub const DELETE: Command = Command {
    name: "acl auth-method delete",
    about: "Deletes an auth method, its rules and the tokens it made",
    arguments: "-name NAME",
    help: "Example:\n  lictor acl auth-method delete -name=k8s",
    flags: &[NAME, NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(delete(invocation)) as Work<'_>,
};

fn named<'g>(given: &'g Given, missing: &str) -> Result<&'g str, Failure> {
    match given.text("name") {
        "" => Err(Failure::Usage(missing.to_owned())),
        name => Ok(name),
    }
}

/// A value that may be in a file.
fn loaded(given: &Given, flag: &str, terminal: &mut Terminal) -> Result<String, Failure> {
    let bytes = read_value(given.text(flag), terminal).map_err(Failure::because("Error loading value"))?;
    String::from_utf8(bytes).map_err(Failure::because("Error loading value"))
}

/// The settings that the flags give.
fn config(given: &Given, terminal: &mut Terminal) -> Result<Map<String, Value>, Failure> {
    if given.has("config") {
        let text = loaded(given, "config", terminal)?;
        return serde_json::from_str(&text).map_err(Failure::because("Error parsing JSON for auth method config"));
    }
    let mut config = Map::new();
    for (flag, key) in [("kubernetes-host", "Host"), ("kubernetes-service-account-jwt", "ServiceAccountJWT")] {
        if given.has(flag) {
            config.insert(key.to_owned(), json!(given.text(flag)));
        }
    }
    if given.has("kubernetes-ca-cert") {
        config.insert("CACert".to_owned(), json!(loaded(given, "kubernetes-ca-cert", terminal)?));
    }
    Ok(config)
}

async fn create(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    check_format(&given)?;
    for flag in ["type", "name"] {
        if given.text(flag).is_empty() {
            return Err(Failure::Missing(format!("Missing required '-{flag}' flag")));
        }
    }
    if given.text("type") == "kubernetes" && !given.has("config") {
        for flag in ["kubernetes-host", "kubernetes-ca-cert", "kubernetes-service-account-jwt"] {
            if given.text(flag).is_empty() {
                return Err(Failure::Usage(format!("Missing required '-{flag}' flag")));
            }
        }
    }
    let mut method = json!({ "Type": given.text("type"), "Name": given.text("name"), "Config": config(&given, terminal)? });
    shared(&given, &mut method, true);
    let made = client.acl_write(AclKind::AuthMethod, None, &method).await;
    let made = made.map_err(Failure::while_doing("Failed to create new auth method"))?;
    shape::print(&given, &made, terminal, shape::auth_method)?;
    Ok(ExitCode::SUCCESS)
}

/// What new and changed ones have in common.
fn shared(given: &Given, method: &mut Value, whole: bool) {
    for (flag, key) in [("description", "Description"), ("display-name", "DisplayName"), ("token-locality", "TokenLocality")] {
        if whole || given.has(flag) {
            set(method, key, json!(given.text(flag)));
        }
    }
    if let Some(ttl) = given.duration("max-token-ttl") {
        set(method, "MaxTokenTTL", json!(duration::format(ttl)));
    }
}

async fn fetch(client: &Client, name: &str) -> Result<Value, Failure> {
    let found = client.acl_find(AclKind::AuthMethod, name).await;
    let found = found.map_err(Failure::while_doing(format!("Error reading auth method {name:?}")))?;
    found.ok_or_else(|| Failure::Failed(format!("Auth method not found with name {name:?}")))
}

async fn update(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    check_format(&given)?;
    let name = named(&given, "Cannot update an auth method without specifying the -name parameter")?;
    let known = fetch(&client, name).await?;
    let whole = given.is_on("no-merge");
    let mut method = if whole { json!({ "Name": name, "Type": known.get("Type") }) } else { known.clone() };
    shared(&given, &mut method, whole);
    let new = config(&given, terminal)?;
    let mut config = match known.get("Config") {
        Some(Value::Object(old)) if !whole && !given.has("config") => old.clone(),
        _ => Map::new(),
    };
    config.extend(new);
    set(&mut method, "Config", Value::Object(config));
    let failed = Failure::while_doing(format!("Error updating auth method {name:?}"));
    let changed = client.acl_write(AclKind::AuthMethod, Some(name), &method).await.map_err(failed)?;
    shape::print(&given, &changed, terminal, shape::auth_method)?;
    Ok(ExitCode::SUCCESS)
}

async fn read(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let name = named(&given, "Must specify the -name parameter")?;
    shape::print(&given, &fetch(&client, name).await?, terminal, shape::auth_method)?;
    Ok(ExitCode::SUCCESS)
}

async fn list(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let rows = client.acl_list(AclKind::AuthMethod).await;
    let rows = rows.map_err(Failure::while_doing("Failed to retrieve the auth method list"))?;
    shape::print(&given, &Value::Array(rows), terminal, shape::listed_auth_method)?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let name = named(&given, "Must specify the -name parameter")?;
    let failed = Failure::while_doing(format!("Error deleting auth method {name:?}"));
    client.acl_delete(AclKind::AuthMethod, name).await.map_err(failed)?;
    terminal.say(&format!("Auth method {name:?} deleted successfully"));
    Ok(ExitCode::SUCCESS)
}
