//! `lictor acl role …`

use super::shape::{self, check_format};
use super::{FORMAT, META, NODE_IDENTITY, POLICY_ID, POLICY_NAME, SERVICE_IDENTITY, id_of, parts, put, set};
use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{NAMESPACE, switch, value};
use lictor_client::AclKind;
use serde_json::{Value, json};
use std::process::ExitCode;

/// `lictor acl role create`
pub const CREATE: Command = Command {
    name: "acl role create",
    about: "Makes a role",
    arguments: "-name NAME",
    help: "Example:\n  lictor acl role create -name=web -policy-name=web -service-identity=web",
    flags: &[
        value("description", "text", "What it is for."),
        FORMAT,
        META,
        value("name", "name", "Its name."),
        NAMESPACE,
        NODE_IDENTITY,
        POLICY_ID,
        POLICY_NAME,
        SERVICE_IDENTITY,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(create(invocation)) as Work<'_>,
};

/// `lictor acl role update`
pub const UPDATE: Command = Command {
    name: "acl role update",
    about: "Changes a role",
    arguments: "-id ID",
    help: "What is not given stays, and policies and identities come to those there are, unless -no-merge is given.\n\nExample:\n  lictor acl role update -id=57147d87 -policy-name=web",
    flags: &[
        value("description", "text", "What it is for."),
        FORMAT,
        value("id", "id", "Its id, or the beginning of it."),
        META,
        value("name", "name", "Its new name."),
        NAMESPACE,
        switch("no-merge", "Replace all of it."),
        NODE_IDENTITY,
        POLICY_ID,
        POLICY_NAME,
        SERVICE_IDENTITY,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(update(invocation)) as Work<'_>,
};

/// `lictor acl role read`
pub const READ: Command = Command {
    name: "acl role read",
    about: "Shows a role",
    arguments: "-id ID | -name NAME",
    help: "Example:\n  lictor acl role read -name=web",
    flags: &[FORMAT, value("id", "id", "Its id, or the beginning of it."), META, value("name", "name", "Its name."), NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(read(invocation)) as Work<'_>,
};

/// `lictor acl role list`
pub const LIST: Command = Command {
    name: "acl role list",
    about: "Lists the roles",
    arguments: "",
    help: "Example:\n  lictor acl role list",
    flags: &[FORMAT, META, NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(list(invocation)) as Work<'_>,
};

/// `lictor acl role delete`
pub const DELETE: Command = Command {
    name: "acl role delete",
    about: "Deletes a role",
    arguments: "-id ID | -name NAME",
    help: "Example:\n  lictor acl role delete -name=web",
    flags: &[value("id", "id", "Its id, or the beginning of it."), value("name", "name", "Its name."), NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(delete(invocation)) as Work<'_>,
};

/// What a role is made of.
const PARTS: &[&str] = &["Policies", "ServiceIdentities", "NodeIdentities"];

async fn create(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    check_format(&given)?;
    if given.text("name").is_empty() {
        return Err(Failure::Missing("Missing require '-name' flag".to_owned()));
    }
    let parts = parts(&client, &given).await?;
    if parts.is_empty() {
        let flags = "-policy-name, -policy-id, -service-identity, or -node-identity";
        return Err(Failure::Usage(format!("Cannot create a role without specifying {flags} at least once")));
    }
    let mut role = json!({ "Name": given.text("name"), "Description": given.text("description") });
    put(&mut role, parts, &[]);
    let made = client.acl_write(AclKind::Role, None, &role).await.map_err(Failure::while_doing("Failed to create new role"))?;
    shape::print(&given, &made, terminal, shape::role)?;
    Ok(ExitCode::SUCCESS)
}

async fn update(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    check_format(&given)?;
    if given.text("id").is_empty() {
        return Err(Failure::Usage("Cannot update a role without specifying the -id parameter".to_owned()));
    }
    let id = id_of(&client, AclKind::Role, "role", given.text("id"), "").await?;
    let parts = parts(&client, &given).await?;
    let mut role =
        client.acl_read(AclKind::Role, &id).await.map_err(Failure::while_doing("Error when retrieving current role"))?;
    let whole = given.is_on("no-merge");
    if whole || given.has("description") {
        set(&mut role, "Description", json!(given.text("description")));
    }
    if given.has("name") {
        set(&mut role, "Name", json!(given.text("name")));
    }
    if whole {
        PARTS.iter().for_each(|part| set(&mut role, part, Value::Null));
    }
    put(&mut role, parts, if whole { &[] } else { PARTS });
    let failed = Failure::while_doing(format!("Error updating role {id:?}"));
    let changed = client.acl_write(AclKind::Role, Some(&id), &role).await.map_err(failed)?;
    shape::print(&given, &changed, terminal, shape::role)?;
    Ok(ExitCode::SUCCESS)
}

async fn read(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let (id, name) = (given.text("id"), given.text("name"));
    let role = match (id.is_empty(), name.is_empty()) {
        (true, true) => return Err(Failure::Usage("Must specify either the -id or -name parameters".to_owned())),
        (false, _) => {
            let id = id_of(&client, AclKind::Role, "role", id, "").await?;
            client.acl_read(AclKind::Role, &id).await.map_err(Failure::while_doing(format!("Error reading role {id:?}")))?
        }
        (true, false) => {
            let failed = Failure::while_doing(format!("Error reading role {name:?}"));
            let found = client.acl_named(AclKind::Role, name).await.map_err(failed)?;
            found.ok_or_else(|| Failure::Failed(format!("Role not found with name {name:?}")))?
        }
    };
    shape::print(&given, &role, terminal, shape::role)?;
    Ok(ExitCode::SUCCESS)
}

async fn list(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let rows = client.acl_list(AclKind::Role).await.map_err(Failure::while_doing("Failed to retrieve the role list"))?;
    shape::print(&given, &Value::Array(rows), terminal, shape::listed_role)?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let (id, name) = (given.text("id"), given.text("name"));
    if id.is_empty() && name.is_empty() {
        return Err(Failure::Usage("Must specify the -id or -name parameters".to_owned()));
    }
    let id = id_of(&client, AclKind::Role, "role", id, name).await?;
    client.acl_delete(AclKind::Role, &id).await.map_err(Failure::while_doing(format!("Error deleting role {id:?}")))?;
    terminal.say(&format!("Role {id:?} deleted successfully"));
    Ok(ExitCode::SUCCESS)
}
