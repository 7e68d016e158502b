use super::*;
use proptest::prelude::*;

fn message(text: &str) -> String {
    parse(text).map_or_else(|error| error.to_string(), |tree| format!("{tree:?}"))
}

#[test]
fn wrong_expressions_get_the_known_sentence() {
    const START: &str = r#""(", "-", "0", "\"", "`", "not", [ \t\r\n], [1-9] or [a-zA-Z]"#;
    const VALUE: &str = r#""-", "0", "\"", "`", [ \t\r\n], [1-9] or [a-zA-Z]"#;
    const OPERATOR: &str = r#""!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n]"#;
    let none = |place: &str, expected: &str| format!("{place}: no match found, expected: {expected}");
    for (text, expect) in [
        ("Node ==", none("1:8 (7)", VALUE)),
        ("(", none("1:2 (1)", START)),
        ("  ", none("1:3 (2)", START)),
        ("é == 1", none("1:1 (0)", START)),
        ("Node is prod", none("1:9 (8)", r#""empty", "not" or [ \t\r\n]"#)),
        ("Node == a and", none("1:14 (13)", r"[ \t\r\n]")),
        ("Node == foo-bar", none("1:12 (11)", r#"".", "[", [ \t\r\n], [a-zA-Z0-9_] or EOF"#)),
        ("Node = n1", none("1:6 (5)", OPERATOR)),
        ("Node\n= ", none("2:1 (5)", OPERATOR)),
        ("Node == n1 Node", none("1:12 (11)", r#""and", "or", [ \t\r\n] or EOF"#)),
        ("\n\nNode\n==\n", none("5:1 (10)", VALUE)),
        ("Node not x", none("1:10 (9)", r#""contains", "in", "matches" or [ \t\r\n]"#)),
        ("Node == 1)", none("1:10 (9)", r#"".", [ \t\r\n], [0-9] or EOF"#)),
        ("-", none("1:2 (1)", r#""0" or [1-9]"#)),
        ("-1", none("1:3 (2)", r#"".", [ \t\r\n] or [0-9]"#)),
        ("Node == \"é\" x", none("1:13 (13)", r#""and", "or", [ \t\r\n] or EOF"#)),
        ("(a == b) c", none("1:10 (9)", r#""and", "or", [ \t\r\n] or EOF"#)),
        ("Node == \"unclosed", "1:18 (17): rule \"string\": Unterminated string literal".into()),
        ("Node == \"a\\\"b\"", "1:9 (8): rule \"string\": invalid syntax".into()),
        ("Meta[a] == 1", "1:6 (5): rule \"index\": Invalid index".into()),
        ("Node[\"a\"", "1:9 (8): rule \"index\": Unclosed index expression".into()),
        ("\"n1\" in \"Node\"", "1:9 (8): rule \"match\": Invalid selector".into()),
        ("Node == 00", "1:10 (9): rule \"number\": Invalid number literal".into()),
        ("(Node==n1 and ", "1:11 (10): rule \"grouping\": Unmatched parentheses".into()),
        (
            "x in Meta[\"a",
            "1:13 (12): rule \"string\": Unterminated string literal\n1:11 (10): rule \"index\": Invalid index".into(),
        ),
    ] {
        assert_eq!(message(text), expect, "{text:?}");
    }
}

#[test]
fn words_of_the_language_are_names_too() {
    for text in
        ["not == 1", "not in Meta", "not not in Meta", "and in Meta", "Node == or and Node == n1", "in in in", "is is empty"]
    {
        assert!(parse(text).is_ok(), "{text}: {}", message(text));
    }
}

#[test]
fn size_and_depth_are_limited() {
    assert_eq!(parse(&"a".repeat(EXPRESSION_BYTES_MAX + 1)), Err(FilterError::TooLong(EXPRESSION_BYTES_MAX + 1)));
    assert_eq!(parse(&"(".repeat(5_000)), Err(FilterError::TooDeep));
    assert_eq!(parse(&"not ".repeat(5_000)), Err(FilterError::TooDeep));
    let deep = format!("{}a == b{}", "(".repeat(DEPTH_MAX), ")".repeat(DEPTH_MAX));
    assert!(parse(&deep).is_ok());
    assert!(parse(&vec!["a == b"; 5_000].join(" and ")).is_ok());
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn never_panics_on_what_looks_right(words in prop::collection::vec(prop::sample::select(vec![
        "Node", "Meta", ".", "[", "]", "\"a\"", "`b`", "\"", "`", "==", "!=", "in", "not", "is", "empty", "contains", "matches",
        "and", "or", "(", ")", " ", " ", " ", " ", "1", "-2.5", "0", "\n", "é", "\\",
    ]), 0..40)) {
        let _ = parse(&words.concat());
    }
}
