use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;

#[test]
fn files_are_typed_weakly() {
    let value = json!({
        "ID": "web-1", "name": "web", "Port": ["8080"], "tags": "primary", "meta": {"n": 1, "on": true},
        "TaggedAddresses": [{"lan": {"address": "10.0.0.1", "port": "80"}}],
        "EnableTagOverride": "true", "weights": {"passing": "5"},
        "check": {"id": "c", "ScriptArgs": "true", "Interval": "10s", "timeout": 1000000000u64,
                  "DeregisterCriticalServiceAfter": "90m", "TLSSkipVerify": 1},
        "checks": [{"HTTP": "http://x", "header": {"a": "b", "c": ["d", 1]}, "interval": "1s"}],
    });
    let got = service(&value, UnknownKeys::Refuse).unwrap();
    assert_eq!((got.id.as_str(), got.name.as_str(), got.port), ("web-1", "web", 8080));
    assert_eq!(got.tags, ["primary"]);
    assert_eq!(got.meta.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["n=1", "on=1"]);
    assert_eq!(got.tagged_addresses["lan"].port, 80);
    assert!(got.enable_tag_override);
    assert_eq!(got.weights.as_ref().map(|w| (w.passing, w.warning)), Some((5, 1)));
    assert_eq!(got.checks.len(), 2);
    assert_eq!(got.checks[0].args, ["true"]);
    assert_eq!(got.checks[0].timeout, Some(Duration::from_secs(1)));
    assert_eq!(got.checks[0].deregister_critical_service_after, Some(Duration::from_secs(5400)));
    assert!(got.checks[0].tls_skip_verify);
    assert_eq!(got.checks[1].header["c"], ["d", "1"]);
}

#[test]
fn newer_keys_are_read() {
    let value = json!({
        "name": "redis",
        "ports": [{"name": "main", "port": 6379, "default": true}, {"name": "admin", "port": 1}],
        "checks": [
            {"plugin": "redis_ping", "config": [{"address": "127.0.0.1:6379"}], "allow": "tcp:127.0.0.1:6379", "interval": "5s"},
            {"composite": {"checks": ["a", "b", "c"], "at_least": 2}},
            {"composite": {"any": ["a", "b"]}},
            {"composite": {"all": ["a", "b"]}, "flap_damping": {"window": "1m", "max_changes": 3}},
            {"udp": "x:1", "interval": "1s", "failures_before_warning": 2},
            {"h2ping": "x:1", "h2ping_use_tls": false, "interval": "1s"},
            {"os_service": "nginx.service", "interval": "1s"},
        ],
    });
    let got = service(&value, UnknownKeys::Refuse).unwrap();
    assert_eq!(
        got.ports.iter().map(|p| (p.name.as_str(), p.port, p.default)).collect::<Vec<_>>(),
        [("main", 6379, true), ("admin", 1, false)]
    );
    let plugin = got.checks[0].plugin.as_ref().unwrap();
    assert_eq!(
        (plugin.name.as_str(), plugin.config["address"].as_str(), plugin.allow.len()),
        ("redis_ping", Some("127.0.0.1:6379"), 1)
    );
    let least: Vec<_> = got.checks.iter().filter_map(|c| c.composite.as_ref()).map(|c| (c.checks.len(), c.at_least)).collect();
    assert_eq!(least, [(3, 2), (2, 1), (2, 2)]);
    assert_eq!(got.checks[3].flap_damping.map(|f| (f.window.as_secs(), f.max_changes)), Some((60, 3)));
    assert_eq!(got.checks[5].h2ping_use_tls, Some(false));
    let map = service(&json!({"name": "x", "ports": {"http": 80, "admin": "81"}}), UnknownKeys::Refuse).unwrap();
    assert_eq!(map.ports.iter().map(|p| (p.name.as_str(), p.port)).collect::<Vec<_>>(), [("http", 80), ("admin", 81)]);
}

#[test]
fn all_problems_come_at_once_with_place_and_hint() {
    let value = json!({
        "nmae": "web", "port": "eighty", "Checks": [{"ttl": "soon"}, {"intervall": "1s", "script": "x", "status": "bad"}],
    });
    let errors = service(&value, UnknownKeys::Refuse).unwrap_err();
    let got: Vec<_> = errors.iter().map(|e| (e.path.as_str(), e.message.as_str(), e.hint.as_str())).collect();
    assert_eq!(
        got,
        [
            ("nmae", "unknown key \"nmae\"", "did you mean \"name\"?"),
            ("port", "expected a whole number, found the string \"eighty\"", ""),
            ("Checks[1].intervall", "unknown key \"intervall\"", "did you mean \"interval\"?"),
            ("Checks[1].script", "unknown key \"script\"", "write the command as a list: args = [\"/bin/sh\", \"-c\", \"...\"]"),
            ("Checks[1].status", "Bad check status", "one of \"passing\", \"warning\", \"critical\""),
            ("Checks[0].ttl", "time: invalid duration \"soon\"", "write for example \"10s\", \"1m30s\" or \"250ms\""),
        ]
    );
    assert!(service(&json!({"name": "a", "unheard": 1}), UnknownKeys::Ignore).is_ok());
    assert!(service(&json!({"name": "a", "port": 65536}), UnknownKeys::Ignore).is_err());
    assert!(check(&json!({"name": "a", "ttl": "-1s"}), UnknownKeys::Refuse).is_err());
    assert!(check(&json!({"name": "a", "composite": {}}), UnknownKeys::Refuse).is_err());
    assert!(check(&json!({"name": "a", "ttl": "1s", "allow": ["x"]}), UnknownKeys::Refuse).is_err());
}

fn any_value() -> impl Strategy<Value = Value> {
    let names: Vec<&'static str> = service_keys().into_iter().chain(check_keys()).collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "-?[0-9]{1,20}(ns|s|m|h)?".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        let key = prop_oneof![proptest::sample::select(names.clone()).prop_map(str::to_owned), "[a-zA-Z_]{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..8).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_panics(value in any_value()) {
        let _ = service(&value, UnknownKeys::Refuse);
        let _ = check(&value, UnknownKeys::Ignore);
        let _ = crate::definition::body::service(&value);
        let _ = crate::definition::body::check(&value);
        if let Ok(definition) = service(&value, UnknownKeys::Ignore) {
            let _ = crate::definition::validate::strict_service(&definition);
        }
    }
}
