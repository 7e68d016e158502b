//! A hundred good files, and every kind of harm done to one of them: the other ninety-nine stay.

use lictor_e2e::{Plan, wait};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const FILES: usize = 100;
/// The file that is harmed.
const VICTIM: &str = "f050.hcl";

fn good(n: usize) -> String {
    format!(
        "service {{\n  name = \"svc-{n:03}\"\n  port = {}\n  tags = [\"a\", \"b\"]\n  meta {{\n    team = \"t{n}\"\n  }}\n}}\n",
        1000 + n
    )
}

/// Harm number `n`, and whether the result may still be a good file.
fn harm(n: usize, rng: &mut StdRng) -> (Vec<u8>, &'static str) {
    let text = good(50);
    let bytes = text.as_bytes();
    match n % 10 {
        0 => (bytes[..rng.random_range(1..bytes.len() - 2)].to_vec(), "cut"),
        1 => {
            let mut flipped = bytes.to_vec();
            let at = rng.random_range(0..flipped.len());
            flipped[at] ^= 1 << rng.random_range(0..8);
            (flipped, "bit flip")
        }
        2 => (text.replace("port = 1050", "port = \"not a port\"").into_bytes(), "wrong type"),
        3 => (text.replace("port =", "prot =").into_bytes(), "unknown key"),
        4 => (good(50).replace("svc-050", "svc-007").into_bytes(), "duplicate id"),
        5 => ((0..rng.random_range(1..2000)).map(|_| rng.random::<u8>()).collect(), "garbage"),
        6 => (text.replace("port = 1050", "port = 70000").into_bytes(), "out of range"),
        7 => (text.replace("name = \"svc-050\"\n", "").into_bytes(), "no name"),
        8 => (text.replace('}', "").into_bytes(), "unclosed"),
        _ => (format!("{text}{}", "service {".repeat(200)).into_bytes(), "deep"),
    }
}

#[test]
fn one_broken_file_harms_no_other() {
    let rounds = crate::scale("LICTOR_MUTATIONS", 200);
    let mut plan = Plan::dev().argument("-hcl=auto_reload_config = false");
    for n in 0..FILES {
        plan = plan.file(&format!("f{n:03}.hcl"), &good(n));
    }
    let agent = plan.start();
    agent.wait_for("/v1/agent/services", |body| body.as_object().is_some_and(|map| map.len() == FILES));
    let seed = 20;
    let mut rng = StdRng::seed_from_u64(seed);
    for round in 0..rounds {
        let (bytes, kind) = harm(round, &mut rng);
        agent.write(VICTIM, &bytes);
        let report = agent.put("/v1/agent/reload?report", "").json();
        let services = agent.get("/v1/agent/services").json();
        let others = (0..FILES).filter(|n| *n != 50).filter(|n| services.get(format!("svc-{n:03}")).is_some()).count();
        assert_eq!(others, FILES - 1, "round {round} ({kind}): {report}");
        let rejected = report["Rejected"].as_array().cloned().unwrap_or_default();
        // A flipped bit may leave a good file (another name or port); everything else must be rejected by name.
        if kind != "bit flip" {
            assert!(!rejected.is_empty(), "round {round} ({kind}) was taken: {report}");
        }
        for problem in &rejected {
            assert!(problem["File"].as_str().unwrap_or("").ends_with(VICTIM), "round {round} ({kind}): {problem}");
            assert!(problem["Line"].as_u64().unwrap_or(0) > 0, "round {round} ({kind}) names no line: {problem}");
        }
        if !rejected.is_empty() {
            assert!(services.get("svc-050").is_some(), "round {round} ({kind}): the last good definition stays");
        }
        agent.write(VICTIM, good(50));
        let mended = agent.put("/v1/agent/reload?report", "").json();
        assert_eq!(mended["Rejected"], serde_json::json!([]), "round {round} ({kind})");
        wait::until("the mended service", || {
            let services = agent.get("/v1/agent/services").json();
            (services["svc-050"]["Port"] == 1050 && services.as_object().is_some_and(|map| map.len() == FILES)).then_some(())
        });
    }
}
