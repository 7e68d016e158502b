//! Prints a table of the stock scenarios: `cargo run --release -p lictor-sim -- [MEMBERS]… [seed=N] [formed|join]
//! [loss|stalls|flaps[=N]] [guarded] [watch=SECONDS] [part=N]`.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "this program's output is its table")]
#![allow(clippy::disallowed_methods, reason = "tells how long each run took")]

use lictor_sim::{Findings, Flaps, Scenario, Stalls};
use std::time::{Duration, Instant};

/// The agent's. A pool of thousands takes and gives back a lot of small pieces.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the arguments ask for.
struct Wanted {
    seed: u64,
    sizes: Vec<usize>,
    /// The pool is formed from the start: all know each other, or (`join`) all but a tenth, who join.
    formed: bool,
    join: bool,
    /// One kind of scenario; none: all.
    only: Option<String>,
    /// The one with this number of that kind, counted from 1; none: all.
    pick: Option<usize>,
    watched: Duration,
    /// Without the rows of plain SWIM.
    guarded: bool,
    /// One of so many members is in trouble.
    part: usize,
}

impl Wanted {
    fn read(arguments: impl Iterator<Item = String>) -> Self {
        let watched = Duration::from_secs(60);
        let mut wanted = Self {
            seed: 1,
            sizes: Vec::new(),
            formed: false,
            join: false,
            only: None,
            pick: None,
            watched,
            guarded: false,
            part: 4,
        };
        for argument in arguments {
            let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
            match (name, value.parse::<u64>()) {
                ("seed", Ok(seed)) => wanted.seed = seed,
                ("watch", Ok(seconds)) => wanted.watched = Duration::from_secs(seconds),
                ("part", Ok(part)) => wanted.part = (part as usize).max(1),
                ("formed", _) => wanted.formed = true,
                ("join", _) => wanted.join = true,
                ("guarded", _) => wanted.guarded = true,
                ("loss" | "stalls" | "flaps", number) => {
                    wanted.only = Some(name.to_owned());
                    wanted.pick = number.ok().map(|number| number as usize);
                }
                _ => wanted.sizes.extend(argument.parse::<usize>()),
            }
        }
        if wanted.sizes.is_empty() {
            wanted.sizes.push(100);
        }
        wanted
    }

    /// Those of `all`, which are of this kind, that are wanted.
    fn of<T>(&self, kind: &str, all: Vec<T>) -> Vec<T> {
        if self.only.as_deref().is_some_and(|only| only != kind) {
            return Vec::new();
        }
        match self.pick {
            Some(number) => all.into_iter().skip(number.saturating_sub(1)).take(1).collect(),
            None => all,
        }
    }

    fn scenario(&self, members: usize) -> Scenario {
        let newcomers = match (self.formed, self.join) {
            (_, true) => Some(members / 10),
            (true, false) => Some(0),
            (false, false) => None,
        };
        Scenario { newcomers, watched: self.watched, ..Scenario::new(self.seed, members) }
    }
}

fn row(what: &str, scenario: &Scenario) -> Findings {
    let start = Instant::now();
    let found = scenario.run();
    let seconds = |time: Option<Duration>| time.map_or("never".to_owned(), |time| format!("{:.1}", time.as_secs_f64()));
    println!(
        "{:>5} {what:<28} {:>9} {:>8} {:>8} {:>7} {:>7} {:>8} {:>6.1} {:>6.1} {:>7} {:>6.2} {:>7.0} {:>5} {:>7.1}",
        scenario.members,
        seconds(found.converged),
        found.false_failures,
        found.believed,
        found.wronged,
        found.wronged_by_troubled,
        found.troubled_failures,
        found.first_told.0.as_secs_f64(),
        found.first_told.1.as_secs_f64(),
        seconds(if scenario.kills > 0 { found.all_told } else { found.settled }),
        found.packets,
        found.bytes,
        found.packet_largest,
        start.elapsed().as_secs_f64(),
    );
    found
}

fn main() {
    let wanted = Wanted::read(std::env::args().skip(1));
    println!("seed {}", wanted.seed);
    println!(
        "    n scenario                     converged  falsely believed wronged by.them troubled first  worst     all  pkt/s    B/s  max    wall"
    );
    for &members in &wanted.sizes {
        let kinds: &[bool] = if wanted.guarded { &[true] } else { &[true, false] };
        let name = |name: &str, lifeguard: bool| format!("{name}{}", if lifeguard { "" } else { ", plain" });
        for loss in wanted.of("loss", vec![0.0, 0.01, 0.10, 0.25]) {
            for &lifeguard in kinds {
                let mut scenario = Scenario { loss, kills: (members / 50).max(1), ..wanted.scenario(members) };
                scenario.settings.lifeguard = lifeguard;
                row(&name(&format!("loss {:.0} %", loss * 100.0), lifeguard), &scenario);
            }
        }
        for (what, stalls) in wanted.of("stalls", stall_sets(members / wanted.part)) {
            let ways = [true, false].into_iter().flat_map(|tcp_fallback| kinds.iter().map(move |kind| (tcp_fallback, *kind)));
            for (tcp_fallback, lifeguard) in ways {
                let mut scenario = Scenario { stalls: Some(stalls.clone()), ..wanted.scenario(members) };
                scenario.settings.lifeguard = lifeguard;
                scenario.settings.tcp_fallback = tcp_fallback;
                row(&format!("{}{}", name(what, lifeguard), if tcp_fallback { "" } else { " no tcp" }), &scenario);
            }
        }
        for (what, flaps) in wanted.of("flaps", flap_sets(members / wanted.part)) {
            for &lifeguard in kinds {
                let mut scenario = Scenario { flaps: Some(flaps.clone()), ..wanted.scenario(members) };
                scenario.settings.lifeguard = lifeguard;
                row(&name(what, lifeguard), &scenario);
            }
        }
    }
}

fn ms(from: u64, to: u64) -> (Duration, Duration) {
    (Duration::from_millis(from), Duration::from_millis(to))
}

fn stall_sets(members: usize) -> Vec<(&'static str, Stalls)> {
    let set = |stalled: (u64, u64), awake: (u64, u64), service: u64| Stalls {
        members,
        stalled: ms(stalled.0, stalled.1),
        awake: ms(awake.0, awake.1),
        service: Duration::from_millis(service),
    };
    vec![
        ("2 s/64 ms", set((1_000, 3_000), (1, 128), 5)),
        ("4 s/128 ms", set((1_000, 8_000), (1, 256), 5)),
        ("10 s/250 ms", set((4_000, 16_000), (1, 500), 5)),
        ("10 s/500 ms", set((4_000, 16_000), (1, 1_000), 20)),
        ("16 s/4 s", set((8_000, 24_000), (1_000, 8_000), 20)),
    ]
}

/// Links that are down and up for about so long each; a probe times out after 500 ms.
fn flap_sets(members: usize) -> Vec<(&'static str, Flaps)> {
    let set = |down: (u64, u64), up: (u64, u64)| Flaps { members, down: ms(down.0, down.1), up: ms(up.0, up.1) };
    vec![
        ("flap 250 ms/250 ms", set((100, 400), (100, 400))),
        ("flap 500 ms/500 ms", set((250, 750), (250, 750))),
        ("flap 2 s/2 s", set((1_000, 3_000), (1_000, 3_000))),
        ("flap 10 s/1 s", set((5_000, 15_000), (500, 1_500))),
    ]
}
