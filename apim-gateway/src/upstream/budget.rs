//! How many retries there may be, so that failing backends are not buried under them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};

/// One retry, in the unit that requests save up.
const WHOLE: i64 = 1_000;
/// Retries that can be saved up.
const MOST: i64 = 100 * WHOLE;

/// A budget over all workers. Each request saves a part of a retry, each retry costs a whole one; besides, so
/// many are free every second.
#[derive(Debug)]
pub(super) struct Budget {
    part: i64,
    free: u32,
    saved: AtomicI64,
    /// The second, and how many have been free in it: 32 bits each.
    given: AtomicU64,
}

impl Budget {
    pub(super) fn new(ratio: f64, free: u32) -> Self {
        // A float saturates when it becomes an integer.
        let part = ((ratio * WHOLE as f64) as i64).clamp(0, 10 * WHOLE);
        Self { part, free, saved: AtomicI64::new(0), given: AtomicU64::new(0) }
    }

    /// Counts a request.
    pub(super) fn save(&self) {
        if self.saved.load(Relaxed) < MOST {
            self.saved.fetch_add(self.part, Relaxed);
        }
    }

    /// Whether a retry may be, at this second.
    pub(super) fn spend(&self, second: u64) -> bool {
        self.is_free(second) || self.pay()
    }

    fn is_free(&self, second: u64) -> bool {
        let second = second & u64::from(u32::MAX);
        let next = |given: u64| {
            let so_far = if given >> 32 == second { given & u64::from(u32::MAX) } else { 0 };
            (so_far < u64::from(self.free)).then_some(second << 32 | (so_far + 1))
        };
        self.given.fetch_update(AcqRel, Acquire, next).is_ok()
    }

    fn pay(&self) -> bool {
        self.saved.fetch_update(AcqRel, Acquire, |saved| (saved >= WHOLE).then_some(saved - WHOLE)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_requests_may_be_retried_and_a_few_each_second() {
        let budget = Budget::new(0.2, 2);
        assert!(budget.spend(7) && budget.spend(7) && !budget.spend(7));
        assert!(budget.spend(8) && budget.spend(8) && !budget.spend(8));
        for _ in 0..5 {
            budget.save();
        }
        assert!(budget.spend(8) && !budget.spend(8));
    }

    #[test]
    fn quiet_times_do_not_save_up_without_end() {
        let budget = Budget::new(1.0, 0);
        for _ in 0..10_000 {
            budget.save();
        }
        assert_eq!((0..10_000).filter(|_| budget.spend(1)).count(), 100);
    }
}
