//! One limit's count in one window.

use std::sync::atomic::{AtomicU64, Ordering};

use apim_core::Timestamp;
use apim_core::throttle::{Key, Level};
use smallvec::SmallVec;

/// What is counted together.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) level: Level,
    subject: Subject,
    /// Windows of another length are counted apart: a policy that is given one starts afresh.
    pub(crate) window_ms: u64,
    /// Whether it counts, in place of one subject, all for whom the table had no more room.
    pub(crate) shared: bool,
}

impl Identity {
    pub(crate) fn of(key: &Key<'_>) -> Self {
        Self { level: key.level, subject: Subject::of(key.subject), window_ms: window_ms(key), shared: false }
    }

    pub(crate) fn shared(key: &Key<'_>) -> Self {
        let subject = Subject::of([""; 3]);
        Self { level: key.level, subject, window_ms: window_ms(key), shared: true }
    }

    /// Whether it is this key's; the texts are compared whole.
    pub(crate) fn is(&self, key: &Key<'_>) -> bool {
        self.level == key.level && self.window_ms == window_ms(key) && self.names(key.subject)
    }

    /// Whether it counts this subject, or one at another level by that name.
    pub(crate) fn names(&self, subject: [&str; 3]) -> bool {
        self.subject.is(subject)
    }

    /// The texts that make up the subject.
    pub(crate) fn subject(&self) -> [&str; 3] {
        self.subject.texts()
    }

    /// See [`weight`].
    pub(crate) fn weight(&self) -> usize {
        weigh(self.subject().into_iter().map(str::len))
    }
}

/// A key's share of a table's room. Long texts weigh more, so that they cannot exhaust memory either.
pub(crate) fn weight(key: &Key<'_>) -> usize {
    weigh(key.subject.iter().map(|text| text.len()))
}

fn weigh(lengths: impl Iterator<Item = usize>) -> usize {
    1 + lengths.sum::<usize>() / 256
}

/// The window's length, of which zero would be no time at all.
pub(crate) fn window_ms(key: &Key<'_>) -> u64 {
    key.quota.window_ms.max(1)
}

/// Three texts behind each other, so that comparing them looks at one place; beside the count itself, if they are no
/// longer than usual.
#[derive(Debug, Clone)]
struct Subject {
    text: SmallVec<[u8; 64]>,
    /// Where the first and the second end.
    ends: [usize; 2],
}

impl Subject {
    fn of(texts: [&str; 3]) -> Self {
        let [first, second, _] = texts.map(str::len);
        let text = texts.iter().flat_map(|text| text.bytes()).collect();
        Self { text, ends: [first, first + second] }
    }

    fn parts(&self) -> [&[u8]; 3] {
        let [first, second] = self.ends;
        [&self.text[..first], &self.text[first..second], &self.text[second..]]
    }

    fn texts(&self) -> [&str; 3] {
        // They were texts, and were cut where they were joined.
        self.parts().map(|part| str::from_utf8(part).unwrap_or_default())
    }

    fn is(&self, theirs: [&str; 3]) -> bool {
        // Most subjects have empty texts, and comparing nothing is a call as well.
        let same = |mine: &[u8], theirs: &str| {
            mine.len() == theirs.len() && (mine.is_empty() || mine == theirs.as_bytes())
        };
        self.parts().into_iter().zip(theirs).all(|(mine, theirs)| same(mine, theirs))
    }
}

/// The count of one [`Identity`] in one window. Never reused for another window: who holds on to an old one
/// counts where nobody looks any more.
#[derive(Debug)]
pub(crate) struct Counter {
    pub(crate) identity: Identity,
    pub(crate) hash: u64,
    /// Which window, counted from the Unix epoch.
    pub(crate) window: u64,
    places: Places,
}

impl Counter {
    pub(crate) fn new(identity: Identity, hash: u64, now: Timestamp) -> Self {
        let window = now.as_millis() / identity.window_ms;
        Self { identity, hash, window, places: Places::default() }
    }

    /// Whether it is the one to count on at a moment.
    ///
    /// Clocks go backwards now and then. A counter whose window lies ahead keeps counting, or the step back
    /// would hand out a second quota; but not if it lies further ahead than one window, or a clock that once
    /// ran years ahead would refuse everybody until then.
    pub(crate) fn serves(&self, now: Timestamp) -> bool {
        // Multiplied, since to divide takes several times as long.
        let [window, length, now] = [self.window, self.identity.window_ms, now.as_millis()].map(u128::from);
        (window.saturating_sub(1) * length..(window + 1) * length).contains(&now)
    }

    /// When its window begins.
    pub(crate) fn starts(&self) -> Timestamp {
        Timestamp::from_millis(self.window.saturating_mul(self.identity.window_ms))
    }

    /// When the next window begins.
    pub(crate) fn ends(&self) -> Timestamp {
        Timestamp::from_millis(self.window.saturating_add(1).saturating_mul(self.identity.window_ms))
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }
}

/// So many places taken, and by how many who may yet give them back.
///
/// A request that is under several limits takes a place on each in turn and cannot know before the last
/// whether it may keep them. Until then it is *undecided*. A counter that is full only with the help of
/// undecided requests refuses nobody: whoever finds it so looks again a moment later. Otherwise a request
/// that is itself refused could cost another its place.
///
/// Both numbers share one word, and every decision about a counter is one step in that word's own order of
/// modification. Nothing else is published through it, so relaxed ordering is enough.
#[derive(Debug, Default)]
pub(crate) struct Places(AtomicU64);

/// One undecided request; below it is room for 4.5 × 10¹⁵ places.
const UNDECIDED: u64 = 1 << 52;
const TAKEN: u64 = UNDECIDED - 1;
const MOST_UNDECIDED: u64 = u64::MAX / UNDECIDED;

/// What was found of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is room, or the place has been taken.
    Enough,
    /// It is full, and remains so in this window.
    Full {
        /// Places taken.
        used: u64,
    },
    /// It is full, but so many requests are undecided.
    Unsure {
        /// How many.
        undecided: u64,
    },
}

impl Places {
    /// Whether there is room; takes nothing.
    pub(crate) fn look(&self, cost: u64, limit: u64) -> Room {
        room(self.0.load(Ordering::Relaxed), cost, limit)
    }

    /// Takes places for good.
    pub(crate) fn take(&self, cost: u64, limit: u64) -> Room {
        self.grow(cost, limit, 0)
    }

    /// Takes places undecided; [`keep`](Self::keep) or [`give_back`](Self::give_back) follows.
    pub(crate) fn hold(&self, cost: u64, limit: u64) -> Room {
        self.grow(cost, limit, UNDECIDED)
    }

    /// Decides that places held are taken.
    pub(crate) fn keep(&self) {
        self.0.fetch_sub(UNDECIDED, Ordering::Relaxed);
    }

    /// Gives up places held.
    pub(crate) fn give_back(&self, cost: u64) {
        self.0.fetch_sub(UNDECIDED + cost, Ordering::Relaxed);
    }

    /// Counts beyond any limit. Saturates.
    pub(crate) fn count(&self, cost: u64) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            let used = (state & TAKEN).saturating_add(cost).min(TAKEN);
            Some((state & !TAKEN) | used)
        });
    }

    /// Places taken, undecided ones included.
    pub(crate) fn used(&self) -> u64 {
        self.0.load(Ordering::Relaxed) & TAKEN
    }

    fn grow(&self, cost: u64, limit: u64, undecided: u64) -> Room {
        let mut state = self.0.load(Ordering::Relaxed);
        loop {
            match room(state, cost, limit) {
                Room::Enough if undecided > 0 && state / UNDECIDED == MOST_UNDECIDED => {
                    return Room::Unsure { undecided: MOST_UNDECIDED };
                }
                Room::Enough => {}
                other => return other,
            }
            // Enough room means that the sum is at most the limit, which is at most TAKEN: no carry.
            let next = state + cost + undecided;
            match self.0.compare_exchange_weak(state, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Room::Enough,
                Err(changed) => state = changed,
            }
        }
    }
}

fn room(state: u64, cost: u64, limit: u64) -> Room {
    let (used, undecided) = (state & TAKEN, state / UNDECIDED);
    if used.saturating_add(cost) <= limit.min(TAKEN) {
        Room::Enough
    } else if undecided == 0 {
        Room::Full { used }
    } else {
        Room::Unsure { undecided }
    }
}
