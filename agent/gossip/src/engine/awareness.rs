//! Lifeguard's local health: how far this member has reason to doubt itself.
//!
//! Source: Dadgar, Phillips, Currey, "Lifeguard: Local Health Awareness for More Accurate Failure Detection" (2017), section IV.A.

use std::time::Duration;

/// A score that rises with each sign that this member is slow or cut off, and falls with each probe that goes well.
#[derive(Clone, Debug)]
pub(crate) struct Awareness {
    score: u32,
    max: u32,
}

impl Awareness {
    /// Healthy; the score saturates at `max`.
    pub(crate) fn new(max: u32) -> Self {
        Self { score: 0, max }
    }

    /// Adds to (or takes from) the score, within 0 and the maximum.
    pub(crate) fn change(&mut self, delta: i32) {
        self.score = self.score.saturating_add_signed(delta).min(self.max);
    }

    /// The score; 0 is healthy.
    pub(crate) fn score(&self) -> u32 {
        self.score
    }

    /// A probe's timeout or interval, stretched by the score.
    pub(crate) fn scale(&self, time: Duration) -> Duration {
        time.saturating_mul(self.score + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_stays_within_its_bounds_and_stretches_time() {
        let mut awareness = Awareness::new(8);
        awareness.change(-1);
        assert_eq!((awareness.score(), awareness.scale(Duration::from_secs(1))), (0, Duration::from_secs(1)));
        awareness.change(3);
        assert_eq!(awareness.scale(Duration::from_secs(1)), Duration::from_secs(4));
        awareness.change(100);
        assert_eq!(awareness.score(), 8);
        awareness.change(-1);
        assert_eq!(awareness.score(), 7);
    }
}
