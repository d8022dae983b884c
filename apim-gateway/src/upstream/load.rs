//! How much a member has to do.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use std::time::Duration;

/// How fast response times are forgotten.
const MEMORY_MS: f64 = 10_000.0;
/// What a member is believed to take of which nothing is known yet, once it has something in hand: so much that
/// the next request goes elsewhere first.
const UNKNOWN_NS: f64 = 1e9;

/// Requests in hand over all workers, and a moving average of response times that rises at once and falls slowly.
#[derive(Debug, Default)]
pub(super) struct Load {
    in_hand: AtomicU32,
    /// Nanoseconds, as the bits of a float.
    average: AtomicU64,
    /// When the average was taken, in milliseconds of the clock.
    at: AtomicU64,
}

impl Load {
    /// Whether another request is below the limit.
    pub(super) fn has_room(&self, most: u32) -> bool {
        self.in_hand.load(Acquire) < most
    }

    /// Takes one more in hand, if that keeps to the limit.
    pub(super) fn begin(&self, most: u32) -> bool {
        self.in_hand.fetch_update(AcqRel, Acquire, |count| (count < most).then_some(count + 1)).is_ok()
    }

    pub(super) fn end(&self) {
        self.in_hand.fetch_sub(1, AcqRel);
    }

    /// Learns how long a response took. Two workers at once may lose one of two; an average bears that.
    pub(super) fn took(&self, time: Duration, now: u64) {
        let time = time.as_nanos() as f64;
        let before = f64::from_bits(self.average.load(Relaxed));
        let average = if time >= before {
            time
        } else {
            let weight = self.age(now);
            before * weight + time * (1.0 - weight)
        };
        self.average.store(average.to_bits(), Relaxed);
        self.at.store(now, Relaxed);
    }

    /// What it would be to wait here: the average, as many times as there are requests to wait for.
    pub(super) fn cost(&self, now: u64) -> f64 {
        let in_hand = f64::from(self.in_hand.load(Acquire));
        let average = f64::from_bits(self.average.load(Relaxed)) * self.age(now);
        let average = if average == 0.0 && in_hand > 0.0 { UNKNOWN_NS } else { average };
        average * (in_hand + 1.0)
    }

    /// What is left of the average, from 1 down to 0.
    fn age(&self, now: u64) -> f64 {
        (-(now.saturating_sub(self.at.load(Relaxed)) as f64) / MEMORY_MS).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_counts_at_once_and_is_forgotten_in_time() {
        let load = Load::default();
        load.took(Duration::from_millis(10), 1_000);
        load.took(Duration::from_millis(500), 1_001);
        let slow = load.cost(1_001);
        load.took(Duration::from_millis(10), 1_101);
        assert!(load.cost(1_101) > slow * 0.9, "one fast answer does not make up for it");
        load.took(Duration::from_millis(10), 61_101);
        assert!(load.cost(61_101) < slow * 0.1);
    }

    #[test]
    fn what_waits_already_counts() {
        let load = Load::default();
        load.took(Duration::from_millis(10), 1);
        let idle = load.cost(1);
        assert!(load.begin(2) && load.begin(2) && !load.begin(2));
        assert!((load.cost(1) - 3.0 * idle).abs() < 1.0);
        load.end();
        assert!(load.has_room(2) && load.begin(2) && !load.has_room(2));
    }
}
