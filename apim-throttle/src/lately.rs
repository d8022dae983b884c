//! Counters that a thread has found lately.
//!
//! To find a counter in the table costs a lock that many may hold, and two counts that all threads share. A thread that
//! has found it before finds it here, where nobody else comes.

use std::cell::RefCell;
use std::sync::Arc;

use apim_core::Timestamp;
use apim_core::throttle::Key;
use smallvec::SmallVec;

use crate::counter::Counter;

/// How many counters a thread finds again. One that falls on another's place takes it the second time it comes, if no
/// third has come meanwhile: where there are many more counters than places, none would be found again, and each would
/// pay for driving another out.
const PLACES: usize = 1024;

thread_local! {
    static LATELY: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// Which table counters are from, and how often anything had been forgotten there by then.
///
/// A counter whose window is over serves no longer, wherever it is found. So what was found before is good as long as
/// nothing was taken out of the table on somebody's word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Age {
    /// The table's number, from 1.
    pub(crate) table: u64,
    pub(crate) forgotten: u64,
}

/// Where one counter stands.
#[derive(Default)]
struct Place {
    of: Age,
    /// That of the counter, here as well since nobody looks at the counter for nothing.
    hash: u64,
    counter: Option<Arc<Counter>>,
    /// Who came last and found another here.
    knocked: u64,
}

impl Place {
    fn take(&mut self, of: Age, hash: u64, key: &Key<'_>, now: Timestamp) -> Option<Arc<Counter>> {
        let known = if self.hash == hash && self.of == of { self.counter.take() } else { None };
        known.filter(|known| known.identity.is(key) && known.serves(now))
    }

    fn put(&mut self, of: Age, counter: Arc<Counter>) {
        let hash = counter.hash;
        if self.counter.is_none() || self.knocked == hash {
            (self.of, self.hash, self.counter) = (of, hash, Some(counter));
        } else {
            self.knocked = hash;
        }
    }
}

/// Lends the counters for some keys with their hashes; `find` gets those that this thread has not found lately.
pub(crate) fn with<R>(
    of: Age,
    keys: &[Key<'_>],
    now: Timestamp,
    hash: impl Fn(&Key<'_>) -> u64,
    find: impl Fn(u64, &Key<'_>) -> Arc<Counter>,
    decide: impl FnOnce(&[Arc<Counter>]) -> R,
) -> R {
    LATELY.with_borrow_mut(|places| {
        if places.is_empty() {
            places.resize_with(PLACES, Place::default);
        }
        // They are taken out of their places and put back, so that nobody has to be counted as an owner.
        let mut counters = SmallVec::<[Arc<Counter>; 8]>::new();
        for key in keys {
            let hash = hash(key);
            let known = places[place(hash)].take(of, hash, key, now);
            counters.push(known.unwrap_or_else(|| find(hash, key)));
        }
        let decided = decide(&counters);
        for counter in counters {
            places[place(counter.hash)].put(of, counter);
        }
        decided
    })
}

fn place(hash: u64) -> usize {
    // The lowest bits will do; the table uses others as well.
    hash as usize % PLACES
}
