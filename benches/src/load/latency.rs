//! How long things took.

use std::time::Duration;

use serde::Serialize;

/// Durations of a window.
#[derive(Debug, Default, Clone)]
pub struct Latencies(Vec<u32>);

/// What a window's durations come to, in microseconds.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Quantiles {
    /// Half took no longer.
    pub p50: u32,
    /// Ninety-nine of a hundred took no longer.
    pub p99: u32,
    /// The longest.
    pub max: u32,
}

impl Latencies {
    /// One more.
    pub fn record(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// Those of another as well.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they come to; zeros if there is none.
    pub fn quantiles(mut self) -> Quantiles {
        self.0.sort_unstable();
        let at = |share: usize| {
            let last = self.0.len().saturating_sub(1);
            self.0.get((self.0.len() * share / 100).min(last)).copied().unwrap_or_default()
        };
        Quantiles { p50: at(50), p99: at(99), max: at(100) }
    }
}

/// The value in the middle; zero if there is none.
pub fn median(values: impl IntoIterator<Item = u64>) -> u64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let mut latencies = Latencies::default();
        (1..=200).rev().for_each(|micros| latencies.record(Duration::from_micros(micros)));
        let Quantiles { p50, p99, max } = latencies.quantiles();
        assert_eq!((p50, p99, max), (101, 199, 200));
        assert_eq!(Latencies::default().quantiles().max, 0);
    }
}
