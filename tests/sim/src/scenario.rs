//! The stock scenarios, and what is found in them.

use crate::pool::{Conditions, News, Pool};
use lictor_gossip::engine::EngineSettings;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// Members that stall again and again, as in the Lifeguard paper: some at a time, for a while, with short spells between.
#[derive(Clone, Debug)]
pub struct Stalls {
    /// How many members stall.
    pub members: usize,
    /// Shortest and longest stall.
    pub stalled: (Duration, Duration),
    /// Shortest and longest spell between two.
    pub awake: (Duration, Duration),
    /// Time such a member takes for each message that waited for it.
    pub service: Duration,
}

/// Members whose links go up and down again and again.
#[derive(Clone, Debug)]
pub struct Flaps {
    /// How many members have such a link.
    pub members: usize,
    /// Shortest and longest time that it is down.
    pub down: (Duration, Duration),
    /// Shortest and longest time that it is up.
    pub up: (Duration, Duration),
}

/// A pool that forms, is troubled for a while, and loses some members.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Decides all that is left to chance.
    pub seed: u64,
    /// How many members.
    pub members: usize,
    /// How many join, the others knowing each other already; none: all join, one after the other.
    pub newcomers: Option<usize>,
    /// Share of datagrams lost from the start.
    pub loss: f64,
    /// The members' timings.
    pub settings: EngineSettings,
    /// How long it is watched after it formed.
    pub watched: Duration,
    /// Stalls while it is watched.
    pub stalls: Option<Stalls>,
    /// Links that flap while it is watched, if none stall.
    pub flaps: Option<Flaps>,
    /// How many members are killed after that.
    pub kills: usize,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// From the last join until all knew all.
    pub converged: Option<Duration>,
    /// Failures told of members that were up and in no trouble before, each time by each member.
    pub false_failures: usize,
    /// Those of them that were told by such members: what one in trouble thinks of others may stay with it.
    pub believed: usize,
    /// The different members so wronged.
    pub wronged: usize,
    /// How many of these were told first by a member that was in trouble itself.
    pub wronged_by_troubled: usize,
    /// Failures told of members that had stalled or lost their links.
    pub troubled_failures: usize,
    /// From the end of the trouble until all knew all again; none if that took over a minute, or there was no trouble.
    pub settled: Option<Duration>,
    /// From a kill until the first member told of it: mean and worst.
    pub first_told: (Duration, Duration),
    /// From a kill until all others had told of it; none if that took over two minutes.
    pub all_told: Option<Duration>,
    /// Datagrams per member and second while it was watched.
    pub packets: f64,
    /// Bytes per member and second while it was watched.
    pub bytes: f64,
    /// The largest datagram.
    pub packet_largest: usize,
    /// Hash of all that happened.
    pub trace: u64,
}

impl Scenario {
    /// A quiet pool.
    pub fn new(seed: u64, members: usize) -> Self {
        Self {
            seed,
            members,
            newcomers: None,
            loss: 0.0,
            settings: EngineSettings::lan(),
            watched: Duration::from_secs(60),
            stalls: None,
            flaps: None,
            kills: 0,
        }
    }

    /// Runs it.
    pub fn run(&self) -> Findings {
        let service = self.stalls.as_ref().map(|stalls| stalls.service).unwrap_or_default();
        let conditions = Conditions { loss: self.loss, service, ..Conditions::default() };
        let mut pool = Pool::new(self.seed, self.members, self.settings.clone(), conditions);
        match self.newcomers {
            None => pool.join_all(Duration::from_secs(2)),
            Some(count) => {
                pool.acquaint(self.members.saturating_sub(count));
                pool.join_from(self.members.saturating_sub(count), Duration::from_secs(2));
            }
        }
        let converged = pool.run_while_not(Duration::from_secs(300), Pool::is_converged);
        let mut found = Findings { converged, ..Findings::default() };

        let (start, packets, bytes) = (pool.now(), pool.traffic().0, pool.traffic().1);
        found.settled = self.watch(&mut pool);
        let seconds = (pool.now() - start).as_secs_f64().max(1.0);
        let per_member = 1.0 / (seconds * self.members as f64);
        found.packets = (pool.traffic().0 - packets) as f64 * per_member;
        found.bytes = (pool.traffic().1 - bytes) as f64 * per_member;

        if self.kills > 0 {
            self.kill(&mut pool, &mut found);
        }
        let failures = || pool.heard().iter().filter(|heard| heard.news == News::Failed);
        found.false_failures = failures().filter(|heard| !heard.impaired).count();
        found.believed = failures().filter(|heard| !heard.impaired && !pool.ever_troubled(heard.by)).count();
        found.troubled_failures = failures().filter(|heard| heard.impaired && pool.ever_troubled(heard.about)).count();
        let mut wronged: Vec<usize> = failures().filter(|heard| !heard.impaired).map(|heard| heard.about).collect();
        wronged.sort_unstable();
        wronged.dedup();
        found.wronged = wronged.len();
        let first_by_troubled = |about: &&usize| {
            failures().find(|heard| !heard.impaired && heard.about == **about).is_some_and(|heard| pool.ever_troubled(heard.by))
        };
        found.wronged_by_troubled = wronged.iter().filter(first_by_troubled).count();
        found.packet_largest = pool.packet_largest();
        found.trace = pool.trace();
        found
    }

    /// Lets the time pass in which it is watched, with the trouble there is; how long it took to settle after that.
    fn watch(&self, pool: &mut Pool) -> Option<Duration> {
        /// How long the pool has to come to rest.
        const REST: Duration = Duration::from_secs(60);
        /// How often it is looked at meanwhile.
        const STEP: Duration = Duration::from_millis(100);
        let end = pool.now() + self.watched;
        let (members, bad, good) = match (&self.stalls, &self.flaps) {
            (Some(Stalls { members, stalled, awake, .. }), _) => (*members, *stalled, *awake),
            (None, Some(Flaps { members, down, up })) => (*members, *down, *up),
            (None, None) => {
                pool.run_until(end);
                return None;
            }
        };
        let mut rng = StdRng::seed_from_u64(self.seed ^ 0x5741);
        let mut draw = |(min, max): (Duration, Duration)| min + (max - min).mul_f64(rng.random_range(0.0..=1.0));
        // When each of them is in trouble next. It is the last members: the first is the one all joined through.
        let mut next: Vec<(Duration, usize)> =
            (self.members - members..self.members).map(|index| (pool.now() + draw(good), index)).collect();
        while let Some(at) = next.iter().map(|(at, _)| *at).min().filter(|at| *at < end) {
            pool.run_until(at);
            for (due, index) in &mut next {
                if *due <= at {
                    let until = at + draw(bad);
                    if self.stalls.is_some() {
                        pool.stall(*index, until)
                    } else {
                        pool.unplug(*index, until)
                    }
                    *due = until + draw(good);
                }
            }
        }
        pool.run_until(end);
        // All wake, and the pool comes to rest.
        let rested = end + bad.1 + REST;
        let mut last_apart = None;
        while pool.now() < rested {
            last_apart = if pool.is_converged() { last_apart } else { Some(pool.now()) };
            pool.run_for(STEP);
        }
        pool.is_converged().then(|| last_apart.map_or(Duration::ZERO, |at| at + STEP - end))
    }

    fn kill(&self, pool: &mut Pool, found: &mut Findings) {
        let killed: Vec<usize> = (1..=self.kills).collect();
        let at = pool.now();
        killed.iter().for_each(|index| pool.kill(*index));
        found.all_told = pool.run_while_not(Duration::from_secs(120), Pool::is_converged);
        let first = |index: &usize| {
            let told = pool.heard().iter().find(|heard| heard.at >= at && heard.about == *index && heard.news == News::Failed);
            told.map_or(Duration::from_secs(120), |heard| heard.at - at)
        };
        let times: Vec<Duration> = killed.iter().map(first).collect();
        let mean = times.iter().sum::<Duration>() / times.len().max(1) as u32;
        found.first_told = (mean, times.iter().max().copied().unwrap_or_default());
    }
}
