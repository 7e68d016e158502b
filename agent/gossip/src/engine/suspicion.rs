//! How long a suspicion lasts before the member counts as failed.
//!
//! Source: the Lifeguard paper, section IV.B: the time starts at a maximum and shrinks with the logarithm of independent confirmations.
//!
//! Beyond the paper: a host that refuses the stream says that nobody listens there. That is no loss of packets which time could mend, only
//! a member that starts again could object, and half of the minimum is enough for that.

use crate::engine::identity::NodeKey;
use std::time::Duration;

/// The bounds of a suspicion's time in a pool of a given size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SuspicionBounds {
    /// With all confirmations that are waited for.
    pub(crate) min: Duration,
    /// With none.
    pub(crate) max: Duration,
    /// How many confirmations shrink it to the minimum.
    pub(crate) wanted: u32,
}

impl SuspicionBounds {
    /// Bounds for `members` (this one counted). Without Lifeguard the minimum holds from the start.
    pub(crate) fn new(mult: u32, max_mult: u32, members: usize, interval: Duration, lifeguard: bool) -> Self {
        let scale = (members.max(1) as f64).log10().max(1.0);
        let min = interval.mul_f64(f64::from(mult) * scale);
        // In a tiny pool there is nobody whose confirmation could be waited for: all but this member and the suspect.
        let others = members.saturating_sub(2);
        let wanted = mult.saturating_sub(2);
        let wanted = if others < wanted as usize { 0 } else { wanted };
        if lifeguard { Self { min, max: min.saturating_mul(max_mult.max(1)), wanted } } else { Self { min, max: min, wanted: 0 } }
    }

    /// The time from its start that a suspicion lasts after so many confirmations.
    pub(crate) fn timeout(&self, confirmations: u32) -> Duration {
        if self.wanted == 0 {
            return self.min;
        }
        let shrunk = f64::from(confirmations + 1).ln() / f64::from(self.wanted + 1).ln();
        let span = self.max.saturating_sub(self.min).as_secs_f64();
        let time = self.max.as_secs_f64() - span * shrunk;
        // Whole milliseconds, so that two members with the same confirmations agree.
        Duration::from_millis((time * 1000.0).max(0.0) as u64).max(self.min)
    }
}

/// One running suspicion.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    bounds: SuspicionBounds,
    started: Duration,
    /// Time during which this member itself stood still, which the suspect is given back.
    grace: Duration,
    /// Whether time was added already because this member doubted itself when the suspicion ran out.
    doubted: bool,
    /// Time added because this member heard nobody when the suspicion ran out.
    deafness: Duration,
    /// Whether the suspect was asked itself when the suspicion ran out and nobody had shared it.
    asked: bool,
    /// Whether the suspect's host refused a stream.
    refused: bool,
    /// Who suspects, the first one at the front.
    accusers: Vec<NodeKey>,
}

impl Suspicion {
    /// Begun at `now` by `accuser`.
    pub(crate) fn new(bounds: SuspicionBounds, now: Duration, accuser: NodeKey) -> Self {
        Self {
            bounds,
            started: now,
            grace: Duration::ZERO,
            doubted: false,
            deafness: Duration::ZERO,
            asked: false,
            refused: false,
            accusers: vec![accuser],
        }
    }

    /// Another member suspects too. True if that is news which counts (and is worth telling others).
    pub(crate) fn confirm(&mut self, accuser: NodeKey) -> bool {
        // The first accuser is no confirmation of itself.
        if self.accusers.len() > self.bounds.wanted as usize || self.accusers.contains(&accuser) {
            return false;
        }
        self.accusers.push(accuser);
        true
    }

    /// The suspect's host refused a stream: nobody listens there.
    pub(crate) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Adds time during which no refutation could have been heard.
    pub(crate) fn extend(&mut self, by: Duration) {
        self.grace = self.grace.saturating_add(by);
    }

    /// Adds time because this member doubts itself, by so large a part of what confirmations can take off. False: that was done before.
    pub(crate) fn doubt(&mut self, part: f64) -> bool {
        if !self.doubted {
            self.extend(self.bounds.max.saturating_sub(self.bounds.min).mul_f64(part.clamp(0.0, 1.0)));
        }
        !std::mem::replace(&mut self.doubted, true)
    }

    /// Adds time because this member hears nobody now, so that it would not have heard an objection either. False: others could not have
    /// shared the suspicion, or that was done for as long as confirmations can take off.
    pub(crate) fn wait_to_hear(&mut self, time: Duration) -> bool {
        let waits = self.bounds.wanted > 0 && !self.refused && self.deafness < self.bounds.max.saturating_sub(self.bounds.min);
        if waits {
            self.deafness = self.deafness.saturating_add(time);
            self.extend(time);
            // An answer could not have come.
            self.asked = false;
        }
        waits
    }

    /// Whether the suspect is to be asked itself before it counts as failed: nobody shares the suspicion, though others could, or this
    /// member could not hear others (`deaf`). Adds time for its answer. False from the second time on.
    pub(crate) fn ask(&mut self, time: Duration, deaf: bool) -> bool {
        let lonely = self.bounds.wanted > 0 && (self.accusers.len() == 1 || deaf) && !self.refused;
        if !lonely || std::mem::replace(&mut self.asked, true) {
            return false;
        }
        self.extend(time);
        true
    }

    /// When the member counts as failed.
    pub(crate) fn deadline(&self) -> Duration {
        let confirmations = self.accusers.len().saturating_sub(1) as u32;
        let timeout = if self.refused { self.bounds.min / 2 } else { self.bounds.timeout(confirmations) };
        self.started.saturating_add(timeout).saturating_add(self.grace)
    }

    /// Who suspected last.
    pub(crate) fn accuser(&self) -> NodeKey {
        self.accusers.last().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(members: usize, lifeguard: bool) -> SuspicionBounds {
        SuspicionBounds::new(4, 6, members, Duration::from_secs(1), lifeguard)
    }

    #[test]
    fn the_bounds_grow_with_the_logarithm_of_the_pool() {
        assert_eq!(bounds(100, true).min, Duration::from_secs(8));
        assert_eq!(bounds(100, true).max, Duration::from_secs(48));
        assert_eq!(bounds(5, true).min, Duration::from_secs(4));
        assert_eq!(bounds(1000, false).max, Duration::from_secs(12));
        assert_eq!(bounds(3, true).wanted, 0, "one other member cannot confirm twice");
    }

    #[test]
    fn confirmations_shrink_the_time_logarithmically_to_the_minimum() {
        let mut suspicion = Suspicion::new(bounds(100, true), Duration::from_secs(10), 1);
        assert_eq!(suspicion.deadline(), Duration::from_secs(58));
        assert!(!suspicion.confirm(1), "the accuser does not confirm itself");
        assert!(suspicion.confirm(2));
        // 48 - 40 * ln 2 / ln 3 = 22.763 s
        assert_eq!(suspicion.deadline(), Duration::from_millis(32_762));
        assert!(suspicion.confirm(3));
        assert_eq!(suspicion.deadline(), Duration::from_secs(18));
        assert!(!suspicion.confirm(4), "no more than is waited for");
        suspicion.extend(Duration::from_secs(5));
        assert_eq!(suspicion.deadline(), Duration::from_secs(23));
        assert!(suspicion.doubt(0.5) && !suspicion.doubt(0.5), "doubted once");
        assert_eq!(suspicion.deadline(), Duration::from_secs(43));
    }

    #[test]
    fn who_is_alone_with_a_suspicion_asks_the_suspect_once() {
        let second = Duration::from_secs(1);
        let mut lonely = Suspicion::new(bounds(100, true), Duration::ZERO, 1);
        assert!(lonely.ask(second, false) && !lonely.ask(second, false));
        assert_eq!(lonely.deadline(), Duration::from_secs(49));
        let mut shared = Suspicion::new(bounds(100, true), Duration::ZERO, 1);
        shared.confirm(2);
        assert!(!shared.ask(second, false), "others found the same");
        assert!(shared.ask(second, true) && !shared.ask(second, true), "but this member may not have heard more");
        for (members, lifeguard) in [(3, true), (100, false)] {
            assert!(!Suspicion::new(bounds(members, lifeguard), Duration::ZERO, 1).ask(second, true), "nobody could share it");
        }
    }

    #[test]
    fn who_hears_nobody_waits_for_a_while_and_asks_anew() {
        let mut suspicion = Suspicion::new(bounds(100, true), Duration::ZERO, 1);
        let time = Duration::from_secs(10);
        assert!(suspicion.ask(time, true));
        assert_eq!((0..9).filter(|_| suspicion.wait_to_hear(time)).count(), 4, "the 40 s between the bounds");
        assert!(suspicion.ask(time, false), "the first answer could not be heard");
        assert!(!Suspicion::new(bounds(3, true), Duration::ZERO, 1).wait_to_hear(time), "there may be nobody left");
    }

    #[test]
    fn a_host_that_refuses_needs_half_the_minimum() {
        for members in [3, 100] {
            let mut suspicion = Suspicion::new(bounds(members, true), Duration::from_secs(10), 1);
            suspicion.refuse();
            assert_eq!(suspicion.deadline(), Duration::from_secs(10) + bounds(members, true).min / 2);
            assert!(!suspicion.ask(Duration::from_secs(1), true), "it would refuse again");
            assert!(!suspicion.wait_to_hear(Duration::from_secs(1)));
            suspicion.extend(Duration::from_secs(3));
            assert_eq!(suspicion.deadline(), Duration::from_secs(13) + bounds(members, true).min / 2);
        }
    }

    #[test]
    fn plain_swim_waits_the_minimum() {
        let suspicion = Suspicion::new(bounds(100, false), Duration::ZERO, 1);
        assert_eq!(suspicion.deadline(), Duration::from_secs(8));
    }
}
