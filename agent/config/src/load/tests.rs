use super::*;
use crate::diff::ConfigDiff;
use crate::runtime::ListenAddress;
use serde_json::json;
use std::fs;
use std::time::Duration;

fn loader(args: &[&str]) -> Loader {
    Loader::new(Sources::from_args(args.iter().map(ToString::to_string)).unwrap())
}

fn in_dir(dir: &Path) -> Loader {
    loader(&["-dev", "-node", "n1", "-config-dir", dir.to_str().unwrap()])
}

fn names(loaded: &Loaded) -> Vec<String> {
    loaded.services.iter().map(|s| format!("{}:{}", s.effective_id(), s.port)).collect()
}

fn failure(args: &[&str]) -> String {
    loader(args).load().unwrap_err().to_string()
}

#[test]
fn a_dev_agent_has_its_defaults() {
    let loaded = loader(&["-dev"]).load().unwrap();
    let c = &loaded.config;
    assert!(c.dev && c.server && c.bootstrap && c.data_dir.is_none() && c.skip_leave_on_interrupt && !c.leave_on_terminate);
    assert_eq!((c.datacenter.as_str(), c.dns.domain.as_str(), c.log.level.as_str()), ("dc1", "consul.", "DEBUG"));
    assert_eq!(c.listeners.http, [ListenAddress::Tcp("127.0.0.1:8500".parse().unwrap())]);
    assert_eq!(c.listeners.dns, ["127.0.0.1:8600".parse().unwrap()]);
    assert_eq!(c.listeners.serf_wan, Some("127.0.0.1:8302".parse().unwrap()));
    assert!(c.listeners.https.is_empty());
    assert_eq!(
        c.network.tagged_addresses.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(),
        ["lan=127.0.0.1", "lan_ipv4=127.0.0.1", "wan=127.0.0.1", "wan_ipv4=127.0.0.1"]
    );
    assert_eq!((c.raft.multiplier, c.cluster.gossip_lan.interval), (1, Duration::from_millis(100)));
    assert_eq!(c.checks.update_interval, Duration::from_secs(300));
    assert_eq!(c.max_query_time, Duration::from_secs(600));
    assert!(!c.node_name.is_empty());
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn what_the_reference_takes_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("00-base.json"), r#"{"node_name":"n1","node_id":"AAAAAAAA-0000-4000-8000-00000000000a","bind_addr":"127.0.0.1","client_addr":"127.0.0.1","ports":{"http":1,"dns":2,"https":8501,"grpc":-1,"server":4,"serf_lan":5,"serf_wan":6},"disable_update_check":true,"segments":null,"addresses":{}, "node_meta":{"rack":"r7"},"translate_wan_addrs":true,"advertise_addr_wan":"127.0.0.9"}"#).unwrap();
    fs::write(dir.path().join("empty.json"), "").unwrap();
    fs::write(dir.path().join("x.hcl"), "addresses { http = \"unix:///tmp/x.sock 127.0.0.2\" }\nrecursors = [\"1.1.1.1\", \"[::1]:54\"]\ndns_config { service_ttl { \"*\" = \"5s\" web = \"1s\" } NodeTTL = \"2s\" }\nperformance { raft_multiplier = 3 }").unwrap();
    fs::write(
        dir.path().join("y.toml"),
        "recursors = [\"8.8.8.8\"]\n[http_config.response_headers]\nX-A = \"b\"\n[performance]\nraft_multiplier = 2\n",
    )
    .unwrap();
    fs::write(dir.path().join("ignored.txt"), "this is not read {").unwrap();
    fs::create_dir(dir.path().join("sub.hcl")).unwrap();
    let mut loader = loader(&[
        "-dev",
        "-recursor=9.9.9.9",
        "-config-dir",
        dir.path().to_str().unwrap(),
        "-datacenter=DC9",
        "-hcl",
        "log_level = \"warn\"",
    ]);
    let loaded = loader.load().unwrap();
    let c = &loaded.config;
    assert_eq!(c.node_id, "aaaaaaaa-0000-4000-8000-00000000000a");
    assert_eq!(c.listeners.http.iter().map(ToString::to_string).collect::<Vec<_>>(), ["unix:///tmp/x.sock", "127.0.0.2:1"]);
    assert_eq!(c.listeners.https.len(), 1);
    assert_eq!(c.dns.recursors, ["9.9.9.9:53", "1.1.1.1:53", "[::1]:54", "8.8.8.8:53"]);
    assert_eq!(c.dns.service_ttl["web"], Duration::from_secs(1));
    assert_eq!(c.dns.node_ttl, Duration::from_secs(2));
    assert_eq!((c.raft.multiplier, c.datacenter.as_str(), c.log.level.as_str()), (2, "dc9", "WARN"));
    assert_eq!(c.http.response_headers["X-A"], "b");
    assert_eq!(c.network.tagged_addresses["wan"], "127.0.0.9");
    assert_eq!(loaded.sources.len(), 4);
    assert!(loaded.problems.is_empty());
}

/// Sentences of Consul 1.8.7, each seen from it.
#[test]
fn problems_are_told_in_the_words_users_know() {
    let dir = tempfile::tempdir().unwrap();
    let data = format!("-data-dir={}", dir.path().display());
    for (text, expect) in [
        ("bootstrap=true", "'bootstrap = true' requires 'server = true'"),
        ("bootstrap_expect=-1", "bootstrap_expect cannot be -1. Must be greater than or equal to zero"),
        ("bootstrap_expect=3", "'bootstrap_expect > 0' requires 'server = true'"),
        ("server=true bootstrap=true bootstrap_expect=3", "'bootstrap_expect > 0' and 'bootstrap = true' are mutually exclusive"),
        (
            "check_output_max_size=0",
            "check_output_max_size must be positive, to discard check output use the discard_check_output flag",
        ),
        ("datacenter=\"\"", "datacenter cannot be empty"),
        ("datacenter=\"a b\"", "datacenter cannot be \"a b\". Please use only [a-z0-9-_]"),
        (
            "bind_addr=\"1.1.1.1 2.2.2.2\"",
            "bind_addr cannot contain multiple addresses. Use 'addresses.{dns,http,https}' instead.",
        ),
        ("bind_addr=\"x\"", "bind_addr: invalid ip address: x"),
        ("advertise_addr=\"0.0.0.0\"", "Advertise address cannot be 0.0.0.0, :: or [::]"),
        ("advertise_addr=\"foo.bar\"", "advertise_addr: invalid ip address: foo.bar"),
        ("advertise_addr_wan=\"0.0.0.0\"", "Advertise WAN address cannot be 0.0.0.0, :: or [::]"),
        ("client_addr=\"unix:///x\"", "client_addr cannot be a unix socket"),
        ("client_addr=\"foo\"", "client_addr: invalid ip address: foo"),
        ("addresses { dns=\"unix:///tmp/x\" }", "DNS address cannot be a unix socket"),
        ("addresses { http=\"nope\" }", "addresses.http: invalid ip address: nope"),
        ("ports { http=70000 }", "ports.http: invalid port: 70000"),
        ("ports { http=8600 }", "HTTP address 127.0.0.1:8600 already configured for DNS"),
        ("performance { raft_multiplier=11 }", "performance.raft_multiplier cannot be 11. Must be between 1 and 10"),
        ("encrypt=\"x\"", "encrypt has invalid key: illegal base64 data"),
        (
            "node_meta { \"a b\"=\"x\" }",
            "node_meta invalid: Couldn't load metadata pair ('a b', 'x'): Key contains invalid characters",
        ),
        ("dns_config { udp_answer_limit=-1 }", "dns_config.udp_answer_limit cannot be -1. Must be greater than or equal to zero"),
        ("dns_config { node_ttl=\"x\" }", "dns_config.node_ttl: invalid duration: \"x\": time: invalid duration \"x\""),
        ("recursors=[\"0.0.0.0\"]", "DNS recursor address cannot be 0.0.0.0, :: or [::]"),
        ("http_config { allow_write_http_from=[\"x\"] }", "allow_write_http_from: invalid cidr: x"),
        ("serf_lan_allowed_cidrs=[\"10.0.0.0/8\", \"x\"]", "serf_lan_allowed_cidrs: invalid cidr: x"),
        ("serf_wan_allowed_cidrs=[\"10.0.0.1\"]", "serf_wan_allowed_cidrs: invalid cidr: 10.0.0.1"),
        ("segment=\"x\"", "\"segment\" is refused: Network segments are not supported"),
        ("acl { default_policy = \"maybe\" }", "Unsupported default ACL policy: maybe"),
        ("acl { down_policy = \"maybe\" }", "Unsupported down ACL policy: maybe"),
        ("verify_incoming = true", "\"verify_incoming\" is refused"),
        ("log_level = \"loud\"", "Invalid log level: loud. Valid log levels are: [TRACE DEBUG INFO WARN ERR]"),
        ("node_id = \"x\"", "specified NodeID is invalid"),
        ("nonsense = 1", "invalid config key nonsense"),
        ("servre = true", "did you mean \"server\"?"),
        ("ports { htpp = 1 }", "invalid config key ports.htpp (did you mean \"http\"?)"),
        ("data_dir = \"/etc/hostname\"", "data_dir \"/etc/hostname\" is not a directory"),
        ("server = 5", "server: expected true or false, found the number 5"),
    ] {
        let got = failure(&[&data, "-hcl", "bind_addr = \"127.0.0.1\"", "-hcl", text]);
        assert!(got.contains(expect), "{text}: {got}");
    }
    assert!(failure(&["-bind=127.0.0.1"]).contains("data_dir cannot be empty"));
    assert!(failure(&["-dev", "-bootstrap-expect=1"]).contains("'bootstrap_expect > 0' not allowed in dev mode"));
    assert!(failure(&["-dev", "-config-file=/nonexistent/none.json"]).contains("none.json"));
    assert!(failure(&["-dev", "-config-dir=/nonexistent/none"]).contains("/nonexistent/none"));
    // All at once.
    let all = failure(&["-hcl", "datacenter = \"a b\" log_level = \"x\" bind_addr = \"y\" performance { raft_multiplier = 0 }"]);
    assert_eq!(all.lines().count(), 5, "{all}");
    // Places.
    let file = dir.path().join("a.hcl");
    fs::write(&file, "log_level = \"INFO\"\n\nports {\n  http = 8600\n}\n").unwrap();
    let got = failure(&["-dev", "-config-file", file.to_str().unwrap()]);
    assert!(got.ends_with("a.hcl:4:3: HTTP address 127.0.0.1:8600 already configured for DNS"), "{got}");
}

#[test]
fn options_without_effect_are_named() {
    let warnings = |text: &str| {
        let loaded = loader(&["-dev", "-hcl", text]).load().unwrap();
        loaded.warnings.into_iter().map(|w| w.message).collect::<Vec<_>>()
    };
    assert_eq!(warnings("primary_gateways = [\"10.0.0.1\"]"), ["\"primary_gateways\" has no effect yet"]);
    assert_eq!(warnings("retry_join = [\"10.0.0.1\"]"), Vec::<String>::new());
    assert_eq!(warnings("acl { enabled = false default_policy = \"allow\" } verify_outgoing = false"), Vec::<String>::new());
    assert_eq!(
        warnings("acl_token = \"x\""),
        ["The 'acl_token' field is deprecated. Use the 'acl.tokens.default' field instead."]
    );
    assert_eq!(warnings("encrypt = \"MDEyMzQ1Njc4OWFiY2RlZg==\""), Vec::<String>::new());
    let secret = loader(&["-dev", "-hcl", "encrypt = \"MDEyMzQ1Njc4OWFiY2RlZg==\""]).load().unwrap();
    assert!(!format!("{secret:?}").contains("MDEy"));
}

#[test]
fn a_broken_file_keeps_its_last_good_definitions() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("a.hcl", "service { name = \"a\" port = 1 }");
    write("b.toml", "[[services]]\nname = \"b\"\nport = 2\n");
    write("c.json", "{\"services\": [{\"name\": \"c\", \"port\": 3}, {\"name\": \"c2\"}]}");
    let mut loader = in_dir(dir.path());
    let start = loader.load().unwrap();
    assert_eq!(names(&start), ["a:1", "b:2", "c:3", "c2:0"]);
    assert_eq!(
        start.services[1].origin,
        lictor_types::Origin::File { path: dir.path().join("b.toml").display().to_string(), line: 1 }
    );
    // Broken in every way, beside a good change.
    for (bad, line, text) in [
        ("service { name = \"b\" port = ", 1, "not TOML"),
        ("[[services]]\nname = \"b\"\nport = \"many\"\n", 3, "expected a whole number"),
        ("[[services]]\nname = \"b\"\nprot = 2\n", 3, "invalid config key"),
        ("[[services]]\nname = \"b\"\n[[services]]\nname = \"b\"\n", 3, "defined twice"),
        ("[[services]]\nname = \"a\"\n", 1, "already defined in"),
        ("[[services]]\nport = 2\n", 1, "Missing service name"),
        ("[[services]]\nname = \"b\"\n[services.check]\nhttp = \"http://x\"\n", 3, "interval is missing"),
        ("[[services]]\nname = \"b\"\n[services.check]\nargs = [\"true\"]\ninterval = \"1s\"\n", 1, "Scripts are disabled"),
        ("log_level = \"loud\"\n[[services]]\nname = \"b\"\nport = 2\n", 1, "Invalid log level"),
    ] {
        write("b.toml", bad);
        write("a.hcl", &format!("service {{ name = \"a\" port = 7 tags = [{text:?}] }}"));
        let loaded = loader.load().unwrap();
        assert_eq!(names(&loaded), ["a:7", "b:2", "c:3", "c2:0"], "{text}");
        assert_eq!(loaded.sources[1].state, "quarantined");
        assert_eq!(loaded.problems.len(), 1, "{:?}", loaded.problems);
        let problem = &loaded.problems[0];
        assert!(problem.file.ends_with("b.toml") && problem.line == line, "{text}: {problem}");
        assert!(text == "not TOML" || problem.message.contains(text), "{text}: {problem}");
        assert_eq!(loaded.sources[0].state, "loaded");
    }
    // Mended.
    write("b.toml", "[[services]]\nname = \"b\"\nport = 22\n");
    let loaded = loader.load().unwrap();
    assert_eq!(names(&loaded), ["a:7", "b:22", "c:3", "c2:0"]);
    assert!(loaded.problems.is_empty());
    assert_eq!(loaded.sources[1].state, "loaded");
    // Unreadable: a directory in its place is no file, a link to nothing cannot be read.
    fs::remove_file(dir.path().join("b.toml")).unwrap();
    std::os::unix::fs::symlink("/nonexistent", dir.path().join("b.toml")).unwrap();
    let loaded = loader.load().unwrap();
    assert_eq!(names(&loaded), ["a:7", "b:22", "c:3", "c2:0"]);
    assert!(loaded.problems[0].message.contains("cannot be read"));
    // Deleted: gone.
    fs::remove_file(dir.path().join("b.toml")).unwrap();
    assert_eq!(names(&loader.load().unwrap()), ["a:7", "c:3", "c2:0"]);
}

#[test]
fn at_the_start_bad_definitions_are_quarantined_and_bad_options_are_fatal() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("good.hcl", "service { name = \"good\" }");
    write("bad.hcl", "service { name = \"bad\" port = \n");
    write("worse.json", "{\"service\": {\"nmae\": \"x\"}}");
    write("binary.hcl", "\u{0}\u{1}\u{2}");
    let loaded = in_dir(dir.path()).load().unwrap();
    assert_eq!(names(&loaded), ["good:0"]);
    assert_eq!(loaded.problems.len(), 3, "{:?}", loaded.problems);
    for (text, expect) in [
        ("server = true\nports {", "the \"{\" of line 2 is not closed"),
        ("{\"data_dir\": \"/x\"", "expected a key"),
        ("datacenter = \"a b\"", "datacenter cannot be"),
        ("nonsense = 1\nlog_level = \"INFO\"", "invalid config key nonsense"),
    ] {
        write("agent.hcl", text);
        let got = in_dir(dir.path()).load().unwrap_err();
        assert!(got.problems.iter().any(|p| p.file.ends_with("agent.hcl")), "{text} ({expect}): {got}");
    }
}

#[test]
fn who_has_an_id_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("m.hcl", "service { name = \"x\" port = 1 }\ncheck { name = \"k\" ttl = \"1s\" }");
    let mut loader = in_dir(dir.path());
    loader.load().unwrap();
    write("a.hcl", "service { id = \"x\" name = \"y\" port = 2 }");
    write("z.hcl", "check { id = \"k\" ttl = \"2s\" }");
    let loaded = loader.load().unwrap();
    assert_eq!(names(&loaded), ["x:1"]);
    let told: Vec<String> = loaded
        .problems
        .iter()
        .map(|p| format!("{} {}", p.file.rsplit('/').next().unwrap(), p.message.contains("m.hcl")))
        .collect();
    assert_eq!(told, ["a.hcl true", "z.hcl true"]);
    fs::remove_file(dir.path().join("m.hcl")).unwrap();
    let loaded = loader.load().unwrap();
    assert_eq!(names(&loaded), ["x:2"]);
    assert!(loaded.problems.is_empty());
    // At the start the first in the order of the files.
    write("m.hcl", "service { name = \"x\" port = 1 }");
    let loaded = in_dir(dir.path()).load().unwrap();
    assert_eq!(names(&loaded), ["x:2"]);
}

/// Whoever edits in place empties the file first, perhaps between our look at it and our reading: nothing it defines is gone for that.
#[test]
fn a_file_that_is_emptied_while_it_is_read_defines_what_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.hcl");
    let text = |port: u32| format!("service {{ name = \"web\" port = {port} }}");
    fs::write(&path, text(1)).unwrap();
    let mut loader = in_dir(dir.path());
    loader.load().unwrap();
    let writer = std::thread::spawn(move || (2..1000).for_each(|port| fs::write(&path, text(port)).unwrap()));
    while !writer.is_finished() {
        assert_eq!(loader.load().unwrap().services.len(), 1);
    }
    writer.join().unwrap();
    assert_eq!(names(&loader.load().unwrap()), ["web:999"]);
}

#[test]
fn nothing_is_parsed_twice_and_no_change_is_none() {
    let dir = tempfile::tempdir().unwrap();
    for index in 0..200 {
        fs::write(dir.path().join(format!("{index:03}.hcl")), format!("service {{ name = \"s{index}\" port = {index} }}"))
            .unwrap();
    }
    let mut loader = in_dir(dir.path());
    let first = loader.load().unwrap();
    assert_eq!(loader.files.parsed, 200);
    for index in 0..200 {
        let path = dir.path().join(format!("{index:03}.hcl"));
        let text = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
    }
    let second = loader.load().unwrap();
    assert_eq!(loader.files.parsed, 200);
    let diff = ConfigDiff::between(&first, &second);
    assert!(diff.is_empty() && diff.unchanged == 200, "{diff:?}");
    assert!(Arc::ptr_eq(&first.config, &second.config));
    // A blank line more is no change either, though the place moved; another port is.
    fs::write(dir.path().join("000.hcl"), "\nservice { id = \"s0\" name = \"s0\" port = 0 }").unwrap();
    fs::write(dir.path().join("001.hcl"), "service { name = \"s1\" port = 99 }").unwrap();
    fs::remove_file(dir.path().join("002.hcl")).unwrap();
    fs::write(dir.path().join("new.hcl"), "check { name = \"n\" ttl = \"9s\" }\nnode_meta { a = \"b\" }\ndatacenter = \"dc2\"")
        .unwrap();
    let third = loader.load().unwrap();
    let diff = ConfigDiff::between(&second, &third);
    assert_eq!((diff.unchanged, diff.services_moved.len()), (198, 1));
    let report = diff.report(&third);
    let told: Vec<String> = report.applied.iter().map(|c| format!("{} {} {}", c.action, c.kind, c.id)).collect();
    assert_eq!(told, ["changed service s1", "removed service s2", "added check n", "changed option node_meta"]);
    assert_eq!(report.restart_required.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["datacenter"]);
    assert_eq!(third.config.options["node_meta"], json!({"a": "b"}));
}

#[test]
fn plugins_are_declared() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("p.hcl"),
        "plugin \"redis\" {\n path = \"/x.wasm\"\n allow = [\"tcp:127.0.0.1:6379\"]\n limits { memory_bytes_max = 1024 deadline = \"2s\" }\n}\nplugin \"b\" {}\nservice { name = \"r\" check { plugin = \"redis\" config { address = \"x\" } interval = \"5s\" } }",
    )
    .unwrap();
    let loaded = in_dir(dir.path()).load().unwrap();
    let plugin = &loaded.config.plugins.entries["redis"];
    assert_eq!(
        (plugin.path.as_str(), plugin.limits.memory_bytes_max, plugin.limits.deadline),
        ("/x.wasm", Some(1024), Some(Duration::from_secs(2)))
    );
    assert_eq!(loaded.config.plugins.entries.len(), 2);
    assert_eq!(ConfigDiff::first(&loaded).plugins.len(), 2);
}

#[test]
fn a_vanished_directory_takes_its_definitions_along_and_an_unreadable_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("config.d");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("a.hcl"), "service { name = \"a\" }").unwrap();
    let mut loader = in_dir(&inner);
    loader.load().unwrap();
    fs::remove_dir_all(&inner).unwrap();
    let loaded = loader.load().unwrap();
    assert!(loaded.services.is_empty());
    assert_eq!(loaded.warnings.len(), 1);
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("a.hcl"), "service { name = \"a\" }").unwrap();
    assert_eq!(names(&loader.load().unwrap()), ["a:0"]);
}

/// The samples that come with Lictor.
#[test]
fn every_sample_loads() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config.d");
    let loaded = loader(&["-dev", "-enable-local-script-checks", "-config-dir", samples.to_str().unwrap()]).load().unwrap();
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(loaded.services.len() >= 4);
    let files = fs::read_dir(&samples).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count();
    assert_eq!(loaded.sources.len(), files);
}

/// A hundred good files, one of them mutilated again and again: the others stay, the report names the file and a line, and what is
/// mended is back.
#[test]
fn no_mutation_of_one_file_harms_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let good = |index: usize| match index % 3 {
        0 => (
            format!("{index:02}.hcl"),
            format!(
                "service {{\n  name = \"s{index}\"\n  port = {index}\n  check {{\n    tcp = \"127.0.0.1:1\"\n    interval = \"9s\"\n  }}\n}}\n"
            ),
        ),
        1 => (
            format!("{index:02}.json"),
            format!("{{\n \"service\": {{\n  \"name\": \"s{index}\",\n  \"port\": {index},\n  \"tags\": [\"a\"]\n }}\n}}\n"),
        ),
        _ => (
            format!("{index:02}.toml"),
            format!("[[services]]\nname = \"s{index}\"\nport = {index}\n[services.meta]\nk = \"v\"\n"),
        ),
    };
    for index in 0..100 {
        let (name, text) = good(index);
        fs::write(dir.path().join(name), text).unwrap();
    }
    let mut loader = in_dir(dir.path());
    let all = names(&loader.load().unwrap());
    assert_eq!(all.len(), 100);
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut chance = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut quarantined = 0;
    for round in 0..240 {
        let index = chance(100);
        let (name, text) = good(index);
        let path = dir.path().join(&name);
        let mut bytes = text.clone().into_bytes();
        match round % 8 {
            0 => bytes.truncate(chance(bytes.len())),
            1 => {
                let at = chance(bytes.len());
                bytes[at] ^= 1 << chance(8);
            }
            2 => bytes = text.replace(&format!("\"s{index}\""), "{ }").into_bytes(),
            3 => bytes = text.replacen("port", "prot", 1).into_bytes(),
            4 => bytes = text.replace(&format!("s{index}"), &format!("s{}", (index + 1 + chance(98)) % 100)).into_bytes(),
            5 => bytes = (0..200).map(|_| u8::try_from(chance(256)).unwrap()).collect(),
            6 => bytes = text.replacen(&index.to_string(), "\"no number\"", 2).into_bytes(),
            _ => bytes.clear(),
        }
        if round % 16 == 15 {
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("/nonexistent/x", &path).unwrap();
        } else {
            fs::write(&path, &bytes).unwrap();
        }
        let loaded = loader.load().unwrap();
        let now = names(&loaded);
        for other in all.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, name)| name) {
            assert!(now.contains(other), "round {round}: {other} is gone after {:?}", String::from_utf8_lossy(&bytes));
        }
        for problem in &loaded.problems {
            assert!(problem.file.ends_with(&name) && (problem.line > 0 || round % 16 == 15), "{problem:?}");
        }
        quarantined += usize::from(!loaded.problems.is_empty());
        // Mended. (What was written through a link to nowhere would be lost.)
        let _ = fs::remove_file(&path);
        fs::write(&path, &text).unwrap();
        let loaded = loader.load().unwrap();
        assert_eq!((names(&loaded), loaded.problems), (all.clone(), vec![]), "round {round}");
    }
    assert!(quarantined > 150, "{quarantined}");
}

/// What comes with the command line is registered as if it stood in a file, and stays over every reload.
#[test]
fn definitions_of_hcl_flags_count() {
    let dir = tempfile::tempdir().unwrap();
    let args = |hcl: &[&str]| {
        let mut args = vec!["-dev", "-config-dir", dir.path().to_str().unwrap()];
        hcl.iter().for_each(|text| args.extend(["-hcl", text]));
        loader(&args)
    };
    let mut from_flags = args(&[
        "log_level = \"WARN\"",
        "service { name = \"f\" port = 1 }\ncheck { name = \"k\" ttl = \"9s\" }\nplugin \"p\" { path = \"/x\" }",
    ]);
    let start = from_flags.load().unwrap();
    assert_eq!(names(&start), ["f:1"]);
    assert_eq!((start.checks.len(), start.config.plugins.entries.len(), start.config.log.level.as_str()), (1, 1, "WARN"));
    assert_eq!(start.services[0].origin, lictor_types::Origin::File { path: "-hcl[1]".to_owned(), line: 1 });
    assert_eq!(start.sources.iter().map(|s| (s.file.as_str(), s.state.as_str())).collect::<Vec<_>>(), [("-hcl[1]", "loaded")]);
    // A file is added, and wants what the flag has.
    fs::write(dir.path().join("a.hcl"), "service { name = \"f\" port = 2 }").unwrap();
    fs::write(dir.path().join("b.hcl"), "service { name = \"b\" port = 3 }").unwrap();
    let next = from_flags.load().unwrap();
    assert_eq!(names(&next), ["b:3", "f:1"]);
    assert!(next.problems[0].message.contains("already defined in -hcl[1]"), "{:?}", next.problems);
    let diff = ConfigDiff::between(&start, &next);
    assert_eq!((diff.services_added.len(), diff.services_removed.len(), diff.unchanged), (1, 0, 2));
    assert!(Arc::ptr_eq(&start.services[0], &next.services[1]));
    // What is wrong in a flag is fatal at the start.
    let error = args(&["service { name = \"f\" prot = 1 }"]).load().unwrap_err();
    assert_eq!((error.problems[0].file.as_str(), error.problems[0].line), ("-hcl[0]", 1));
}

#[test]
fn cycles_of_composites_are_found_across_files() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let composite =
        |id: &str, of: &str| format!("check {{\n id = \"{id}\" name = \"{id}\"\n composite {{ all = [\"{of}\"] }}\n}}\n");
    write("a.hcl", &composite("a", "b"));
    write("b.hcl", &composite("b", "plain"));
    let mut loader = in_dir(dir.path());
    let start = loader.load().unwrap();
    assert_eq!((start.checks.len(), start.problems.len()), (2, 0));
    // The file that closes it is told, and keeps what it had; also when it closes it through the check of a service.
    let web = "service {\n name = \"web\"\n check {\n  composite { all = [\"a\"] }\n }\n}\n";
    for (name, text, line, cycle) in [
        ("b.hcl", composite("b", "a"), 1, "b -> a -> b"),
        ("b.hcl", composite("b", "service:web") + web, 1, "b -> service:web -> a -> b"),
        ("c.hcl", composite("c", "c"), 3, "composed of itself"),
    ] {
        write(name, &text);
        let loaded = loader.load().unwrap();
        let told: Vec<(bool, u32, bool)> =
            loaded.problems.iter().map(|p| (p.file.ends_with(name), p.line, p.message.contains(cycle))).collect();
        assert_eq!(told, [(true, line, true)], "{:?}", loaded.problems);
        assert_eq!(loaded.checks.len(), 2);
        write("b.hcl", &composite("b", "plain"));
        let _ = fs::remove_file(dir.path().join("c.hcl"));
        assert!(loader.load().unwrap().problems.is_empty());
    }
    // Turned round in both files at once it is none.
    write("a.hcl", &composite("a", "plain"));
    write("b.hcl", &composite("b", "a"));
    let loaded = loader.load().unwrap();
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
}

/// Content changes that leave as little behind as possible: the size, and times of one tick of the clock.
#[test]
fn changes_that_hardly_show_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.hcl");
    let text = |port: u32| format!("service {{ name = \"a\" port = {port} }}");
    fs::write(&path, text(1000)).unwrap();
    let mut loader = in_dir(dir.path());
    loader.load().unwrap();
    // In place, of the same size, as fast as it goes: some of these share a tick with the load before.
    for port in 1001..1200 {
        fs::write(&path, text(port)).unwrap();
        assert_eq!(names(&loader.load().unwrap()), [format!("a:{port}")]);
    }
    // In place with the time of modification put back.
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, text(2000)).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(names(&loader.load().unwrap()), ["a:2000"]);
    // Renamed over, with the same size and time of modification.
    let beside = dir.path().join("beside");
    fs::write(&beside, text(2001)).unwrap();
    fs::File::options().write(true).open(&beside).unwrap().set_modified(modified).unwrap();
    fs::rename(&beside, &path).unwrap();
    assert_eq!(names(&loader.load().unwrap()), ["a:2001"]);
    // A link that leads elsewhere.
    for port in [2002, 2003] {
        fs::write(dir.path().join(format!("v{port}")), text(port)).unwrap();
    }
    for port in [2002, 2003, 2002] {
        std::os::unix::fs::symlink(format!("v{port}"), &beside).unwrap();
        fs::rename(&beside, &path).unwrap();
        assert_eq!(names(&loader.load().unwrap()), [format!("a:{port}")]);
    }
}

#[test]
fn central_entries_of_the_configuration_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let hcl = r#"
        config_entries {
          bootstrap { kind = "proxy-defaults" name = "global" config { protocol = "http" x { y = 1 } } }
          bootstrap { kind = "service-splitter" name = "web" splits = [{ weight = 90 }, { weight = 10 service = "b" }] }
        }"#;
    fs::write(dir.path().join("a.hcl"), hcl).unwrap();
    let json = r#"{"config_entries": {"bootstrap": [{"Kind": "service-defaults", "Name": "web", "Protocol": "HTTP"}]}}"#;
    fs::write(dir.path().join("b.json"), json).unwrap();
    let loaded = in_dir(dir.path()).load().unwrap();
    let entries = serde_json::to_value(&loaded.config.cluster.config_entries).unwrap();
    assert_eq!(entries[0]["Config"], json!({"protocol": "http", "x": {"y": 1}}));
    assert_eq!(entries[1]["Splits"], json!([{"Weight": 90}, {"Weight": 10, "Service": "b"}]));
    assert_eq!(entries[2]["Protocol"], "http");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    for (entry, why) in [
        (r#"{"kind": "nonsense"}"#, "config_entries.bootstrap[0]: invalid config entry kind: nonsense"),
        (r#"{"kind": "service-splitter", "name": "a"}"#, "config_entries.bootstrap[0]: no splits configured"),
    ] {
        let hcl = format!("config_entries = {{ bootstrap = [{entry}] }}");
        let text = failure(&["-dev", "-hcl", &hcl.replace("\": ", "\" = ")]);
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn limits_of_requests_are_read() {
    use crate::runtime::LimitMode;
    let of = |hcl: &str| loader(&["-dev", "-hcl", hcl]).load().unwrap().config.limits.request_limits;
    let none = of("");
    assert_eq!((none.mode, none.read_rate, none.write_rate), (LimitMode::Disabled, None, None));
    let set = of("limits { request_limits { mode = \"enforcing\" read_rate = 100 write_rate = 2.5 } }");
    assert_eq!((set.mode, set.read_rate, set.write_rate), (LimitMode::Enforcing, Some(100.0), Some(2.5)));
    let text = failure(&["-dev", "-hcl", "limits { request_limits { mode = \"often\" } }"]);
    assert!(text.contains("\"often\" is not a valid mode"), "{text}");
}

#[test]
fn tokens_have_old_names_and_new_ones() {
    let load = |text: &str| loader(&["-dev", "-hcl", text]).load().unwrap().config.acl.clone();
    let new = load(
        "acl { enabled = true default_policy = \"deny\" token_ttl = \"5s\" tokens { initial_management = \"m\" agent = \"a\" default = \"d\" agent_recovery = \"r\" } }",
    );
    assert!(new.enabled && !new.default_allow);
    assert_eq!(new.ttl, std::time::Duration::from_secs(5));
    let old = load(
        "acl_datacenter = \"dc1\" acl_default_policy = \"deny\" acl_ttl = \"5s\" acl_master_token = \"m\" acl_agent_token = \"a\" acl_token = \"d\" acl_agent_master_token = \"r\"",
    );
    assert_eq!(new, old);
    assert_eq!((old.tokens.agent.secret(), old.tokens.recovery.secret()), ("a", "r"));
    assert!(!format!("{old:?}").contains("\"m\""));
}
