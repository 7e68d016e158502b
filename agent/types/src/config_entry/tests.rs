use super::*;
use serde_json::json;

/// The form an entry is kept in, or the sentence that refuses it.
fn kept(given: Value) -> Result<Value, String> {
    let mut entry = ConfigEntry::decode(given).map_err(|error| error.to_string())?;
    entry.normalise();
    entry.validate()?;
    let bytes = rmp_serde::to_vec_named(&entry).unwrap();
    assert_eq!(rmp_serde::from_slice::<ConfigEntry>(&bytes).unwrap(), entry);
    let mut shown = serde_json::to_value(&entry).unwrap();
    assert_eq!(serde_json::from_value::<ConfigEntry>(shown.clone()).unwrap(), entry);
    assert_eq!(shown["Kind"], entry.kind().as_str());
    let pairs = shown.as_object_mut().unwrap();
    for key in ["Kind", "Name", "CreateIndex", "ModifyIndex"] {
        pairs.remove(key);
    }
    Ok(shown)
}

fn of(kind: &str, mut given: Value) -> Result<Value, String> {
    given.as_object_mut().unwrap().insert("Kind".into(), kind.into());
    given.as_object_mut().unwrap().entry("Name").or_insert_with(|| "w".into());
    kept(given)
}

fn is(kind: &str, given: Value, expect: Value) {
    assert_eq!(of(kind, given.clone()).map_err(|why| format!("{given}: {why}")), Ok(expect), "{given}");
}

fn fails(kind: &str, given: Value, sentence: &str) {
    assert_eq!(of(kind, given.clone()), Err(sentence.to_owned()), "{given}");
}

#[test]
fn what_is_no_entry() {
    for (given, sentence) in [
        (json!(null), "Payload does not contain a kind/Kind key at the top level"),
        (json!({}), "Payload does not contain a kind/Kind key at the top level"),
        (json!({"KIND": "service-defaults"}), "Payload does not contain a kind/Kind key at the top level"),
        (json!([]), "'' expected a map, got 'slice'"),
        (json!(5), "'' expected a map, got 'float64'"),
        (json!({"Kind": 5}), "Kind value in payload is not a string"),
        (json!({"Kind": "nonsense"}), "invalid config entry kind: nonsense"),
        (json!({"Kind": "Service-Defaults"}), "invalid config entry kind: Service-Defaults"),
    ] {
        assert_eq!(kept(given.clone()), Err(sentence.to_owned()), "{given}");
    }
}

#[test]
fn service_defaults() {
    let kind = "service-defaults";
    let plain = |protocol: &str| json!({"Protocol": protocol, "MeshGateway": {}, "Expose": {}});
    for (given, expect) in [
        (json!({}), plain("")),
        (json!({"Protocol": "HTTP"}), plain("http")),
        (json!({"protocol": "foo", "CreateIndex": 5, "ModifyIndex": 7}), plain("foo")),
        (json!({"Protocol": 5}), plain("5")),
        (json!({"Protocol": true}), plain("1")),
        (json!({"Protocol": null, "MeshGateway": null}), plain("")),
        (json!({"Protocol": ["a"]}), plain("a")),
        (json!({"mesh_gateway": {"mode": "local"}}), json!({"Protocol": "", "MeshGateway": {"Mode": "local"}, "Expose": {}})),
        (json!({"MeshGateway": [{"Mode": "x"}]}), json!({"Protocol": "", "MeshGateway": {"Mode": "x"}, "Expose": {}})),
        (
            json!({"external_sni": "a.b", "Meta": {"a": "b"}}),
            json!({"Protocol": "", "MeshGateway": {}, "Expose": {}, "ExternalSNI": "a.b", "Meta": {"a": "b"}}),
        ),
        (
            json!({"expose": {"checks": "true", "paths": {"path": "/a", "listener_port": 1, "local_path_port": "2"}}}),
            json!({"Protocol": "", "MeshGateway": {}, "Expose": {"Checks": true, "Paths": [
                {"ListenerPort": 1, "Path": "/a", "LocalPathPort": 2, "ParsedFromCheck": false}]}}),
        ),
    ] {
        is(kind, given, expect);
    }
    for (given, sentence) in [
        (json!({"MeshGateway": "x"}), "1 error(s) decoding:\n\n* 'MeshGateway' expected a map, got 'string'"),
        (
            json!({"Protocol": []}),
            "1 error(s) decoding:\n\n* 'Protocol' expected type 'string', got unconvertible type '[]interface {}'",
        ),
        (
            json!({"Expose": {"Checks": "x"}}),
            "1 error(s) decoding:\n\n* cannot parse 'Expose.Checks' as bool: strconv.ParseBool: parsing \"x\": invalid syntax",
        ),
        (json!({"Foo": 1, "Bar": 2}), "2 errors occurred:\n\t* invalid config key \"Foo\"\n\t* invalid config key \"Bar\"\n\n"),
        (json!({"Expose": {"Foo": 1}}), "1 error occurred:\n\t* invalid config key \"Expose.Foo\"\n\n"),
        (json!({"kind": "proxy-defaults"}), "1 error occurred:\n\t* invalid config key \"kind\"\n\n"),
        (
            json!({"Namespace": "x"}),
            "1 error occurred:\n\t* invalid config key \"Namespace\", namespaces are a consul enterprise feature\n\n",
        ),
    ] {
        fails(kind, given, sentence);
    }
}

#[test]
fn proxy_defaults() {
    let with = |config: Value| json!({"Config": config, "MeshGateway": {}, "Expose": {}});
    for (given, expect) in [
        (json!({}), with(json!(null))),
        (json!({"Config": {}}), with(json!({}))),
        (json!({"config": []}), with(json!({}))),
        (json!({"Config": [{"a": 1}, {"b": 2}]}), with(json!({"a": 1, "b": 2}))),
        (json!({"Config": {"a": [{"x": 1}], "l": [], "n": null}}), with(json!({"a": {"x": 1}, "l": [], "n": null}))),
        (
            json!({"Config": {"f": 1.5, "big": 12_345_678_901_234_i64, "b": {"C": [1, 2, {"d": "e"}]}}}),
            with(json!({"f": 1.5, "big": 12_345_678_901_234_i64, "b": {"C": [1, 2, {"d": "e"}]}})),
        ),
    ] {
        is("proxy-defaults", given, expect);
    }
    fails("proxy-defaults", json!({"Config": "x"}), "1 error(s) decoding:\n\n* 'Config' expected a map, got 'string'");
    let mut entry = ConfigEntry::decode(json!({"Kind": "proxy-defaults", "Name": "x", "Config": {"protocol": "HTTP"}})).unwrap();
    entry.normalise();
    assert_eq!(entry.name, "global");
}

#[test]
fn routers() {
    let kind = "service-router";
    is(kind, json!({}), json!({"Routes": null}));
    is(kind, json!({"Routes": [{"Match": null}, {"match": {}}]}), json!({"Routes": [{}, {"Match": {}}]}));
    let http = |given: Value| json!({"Routes": [{"Match": {"HTTP": given}}]});
    for (given, expect) in [
        (json!({"path_exact": "/a", "methods": ["get", "PUT"]}), json!({"PathExact": "/a", "Methods": ["GET", "PUT"]})),
        (json!({"PathRegex": "a(", "Methods": "GET"}), json!({"PathRegex": "a(", "Methods": ["GET"]})),
        (
            json!({"Header": {"Name": "a", "Exact": "b", "Invert": true}, "query_param": [{"Name": "q", "Present": true}]}),
            json!({"Header": [{"Name": "a", "Exact": "b", "Invert": true}], "QueryParam": [{"Name": "q", "Present": true}]}),
        ),
    ] {
        is(kind, http(given), http(expect));
    }
    let ways = "should only contain one of Present, Exact, Prefix, Suffix, or Regex";
    for (given, sentence) in [
        (json!({"PathExact": "a"}), "Route[0] PathExact doesn't start with '/': \"a\""),
        (json!({"PathPrefix": "a"}), "Route[0] PathPrefix doesn't start with '/': \"a\""),
        (
            json!({"PathExact": "/a", "path_regex": "b"}),
            "Route[0] should only contain at most one of PathExact, PathPrefix, or PathRegex",
        ),
        (json!({"Header": [{}]}), "Route[0] Header[0] missing required Name field"),
        (json!({"Header": [{"Name": "a"}]}), &format!("Route[0] Header[0] {ways}")),
        (json!({"Header": [{"Name": "a", "Exact": "b", "Regex": "c"}]}), &format!("Route[0] Header[0] {ways}")),
        (json!({"QueryParam": [{}]}), "Route[0] QueryParam[0] missing required Name field"),
        (
            json!({"QueryParam": [{"Name": "a", "Exact": ""}]}),
            "Route[0] QueryParam[0] should only contain one of Present, Exact, or Regex",
        ),
        (json!({"Methods": ["GET", "get"]}), "Route[0] Methods contains \"GET\" more than once"),
    ] {
        fails(kind, http(given), sentence);
    }
    is(
        kind,
        json!({"Routes": [{"Destination": {"request_timeout": 5_000_000_000_i64, "num_retries": "4", "retry_on_connect_failure": "true",
            "retry_on_status_codes": 500, "Namespace": "ns2"}}]}),
        json!({"Routes": [{"Destination": {"Namespace": "ns2", "RequestTimeout": "5s", "NumRetries": 4,
            "RetryOnConnectFailure": true, "RetryOnStatusCodes": [500]}}]}),
    );
    let destination = |given: Value| json!({"Routes": [{"Destination": given}]});
    is(kind, destination(json!({"RequestTimeout": "-5s"})), destination(json!({"RequestTimeout": "-5s"})));
    for (given, sentence) in [
        (
            json!({"RequestTimeout": "bad"}),
            "1 error(s) decoding:\n\n* error decoding 'Routes[0].Destination.RequestTimeout': time: invalid duration \"bad\"",
        ),
        (
            json!({"RetryOnStatusCodes": ["a"]}),
            "1 error(s) decoding:\n\n* cannot parse 'Routes[0].Destination.RetryOnStatusCodes[0]' as uint: strconv.ParseUint: parsing \"a\": invalid syntax",
        ),
        (
            json!({"PrefixRewrite": "/x"}),
            "Route[0] cannot make use of PrefixRewrite without configuring either PathExact or PathPrefix",
        ),
    ] {
        fails(kind, destination(given), sentence);
    }
    fails(kind, json!({"Name": ""}), "Name is required");
}

#[test]
fn splitters() {
    let kind = "service-splitter";
    let splits = |given: Value| json!({"Splits": given});
    for (given, expect) in [
        (json!([{"Weight": "100", "service": "a"}]), json!([{"Weight": 100, "Service": "a"}])),
        (json!({"Weight": 100}), json!([{"Weight": 100}])),
        (json!([{"Weight": -1}, {"Weight": 101, "Service": "q"}]), json!([{"Weight": -1}, {"Weight": 101, "Service": "q"}])),
        (json!([{"Weight": 0.001}, {"Weight": 99.999, "Service": "q"}]), json!([{"Weight": 0}, {"Weight": 100, "Service": "q"}])),
    ] {
        is(kind, splits(given), splits(expect));
    }
    let entry = ConfigEntry::decode(json!({"Kind": kind, "Name": "s", "Splits": [{"Weight": 33.33}]})).unwrap();
    assert!(serde_json::to_string(&entry).unwrap().contains("\"Weight\":33.33}"));
    for (given, sentence) in [
        (json!([]), "no splits configured"),
        (json!([{"Weight": 99.99}]), "the sum of all split weights must be 100, not 99.989998"),
        (json!([{"Weight": 50}]), "the sum of all split weights must be 100, not 50.000000"),
        (
            json!([{"Weight": 50}, {"Weight": 50, "Service": "w"}]),
            "split destination occurs more than once: service=\"w\", subset=\"\", namespace=\"\"",
        ),
        (
            json!([{"Weight": "x"}]),
            "1 error(s) decoding:\n\n* cannot parse 'Splits[0].Weight' as float: strconv.ParseFloat: parsing \"x\": invalid syntax",
        ),
    ] {
        fails(kind, splits(given), sentence);
    }
}

#[test]
fn resolvers() {
    let kind = "service-resolver";
    for (given, expect) in [
        (json!({}), json!({})),
        (json!({"connect_timeout": 5_000_000_000_i64}), json!({"ConnectTimeout": "5s"})),
        (
            json!({"subsets": {"v1": {"only_passing": true}, "v2": null}, "default_subset": "v1"}),
            json!({"DefaultSubset": "v1", "Subsets": {"v1": {"OnlyPassing": true}, "v2": {}}}),
        ),
        (json!({"Redirect": {"Service": "w"}}), json!({"Redirect": {"Service": "w"}})),
        (json!({"failover": {"*": {"datacenters": "dc2"}}}), json!({"Failover": {"*": {"Datacenters": ["dc2"]}}})),
    ] {
        is(kind, given, expect);
    }
    let letters = "must be 63 characters or fewer, begin or end with lower case alphanumeric characters, and contain lower case alphanumeric characters or '-' in between";
    let long = "a".repeat(64);
    for (given, sentence) in [
        (json!({"ConnectTimeout": "-1s"}), "Bad ConnectTimeout '-1s', must be >= 0"),
        (
            json!({"ConnectTimeout": "x"}),
            "1 error(s) decoding:\n\n* error decoding 'ConnectTimeout': time: invalid duration \"x\"",
        ),
        (json!({"Subsets": {"": {}}}), "Subset defined with empty name"),
        (json!({"Subsets": {"A": {}}}), &format!("Subset \"A\" is invalid: {letters}")),
        (json!({"Subsets": {"a-": {}}}), &format!("Subset \"a-\" is invalid: {letters}")),
        (json!({"Subsets": {&long: {}}}), &format!("Subset \"{long}\" is invalid: must be non-empty and 63 characters or fewer")),
        (json!({"DefaultSubset": "x"}), "DefaultSubset \"x\" is not a valid subset"),
        (json!({"Redirect": {}}), "Redirect is empty"),
        (json!({"Redirect": {"ServiceSubset": "x"}}), "Redirect.ServiceSubset defined without Redirect.Service"),
        (json!({"Redirect": {"Namespace": "x"}}), "Redirect.Namespace defined without Redirect.Service"),
        (
            json!({"Redirect": {"Service": "w", "ServiceSubset": "x"}}),
            "Redirect.ServiceSubset \"x\" is not a valid subset of \"w\"",
        ),
        (json!({"Redirect": {"Service": "a"}, "Failover": {"*": {"Service": "b"}}}), "Redirect and Failover cannot both be set"),
        (
            json!({"Failover": {"*": {}}}),
            "Bad Failover[\"*\"] one of Service, ServiceSubset, Namespace, or Datacenters is required",
        ),
        (json!({"Failover": {"x": {"Service": "b"}}}), "Bad Failover[\"x\"]: not a valid subset"),
        (
            json!({"Failover": {"*": {"ServiceSubset": "q"}}}),
            "Bad Failover[\"*\"].ServiceSubset \"q\" is not a valid subset of \"\"",
        ),
        (json!({"Failover": {"*": {"Datacenters": [""]}}}), "Bad Failover[\"*\"].Datacenters: found empty datacenter"),
        (json!({"LoadBalancer": {}}), "1 error occurred:\n\t* invalid config key \"LoadBalancer\"\n\n"),
    ] {
        fails(kind, given, sentence);
    }
}

#[test]
fn ingress_gateways() {
    let kind = "ingress-gateway";
    is(kind, json!({"tls": {"enabled": "true"}}), json!({"TLS": {"Enabled": true}, "Listeners": null}));
    let listeners = |given: Value| json!({"TLS": {"Enabled": false}, "Listeners": given});
    is(
        kind,
        listeners(
            json!([{"Port": "7", "Services": {"Name": "db"}}, {"Port": 8, "Protocol": "HTTP", "Services": [{"Name": "*"}]}]),
        ),
        listeners(json!([{"Port": 7, "Protocol": "tcp", "Services": [{"Name": "db", "Hosts": null}]},
            {"Port": 8, "Protocol": "http", "Services": [{"Name": "*", "Hosts": null}]}])),
    );
    let http = |services: Value| json!([{"Port": 1, "Protocol": "http", "Services": services}]);
    let hosts = |hosts: Value| http(json!([{"Name": "a", "Hosts": hosts}]));
    for good in [json!(["a.b", "*.c"]), json!(["*"]), json!(["a b"]), json!([])] {
        is(kind, listeners(hosts(good.clone())), listeners(hosts(good)));
    }
    let long = format!("{}.b", "x".repeat(64));
    for (given, sentence) in [
        (json!([{}]), "No service declared for listener with port 0"),
        (json!([{"Services": [{}]}]), "Service name cannot be blank (listener on port 0)"),
        (
            json!([{"Port": 1, "Protocol": "udp", "Services": [{"Name": "db"}]}]),
            "protocol must be 'tcp', 'http', 'http2', or 'grpc'. 'udp' is an unsupported protocol",
        ),
        (
            json!([{"Port": 1, "Services": [{"Name": "*"}]}]),
            "Wildcard service name is only valid for protocol = 'http' (listener on port 1)",
        ),
        (
            json!([{"Port": 1, "Services": [{"Name": "a"}, {"Name": "b"}]}]),
            "Multiple services per listener are only supported for protocol = 'http' (listener on port 1)",
        ),
        (
            json!([{"Port": 1, "Services": [{"Name": "a", "Hosts": ["h"]}]}]),
            "Associating hosts to a service is not supported for the tcp protocol (listener on port 1)",
        ),
        (
            json!([{"Port": 1, "Services": [{"Name": "a"}]}, {"Port": 1, "Services": [{"Name": "a"}]}]),
            "port 1 declared on two listeners",
        ),
        (
            http(json!([{"Name": "*", "Hosts": ["a"]}])),
            "Associating hosts to a wildcard service is not supported (listener on port 1)",
        ),
        (hosts(json!(["a", "a"])), "Hosts must be unique within a specific listener (listener on port 1)"),
        (hosts(json!([""])), "Host \"\" must be a valid DNS hostname"),
        (hosts(json!([long])), &format!("Host \"{long}\" must be a valid DNS hostname")),
        (hosts(json!(["a.*.b"])), "Host \"a.*.b\" is not valid, a wildcard specifier is only allowed as the leftmost label"),
    ] {
        fails(kind, listeners(given), sentence);
    }
    fails(
        kind,
        json!({"TLS": {"Enabled": true}, "Listeners": hosts(json!(["*"]))}),
        "Host '*' is not allowed when TLS is enabled, all hosts must be valid DNS records to add as a DNSSAN",
    );
}

#[test]
fn terminating_gateways() {
    let kind = "terminating-gateway";
    is(kind, json!({}), json!({"Services": null}));
    let services = |given: Value| json!({"Services": given});
    let files = json!([{"Name": "a", "CAFile": "x", "CertFile": "y", "KeyFile": "z", "SNI": "s"}, {"Name": "*", "CAFile": "c"}]);
    is(
        kind,
        services(
            json!([{"name": "a", "ca_file": "x", "cert_file": "y", "key_file": "z", "sni": "s"}, {"Name": "*", "CAFile": "c"}]),
        ),
        services(files),
    );
    for (given, sentence) in [
        (json!([{}]), "Service name cannot be blank."),
        (json!([{"Name": "a"}, {"Name": "a"}]), "Service \"a\" was specified more than once within a namespace"),
        (
            json!([{"Name": "a", "CertFile": "x"}]),
            "Service \"a\" must have a CertFile, CAFile, and KeyFile specified for TLS origination",
        ),
    ] {
        fails(kind, services(given), sentence);
    }
}

#[test]
fn what_an_entry_depends_on() {
    let related = |given: Value| ConfigEntry::decode(given).unwrap().related_services();
    let splits =
        json!({"Kind": "service-splitter", "Name": "a", "Splits": [{"Service": "b"}, {}, {"Service": "A"}, {"Service": "b"}]});
    assert_eq!(related(splits), ["b"]);
    let resolver =
        json!({"Kind": "service-resolver", "Name": "a", "Redirect": {"Service": "c"}, "Failover": {"*": {"Service": "b"}}});
    assert_eq!(related(resolver), ["b", "c"]);
    let router = json!({"Kind": "service-router", "Name": "a", "Routes": [{}, {"Destination": {"Service": "z"}}]});
    assert_eq!(related(router), ["z"]);
    let gateway = json!({"Kind": "ingress-gateway", "Name": "g", "Listeners": [{"Services": [{"Name": "*"}, {"Name": "x"}]}]});
    assert_eq!(related(gateway), ["x"]);
}
