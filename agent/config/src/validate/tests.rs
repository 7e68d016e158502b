use super::*;
use std::fs;

fn run(files: &[(&str, &str)], options: ValidateOptions) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let found = validate(&[dir.path().to_owned()], options);
    let prefix = format!("{}/", dir.path().display());
    found.problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

const STRICT: ValidateOptions = ValidateOptions { format: None, strict: true, scripts: false };

#[test]
fn all_problems_of_all_files_in_one_run() {
    let got = run(
        &[
            (
                "a.hcl",
                "service {\n name = \"a\"\n check {\n  http = \"http://x/\"\n }\n}\nservice {\n name = \"b\"\n port = 70000\n}",
            ),
            (
                "b.json",
                "{\"service\": {\"name\": \"c\", \"check\": {\"http\": \"http://x/\",\n \"tcp\": \"x:1\", \"interval\": \"1s\"}}}",
            ),
            ("c.toml", "[service]\nname = \"c\"\n[[service.checks]]\nargs = [\"true\"]\ninterval = \"1s\"\n"),
            ("d.hcl", "service {"),
            ("e.hcl", "service { name = \"ok\" port = 1 }"),
        ],
        STRICT,
    );
    assert_eq!(
        got,
        [
            "a.hcl:3:2: the interval is missing (add interval = \"10s\")",
            "a.hcl:9:2: port 70000 is out of range (ports are 1 to 65535)",
            "b.json:2:2: the check is of two kinds, http and tcp (make two checks of it)",
            &format!("c.toml:1:2: the service id \"c\" is already defined in {}", got[3].rsplit(" in ").next().unwrap_or_default()),
            "c.toml:1:2: a script check, but scripts are off (set enable_local_script_checks = true where the agent is configured, and validate that file with this one)",
            "d.hcl:1:10: the \"{\" of line 1 is not closed (add the missing \"}\")",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn one_problem_hides_no_other() {
    let text = "service {\n name = \"a\"\n port = 70000\n checks = [\n  { http = \"http://x\", tcp = \"y:1\" },\n  { htp = \"x\", interval = \"1s\" },\n  \
                { tcp = \"x\", interval = \"1s\" }\n ]\n}\ncheck {\n ttl = \"x\"\n}\n";
    assert_eq!(
        run(&[("a.hcl", text)], STRICT),
        [
            "a.hcl:3:2: port 70000 is out of range (ports are 1 to 65535)",
            "a.hcl:5:3: the interval is missing (add interval = \"10s\")",
            "a.hcl:5:24: the check is of two kinds, http and tcp (make two checks of it)",
            "a.hcl:6:5: invalid config key service.checks[1].htp (did you mean \"http\"?)",
            "a.hcl:7:5: \"x\" has no port (write \"host:port\")",
            "a.hcl:11:2: time: invalid duration \"x\" (write for example \"10s\", \"1m30s\" or \"250ms\")",
        ]
    );
}

#[test]
fn cycles_of_composites_are_found_across_files() {
    let composite =
        |id: &str, of: &str| format!("check {{\n id = \"{id}\"\n name = \"{id}\"\n composite {{ all = [{of}] }}\n}}\n");
    let web = "\nservice {\n name = \"web\"\n checks = [\n  { name = \"x\", ttl = \"9s\" },\n  { composite { all = [\"a\"] } }\n ]\n}\n";
    let (a, b, c) = (composite("a", "\"b\", \"x\""), composite("b", "\"service:web:2\""), composite("c", "\"a\""));
    // What only leads into the cycle is not told as well.
    assert_eq!(
        run(&[("a.hcl", &a), ("b.hcl", &b), ("c.hcl", &c), ("web.hcl", web)], STRICT),
        [
            "web.hcl:6:3: the composite check \"service:web:2\" closes a cycle: service:web:2 -> a -> b -> service:web:2 (take one of \
             them out of the other's checks)"
        ]
    );
    assert_eq!(run(&[("a.hcl", &a), ("b.hcl", &b), ("c.hcl", &c)], STRICT), Vec::<String>::new());
    let own = composite("b", "\"a\"") + &a;
    assert_eq!(
        run(&[("a.hcl", &own)], STRICT),
        ["a.hcl:1:7: the composite check \"b\" closes a cycle: b -> a -> b (take one of them out of the other's checks)"]
    );
}

#[test]
fn a_directory_of_services_is_enough() {
    assert_eq!(run(&[("a.hcl", "service { name = \"a\" }")], STRICT), Vec::<String>::new());
    let scripts = ValidateOptions { scripts: true, ..STRICT };
    assert_eq!(run(&[("a.hcl", "check { name = \"a\" args = [\"true\"] interval = \"1s\" }")], scripts), Vec::<String>::new());
    let config = ("agent.hcl", "data_dir = \"/tmp\"\nbind_addr = \"127.0.0.1\"\nenable_local_script_checks = true");
    assert_eq!(
        run(&[("a.hcl", "check { name = \"a\" args = [\"true\"] interval = \"1s\" }"), config], STRICT),
        Vec::<String>::new()
    );
    assert_eq!(
        run(&[("agent.hcl", "bind_addr = \"127.0.0.1\"")], STRICT),
        ["configuration: data_dir cannot be empty (add -data-dir DIR, or -dev to keep all in memory)"]
    );
    assert_eq!(validate(&["/nonexistent".into()], STRICT).problems.len(), 1);
}

/// The files of every example are good, read strictly.
#[test]
fn examples_are_good() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/single-server");
    let found = validate(&[examples.join("agent.hcl"), examples.join("config.d")], STRICT);
    assert_eq!((found.problems, found.files), (Vec::new(), 3));
}
