//! `lictor acl policy …`

use super::shape::{self, check_format};
use super::{FORMAT, META, id_of, set};
use crate::command::{Command, Invocation, Reach, Work};
use crate::commands::kv::read_value;
use crate::error::Failure;
use crate::flags::{Given, NAMESPACE, switch, value, values};
use crate::terminal::Terminal;
use lictor_client::{AclKind, Client};
use serde_json::{Value, json};
use std::process::ExitCode;

/// `lictor acl policy create`
pub const CREATE: Command = Command {
    name: "acl policy create",
    about: "Makes a policy",
    arguments: "-name NAME",
    help: "Rules are the argument itself, `-` for standard input, or `@FILE` for a file.\n\nExample:\n  lictor acl policy create -name=web -description=\"what web needs\" -rules=@web.hcl",
    flags: &[
        value("description", "text", "What it is for."),
        FORMAT,
        META,
        value("name", "name", "Its name."),
        NAMESPACE,
        value("rules", "rules", "Its rules, `-` or `@FILE`."),
        values("valid-datacenter", "name", "Only valid in this datacenter; repeatable."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(create(invocation)) as Work<'_>,
};

/// `lictor acl policy update`
pub const UPDATE: Command = Command {
    name: "acl policy update",
    about: "Changes a policy",
    arguments: "-id ID | -name NAME",
    help: "What is not given stays, unless -no-merge is. With -id, -name is the new name.\n\nExample:\n  lictor acl policy update -name=web -rules=@web.hcl",
    flags: &[
        value("description", "text", "What it is for."),
        FORMAT,
        value("id", "id", "Its id, or the beginning of it."),
        META,
        value("name", "name", "Its name."),
        NAMESPACE,
        switch("no-merge", "Replace all of it."),
        value("rules", "rules", "Its rules, `-` or `@FILE`."),
        values("valid-datacenter", "name", "Only valid in this datacenter; repeatable."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(update(invocation)) as Work<'_>,
};

/// `lictor acl policy read`
pub const READ: Command = Command {
    name: "acl policy read",
    about: "Shows a policy",
    arguments: "-id ID | -name NAME",
    help: "Example:\n  lictor acl policy read -name=web",
    flags: &[FORMAT, value("id", "id", "Its id, or the beginning of it."), META, value("name", "name", "Its name."), NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(read(invocation)) as Work<'_>,
};

/// `lictor acl policy list`
pub const LIST: Command = Command {
    name: "acl policy list",
    about: "Lists the policies",
    arguments: "",
    help: "Example:\n  lictor acl policy list -format=json",
    flags: &[FORMAT, META, NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(list(invocation)) as Work<'_>,
};

/// `lictor acl policy delete`
pub const DELETE: Command = Command {
    name: "acl policy delete",
    about: "Deletes a policy",
    arguments: "-id ID | -name NAME",
    help: "Example:\n  lictor acl policy delete -name=web",
    flags: &[value("id", "id", "Its id, or the beginning of it."), value("name", "name", "Its name."), NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(delete(invocation)) as Work<'_>,
};

async fn create(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    check_format(&given)?;
    if given.text("name").is_empty() {
        return Err(Failure::Missing("Missing require '-name' flag".to_owned()));
    }
    let mut policy =
        json!({ "Name": given.text("name"), "Description": given.text("description"), "Rules": rules(&given, terminal)? });
    if given.has("valid-datacenter") {
        set(&mut policy, "Datacenters", json!(given.texts("valid-datacenter")));
    }
    let made =
        client.acl_write(AclKind::Policy, None, &policy).await.map_err(Failure::while_doing("Failed to create new policy"))?;
    shape::print(&given, &complete(made), terminal, shape::policy)?;
    Ok(ExitCode::SUCCESS)
}

fn rules(given: &Given, terminal: &mut Terminal) -> Result<String, Failure> {
    let bytes = read_value(given.text("rules"), terminal).map_err(Failure::because("Error loading rules"))?;
    String::from_utf8(bytes).map_err(Failure::because("Error loading rules"))
}

async fn wanted(client: &Client, given: &Given) -> Result<String, Failure> {
    let (id, name) = (given.text("id"), given.text("name"));
    if id.is_empty() && name.is_empty() {
        return Err(Failure::Usage("Must specify either the -id or -name parameters".to_owned()));
    }
    id_of(client, AclKind::Policy, "policy", id, name).await
}

/// With the datacenters, also where there are none.
fn complete(mut policy: Value) -> Value {
    if let Some(object) = policy.as_object_mut() {
        object.entry("Datacenters").or_insert(Value::Null);
    }
    policy
}

async fn fetch(client: &Client, id: &str) -> Result<Value, Failure> {
    client.acl_read(AclKind::Policy, id).await.map_err(Failure::while_doing(format!("Error reading policy {id:?}")))
}

async fn update(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    check_format(&given)?;
    let id = wanted(&client, &given).await?;
    let mut policy = fetch(&client, &id).await?;
    let whole = given.is_on("no-merge");
    if whole || given.has("description") {
        set(&mut policy, "Description", json!(given.text("description")));
    }
    if whole || given.has("rules") {
        set(&mut policy, "Rules", json!(rules(&given, terminal)?));
    }
    if whole || given.has("valid-datacenter") {
        set(&mut policy, "Datacenters", json!(given.texts("valid-datacenter")));
    }
    if given.has("name") {
        set(&mut policy, "Name", json!(given.text("name")));
    }
    let failed = Failure::while_doing(format!("Error updating policy {id:?}"));
    let changed = client.acl_write(AclKind::Policy, Some(&id), &policy).await.map_err(failed)?;
    shape::print(&given, &complete(changed), terminal, shape::policy)?;
    Ok(ExitCode::SUCCESS)
}

async fn read(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let id = wanted(&client, &given).await?;
    shape::print(&given, &complete(fetch(&client, &id).await?), terminal, shape::policy)?;
    Ok(ExitCode::SUCCESS)
}

async fn list(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let rows = client.acl_list(AclKind::Policy).await.map_err(Failure::while_doing("Failed to retrieve the policy list"))?;
    shape::print(&given, &Value::Array(rows), terminal, shape::listed_policy)?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let id = wanted(&client, &given).await?;
    client.acl_delete(AclKind::Policy, &id).await.map_err(Failure::while_doing(format!("Error deleting policy {id:?}")))?;
    terminal.say(&format!("Policy {id:?} deleted successfully"));
    Ok(ExitCode::SUCCESS)
}
