//! All counters: a table in shards, bounded.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use apim_core::throttle::{Key, Level};
use apim_core::{Clock, Timestamp};
use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::counter::{Counter, Identity, weight, window_ms};
use crate::lately::{self, Age};

/// More shards than cores, so that a window's first requests, which take a shard for themselves, seldom meet.
const SHARDS: usize = 64;

/// A shard with fewer counters than this is not worth sweeping.
const WORTH_SWEEPING: usize = 64;

/// Counters by what they count.
pub(crate) struct Table {
    shards: Box<[Padded]>,
    /// Keyed at random for this process, so that nobody can choose texts that collide. Hashes find, texts
    /// decide; a fast hash will do.
    hasher: RandomState,
    room_per_shard: usize,
    /// By which threads tell it from other tables.
    number: u64,
    /// How often [`forget`](Self::forget) was called.
    forgotten: AtomicU64,
}

/// How many tables there have been.
static TABLES: AtomicU64 = AtomicU64::new(0);

/// Two cache lines apart, since processors fetch them in pairs.
#[repr(align(128))]
#[derive(Default)]
struct Padded(RwLock<Shard>);

#[derive(Default)]
struct Shard {
    counters: HashTable<Arc<Counter>>,
    /// One for each level and length of window, for whom there was no room: as many as there are policies.
    shared: Vec<Arc<Counter>>,
    weight: Weight,
    /// How many counters make a sweep worth while.
    sweep_at: usize,
    /// When the next window ends; until then a sweep would find nothing.
    next_end: Timestamp,
}

/// What the counters of a shard weigh.
#[derive(Default)]
struct Weight {
    all: usize,
    /// Of these, the counters of addresses.
    anonymous: usize,
}

impl Weight {
    fn add(&mut self, identity: &Identity) {
        self.all += identity.weight();
        self.anonymous += if is_anonymous(identity.level) { identity.weight() } else { 0 };
    }

    fn remove(&mut self, identity: &Identity) {
        self.all -= identity.weight();
        self.anonymous -= if is_anonymous(identity.level) { identity.weight() } else { 0 };
    }

    /// Whether there is no room for one more. Addresses get half of it at most: who commands a network has
    /// as many as he likes, and must not take the places of those who have an account here.
    fn is_full(&self, key: &Key<'_>, room: usize) -> bool {
        let weight = weight(key);
        self.all + weight > room || is_anonymous(key.level) && self.anonymous + weight > room / 2
    }
}

fn is_anonymous(level: Level) -> bool {
    matches!(level, Level::Anonymous | Level::AnonymousBurst)
}

impl Table {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Padded::default()).collect(),
            hasher: RandomState::default(),
            room_per_shard: room.div_ceil(SHARDS),
            number: TABLES.fetch_add(1, Relaxed) + 1,
            forgotten: AtomicU64::new(0),
        }
    }

    /// Lends the counters to count some keys on at a moment.
    pub(crate) fn counters<R>(
        &self,
        keys: &[Key<'_>],
        now: Timestamp,
        clock: &dyn Clock,
        decide: impl FnOnce(&[Arc<Counter>]) -> R,
    ) -> R {
        let age = Age { table: self.number, forgotten: self.forgotten.load(Acquire) };
        let hash = |key: &Key<'_>| self.hash(key.level, key.subject);
        lately::with(age, keys, now, hash, |hash, key| self.counter(hash, key, now, clock), decide)
    }

    /// The counter to count a key on at a moment. Within a window this reads; the first request of a window
    /// writes.
    fn counter(&self, hash: u64, key: &Key<'_>, now: Timestamp, clock: &dyn Clock) -> Arc<Counter> {
        if let Some(counter) = self.read(hash).find(hash, key).filter(|counter| counter.serves(now)) {
            return counter.clone();
        }
        let mut shard = self.write(hash);
        // Read again under the lock: who waited for it must not open a window that has been swept already.
        let now = clock.now();
        shard.open(hash, key, now, self.room_per_shard)
    }

    /// The counter of a key, if there is one.
    pub(crate) fn find(&self, key: &Key<'_>) -> Option<Arc<Counter>> {
        let hash = self.hash(key.level, key.subject);
        self.read(hash).find(hash, key).cloned()
    }

    /// Forgets the counters of a subject at a level, whatever their window.
    pub(crate) fn forget(&self, level: Level, subject: [&str; 3]) {
        let hash = self.hash(level, subject);
        self.write(hash).forget(hash, |counter| {
            let identity = &counter.identity;
            identity.level == level && identity.names(subject)
        });
        // Afterwards, so that nobody who sees this number finds it again.
        self.forgotten.fetch_add(1, Release);
    }

    /// Drops counters whose window is over, one shard after the other, and says how many.
    pub(crate) fn sweep(&self, clock: &dyn Clock) -> usize {
        let sweep = |shard| {
            let mut shard = write(shard);
            shard.sweep(clock.now())
        };
        self.shards.iter().map(sweep).sum()
    }

    /// Calls `see` with each counter, the shared ones last within their shard.
    pub(crate) fn each(&self, mut see: impl FnMut(&Counter)) {
        for shard in &self.shards {
            let shard = read(shard);
            shard.counters.iter().chain(&shard.shared).for_each(|counter| see(counter));
        }
    }

    fn hash(&self, level: Level, subject: [&str; 3]) -> u64 {
        self.hasher.hash_one((level, subject))
    }

    fn shard(&self, hash: u64) -> &Padded {
        // The tables inside use the lowest and the highest bits.
        &self.shards[(hash >> 32) as usize % self.shards.len()]
    }

    fn read(&self, hash: u64) -> RwLockReadGuard<'_, Shard> {
        read(self.shard(hash))
    }

    fn write(&self, hash: u64) -> RwLockWriteGuard<'_, Shard> {
        write(self.shard(hash))
    }
}

// A shard is consistent between any two statements that could panic, so a poisoned lock is still good.
fn read(shard: &Padded) -> RwLockReadGuard<'_, Shard> {
    shard.0.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &Padded) -> RwLockWriteGuard<'_, Shard> {
    shard.0.write().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn find(&self, hash: u64, key: &Key<'_>) -> Option<&Arc<Counter>> {
        self.counters.find(hash, |counter| counter.identity.is(key))
    }

    /// The counter for a key now: the one there is, its successor in a new window, or a new one.
    fn open(&mut self, hash: u64, key: &Key<'_>, now: Timestamp, room: usize) -> Arc<Counter> {
        if let Some(counter) = self.counters.find_mut(hash, |counter| counter.identity.is(key)) {
            return renewed(counter, now);
        }
        let full = self.weight.is_full(key, room);
        if self.counters.len() >= self.sweep_at || full && self.next_end <= now {
            self.sweep(now);
        }
        if self.weight.is_full(key, room) {
            return self.share(key, now);
        }
        let counter = Arc::new(Counter::new(Identity::of(key), hash, now));
        self.weight.add(&counter.identity);
        self.next_end = self.next_end.min(counter.ends());
        self.counters.insert_unique(hash, counter.clone(), |counter| counter.hash);
        counter
    }

    /// The counter of all for whom there is no room.
    fn share(&mut self, key: &Key<'_>, now: Timestamp) -> Arc<Counter> {
        let same = |counter: &&mut Arc<Counter>| {
            counter.identity.level == key.level && counter.identity.window_ms == window_ms(key)
        };
        if let Some(counter) = self.shared.iter_mut().find(same) {
            return renewed(counter, now);
        }
        let counter = Arc::new(Counter::new(Identity::shared(key), 0, now));
        self.shared.push(counter.clone());
        counter
    }

    /// Drops what is over. The next sweep is due when the table has doubled, so that each new counter pays
    /// for a bounded share of it.
    fn sweep(&mut self, now: Timestamp) -> usize {
        let before = self.counters.len() + self.shared.len();
        self.counters.retain(|counter| counter.serves(now));
        self.shared.retain(|counter| counter.serves(now));
        self.weight = Weight::default();
        self.counters.iter().for_each(|counter| self.weight.add(&counter.identity));
        self.next_end = self.counters.iter().map(|counter| counter.ends()).min().unwrap_or(now);
        self.sweep_at = (self.counters.len() * 2).max(WORTH_SWEEPING);
        self.counters.shrink_to(self.sweep_at, |counter| counter.hash);
        before - self.counters.len() - self.shared.len()
    }

    fn forget(&mut self, hash: u64, gone: impl Fn(&Counter) -> bool) {
        while let Ok(entry) = self.counters.find_entry(hash, |counter| gone(counter)) {
            let (counter, _) = entry.remove();
            self.weight.remove(&counter.identity);
        }
    }
}

/// The counter itself if it still serves, or one for the present window in its place.
fn renewed(counter: &mut Arc<Counter>, now: Timestamp) -> Arc<Counter> {
    if !counter.serves(now) {
        *counter = Arc::new(Counter::new(counter.identity.clone(), counter.hash, now));
    }
    counter.clone()
}
