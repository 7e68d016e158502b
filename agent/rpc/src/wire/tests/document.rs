//! The document and the code say the same.

use std::collections::BTreeSet;

const DOCUMENT: &str = include_str!("../../../proto/v1/lictor.proto");
const MESSAGES: &str = include_str!("../message.rs");
const PATHS: &str = include_str!("../../wire.rs");

/// Fields and values of the document: `Message.name = number: type`, `Enum.VALUE = number`, and methods as paths.
fn documented() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut package = "";
    let (mut fields, mut methods) = (BTreeSet::new(), BTreeSet::new());
    let (mut kind, mut name) = ("", "");
    let enums: Vec<&str> =
        DOCUMENT.lines().filter_map(|line| line.strip_prefix("enum ")).map(|line| line.trim_end_matches(" {")).collect();
    for line in DOCUMENT.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.is_empty()) {
        let words: Vec<&str> = line.trim_end_matches([';', '{']).split_whitespace().collect();
        match words.as_slice() {
            ["package", of] => package = of,
            ["syntax", ..] => {}
            [what @ ("message" | "enum" | "service"), of] => (kind, name) = (what, of),
            ["}"] => {}
            ["rpc", rest @ ..] => {
                let method = rest.join(" ");
                let method = method.split('(').next().unwrap_or_default();
                methods.insert(format!("/{package}.{name}/{method}"));
            }
            [value, "=", number] if kind == "enum" => {
                fields.insert(format!("{name}.{} = {number}", value.replace('_', "").to_lowercase()));
            }
            [of @ .., field, "=", number] => {
                let of = of.join(" ");
                let (optional, of) = of.strip_prefix("optional ").map_or(("", of.as_str()), |of| ("optional ", of));
                let of = match of {
                    "string" | "uint64" | "uint32" | "bool" | "bytes" => of.to_owned(),
                    "map<string, string>" => "map".to_owned(),
                    of if enums.contains(&of) => format!("enumeration {of}"),
                    // A field of a message type may always be absent.
                    of => format!("message {of}"),
                };
                fields.insert(format!("{name}.{field} = {number}: {optional}{of}"));
            }
            other => panic!("the test cannot read {other:?}"),
        }
    }
    (fields, methods)
}

/// The same of the code.
fn spoken() -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let (mut name, mut attribute) = ("", "");
    for line in MESSAGES.lines().map(str::trim) {
        let declared = |word: &str| line.strip_prefix(word).map(|rest| rest.trim_end_matches(" {"));
        if let Some(of) = declared("pub(crate) struct ").or_else(|| declared("pub(crate) enum ")) {
            name = of;
        } else if let Some(inner) = line.strip_prefix("#[prost(") {
            attribute = inner.trim_end_matches(")]");
        } else if let Some(field) = line.strip_prefix("pub(crate) ") {
            let (field, of) = field.trim_end_matches(',').split_once(": ").unwrap();
            let number = attribute.split("tag = \"").nth(1).unwrap().trim_end_matches('"');
            let first = attribute.split(", tag").next().unwrap();
            let (first, optional) = first.strip_suffix(", optional").map_or((first, ""), |first| (first, "optional "));
            let of = match first {
                "bytes = \"bytes\"" => "bytes".to_owned(),
                "map = \"string, string\"" => "map".to_owned(),
                "message" => format!("message {}", of.trim_start_matches("Option<").trim_end_matches('>')),
                plain => match plain.strip_prefix("enumeration = ") {
                    Some(of) => format!("enumeration {}", of.trim_matches('"')),
                    None => plain.to_owned(),
                },
            };
            let optional = if of.starts_with("message") { "" } else { optional };
            fields.insert(format!("{name}.{field} = {number}: {optional}{of}"));
        } else if let Some((value, number)) =
            line.trim_end_matches(',').split_once(" = ").filter(|(value, _)| !value.contains(' '))
        {
            fields.insert(format!("{name}.{} = {number}", value.to_lowercase()));
        }
    }
    fields
}

#[test]
fn the_messages_are_those_of_the_document() {
    let (documented, _) = documented();
    assert!(documented.len() > 70, "{documented:?}");
    let spoken = spoken();
    let only_documented: Vec<_> = documented.difference(&spoken).collect();
    let only_spoken: Vec<_> = spoken.difference(&documented).collect();
    assert!(
        only_documented.is_empty() && only_spoken.is_empty(),
        "only in the document: {only_documented:?}; only in the code: {only_spoken:?}"
    );
}

#[test]
fn the_methods_are_those_of_the_document() {
    let (_, methods) = documented();
    let quoted = PATHS.lines().filter_map(|line| line.split('"').nth(1)).filter(|text| text.starts_with("/lictor."));
    assert_eq!(quoted.map(str::to_owned).collect::<BTreeSet<_>>(), methods);
}
