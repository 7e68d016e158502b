use super::*;
use serde_json::json;

fn text<T: std::fmt::Debug>(result: Decoded<T>) -> String {
    result.unwrap_err().text().to_owned()
}

#[test]
fn misfits_are_told_in_gos_words() {
    for (body, expect) in [
        (json!([]), "Request decode failed: json: cannot unmarshal array into Go value of type structs.RegisterRequest"),
        (
            json!({"Node": 5}),
            "Request decode failed: json: cannot unmarshal number into Go struct field RegisterRequest.Node of type string",
        ),
        (json!({"Node": "a", "Bogus": 1}), "Request decode failed: json: unknown field \"Bogus\""),
        (
            json!({"Service": {"Tags": "x"}}),
            "Request decode failed: json: cannot unmarshal string into Go struct field NodeService.Service.Tags of type []string",
        ),
        (json!({"Check": {"Definition": {"Interval": "soon"}}}), "Request decode failed: time: invalid duration \"soon\""),
    ] {
        assert_eq!(text(register(body.clone())), expect, "{body}");
    }
}

#[test]
fn registrations_are_read_without_letter_case() {
    let body = json!({"node": "n", "ADDRESS": "1.1.1.1", "NodeMeta": {"a": "b"}, "Datacenter": "dc1",
        "service": {"service": "web", "id": "w1", "port": 80, "tags": ["x"], "weights": {"passing": 5, "warning": 3}, "taggedaddresses": {"lan": {"address": "a", "port": 1}}},
        "checks": [{"checkid": "c", "status": "passing", "serviceid": "w1", "definition": {"tcp": "localhost:1", "interval": "5s", "Timeout": 1_000_000_000, "DeregisterCriticalServiceAfter": "30s"}}],
        "check": {"name": "d", "status": "odd"}});
    let read = register(body).unwrap();
    let service = read.register.service.unwrap();
    assert_eq!((read.register.node.node.as_str(), read.register.node.datacenter.as_str(), service.port), ("n", "dc1", 80));
    assert_eq!(service.weights, Weights { passing: 5, warning: 3 });
    let [one, two] = &read.register.checks[..] else { panic!("two checks") };
    assert_eq!((one.kind.as_str(), one.status), ("tcp", HealthStatus::Passing));
    assert_eq!(
        one.definition.0.to_string(),
        r#"{"Interval":"5s","Timeout":"1s","DeregisterCriticalServiceAfter":"30s","TCP":"localhost:1"}"#
    );
    assert_eq!((two.name.as_str(), two.status), ("d", HealthStatus::Critical));
}

#[test]
fn null_is_an_empty_body() {
    assert_eq!(register(Value::Null).unwrap(), Registration::default());
    assert_eq!(deregister(Value::Null, 5).unwrap().0.now_unix_ms, 5);
}

#[test]
fn sessions_have_consuls_defaults() {
    for (body, checks, delay) in [
        (json!(null), vec!["serfHealth"], 15_000_000_000_u64),
        (json!({"Checks": []}), vec![], 15_000_000_000),
        (json!({"NodeChecks": []}), vec![], 15_000_000_000),
        (json!({"Checks": ["serfHealth", "gate"], "LockDelay": "0s"}), vec!["serfHealth", "gate"], 0),
        (json!({"NodeChecks": ["a"], "LockDelay": "500ms"}), vec!["a"], 500_000_000),
        (json!({"LockDelay": 20, "Nope": 1}), vec!["serfHealth"], 20_000_000_000),
        (json!({"LockDelay": 5_000_000}), vec!["serfHealth"], 5_000_000),
    ] {
        let session = session(body.clone(), "n1").unwrap();
        let ids: Vec<&str> = session.node_checks.iter().map(lictor_types::CheckId::as_str).collect();
        assert_eq!((ids, session.lock_delay), (checks, delay), "{body}");
    }
    let error = session(json!({"Behavior": "explode"}), "n1").unwrap_err();
    assert_eq!((error.status().as_u16(), error.text()), (500, "Invalid Behavior setting 'explode'"));
    let error = session(json!({"LockDelay": "soon"}), "n1").unwrap_err();
    assert_eq!((error.status().as_u16(), error.text()), (400, "Request decode failed: time: invalid duration \"soon\""));
}

#[test]
fn coordinates_need_eight_dimensions() {
    let error = coordinate(json!({"Node": "n", "Coord": {"Vec": [0.5]}})).unwrap_err();
    assert_eq!((error.status().as_u16(), error.text()), (500, "incompatible coordinate"));
    assert!(coordinate(json!({"Node": "n", "Coord": {"Vec": [0, 0, 0, 0, 0, 0, 0, 0.5], "Height": 1e-5}})).is_ok());
}

#[test]
fn check_updates_need_a_state() {
    assert_eq!(text(check_update(json!({}))), "Invalid check status: ''");
    assert_eq!(
        text(check_update(json!({"Status": 5}))),
        "Request decode failed: json: cannot unmarshal number into Go struct field checkUpdate.Status of type string"
    );
    assert_eq!(check_update(json!({"status": "warning", "OUTPUT": "x"})).unwrap(), (HealthStatus::Warning, "x".to_owned()));
}
