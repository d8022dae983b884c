//! How many requests may be in flight at once, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use apim_core::Worker;

/// Permits for requests, one limit for all workers.
///
/// A counter that all workers shared would be fetched from another processor twice for each request. So each worker
/// has permits in its own hand, and takes more in batches: first those that nobody has, then what others have and do
/// not need. A request is refused only if all are in use; never are there more in flight than permits.
#[derive(Debug)]
pub(super) struct Permits {
    /// Nobody's.
    spare: AtomicUsize,
    hands: Box<[Hand]>,
    batch: u64,
}

/// What a worker has; two cache lines apart, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Hand(AtomicU64);

/// A hand at a moment: in one word, so that nobody takes a permit that is being used just now.
#[derive(Debug, Clone, Copy)]
struct State {
    held: u64,
    used: u64,
}

/// Where the number of permits begins in a word, above that of requests.
const HELD: u32 = 32;

/// The most that are moved at a time.
const LARGEST_BATCH: usize = 64;

impl State {
    fn of(word: u64) -> Self {
        Self { held: word >> HELD, used: word & u64::from(u32::MAX) }
    }

    fn word(self) -> u64 {
        self.held << HELD | self.used
    }

    /// Without so many of the permits that are not in use, or all of them.
    fn without(self, most: u64) -> Option<Self> {
        let taken = self.held.saturating_sub(self.used).min(most);
        (taken > 0).then_some(Self { held: self.held - taken, ..self })
    }
}

impl Hand {
    fn state(&self) -> State {
        State::of(self.0.load(SeqCst))
    }

    /// Takes unused permits out of it, so many at most; answers how many.
    fn take(&self, most: u64) -> u64 {
        let without = |word| State::of(word).without(most).map(State::word);
        let Ok(before) = self.0.fetch_update(SeqCst, SeqCst, without) else { return 0 };
        let before = State::of(before);
        before.without(most).map_or(0, |after| before.held - after.held)
    }

    fn add(&self, permits: u64) -> State {
        State::of(self.0.fetch_add(permits << HELD, SeqCst) + (permits << HELD))
    }
}

impl Permits {
    pub(super) fn new(most: usize, workers: usize) -> Arc<Self> {
        let workers = workers.max(1);
        let batch = (most / (4 * workers)).clamp(1, LARGEST_BATCH) as u64;
        let hands = (0..workers).map(|_| Hand::default()).collect();
        Arc::new(Self { spare: AtomicUsize::new(most), hands, batch })
    }

    /// A request of a worker has begun; whether it may go on is asked next.
    pub(super) fn begin(&self, worker: Worker) {
        self.hand(worker).0.fetch_add(1, SeqCst);
    }

    /// One has ended, or was refused.
    pub(super) fn end(&self, worker: Worker) {
        let hand = self.hand(worker);
        let before = State::of(hand.0.fetch_sub(1, SeqCst));
        if before.held > before.used + 2 * self.batch {
            self.give_back(hand.take(self.batch));
        }
    }

    /// Whether there is a permit for the request that has begun last.
    pub(super) fn admits(&self, worker: Worker) -> bool {
        let State { held, used } = self.hand(worker).state();
        used <= held || self.gather(worker, used - held)
    }

    /// Requests of a worker that have begun and not ended.
    pub(super) fn in_flight(&self, worker: Worker) -> u64 {
        self.hand(worker).state().used
    }

    fn hand(&self, worker: Worker) -> &Hand {
        &self.hands[worker.0 % self.hands.len()]
    }

    /// Brings so many permits together for a worker; those that are not enough go back.
    fn gather(&self, worker: Worker, missing: u64) -> bool {
        let mut found = self.spare(missing.max(self.batch));
        for other in self.hands.iter().filter(|other| !std::ptr::eq(*other, self.hand(worker))) {
            if found >= missing {
                break;
            }
            found += other.take(missing - found);
        }
        if found < missing {
            self.give_back(found);
            return false;
        }
        let State { held, used } = self.hand(worker).add(found);
        used <= held
    }

    /// Takes permits that nobody has, so many at most.
    fn spare(&self, most: u64) -> u64 {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let without = |spare: usize| (spare > 0).then(|| spare.saturating_sub(most));
        self.spare.fetch_update(SeqCst, SeqCst, without).map_or(0, |before| before.min(most) as u64)
    }

    fn give_back(&self, permits: u64) {
        self.spare.fetch_add(usize::try_from(permits).unwrap_or(usize::MAX), SeqCst);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn begins(permits: &Permits, worker: usize) -> bool {
        permits.begin(Worker(worker));
        let admitted = permits.admits(Worker(worker));
        if !admitted {
            permits.end(Worker(worker));
        }
        admitted
    }

    #[test]
    fn one_worker_may_have_them_all_and_no_more() {
        for most in [1, 2, 3, 7, 100, 1_000] {
            let permits = Permits::new(most, 3);
            let admitted = (0..most + 10).filter(|_| begins(&permits, 1)).count();
            assert_eq!((admitted, permits.in_flight(Worker(1))), (most, most as u64));
            assert!(!begins(&permits, 0) && !begins(&permits, 2));
        }
    }

    #[test]
    fn what_one_worker_does_not_need_any_more_another_gets_to_the_last() {
        let permits = Permits::new(100, 4);
        for turn in 0..40 {
            let (one, other) = (turn % 4, (turn + 1) % 4);
            let admitted =
                (0..200).filter(|number| begins(&permits, if number % 3 == 0 { one } else { other }));
            assert_eq!(admitted.count(), 100);
            for worker in [one, other] {
                (0..permits.in_flight(Worker(worker))).for_each(|_| permits.end(Worker(worker)));
            }
        }
    }

    #[test]
    fn there_are_never_more_in_flight_than_permits_however_workers_meet() {
        const MOST: usize = 5;
        let permits = Permits::new(MOST, 4);
        let (in_flight, admitted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (permits, in_flight, admitted) = (&permits, &in_flight, &admitted);
                scope.spawn(move || {
                    let mut mine = 0;
                    for turn in 0..20_000 {
                        if turn % 3 < 2 && begins(permits, worker) {
                            admitted.fetch_add(1, SeqCst);
                            assert!(in_flight.fetch_add(1, SeqCst) < MOST);
                            mine += 1;
                        } else if mine > 0 {
                            in_flight.fetch_sub(1, SeqCst);
                            permits.end(Worker(worker));
                            mine -= 1;
                        }
                    }
                    for _ in 0..mine {
                        in_flight.fetch_sub(1, SeqCst);
                        permits.end(Worker(worker));
                    }
                });
            }
        });
        assert!(admitted.into_inner() > 1_000);
        // None was lost on the way.
        assert_eq!((0..MOST + 1).filter(|_| begins(&permits, 2)).count(), MOST);
    }
}
