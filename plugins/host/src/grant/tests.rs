use super::*;

fn grants(list: &[&str]) -> Grants {
    let list: Vec<String> = list.iter().map(|grant| (*grant).to_owned()).collect();
    Grants::parse(&list).unwrap()
}

fn refused(text: &str) -> String {
    Grants::parse(&[text.to_owned()]).unwrap_err()
}

#[test]
fn grants_are_read() {
    for good in [
        "tcp:127.0.0.1:6379",
        "tcp:[::1]:6379",
        "tcp:[fd00::/8]:6379",
        "tcp:10.0.0.0/8:1-1024",
        "tcp:*:443",
        "tcp:*.example.com:*",
        "tcp:redis:6379",
        "udp:10.0.0.1:53",
        "dns:*.example.com",
        "dns:*",
        "http:https://example.com",
        "http:http://127.0.0.1:8080/health",
        "https://example.com/api/",
        "http://[::1]:80/",
        "env:REDIS_PASSWORD",
        "dir:/etc/ssl",
        "statfs:/",
        "clock",
        "random",
    ] {
        grants(&[good]);
    }
    for (bad, sentence) in [
        ("", "must begin with one of tcp, udp"),
        ("ftp:x", "must begin with one of tcp, udp"),
        ("tcp", "something must follow tcp:"),
        ("tcp:host", "names no port"),
        ("tcp:::1:80", "in brackets"),
        ("tcp:host:0", "is no port"),
        ("tcp:host:70000", "is no port"),
        ("tcp:host:9-8", "runs backwards"),
        ("tcp:10.0.0.0/99:80", "is no CIDR"),
        ("tcp:a..b:80", "neither an address nor a name"),
        ("tcp:999.1.1.1:80", "neither an address nor a name"),
        ("tcp:a*b:80", "neither an address nor a name"),
        ("dns:10.0.0.1", "asks for a name"),
        ("http:ftp://x", "does not begin with http:// or https://"),
        ("http:https://u:p@host/", "name and password"),
        ("http:https://host/a?b", "plain prefix"),
        ("clock:x", "write only \"clock\""),
        ("dir:etc", "is no absolute path"),
    ] {
        assert!(refused(bad).contains(sentence), "{bad}: {}", refused(bad));
    }
}

#[test]
fn addresses_and_names_are_judged() {
    for (allow, target, ip, admitted) in [
        // What the name resolves to is judged again: rebinding.
        (&["tcp:db.example.com:1"][..], "db.example.com:1", "203.1.2.3", true),
        (&["tcp:db.example.com:1"], "DB.example.com.:1", "10.0.0.5", true),
        (&["tcp:db.example.com:1"], "db.example.com:1", "127.0.0.1", false),
        (&["tcp:db.example.com:1"], "db.example.com:1", "::1", false),
        (&["tcp:db.example.com:1"], "db.example.com:1", "169.254.169.254", false),
        (&["tcp:db.example.com:1"], "db.example.com:1", "::ffff:127.0.0.1", false),
        (&["tcp:db.example.com:1"], "db.example.com:1", "64:ff9b::7f00:1", false),
        (&["tcp:db.example.com:1"], "db.example.com:1", "0.0.0.0", false),
        (&["tcp:db.example.com:1", "tcp:127.0.0.0/8:1"], "db.example.com:1", "127.0.0.1", true),
        (&["tcp:db.example.com:1"], "other.example.com:1", "203.1.2.3", false),
        (&["tcp:db.example.com:1"], "db.example.com:2", "203.1.2.3", false),
        (&["tcp:*.example.com:1"], "a.example.com:1", "8.8.8.8", true),
        (&["tcp:*.example.com:1"], "example.com:1", "8.8.8.8", false),
        (&["tcp:*.example.com:1"], "badexample.com:1", "8.8.8.8", false),
        (&["tcp:*.example.com:1"], "a.example.com:1", "10.0.0.1", false),
        (&["tcp:*:1"], "anything.org:1", "8.8.8.8", true),
        (&["tcp:*:1"], "anything.org:1", "192.168.1.1", false),
        (&["tcp:*:1"], "anything.org:1", "fd00::1", false),
        (&["tcp:*:1"], "8.8.8.8:1", "8.8.8.8", true),
        (&["tcp:*:1"], "10.0.0.1:1", "10.0.0.1", false),
        (&["tcp:10.0.0.0/8:1"], "db.example.com:1", "10.0.0.5", false),
        (&["tcp:10.0.0.0/8:1", "dns:db.example.com"], "db.example.com:1", "10.0.0.5", true),
        (&["tcp:10.0.0.0/8:1", "dns:db.example.com"], "db.example.com:1", "11.0.0.5", false),
        (&["udp:10.0.0.5:1"], "10.0.0.5:1", "10.0.0.5", false),
        (&["tcp:[2001:db8::/32]:1"], "[2001:db8::7]:1", "2001:db8::7", true),
    ] {
        let target = parse_target(target).unwrap();
        let found = grants(allow).admits(Access::Tcp(&target), ip.parse().unwrap());
        assert_eq!(found, admitted, "{allow:?} {target} {ip}");
    }
}

#[test]
fn names_are_resolved_only_where_granted() {
    let plan = |allow: &[&str], target: &str| grants(allow).plan(Access::Tcp(&parse_target(target).unwrap()));
    assert_eq!(plan(&["tcp:a.b:1"], "a.b:1"), Some(Plan::Resolve("a.b".to_owned())));
    assert_eq!(plan(&["tcp:10.0.0.0/8:1"], "a.b:1"), None);
    assert_eq!(plan(&["tcp:10.0.0.0/8:1", "dns:*.b"], "a.b:1"), Some(Plan::Resolve("a.b".to_owned())));
    assert_eq!(plan(&["tcp:[::1]:1"], "localhost:1"), Some(Plan::Addresses(vec!["::1".parse().unwrap()])));
    assert_eq!(plan(&["tcp:*:1"], "localhost:1"), None);
}

#[test]
fn urls_are_judged() {
    let allows = |allow: &str, url: &str| grants(&[allow]).plan(Access::Http(&parse_url(url).unwrap())).is_some();
    for (allow, url, allowed) in [
        ("https://example.com", "https://example.com", true),
        ("https://example.com", "https://EXAMPLE.com:443/any?x=1#y", true),
        ("https://example.com", "http://example.com/", false),
        ("https://example.com", "https://example.com:8443/", false),
        ("https://example.com:*", "https://example.com:8443/", true),
        ("https://example.com", "https://example.com.evil.org/", false),
        ("https://example.com/api", "https://example.com/api", true),
        ("https://example.com/api", "https://example.com/api/x", true),
        ("https://example.com/api", "https://example.com/api?x", true),
        ("https://example.com/api", "https://example.com/apix", false),
        ("https://example.com/api", "https://example.com/api/../admin", false),
        ("https://example.com/api", "https://example.com/api/%2e%2e/admin", false),
        ("https://example.com/api", "https://example.com//api", false),
        ("http://127.0.0.1:8080/", "http://localhost:8080/x", true),
    ] {
        assert_eq!(allows(allow, url), allowed, "{allow} {url}");
    }
    for bad in
        ["gopher://x", "http://", "http://a b/", "http://a@b/", "http://host\\@evil/", "https://h\u{f6}st/", "http://x:99999/"]
    {
        assert!(parse_url(bad).is_err(), "{bad}");
    }
}

#[test]
fn odd_spellings_of_addresses_are_no_names() {
    for odd in ["2130706433:1", "127.1:1", "0x7f.1:1", "0x7f000001:1", "0177.0.0.1:1", "1.2.3.4.5:1", ":1", "a b:1", "a/b:1"] {
        let passes_as_name = matches!(parse_target(odd), Ok(Target { host: Host::Name(_), .. }));
        assert!(!passes_as_name, "{odd}");
    }
}

#[test]
fn missing_grants_are_told() {
    let missing = |allow: &[&str], wanted: &str| grants(allow).missing(wanted);
    assert_eq!(missing(&[], "clock"), Ok(Some("clock".to_owned())));
    assert_eq!(missing(&["clock"], "clock"), Ok(None));
    assert_eq!(missing(&["env:A"], "env:B"), Ok(Some("env:B".to_owned())));
    assert_eq!(missing(&["tcp:1.2.3.4:5"], "tcp:*:*"), Ok(None));
    assert_eq!(missing(&[], "tcp:*:*"), Ok(Some("tcp:*:*".to_owned())));
    assert_eq!(missing(&["dns:*.x"], "dns:a.x"), Ok(None));
    assert_eq!(missing(&["https://a/b"], "https://a/b/c"), Ok(None));
    assert_eq!(missing(&["https://a/b"], "http:https://a/c"), Ok(Some("http:https://a/c".to_owned())));
    assert!(missing(&[], "tcp:nowhere").is_err());
}
