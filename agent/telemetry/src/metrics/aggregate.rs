//! A few numbers that stand for many.

/// Sum, extremes and spread of values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    sum_of_squares: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Aggregate {
    pub(crate) fn add(&mut self, value: f64) {
        if self.count == 0 || value < self.min {
            self.min = value;
        }
        if self.count == 0 || value > self.max {
            self.max = value;
        }
        self.count += 1;
        self.sum += value;
        self.sum_of_squares += value * value;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// Standard deviation of the sample.
    pub(crate) fn deviation(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let count = self.count as f64;
        let numerator = count * self.sum_of_squares - self.sum * self.sum;
        if numerator <= 0.0 { 0.0 } else { (numerator / (count * (count - 1.0))).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_of_numbers() {
        let mut all = Aggregate::default();
        let mut parts = [Aggregate::default(); 2];
        for (at, value) in [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().enumerate() {
            all.add(value);
            parts[at % 2].add(value);
        }
        let mut merged = Aggregate::default();
        parts.iter().for_each(|part| merged.merge(part));
        assert_eq!(all, merged);
        assert_eq!((all.count, all.min, all.max, all.mean()), (8, 2.0, 9.0, 5.0));
        assert!((all.deviation() - 2.138).abs() < 1e-3);
    }
}
