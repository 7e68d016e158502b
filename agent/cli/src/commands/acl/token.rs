//! `lictor acl token …`

use super::shape::{self, check_format};
use super::{FORMAT, META, NODE_IDENTITY, POLICY_ID, POLICY_NAME, ROLE_ID, ROLE_NAME, SERVICE_IDENTITY, id_of, parts, put, set};
use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{Flag, Given, NAMESPACE, duration, switch, value};
use lictor_client::{AclKind, Client};
use lictor_types::duration;
use serde_json::{Value, json};
use std::process::ExitCode;

const ID: Flag = value("id", "id", "Accessor id of the token, or the beginning of it.");
const DESCRIPTION: Flag = value("description", "text", "What it is for.");

/// `lictor acl token create`
pub const CREATE: Command = Command {
    name: "acl token create",
    about: "Makes a token",
    arguments: "",
    help: "Examples:\n  lictor acl token create -description=\"web on n1\" -policy-name=web\n  lictor acl token create -service-identity=web:dc1 -expires-ttl=24h",
    flags: &[
        value("accessor", "id", "Accessor id, a UUID; chosen by the servers by default."),
        DESCRIPTION,
        duration("expires-ttl", "How long it is good."),
        FORMAT,
        switch("local", "Good in this datacenter only."),
        META,
        NAMESPACE,
        NODE_IDENTITY,
        POLICY_ID,
        POLICY_NAME,
        ROLE_ID,
        ROLE_NAME,
        value("secret", "id", "Secret id, a UUID; chosen by the servers by default."),
        SERVICE_IDENTITY,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(create(invocation)) as Work<'_>,
};

/// `lictor acl token update`
pub const UPDATE: Command = Command {
    name: "acl token update",
    about: "Changes a token",
    arguments: "-id ID",
    help: "Policies, roles and identities given take the place of those there are, unless they are to be merged.\n\nExample:\n  lictor acl token update -id=986193 -merge-policies -policy-name=web",
    flags: &[
        DESCRIPTION,
        FORMAT,
        ID,
        switch("merge-node-identities", "Keep the node identities there are."),
        switch("merge-policies", "Keep the policies there are."),
        switch("merge-roles", "Keep the roles there are."),
        switch("merge-service-identities", "Keep the service identities there are."),
        META,
        NAMESPACE,
        NODE_IDENTITY,
        POLICY_ID,
        POLICY_NAME,
        ROLE_ID,
        ROLE_NAME,
        SERVICE_IDENTITY,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(update(invocation)) as Work<'_>,
};

/// `lictor acl token read`
pub const READ: Command = Command {
    name: "acl token read",
    about: "Shows a token",
    arguments: "-id ID | -self",
    help: "Example:\n  lictor acl token read -self",
    flags: &[FORMAT, ID, META, NAMESPACE, switch("self", "The token that is shown to the agent.")],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(read(invocation)) as Work<'_>,
};

/// `lictor acl token list`
pub const LIST: Command = Command {
    name: "acl token list",
    about: "Lists the tokens",
    arguments: "",
    help: "Example:\n  lictor acl token list",
    flags: &[FORMAT, META, NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(list(invocation)) as Work<'_>,
};

/// `lictor acl token clone`
pub const CLONE: Command = Command {
    name: "acl token clone",
    about: "Makes a token like another",
    arguments: "-id ID",
    help: "Example:\n  lictor acl token clone -id=986193 -description=copy",
    flags: &[DESCRIPTION, FORMAT, ID, META, NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(clone(invocation)) as Work<'_>,
};

/// `lictor acl token delete`
pub const DELETE: Command = Command {
    name: "acl token delete",
    about: "Deletes a token",
    arguments: "-id ID",
    help: "Example:\n  lictor acl token delete -id=986193",
    flags: &[ID, NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(delete(invocation)) as Work<'_>,
};

/// The full id that `-id` means.
async fn wanted(client: &Client, given: &Given, missing: &str) -> Result<String, Failure> {
    let id = given.text("id");
    if id.is_empty() {
        return Err(Failure::Usage(missing.to_owned()));
    }
    // The anonymous token has a name of its own.
    if id == "anonymous" {
        return Ok("00000000-0000-0000-0000-000000000002".to_owned());
    }
    id_of(client, AclKind::Token, "token", id, "").await
}

async fn create(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    check_format(&given)?;
    let parts = parts(&client, &given).await?;
    if parts.is_empty() {
        let flags = "-policy-name, -policy-id, -role-name, -role-id, -service-identity, or -node-identity";
        return Err(Failure::Usage(format!("Cannot create a token without specifying {flags} at least once")));
    }
    let mut token = json!({ "Description": given.text("description"), "Local": given.is_on("local") });
    for (flag, key) in [("accessor", "AccessorID"), ("secret", "SecretID")] {
        if given.has(flag) {
            set(&mut token, key, json!(given.text(flag)));
        }
    }
    if let Some(ttl) = given.duration("expires-ttl") {
        set(&mut token, "ExpirationTTL", json!(duration::format(ttl)));
    }
    put(&mut token, parts, &[]);
    let made =
        client.acl_write(AclKind::Token, None, &token).await.map_err(Failure::while_doing("Failed to create new token"))?;
    shape::print(&given, &made, terminal, shape::token)?;
    Ok(ExitCode::SUCCESS)
}

async fn update(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    check_format(&invocation.given)?;
    let id = wanted(&invocation.client, &invocation.given, "Cannot update a token without specifying the -id parameter").await?;
    let Invocation { given, client, terminal, .. } = invocation;
    let parts = parts(&client, &given).await?;
    let mut token =
        client.acl_read(AclKind::Token, &id).await.map_err(Failure::while_doing("Error when retrieving current token"))?;
    if given.has("description") {
        set(&mut token, "Description", json!(given.text("description")));
    }
    let mut merged = Vec::new();
    for (flag, key) in [
        ("merge-policies", "Policies"),
        ("merge-roles", "Roles"),
        ("merge-service-identities", "ServiceIdentities"),
        ("merge-node-identities", "NodeIdentities"),
    ] {
        if given.is_on(flag) {
            merged.push(key);
        } else {
            set(&mut token, key, Value::Null);
        }
    }
    put(&mut token, parts, &merged);
    let failed = Failure::while_doing(format!("Failed to update token {id}"));
    let changed = client.acl_write(AclKind::Token, Some(&id), &token).await.map_err(failed)?;
    shape::print(&given, &changed, terminal, shape::token)?;
    Ok(ExitCode::SUCCESS)
}

async fn read(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let id = if invocation.given.is_on("self") {
        "self".to_owned()
    } else {
        wanted(&invocation.client, &invocation.given, "Must specify the -id parameter").await?
    };
    let Invocation { given, client, terminal, .. } = invocation;
    let doing = if id == "self" { "Error reading token".to_owned() } else { format!("Error reading token {id:?}") };
    let token = client.acl_read(AclKind::Token, &id).await.map_err(Failure::while_doing(doing))?;
    shape::print(&given, &token, terminal, shape::token)?;
    Ok(ExitCode::SUCCESS)
}

async fn list(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let rows = client.acl_list(AclKind::Token).await;
    let mut rows = rows.map_err(Failure::while_doing("Failed to retrieve the token list"))?;
    for token in rows.iter_mut().filter_map(Value::as_object_mut) {
        token.entry("Legacy").or_insert(Value::Bool(false));
    }
    shape::print(&given, &Value::Array(rows), terminal, shape::listed_token)?;
    Ok(ExitCode::SUCCESS)
}

async fn clone(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    check_format(&invocation.given)?;
    let id = wanted(&invocation.client, &invocation.given, "Cannot update a token without specifying the -id parameter").await?;
    let Invocation { given, client, terminal, .. } = invocation;
    let definition = json!({ "Description": given.text("description") });
    let made = client.acl_clone_token(&id, &definition).await.map_err(Failure::while_doing("Error cloning token"))?;
    shape::print(&given, &made, terminal, shape::token)?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let id = wanted(&invocation.client, &invocation.given, "Must specify the -id parameter").await?;
    let failed = Failure::while_doing(format!("Error deleting token {id:?}"));
    invocation.client.acl_delete(AclKind::Token, &id).await.map_err(failed)?;
    invocation.terminal.say(&format!("Token {id:?} deleted successfully"));
    Ok(ExitCode::SUCCESS)
}
