//! `lictor acl binding-rule …`

use super::shape::{self, check_format};
use super::{FORMAT, META, set};
use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{Flag, Given, NAMESPACE, switch, value};
use lictor_client::{AclKind, Client};
use serde_json::{Value, json};
use std::process::ExitCode;

const BIND_NAME: Flag = value("bind-name", "name", "What is given; ${…} stands for what the auth method knows.");
const BIND_TYPE: Flag = value("bind-type", "service|node|role", "What kind of thing is given; service by default.");
const DESCRIPTION: Flag = value("description", "text", "What it is for.");
const ID: Flag = value("id", "id", "Its id, or the beginning of it.");
const SELECTOR: Flag = value("selector", "expression", "Whom it is about; everybody by default.");

/// `lictor acl binding-rule create`
pub const CREATE: Command = Command {
    name: "acl binding-rule create",
    about: "Makes a binding rule",
    arguments: "-method NAME -bind-name NAME",
    help: "Example:\n  lictor acl binding-rule create -method=k8s -bind-type=service -bind-name='${serviceaccount.name}' -selector='serviceaccount.namespace==default'",
    flags: &[
        BIND_NAME,
        BIND_TYPE,
        DESCRIPTION,
        FORMAT,
        META,
        value("method", "name", "Name of the auth method."),
        NAMESPACE,
        SELECTOR,
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(create(invocation)) as Work<'_>,
};

/// `lictor acl binding-rule update`
pub const UPDATE: Command = Command {
    name: "acl binding-rule update",
    about: "Changes a binding rule",
    arguments: "-id ID",
    help: "What is not given stays, unless -no-merge is.\n\nExample:\n  lictor acl binding-rule update -id=43cb72df -bind-name=web",
    flags: &[BIND_NAME, BIND_TYPE, DESCRIPTION, FORMAT, ID, META, NAMESPACE, switch("no-merge", "Replace all of it."), SELECTOR],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(update(invocation)) as Work<'_>,
};

/// `lictor acl binding-rule read`
pub const READ: Command = Command {
    name: "acl binding-rule read",
    about: "Shows a binding rule",
    arguments: "-id ID",
    help: "Example:\n  lictor acl binding-rule read -id=43cb72df",
    flags: &[FORMAT, ID, META, NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(read(invocation)) as Work<'_>,
};

/// `lictor acl binding-rule list`
pub const LIST: Command = Command {
    name: "acl binding-rule list",
    about: "Lists the binding rules",
    arguments: "",
    help: "Example:\n  lictor acl binding-rule list -method=k8s",
    flags: &[FORMAT, META, value("method", "name", "Only those of this auth method."), NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(list(invocation)) as Work<'_>,
};

/// `lictor acl binding-rule delete`
pub const DELETE: Command = Command {
    name: "acl binding-rule delete",
    about: "Deletes a binding rule",
    arguments: "-id ID",
    help: "Example:\n  lictor acl binding-rule delete -id=43cb72df",
    flags: &[ID, NAMESPACE],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(delete(invocation)) as Work<'_>,
};

/// The full id that `-id` means.
async fn wanted(client: &Client, given: &Given, missing: &str) -> Result<String, Failure> {
    let failed = |reason: String| Failure::Failed(format!("Error determining binding rule ID: {reason}"));
    let id = given.text("id");
    match id.len() {
        0 => return Err(Failure::Usage(missing.to_owned())),
        36 => return Ok(id.to_owned()),
        _ => {}
    }
    let rows = client.acl_list(AclKind::BindingRule).await.map_err(|error| failed(error.to_string()))?;
    let ids = rows.iter().filter_map(|row| row.get("ID").and_then(Value::as_str));
    let mut found: Vec<&str> = ids.filter(|found| found.starts_with(id)).collect();
    match (found.pop(), found.pop()) {
        (Some(only), None) => Ok(only.to_owned()),
        (None, _) => Err(failed(format!("No such rule ID with prefix: {id}"))),
        _ => Err(failed(format!("The prefix {id} fits more than one rule"))),
    }
}

async fn fetch(client: &Client, id: &str) -> Result<Value, Failure> {
    let found = client.acl_find(AclKind::BindingRule, id).await;
    let found = found.map_err(Failure::while_doing(format!("Error reading binding rule {id:?}")))?;
    found.ok_or_else(|| Failure::Failed(format!("Binding rule not found with ID {id:?}")))
}

async fn create(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    check_format(&given)?;
    for flag in ["method", "bind-name"] {
        if given.text(flag).is_empty() {
            return Err(Failure::Missing(format!("Missing required '-{flag}' flag")));
        }
    }
    let bind_type = if given.has("bind-type") { given.text("bind-type") } else { "service" };
    let rule = json!({
        "Description": given.text("description"),
        "AuthMethod": given.text("method"),
        "BindType": bind_type,
        "BindName": given.text("bind-name"),
        "Selector": given.text("selector"),
    });
    let made = client.acl_write(AclKind::BindingRule, None, &rule).await;
    let made = made.map_err(Failure::while_doing("Failed to create new binding rule"))?;
    shape::print(&given, &made, terminal, shape::binding_rule)?;
    Ok(ExitCode::SUCCESS)
}

async fn update(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    check_format(&given)?;
    let id = wanted(&client, &given, "Cannot update a binding rule without specifying the -id parameter").await?;
    let mut rule = fetch(&client, &id).await?;
    let whole = given.is_on("no-merge");
    for (flag, key) in
        [("description", "Description"), ("bind-type", "BindType"), ("bind-name", "BindName"), ("selector", "Selector")]
    {
        if whole || given.has(flag) {
            set(&mut rule, key, json!(given.text(flag)));
        }
    }
    let failed = Failure::while_doing(format!("Error updating binding rule {id:?}"));
    let changed = client.acl_write(AclKind::BindingRule, Some(&id), &rule).await.map_err(failed)?;
    shape::print(&given, &changed, terminal, shape::binding_rule)?;
    Ok(ExitCode::SUCCESS)
}

async fn read(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let id = wanted(&client, &given, "Must specify the -id parameter.").await?;
    shape::print(&given, &fetch(&client, &id).await?, terminal, shape::binding_rule)?;
    Ok(ExitCode::SUCCESS)
}

async fn list(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let rows = client.acl_list(AclKind::BindingRule).await;
    let mut rows = rows.map_err(Failure::while_doing("Failed to retrieve the binding rule list"))?;
    let method = given.text("method");
    rows.retain(|row| method.is_empty() || row.get("AuthMethod").and_then(Value::as_str) == Some(method));
    shape::print(&given, &Value::Array(rows), terminal, shape::listed_binding_rule)?;
    Ok(ExitCode::SUCCESS)
}

async fn delete(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, terminal, .. } = invocation;
    let id = wanted(&client, &given, "Must specify the -id parameter").await?;
    let failed = Failure::while_doing(format!("Error deleting binding rule {id:?}"));
    client.acl_delete(AclKind::BindingRule, &id).await.map_err(failed)?;
    terminal.say(&format!("Binding rule {id:?} deleted successfully"));
    Ok(ExitCode::SUCCESS)
}
