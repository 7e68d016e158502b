//! Prints a table of the stock scenarios: `cargo run --release -p lictor-sim -- [MEMBERS]… [seed=N] [loss|stalls]`.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "this program's output is its table")]
#![allow(clippy::disallowed_methods, reason = "tells how long each run took")]

use lictor_sim::{Findings, Scenario, Stalls};
use std::time::{Duration, Instant};

fn row(what: &str, scenario: &Scenario) -> Findings {
    let start = Instant::now();
    let found = scenario.run();
    let seconds = |time: Option<Duration>| time.map_or("never".to_owned(), |time| format!("{:.1}", time.as_secs_f64()));
    println!(
        "{:>5} {what:<28} {:>9} {:>8} {:>7} {:>7} {:>8} {:>6.1} {:>6.1} {:>7} {:>6.2} {:>7.0} {:>5} {:>7.1}",
        scenario.members,
        seconds(found.converged),
        found.false_failures,
        found.wronged,
        found.wronged_by_stalled,
        found.stalled_failures,
        found.first_told.0.as_secs_f64(),
        found.first_told.1.as_secs_f64(),
        seconds(found.all_told),
        found.packets,
        found.bytes,
        found.packet_largest,
        start.elapsed().as_secs_f64(),
    );
    found
}

fn main() {
    let mut seed = 1;
    let mut sizes = Vec::new();
    let (mut only_loss, mut only_stalls) = (false, false);
    for argument in std::env::args().skip(1) {
        match (argument.as_str(), argument.strip_prefix("seed=")) {
            (_, Some(text)) => seed = text.parse().unwrap_or(seed),
            ("loss", _) => only_loss = true,
            ("stalls", _) => only_stalls = true,
            _ => sizes.extend(argument.parse::<usize>()),
        }
    }
    if sizes.is_empty() {
        sizes.push(100);
    }
    println!("seed {seed}");
    println!(
        "    n scenario                     converged  falsely wronged by.them  stalled first  worst     all  pkt/s    B/s  max    wall"
    );
    for members in sizes {
        for loss in if only_stalls { vec![] } else { vec![0.0, 0.01, 0.10, 0.25] } {
            for lifeguard in [true, false] {
                let mut scenario = Scenario { loss, kills: (members / 50).max(1), ..Scenario::new(seed, members) };
                scenario.settings.lifeguard = lifeguard;
                row(&format!("loss {:.0} %{}", loss * 100.0, if lifeguard { "" } else { ", plain" }), &scenario);
            }
        }
        for (name, stalls) in if only_loss { vec![] } else { stall_sets(members) } {
            for (tcp_fallback, lifeguard) in [(true, true), (true, false), (false, true), (false, false)] {
                let mut scenario =
                    Scenario { stalls: Some(stalls.clone()), watched: Duration::from_secs(60), ..Scenario::new(seed, members) };
                scenario.settings.lifeguard = lifeguard;
                scenario.settings.tcp_fallback = tcp_fallback;
                let plain = if lifeguard { "" } else { ", plain" };
                row(&format!("{name}{plain}{}", if tcp_fallback { "" } else { " no tcp" }), &scenario);
            }
        }
    }
}

fn stall_sets(members: usize) -> Vec<(&'static str, Stalls)> {
    let ms = Duration::from_millis;
    let set = |part: usize, stalled: (u64, u64), awake: (u64, u64), service: u64| Stalls {
        members: members / part,
        stalled: (ms(stalled.0), ms(stalled.1)),
        awake: (ms(awake.0), ms(awake.1)),
        service: ms(service),
    };
    vec![
        ("2 s/64 ms", set(4, (1_000, 3_000), (1, 128), 5)),
        ("4 s/128 ms", set(4, (1_000, 8_000), (1, 256), 5)),
        ("10 s/250 ms", set(4, (4_000, 16_000), (1, 500), 5)),
        ("10 s/500 ms", set(4, (4_000, 16_000), (1, 1_000), 20)),
        ("16 s/4 s", set(4, (8_000, 24_000), (1_000, 8_000), 20)),
    ]
}
