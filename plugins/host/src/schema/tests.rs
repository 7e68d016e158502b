use super::*;
use serde_json::json;

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn configs_are_checked_and_filled() {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["host"],
        "properties": {
            "host": {"type": "string", "minLength": 1, "maxLength": 5},
            "port": {"type": "integer", "minimum": 1, "maximum": 9, "default": 7},
            "mode": {"enum": ["a", "b"]},
            "list": {"type": "array", "items": {"type": "number"}},
            "tls": {"type": "object", "properties": {"on": {"type": "boolean", "default": true}}}
        }
    });
    let schema = Schema::parse(&schema.to_string()).unwrap();
    for (config, found) in [
        (json!({"host": "x"}), Ok(json!({"host": "x", "port": 7}))),
        (json!({"host": "x", "port": 3.0, "tls": {}}), Ok(json!({"host": "x", "port": 3.0, "tls": {"on": true}}))),
        (json!({}), Err("config.host is required")),
        (json!({"host": ""}), Err("config.host must have at least 1 characters")),
        (json!({"host": "abcdef"}), Err("config.host must have at most 5 characters")),
        (json!({"host": "x", "port": 10}), Err("config.port is 10; it must be at most 9")),
        (json!({"host": "x", "port": 1.5}), Err("config.port must be of type integer, not number")),
        (json!({"host": "x", "mode": "c"}), Err("config.mode is \"c\"; it must be one of \"a\", \"b\"")),
        (json!({"host": "x", "list": [1, "2"]}), Err("config.list.1 must be of type number, not string")),
        (json!({"host": "x", "prot": 1}), Err("config has no setting prot; did you mean port?")),
        (
            json!({"host": "x", "quitedifferent": 1}),
            Err("config has no setting quitedifferent; it has host, port, mode, list, tls"),
        ),
    ] {
        let found = found.map(object).map_err(str::to_owned);
        assert_eq!(schema.check(&object(config.clone())), found, "{config}");
    }
}

#[test]
fn deep_configs_are_refused() {
    let mut deep = json!(1);
    for _ in 0..40 {
        deep = json!({ "a": deep });
    }
    assert!(flatten(&object(deep)).unwrap_err().contains("nested more than 16 deep"));
    let wide: Map<String, Value> = (0..2000).map(|n| (n.to_string(), json!(1))).collect();
    assert!(flatten(&wide).unwrap_err().contains("more than 1024 settings"));
}

#[test]
fn leaves_have_paths_and_fill_grants() {
    let settings = flatten(&object(json!({"a": {"b": "x", "n": null}, "l": [1, 2.5], "port": 6379, "on": true}))).unwrap();
    let keys: Vec<&str> = settings.iter().map(|setting| setting.key.as_str()).collect();
    assert_eq!(keys, ["a.b", "l.0", "l.1", "port", "on"]);
    assert_eq!(fill("tcp:{a.b}:{port}", &settings).as_deref(), Some("tcp:x:6379"));
    assert_eq!(fill("clock", &settings).as_deref(), Some("clock"));
    assert_eq!(fill("env:{absent}", &settings), None);
    assert_eq!(fill("env:{broken", &settings), None);
}

#[test]
fn a_default_must_fit_its_schema() {
    let bad = json!({"properties": {"n": {"type": "integer", "maximum": 3, "default": 5}}});
    let refusal = Schema::parse(&bad.to_string()).unwrap_err();
    assert_eq!(refusal, "the default in its config schema does not fit it: config.n is 5; it must be at most 3");
    let nested = json!({"properties": {"a": {"default": {}, "properties": {"b": {"default": 1}}}}});
    assert_eq!(judge_settings(&nested.to_string(), &Map::new()), Ok(object(json!({"a": {"b": 1}}))));
    let mut deep = json!({});
    for _ in 0..40 {
        deep = json!({"items": deep});
    }
    assert!(Schema::parse(&deep.to_string()).unwrap_err().contains("nested more than 16 deep"));
}
