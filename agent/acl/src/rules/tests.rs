use super::*;

fn said(text: &str) -> Rules {
    Rules::parse(text, Syntax::Current).unwrap()
}

#[test]
fn reads_hcl_and_json_alike() {
    let hcl = said(
        r#"
        key_prefix "app/" { policy = "write" }
        key "exact" { policy = "list" }
        service "web" { policy = "read" intentions = "write" }
        key_prefix "app/secret/" { policy = "deny" }
        operator = "read"
        namespace "x" { policy = "write" }
        "#,
    );
    let json = said(
        r#"{"key_prefix": {"app/": {"policy": "write"}, "app/secret/": {"policy": "deny"}}, "key": [{"exact": [{"policy": "list"}]}],
            "service": {"web": {"policy": "read", "intentions": "write"}}, "operator": "read"}"#,
    );
    let sorted = |mut rules: Rules| {
        rules.named.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        rules
    };
    assert_eq!(sorted(hcl.clone()), sorted(json));
    assert_eq!(hcl.named.len(), 4);
    assert_eq!(hcl.areas, [(Area::Operator, Level::Read)]);
}

#[test]
fn old_names_are_beginnings() {
    let rules = Rules::parse(r#"key "a" { policy = "read" }"#, Syntax::Legacy).unwrap();
    assert!(rules.named[0].is_prefix);
    assert!(!said(r#"key "a" { policy = "read" }"#).named[0].is_prefix);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, told) in [
        (
            "key_prefix \"x\" {\n  policy = \"sometimes\"\n}",
            "Invalid key_prefix policy: \"x\" has \"sometimes\", not read, list, write or deny (line 2, column 12)",
        ),
        (
            "node \"x\" { policy = \"list\" }",
            "Invalid node policy: \"x\" has \"list\", not read, write or deny (line 1, column 21)",
        ),
        (
            "service \"x\" { policy = \"read\" intentions = \"bad\" }",
            "Invalid service intentions policy: \"x\" has \"bad\", not read, write or deny (line 1, column 44)",
        ),
        ("acl = \"bad\"", "Invalid acl policy: \"bad\" (line 1, column 7)"),
        ("operator = 7", "Invalid operator policy: it must be a string (line 1, column 12)"),
    ] {
        assert_eq!(Rules::parse(text, Syntax::Current).unwrap_err().to_string(), told);
    }
    for text in ["nonsense {{", "key \"x\" { policy = ", "key = \"x\"", "key \"x\" { }", "{\"key\": 7}"] {
        assert!(Rules::parse(text, Syntax::Current).is_err(), "{text}");
    }
    let long = format!("# {}", "x".repeat(lictor_types::acl::RULES_BYTES_MAX));
    assert!(Rules::parse(&long, Syntax::Current).unwrap_err().to_string().contains("KiB"));
}

#[test]
fn old_rules_are_written_anew() {
    for (old, new) in [
        ("agent \"\" { policy = \"read\" }", "agent_prefix \"\" {\n  policy = \"read\"\n}"),
        ("", ""),
        ("key_prefix \"a\" { policy = \"read\" }", "key_prefix \"a\" {\n  policy = \"read\"\n}"),
        ("{\"key\": {\"a\": {\"policy\": \"read\"}}}", "key_prefix \"a\" {\n  policy = \"read\"\n}"),
        (
            "# comment\nkey \"\" { policy = \"read\" }\nservice \"a\" { policy = \"write\" intentions = \"read\" }\nkey \"b\" {\n  policy = \"deny\"\n}\noperator = \"read\"\n",
            "# comment\nkey_prefix \"\" {\n  policy = \"read\"\n}\n\nservice_prefix \"a\" {\n  policy = \"write\"\n\n  intentions = \"read\"\n}\n\nkey_prefix \"b\" {\n  policy = \"deny\"\n}\n\noperator = \"read\"",
        ),
        (
            "service \"a\" {\n  policy = \"write\"\n  intentions = \"read\"\n}",
            "service_prefix \"a\" {\n  policy     = \"write\"\n  intentions = \"read\"\n}",
        ),
        ("key \"a${b}\" { policy = \"read\" }", "key_prefix \"a${b}\" {\n  policy = \"read\"\n}"),
        (
            r#"{"key": {"a\"\\b": {"policy": "read", "x": {"y z": 1}}}}"#,
            "key_prefix \"a\\\"\\\\b\" {\n  policy = \"read\"\n\n  x = { \"y z\" = 1 }\n}",
        ),
    ] {
        assert_eq!(translate(old).unwrap(), new, "{old}");
    }
    assert!(translate("nonsense {{").is_err());
}

#[test]
fn old_rules_mean_the_same_today() {
    for old in [
        "key \"a\" { policy = \"read\" }\nkey_prefix \"a/\" { policy = \"write\" }\nservice \"\" { policy = \"write\" intentions = \"deny\" }",
        // What only escapes can write, what would begin a template, and what is a letter everywhere.
        "key \"\\001\\a\\\"\\\\\\n\" { policy = \"read\" }\nkey \"${a(\"b\")}\" { policy = \"list\" }\nkey \"é’\" { policy = \"deny\" }",
        r#"{"key": {"a${\"\\\u0000\u0085": {"policy": "read"}, "${": {"policy": "read"}, "${a{}é}${}$${b": {"policy": "read"}}}"#,
        // What says nothing of policies is kept, as far as HCL has words for it.
        r#"{"node": {"n": {"policy": "read", "a b": {"true": [1, null, -9223372036854775808, {"x": 1.5e-7}]}, "no": null}}}"#,
        "node \"n\" {\n  policy = \"read\"\n  more \"x y\" { z = [] }\n  more \"w\" { }\n}",
    ] {
        let before = Rules::parse(old, Syntax::Legacy).unwrap();
        let new = translate(old).unwrap();
        let after = Rules::parse(&new, Syntax::Current).unwrap_or_else(|error| panic!("{error} in\n{new}"));
        assert_eq!(before, after, "{new}");
    }
}

#[test]
fn rules_that_are_written_anew_do_not_multiply() {
    let long = "k".repeat(64 << 10);
    let fields: String = (0..1024).map(|at| format!("f{at} = 1\n")).collect();
    let old = format!("key \"a\" {{\n{fields}{long} = 1\npolicy = \"read\"\n}}");
    let new = translate(&old).unwrap();
    assert!(new.len() < 8 * old.len(), "{} of {}", new.len(), old.len());
    assert_eq!(said(&new).named.len(), 1);
}
