//! How policies, roles and tokens are printed.

use crate::error::Failure;
use crate::flags::Given;
use crate::terminal::{Terminal, json_lines};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(row: &'a Value, name: &str) -> &'a [Value] {
    row.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Prints a value, or many, as `-format` says; `pretty` writes one.
pub(super) fn print(
    given: &Given,
    value: &Value,
    terminal: &mut Terminal,
    pretty: fn(&Value, bool) -> String,
) -> Result<(), Failure> {
    match given.text("format") {
        "json" => terminal.say(&json_lines(value, "    ")),
        "" | "pretty" => {
            let page = match value {
                Value::Array(rows) => rows.iter().map(|row| pretty(row, given.is_on("meta"))).collect(),
                one => pretty(one, given.is_on("meta")),
            };
            terminal.put(page.as_bytes());
        }
        other => return Err(Failure::Usage(format!("Unknown format: {other}"))),
    }
    Ok(())
}

/// Whether `-format` is known; asked before anything is changed.
pub(super) fn check_format(given: &Given) -> Result<(), Failure> {
    match given.text("format") {
        "" | "pretty" | "json" => Ok(()),
        other => Err(Failure::Usage(format!("Unknown format: {other}"))),
    }
}

/// Hash and indexes, values in column `width`.
fn meta(row: &Value, width: usize, indent: &str) -> String {
    let hash: String = STANDARD.decode(text(row, "Hash")).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
    let index = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or(0).to_string();
    [("Hash:", hash), ("Create Index:", index("CreateIndex")), ("Modify Index:", index("ModifyIndex"))]
        .map(|(name, value)| format!("{indent}{name:<width$}{value}\n"))
        .concat()
}

/// Policies, roles and identities, those that there are.
fn links(row: &Value, indent: &str) -> String {
    let mut page = String::new();
    let mut section = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            page.push_str(&format!("{indent}{title}:\n"));
            lines.iter().for_each(|line| page.push_str(&format!("{indent}   {line}\n")));
        }
    };
    let named = |rows: &[Value]| rows.iter().map(|row| format!("{} - {}", text(row, "ID"), text(row, "Name"))).collect();
    section("Policies", named(list(row, "Policies")));
    section("Roles", named(list(row, "Roles")));
    let services = list(row, "ServiceIdentities").iter().map(|row| {
        let datacenters: Vec<&str> = list(row, "Datacenters").iter().filter_map(Value::as_str).collect();
        let datacenters = if datacenters.is_empty() { "all".to_owned() } else { datacenters.join(", ") };
        format!("{} (Datacenters: {datacenters})", text(row, "ServiceName"))
    });
    section("Service Identities", services.collect());
    let nodes = list(row, "NodeIdentities").iter();
    section(
        "Node Identities",
        nodes.map(|row| format!("{} (Datacenter: {})", text(row, "NodeName"), text(row, "Datacenter"))).collect(),
    );
    page
}

fn datacenters(row: &Value) -> String {
    list(row, "Datacenters").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// A policy with its rules.
pub(super) fn policy(row: &Value, with_meta: bool) -> String {
    format!(
        "ID:           {}\nName:         {}\nDescription:  {}\nDatacenters:  {}\n{}Rules:\n{}\n",
        text(row, "ID"),
        text(row, "Name"),
        text(row, "Description"),
        datacenters(row),
        if with_meta { meta(row, 14, "") } else { String::new() },
        text(row, "Rules"),
    )
}

/// A policy of a list.
pub(super) fn listed_policy(row: &Value, with_meta: bool) -> String {
    format!(
        "{}:\n   ID:           {}\n   Description:  {}\n   Datacenters:  {}\n{}",
        text(row, "Name"),
        text(row, "ID"),
        text(row, "Description"),
        datacenters(row),
        if with_meta { meta(row, 14, "   ") } else { String::new() },
    )
}

/// A role.
pub(super) fn role(row: &Value, with_meta: bool) -> String {
    format!(
        "ID:           {}\nName:         {}\nDescription:  {}\n{}{}",
        text(row, "ID"),
        text(row, "Name"),
        text(row, "Description"),
        if with_meta { meta(row, 14, "") } else { String::new() },
        links(row, ""),
    )
}

/// A role of a list.
pub(super) fn listed_role(row: &Value, with_meta: bool) -> String {
    format!(
        "{}:\n   ID:           {}\n   Description:  {}\n{}{}",
        text(row, "Name"),
        text(row, "ID"),
        text(row, "Description"),
        if with_meta { meta(row, 14, "   ") } else { String::new() },
        links(row, "   "),
    )
}

/// The indexes, values in column `width`.
fn indexes(row: &Value, width: usize, indent: &str) -> String {
    let index = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or(0).to_string();
    [("Create Index:", index("CreateIndex")), ("Modify Index:", index("ModifyIndex"))]
        .map(|(name, value)| format!("{indent}{name:<width$}{value}\n"))
        .concat()
}

fn method_lines(row: &Value, with_meta: bool, indent: &str) -> String {
    let mut page = format!("{indent}Type:          {}\n", text(row, "Type"));
    let mut optional = |name: &str, key: &str| {
        if !text(row, key).is_empty() {
            page.push_str(&format!("{indent}{name:<15}{}\n", text(row, key)));
        }
    };
    optional("DisplayName:", "DisplayName");
    page.push_str(&format!("{indent}Description:   {}\n", text(row, "Description")));
    for (name, key) in [("MaxTokenTTL:", "MaxTokenTTL"), ("TokenLocality:", "TokenLocality")] {
        if indent.is_empty() && !text(row, key).is_empty() {
            page.push_str(&format!("{name:<15}{}\n", text(row, key)));
        }
    }
    if with_meta {
        page.push_str(&indexes(row, 15, indent));
    }
    page
}

/// An auth method with its settings.
pub(super) fn auth_method(row: &Value, with_meta: bool) -> String {
    let config = row.get("Config").unwrap_or(&Value::Null);
    let config = json_lines(config, "  ");
    let lines = method_lines(row, with_meta, "");
    format!("Name:          {}\n{lines}Config:\n{}\n", text(row, "Name"), config.trim_end())
}

/// An auth method of a list.
pub(super) fn listed_auth_method(row: &Value, with_meta: bool) -> String {
    format!("{}:\n{}", text(row, "Name"), method_lines(row, with_meta, "   "))
}

fn rule_lines(row: &Value, with_meta: bool, indent: &str) -> String {
    let mut page: String = ["AuthMethod", "Description", "BindType", "BindName", "Selector"]
        .iter()
        .map(|key| format!("{indent}{:<14}{}\n", format!("{key}:"), text(row, key)))
        .collect();
    if with_meta {
        page.push_str(&indexes(row, 14, indent));
    }
    page
}

/// A binding rule.
pub(super) fn binding_rule(row: &Value, with_meta: bool) -> String {
    format!("ID:           {}\n{}", text(row, "ID"), rule_lines(row, with_meta, ""))
}

/// A binding rule of a list.
pub(super) fn listed_binding_rule(row: &Value, with_meta: bool) -> String {
    format!("{}:\n{}", text(row, "ID"), rule_lines(row, with_meta, "   "))
}

/// A time as Go prints it; as it is if it cannot be read.
fn time(text: &str) -> String {
    let shown = |time: Timestamp| {
        let fraction = format!("{:09}", time.subsec_nanosecond());
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{}{point}{fraction} +0000 UTC", time.strftime("%Y-%m-%d %H:%M:%S"))
    };
    text.parse::<Timestamp>().map_or_else(|_| text.to_owned(), shown)
}

fn token_head(row: &Value, secret: bool, with_meta: bool) -> String {
    let mut page = format!("AccessorID:       {}\n", text(row, "AccessorID"));
    if secret {
        page.push_str(&format!("SecretID:         {}\n", text(row, "SecretID")));
    }
    let local = row.get("Local").and_then(Value::as_bool).unwrap_or(false);
    page.push_str(&format!("Description:      {}\nLocal:            {local}\n", text(row, "Description")));
    page.push_str(&format!("Create Time:      {}\n", time(text(row, "CreateTime"))));
    if !text(row, "ExpirationTime").is_empty() {
        page.push_str(&format!("Expiration Time:  {}\n", time(text(row, "ExpirationTime"))));
    }
    if !secret {
        let legacy = row.get("Legacy").and_then(Value::as_bool).unwrap_or(false);
        page.push_str(&format!("Legacy:           {legacy}\n"));
    }
    if with_meta {
        page.push_str(&meta(row, 18, ""));
    }
    page
}

/// A token with its secret.
pub(super) fn token(row: &Value, with_meta: bool) -> String {
    let rules = text(row, "Rules");
    let rules = if rules.is_empty() { String::new() } else { format!("Rules:\n{rules}\n") };
    format!("{}{}{rules}", token_head(row, true, with_meta), links(row, ""))
}

/// A token of a list.
pub(super) fn listed_token(row: &Value, with_meta: bool) -> String {
    format!("{}{}\n", token_head(row, false, with_meta), links(row, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages() {
        let row = json!({
            "ID": "1", "Name": "n", "Description": "d", "Rules": "r", "Datacenters": ["a", "b"], "Hash": "/w==", "CreateIndex": 4,
            "Policies": [{ "ID": "2", "Name": "p" }], "ServiceIdentities": [{ "ServiceName": "s" }],
            "NodeIdentities": [{ "NodeName": "n9", "Datacenter": "dc1" }],
        });
        assert_eq!(
            policy(&row, true),
            "ID:           1\nName:         n\nDescription:  d\nDatacenters:  a, b\nHash:         ff\nCreate Index: 4\nModify Index: 0\nRules:\nr\n"
        );
        assert_eq!(
            listed_role(&row, false),
            "n:\n   ID:           1\n   Description:  d\n   Policies:\n      2 - p\n   Service Identities:\n      s (Datacenters: all)\n   Node Identities:\n      n9 (Datacenter: dc1)\n"
        );
        assert_eq!(time("2026-11-26T06:25:11.22307149Z"), "2026-11-26 06:25:11.22307149 +0000 UTC");
        assert_eq!(time("2026-11-26T06:25:11Z"), "2026-11-26 06:25:11 +0000 UTC");
    }
}
