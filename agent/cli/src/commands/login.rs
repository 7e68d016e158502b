//! `lictor login` and `lictor logout`: a token by an auth method, and its end.

use crate::command::{Command, Invocation, Reach, Work};
use crate::error::Failure;
use crate::flags::{NAMESPACE, value, values};
use serde_json::{Map, Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

/// `lictor login`
pub const LOGIN: Command = Command {
    name: "login",
    about: "Gets a token by an auth method",
    arguments: "-method NAME -bearer-token-file FILE -token-sink-file FILE",
    help: "The token's secret is written to a file, that `-token-file` of other commands reads.\n\nExample:\n  lictor login -method=k8s -bearer-token-file=/run/secrets/token -token-sink-file=token",
    flags: &[
        value("bearer-token-file", "file", "What is shown to the auth method."),
        values("meta", "key=value", "What is noted of the login; repeatable."),
        value("method", "name", "Name of the auth method."),
        NAMESPACE,
        value("token-sink-file", "file", "Where the secret is written."),
        value("type", "type", "Type of the auth method; not needed."),
    ],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(login(invocation)) as Work<'_>,
};

/// `lictor logout`
pub const LOGOUT: Command = Command {
    name: "logout",
    about: "Ends the token that a login made",
    arguments: "",
    help: "Example:\n  lictor logout -token-file=token",
    flags: &[],
    reach: Reach::Datacenter,
    work: |invocation| Box::pin(logout(invocation)) as Work<'_>,
};

async fn login(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    let Invocation { given, client, .. } = invocation;
    for flag in ["method", "token-sink-file", "bearer-token-file"] {
        if given.text(flag).is_empty() {
            return Err(Failure::Usage(format!("Missing required '-{flag}' flag")));
        }
    }
    let file = given.text("bearer-token-file");
    let bearer = std::fs::read_to_string(file).map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => error.to_string(),
        };
        Failure::Failed(format!("open {file}: {why}"))
    })?;
    let bearer = bearer.trim();
    if bearer.is_empty() {
        return Err(Failure::Failed(format!("No bearer token found in {file}")));
    }
    let mut meta = Map::new();
    for pair in given.texts("meta") {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        meta.insert(key.to_owned(), json!(value));
    }
    let body = json!({ "AuthMethod": given.text("method"), "BearerToken": bearer, "Meta": meta });
    let token = client.acl_login(&body).await.map_err(Failure::while_doing("Error logging in"))?;
    let secret = token.get("SecretID").and_then(Value::as_str).unwrap_or_default();
    write(Path::new(given.text("token-sink-file")), secret).map_err(Failure::because("Error writing token to file sink"))?;
    Ok(ExitCode::SUCCESS)
}

/// Nobody but this user can read it, and nobody sees half of it.
fn write(file: &Path, secret: &str) -> std::io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = file.with_file_name(name);
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    out.write_all(secret.as_bytes())?;
    out.sync_all()?;
    std::fs::rename(&beside, file)
}

async fn logout(invocation: Invocation<'_>) -> Result<ExitCode, Failure> {
    invocation.client.acl_logout().await.map_err(Failure::while_doing("Error destroying token"))?;
    Ok(ExitCode::SUCCESS)
}
