//! A share of requests.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Hundredths of a percent; a number of percent in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight(pub i64);

/// All requests.
const WHOLE: i128 = 100 * 100;

impl Weight {
    /// This share of another.
    pub fn of(self, other: Self) -> Self {
        let product = i128::from(self.0) * i128::from(other.0);
        let rounded = (product + product.signum() * WHOLE / 2) / WHOLE;
        Self(i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl Serialize for Weight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A whole number without a fraction, as Go writes it.
        if self.0 % 100 == 0 { serializer.serialize_i64(self.0 / 100) } else { serializer.serialize_f64(self.0 as f64 / 100.0) }
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let percent = f64::deserialize(deserializer)?;
        Ok(Self((percent * 100.0).round() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_shares() {
        for (share, other, expect) in
            [(5000, 5000, 2500), (3333, 5000, 1667), (10_000, 1, 1), (-100, 5000, -50), (i64::MAX, i64::MAX, i64::MAX)]
        {
            assert_eq!(Weight(share).of(Weight(other)), Weight(expect));
        }
    }
}
