use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn hcl(text: &str) -> Value {
    parse(text.as_bytes(), Format::Hcl).unwrap_or_else(|e| panic!("{text}: {e:?}")).to_json()
}

/// What Consul 1.8.7 accepts (each was shown to it), and what it means.
#[test]
fn hcl_features() {
    for (text, expect) in [
        (
            "service { name = \"web\" port = 8080 check { ttl = \"1s\" } }",
            json!({"service": {"name": "web", "port": 8080, "check": {"ttl": "1s"}}}),
        ),
        ("\"service\" { \"name\" = \"a\" }", json!({"service": {"name": "a"}})),
        ("a = 1\na = 2", json!({"a": 2})),
        ("a = 1, b = 2,", json!({"a": 1, "b": 2})),
        ("a = 0x50 b = 0120 c = -0x1 d = -5", json!({"a": 80, "b": 80, "c": -1, "d": -5})),
        (
            "a = 80.5 b = 8e1 c = 8E+1 d = .5 e = 5. f = -1.5",
            json!({"a": 80.5, "b": 80.0, "c": 80.0, "d": 0.5, "e": 5.0, "f": -1.5}),
        ),
        ("a = <<EOF\nweb\n  x\nEOF\nb = 1", json!({"a": "web\n  x\n", "b": 1})),
        ("a = <<-EOF\n    web\n      x\n    EOF\n", json!({"a": "web\n  x\n"})),
        ("a = <<-EOF\n  web\n    EOF\n", json!({"a": "  web\n"})),
        ("a = [<<EOF\nx\nEOF\n, \"b\"]", json!({"a": ["x\n", "b"]})),
        ("# c\n// c\n/* c\n */ a = 1 # d\n", json!({"a": 1})),
        ("\u{feff}a = 1", json!({"a": 1})),
        ("a = 1\r\nb {\r\n c = 2\r\n}\r\n", json!({"a": 1, "b": {"c": 2}})),
        ("plugin \"redis\" { path = \"x\" }", json!({"plugin": {"redis": {"path": "x"}}})),
        ("plugin \"a\" { x = 1 }\nplugin \"b\" { x = 2 }", json!({"plugin": [{"a": {"x": 1}}, {"b": {"x": 2}}]})),
        ("s = { a = 1 } t = [ { a = 1 }, { a = 2 }, ]", json!({"s": {"a": 1}, "t": [{"a": 1}, {"a": 2}]})),
        ("s { a = 1 } s = { a = 2 } s = [ { a = 3 } ]", json!({"s": [{"a": 1}, {"a": 2}, {"a": 3}]})),
        (
            "a = true b = \"${x(\"y\")}\" c = \"{{ GetInterfaceIP \\\"lo\\\" }}\"",
            json!({"a": true, "b": "${x(\"y\")}", "c": "{{ GetInterfaceIP \"lo\" }}"}),
        ),
        ("a = \"\\t\\u0041\\U00000041\\x41\\101\\\\\"", json!({"a": "\tAAAA\\"})),
        (
            "m { foo-bar = 1 foo.bar = 2 _x = 3 größe = 4 \"\" = 5 }",
            json!({"m": {"foo-bar": 1, "foo.bar": 2, "_x": 3, "größe": 4, "": 5}}),
        ),
        (
            "a = [\"x\", # c\n \"y\" /* z */ ] b = [, 1,, 2,] c = [[1], [2]] d = []",
            json!({"a": ["x", "y"], "b": [1, 2], "c": [[1], [2]], "d": []}),
        ),
        ("a =\n \"x\"\nb\n = 1\nc\n{ d = 1 }", json!({"a": "x", "b": 1, "c": {"d": 1}})),
        ("a = \"$5 {y}\" b {}", json!({"a": "$5 {y}", "b": {}})),
        ("{\"a\": {\"b\": 1}}", json!({"a": {"b": 1}})),
        ("", json!({})),
        (" \n# only a comment", json!({})),
    ] {
        assert_eq!(hcl(text), expect, "{text}");
    }
}

/// What it refuses, and where.
#[test]
fn the_smallest_number_is_one() {
    for text in ["a = -9223372036854775808", "a = -0x8000000000000000", "a = -01000000000000000000000"] {
        assert_eq!(hcl(text), json!({"a": i64::MIN}), "{text}");
    }
    assert!(parse(b"a = 9223372036854775808", Format::Hcl).is_err());
}

#[test]
fn blocks_gather_until_something_else_comes() {
    for (text, expect) in [
        ("b {} b {} b {}", json!({"b": [{}, {}, {}]})),
        ("b {} b = 1 b { c = 1 }", json!({"b": {"c": 1}})),
        ("b = [1, {}] b {} b {}", json!({"b": [{}, {}]})),
        ("b = [] b {}", json!({"b": {}})),
        ("b = [{}, {}] c {} b {} c {}", json!({"b": [{}, {}, {}], "c": [{}, {}]})),
    ] {
        assert_eq!(hcl(text), expect, "{text}");
    }
}

#[test]
fn hcl_refusals() {
    for (text, line, column, message) in [
        ("service { name = \"a\",, port = 80 }", 1, 22, "expected a key, found \",\""),
        ("a = 0890", 1, 5, "illegal octal number"),
        ("a = 0x", 1, 5, "illegal hexadecimal number"),
        ("a = +1", 1, 5, "expected a value, found '+'"),
        ("a = foo", 1, 5, "expected a value, found the bare word \"foo\""),
        ("a = null", 1, 5, "expected a value, found the bare word \"null\""),
        ("a = [foo]", 1, 6, "expected a value, found the bare word \"foo\""),
        ("a = 1 + 1", 1, 7, "expected a key, found '+'"),
        ("a = upper(\"x\")", 1, 5, "expected a value, found the bare word \"upper\""),
        ("a : 1", 1, 3, "expected \"=\" or \"{\", found ':'"),
        ("a = \"x\ny\"", 1, 5, "literal not terminated"),
        ("a = \"${x\"", 1, 5, "literal not terminated"),
        ("a = 'x'", 1, 5, "expected a value, found '\\''"),
        ("a = \"\\.b\"", 1, 6, "illegal char escape"),
        ("a = \"\\/b\"", 1, 6, "illegal char escape"),
        ("a = <<EOF\nx\n", 1, 5, "heredoc not terminated"),
        ("a = <<E-F\nx\nE-F\n", 1, 5, "invalid characters in heredoc anchor"),
        ("a = <<\"EOF\"\nx\nEOF\n", 1, 5, "invalid characters in heredoc anchor"),
        ("/* x", 1, 1, "comment not terminated"),
        ("a = [1 2]", 1, 8, "expected \",\" or \"]\", found the number 2"),
        ("a = [{} {}]", 1, 9, "expected \",\" or \"]\", found \"{\""),
        ("s {\n a = 1\n", 3, 1, "the \"{\" of line 1 is not closed"),
        ("s { a = [1 }", 1, 12, "expected \",\" or \"]\", found \"}\""),
        ("s { } }", 1, 7, "expected a key, found \"}\""),
        ("s \"x\" = { }", 1, 7, "expected \"{\", found \"=\""),
        ("a", 1, 2, "expected \"=\" or \"{\" after the key \"a\", found the end of the file"),
        ("a =", 1, 4, "expected a value, found the end of the file"),
        ("1a = 1", 1, 1, "expected a key, found the number 1"),
        ("true = 1", 1, 1, "expected a key, found true"),
        ("a = 1; b = 2", 1, 6, "expected a key, found ';'"),
        ("a = \"a\" \"b\"", 1, 12, "expected \"=\" or \"{\" after the key \"b\", found the end of the file"),
        ("a = 99999999999999999999", 1, 5, "the number is too large"),
        ("s {\n  größe = x\n}", 2, 11, "expected a value, found the bare word \"x\""),
    ] {
        let error = parse(text.as_bytes(), Format::Hcl).expect_err(text);
        assert_eq!((error.pos.line, error.pos.column, error.message.as_str()), (line, column, message), "{text}");
    }
    let error = parse(b"a = \"\xff\"", Format::Hcl).expect_err("not UTF-8");
    assert_eq!((error.pos.line, error.pos.column, error.message.as_str()), (1, 6, "illegal UTF-8 encoding"));
}

#[test]
fn json_features_and_refusals() {
    let read = |text: &str| parse(text.as_bytes(), Format::Json).map(|node| node.to_json());
    assert_eq!(
        read("{\"a\": [1, 2.5, -3e2, \"x\\/\\u00e9\\ud83d\\ude00\", true, null], \"a2\": {}}").unwrap(),
        json!({"a": [1, 2.5, -300.0, "x/é😀", true, null], "a2": {}})
    );
    assert_eq!(read("null").unwrap(), json!({}));
    assert_eq!(read("{\"a\":1,\"a\":2}").unwrap(), json!({"a": 2}));
    assert_eq!(read("").unwrap(), json!({}));
    for (text, line, column, message) in [
        ("{\"a\":1 // c\n}", 1, 8, "invalid character '/' after object key:value pair"),
        ("{\"a\":1,}", 1, 8, "invalid character '}' looking for beginning of object key string"),
        ("{\n \"a\":080}", 2, 6, "\"080\" is no JSON number"),
        ("{\"a\":0x50}", 1, 7, "invalid character 'x' after object key:value pair"),
        ("[]", 1, 1, "the file must hold an object"),
        ("{} x", 1, 4, "invalid character 'x' after top-level value"),
        ("{\"a\":\"b\tc\"}", 1, 8, "invalid character '\\t' in string literal"),
        ("{\"a\":\"\\q\"}", 1, 7, "invalid character in string escape code"),
        ("{\"a\":", 1, 6, "unexpected end of JSON input"),
        ("a = 1", 1, 1, "invalid character 'a' looking for beginning of value"),
    ] {
        let error = read(text).expect_err(text);
        assert_eq!((error.pos.line, error.pos.column, error.message.as_str()), (line, column, message), "{text}");
    }
}

#[test]
fn toml_features_and_refusals() {
    let text = "node_name = \"x\"\n[[services]]\nname = \"a\"\nport = 0x50\n[[services.checks]]\nttl = \"1s\"\n[service]\nname = 'b'\nmeta = { k = 1.5 }\n";
    let node = parse(text.as_bytes(), Format::Toml).unwrap();
    let expect = json!({"node_name": "x", "services": [{"name": "a", "port": 80, "checks": [{"ttl": "1s"}]}], "service": {"name": "b", "meta": {"k": 1.5}}});
    assert_eq!(node.to_json(), expect);
    assert_eq!(node.locate("services[0].checks[0].ttl"), Pos { line: 6, column: 1 });
    assert_eq!(node.locate("service.meta.k"), Pos { line: 9, column: 10 });
    for (text, line) in
        [("a = ", 1), ("a = 1\na = 2", 2), ("a = 1979-05-27", 1), ("[a\n", 1), ("a = nan", 1), ("a = 99999999999999999999", 1)]
    {
        let error = parse(text.as_bytes(), Format::Toml).expect_err(text);
        assert_eq!(error.pos.line, line, "{text}: {error:?}");
    }
}

#[test]
fn places_are_found() {
    let node = parse(
        b"service {\n  name = \"a\"\n  Check {\n    interval = 5\n  }\n}\nservices = [{\n  port = 1 }, { x = 1 }]\n",
        Format::Hcl,
    )
    .unwrap();
    for (path, line, column) in [
        ("service.name", 2, 3),
        ("service.check.Interval", 4, 5),
        ("service.checks[0].interval", 4, 5),
        ("services[0].port", 8, 3),
        ("services[1]", 8, 15),
        ("nothing", 1, 1),
        ("service.nothing", 1, 1),
    ] {
        assert_eq!(node.locate(path), Pos { line, column }, "{path}");
    }
}

#[test]
fn depth_is_bounded() {
    for (format, text) in [
        (Format::Hcl, "a { ".repeat(100_000)),
        (Format::Hcl, format!("a = {}", "[".repeat(100_000))),
        (Format::Hcl, format!("{} {{", "a ".repeat(100_000))),
        (Format::Hcl, format!("a = {}", "{ a = ".repeat(100_000))),
        (Format::Json, "{\"a\":".repeat(100_000)),
        (Format::Json, format!("{{\"a\":{}", "[".repeat(100_000))),
        (Format::Toml, format!("{}a = 1", "a.".repeat(100_000))),
        (Format::Toml, format!("a = {}", "[".repeat(100_000))),
        (Format::Toml, format!("a = {}", "{ a = ".repeat(100_000))),
        (Format::Toml, format!("[{}a]", "\"a\".".repeat(100_000))),
        (Format::Toml, format!("[{}a]", "a . \n".repeat(10))),
    ] {
        assert!(parse(text.as_bytes(), format).is_err());
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::Hcl, Format::Json, Format::Toml] {
            let _ = parse(&bytes, format);
        }
    }

    #[test]
    fn no_near_text_panics(parts in prop::collection::vec(prop_oneof![
        Just("service"), Just("{"), Just("}"), Just("["), Just("]"), Just("="), Just(","), Just("\""), Just("\\"), Just("${"),
        Just("<<EOF\n"), Just("<<-E\n"), Just("EOF\n"), Just("/*"), Just("*/"), Just("#"), Just("\n"), Just("0x"), Just("-"), Just("1"),
        Just("e9"), Just("."), Just(":"), Just("null"), Just("é"), Just("\\ud800"), Just("'''"), Just("[["), Just("]]")], 0..40)) {
        let text = parts.concat();
        for format in [Format::Hcl, Format::Json, Format::Toml] {
            let _ = parse(text.as_bytes(), format);
        }
    }
}
