//! Network coordinates: where this member is, so that round trips between any two can be told without measuring each.
//!
//! Source: Dabek, Cox, Kaashoek, Morris, "Vivaldi: A Decentralized Network Coordinate System" (2004), with height vectors (section 5.4);
//! adjustment terms and gravity after Ledlie, Gardner, Seltzer, "Network Coordinates in the Wild" (2007). The constants are those of
//! Serf's documentation, so that figures compare.

use lictor_types::coordinate::Coordinate;
use rand::RngExt;
use std::collections::VecDeque;
use std::time::Duration;

/// Dimensions of the Euclidean part.
pub(crate) const DIMENSIONS: usize = 8;
/// The error of a member that knows nothing, and the most it may be.
const ERROR_MAX: f64 = 1.5;
/// How much one measurement changes the error.
const ERROR_TUNING: f64 = 0.25;
/// How much one measurement moves the point.
const POINT_TUNING: f64 = 0.25;
/// Measurements averaged for the adjustment.
const ADJUSTMENT_WINDOW: usize = 20;
/// The least height, seconds.
const HEIGHT_MIN: f64 = 10.0e-6;
/// Measurements per member of which the median counts.
const LATENCY_FILTER: usize = 3;
/// How weakly points are drawn to the origin, so that the whole pool does not drift.
const GRAVITY_RHO: f64 = 150.0;
/// Below this, two points are one.
const ZERO: f64 = 1.0e-6;
/// A longer round trip is no measurement.
const RTT_MAX: Duration = Duration::from_secs(10);

/// The last round trips to one member, seconds; their median is what counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(VecDeque<f64>);

impl Latencies {
    /// Adds one and gives the median.
    pub(crate) fn add(&mut self, rtt: f64) -> f64 {
        self.0.push_back(rtt);
        if self.0.len() > LATENCY_FILTER {
            self.0.pop_front();
        }
        let mut sorted: Vec<f64> = self.0.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(rtt)
    }
}

/// This member's point, moved by each measurement.
#[derive(Clone, Debug)]
pub(crate) struct Vivaldi {
    point: Coordinate,
    adjustments: VecDeque<f64>,
}

impl Vivaldi {
    /// At the origin, knowing nothing.
    pub(crate) fn new() -> Self {
        let point = Coordinate { vec: vec![0.0; DIMENSIONS], error: ERROR_MAX, adjustment: 0.0, height: HEIGHT_MIN };
        Self { point, adjustments: VecDeque::new() }
    }

    /// The point.
    pub(crate) fn point(&self) -> &Coordinate {
        &self.point
    }

    /// Takes a round trip to a member at `other` into account. An impossible point or time is passed over: false.
    pub(crate) fn update(&mut self, other: &Coordinate, rtt: Duration, latencies: &mut Latencies, rng: &mut impl RngExt) -> bool {
        if !is_valid(other) || rtt > RTT_MAX {
            return false;
        }
        let rtt = latencies.add(rtt.as_secs_f64()).max(ZERO);
        self.spring(other, rtt, rng);
        self.adjust(other, rtt);
        self.gravitate(rng);
        if !is_valid(&self.point) {
            // Numbers that ran away begin anew.
            *self = Self::new();
        }
        true
    }

    fn spring(&mut self, other: &Coordinate, rtt: f64, rng: &mut impl RngExt) {
        let distance = self.point.distance(other).unwrap_or_default();
        let wrongness = (distance - rtt).abs() / rtt;
        let weight = self.point.error / (self.point.error + other.error).max(ZERO);
        let error = ERROR_TUNING * weight * wrongness + self.point.error * (1.0 - ERROR_TUNING * weight);
        self.point.error = error.min(ERROR_MAX);
        self.push(other, POINT_TUNING * weight * (rtt - distance), rng);
    }

    fn adjust(&mut self, other: &Coordinate, rtt: f64) {
        self.adjustments.push_back(rtt - raw_distance(&self.point, other));
        if self.adjustments.len() > ADJUSTMENT_WINDOW {
            self.adjustments.pop_front();
        }
        self.point.adjustment = self.adjustments.iter().sum::<f64>() / (2.0 * ADJUSTMENT_WINDOW as f64);
    }

    fn gravitate(&mut self, rng: &mut impl RngExt) {
        let origin = Coordinate { vec: vec![0.0; DIMENSIONS], error: 0.0, adjustment: 0.0, height: HEIGHT_MIN };
        let distance = self.point.distance(&origin).unwrap_or_default();
        self.push(&origin, -(distance / GRAVITY_RHO).powi(2), rng);
    }

    /// Moves the point away from `other` by `force` seconds (towards it if negative).
    fn push(&mut self, other: &Coordinate, force: f64, rng: &mut impl RngExt) {
        let mut direction: Vec<f64> = self.point.vec.iter().zip(&other.vec).map(|(own, other)| own - other).collect();
        let mut length = magnitude(&direction);
        let apart = length > ZERO;
        if !apart {
            // Two points in one place part in any direction.
            direction.iter_mut().for_each(|part| *part = rng.random_range(-0.5..0.5));
            length = magnitude(&direction).max(ZERO);
        }
        for (own, part) in self.point.vec.iter_mut().zip(&direction) {
            *own += part / length * force;
        }
        if apart {
            let height = self.point.height + (self.point.height + other.height) * force / length;
            self.point.height = height.max(HEIGHT_MIN);
        }
    }
}

fn magnitude(vector: &[f64]) -> f64 {
    vector.iter().map(|part| part * part).sum::<f64>().sqrt()
}

fn raw_distance(one: &Coordinate, other: &Coordinate) -> f64 {
    let plane: f64 = one.vec.iter().zip(&other.vec).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    plane + one.height + other.height
}

/// Whether a coordinate that came from outside can be reckoned with.
pub(crate) fn is_valid(point: &Coordinate) -> bool {
    point.vec.len() == DIMENSIONS
        && point
            .vec
            .iter()
            .chain([&point.error, &point.adjustment, &point.height])
            .all(|part| part.is_finite() && part.abs() < 1.0e6)
        && point.error >= 0.0
        && point.height >= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn points_converge_to_the_distances_measured() {
        let mut rng = StdRng::seed_from_u64(7);
        // Members on a ring of 12, 5 ms from one to the next by the shorter way, 1 ms of access each.
        let truth = |a: usize, b: usize| {
            let steps = a.abs_diff(b).min(12 - a.abs_diff(b));
            0.002 + 0.005 * steps as f64
        };
        let mut members: Vec<Vivaldi> = (0..12).map(|_| Vivaldi::new()).collect();
        let mut latencies = vec![vec![Latencies::default(); 12]; 12];
        for _ in 0..6_000 {
            let (a, b) = (rng.random_range(0..12usize), rng.random_range(0..12usize));
            if a != b {
                let other = members[b].point().clone();
                let noisy = truth(a, b) * rng.random_range(0.95..1.05);
                assert!(members[a].update(&other, Duration::from_secs_f64(noisy), &mut latencies[a][b], &mut rng));
            }
        }
        let mut errors: Vec<f64> = Vec::new();
        for a in 0..12 {
            for b in 0..a {
                let told = members[a].point().distance(members[b].point()).unwrap();
                errors.push((told - truth(a, b)).abs() / truth(a, b));
            }
        }
        errors.sort_by(f64::total_cmp);
        assert!(errors[errors.len() / 2] < 0.15, "median relative error {}", errors[errors.len() / 2]);
        assert!(members.iter().all(|member| member.point().error < 0.5));
    }

    #[test]
    fn impossible_points_and_times_are_passed_over() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut own = Vivaldi::new();
        let mut bad = Vivaldi::new().point().clone();
        bad.height = f64::NAN;
        assert!(!own.update(&bad, Duration::from_millis(5), &mut Latencies::default(), &mut rng));
        let short = Coordinate { vec: vec![0.0; 2], ..Coordinate::default() };
        assert!(!own.update(&short, Duration::from_millis(5), &mut Latencies::default(), &mut rng));
        let good = Vivaldi::new().point().clone();
        assert!(!own.update(&good, Duration::from_secs(11), &mut Latencies::default(), &mut rng));
        assert!(own.update(&good, Duration::ZERO, &mut Latencies::default(), &mut rng) && is_valid(own.point()));
    }

    #[test]
    fn one_odd_round_trip_does_not_count() {
        let mut latencies = Latencies::default();
        latencies.add(0.010);
        latencies.add(0.011);
        assert_eq!(latencies.add(5.0), 0.011);
    }
}
