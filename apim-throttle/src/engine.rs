//! The engine: every limit of a request, decided at once.

use std::fmt;
use std::sync::Arc;

use apim_core::throttle::{Cost, Decision, Key, Level, Refusal, ThrottleEngine};
use apim_core::{Clock, Step, Timestamp};

use crate::counter::{Counter, Room};
use crate::table::Table;

/// How many counters are kept if nothing else is said. At about 200 bytes each, 100 MB at the worst.
const USUAL_ROOM: usize = 500_000;

/// How often to look again at once before the processor is given away to whoever is undecided.
const SPINS: u32 = 32;

/// Counts in this process.
///
/// **Exact.** However many threads ask at once, a window of a limit lets exactly its quota pass, and a
/// request refused by one limit has used up none of the others.
///
/// **Cheap.** A request whose window is open already allocates nothing, and a thread that has counted on its limits
/// lately takes no lock and writes to nothing but the counts themselves. Only when a limit is full but for requests
/// that are still being decided does a thread wait, for as long as another needs for a few instructions.
///
/// **Bounded.** Counters whose window is over make room for new ones. Should there be no more room, because
/// somebody calls under hundreds of thousands of names within one window, those newly come are counted
/// *together*, against the quota of one, until windows end. So no limit is ever exceeded, and whoever was
/// counted already notices nothing. [`Usage::shared`] shows such counters. Callers who are known by nothing but
/// their address ([`Level::Anonymous`]) fill half of the room at most; the rest is for those with a name.
///
/// **Patient with clocks.** When the clock goes back, a counter stays in the window in which it is; only one
/// that finds itself more than a window ahead starts again in the present. Calls are counted by the clock's
/// [coarse](Clock::coarse) time, so that a window may begin some milliseconds late, and end as late.
pub struct LocalEngine {
    table: Table,
    clock: Arc<dyn Clock>,
}

impl LocalEngine {
    /// With room for half a million counters.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_room(clock, USUAL_ROOM)
    }

    /// With room for about so many counters; ones with long texts count more than once.
    pub fn with_room(clock: Arc<dyn Clock>, counters: usize) -> Self {
        Self { table: Table::new(counters), clock }
    }

    /// Gives a user of an application the whole quota again, the burst's included.
    pub fn reset(&self, application: &str, user: &str) {
        for level in [Level::Application, Level::ApplicationBurst] {
            self.table.forget(level, [application, user, ""]);
        }
    }

    /// How far a limit has been used in the present window; `None` if not at all.
    pub fn usage(&self, key: &Key<'_>) -> Option<Usage> {
        let counter = self.table.find(key)?;
        counter.serves(self.clock.now()).then(|| Usage::of(&counter))
    }

    /// All that is counted at present, in no order. Cold: it copies every counter.
    pub fn snapshot(&self) -> Vec<Usage> {
        let now = self.clock.now();
        let mut all = Vec::new();
        self.table.each(|counter| {
            if counter.serves(now) {
                all.push(Usage::of(counter));
            }
        });
        all
    }

    /// Forgets counters whose window is over, and says how many. New counters see to that as they come; a
    /// server that has become quiet may call it now and then to get the memory back.
    pub fn sweep(&self) -> usize {
        self.table.sweep(&*self.clock)
    }

    fn decide(&self, keys: &[Key<'_>], cost: u64) -> Decision {
        // Where this is earlier than what opened a counter, it stays in its window, as when a clock goes back.
        let now = self.clock.coarse();
        self.table.counters(keys, now, &*self.clock, |counters| Limits { keys, counters, cost }.decide())
    }
}

impl ThrottleEngine for LocalEngine {
    fn take<'a>(&'a self, keys: &'a [Key<'a>], cost: Cost) -> Step<'a, Decision> {
        Step::Done(self.decide(keys, cost.requests))
    }

    fn take_now(&self, keys: &[Key<'_>], cost: Cost) -> Option<Decision> {
        Some(self.decide(keys, cost.requests))
    }
}

impl fmt::Debug for LocalEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEngine").finish_non_exhaustive()
    }
}

/// A request's limits with their counters.
struct Limits<'a> {
    keys: &'a [Key<'a>],
    counters: &'a [Arc<Counter>],
    cost: u64,
}

impl Limits<'_> {
    fn decide(&self) -> Decision {
        let mut attempts = 0;
        loop {
            if let Some(decision) = self.attempt() {
                return decision;
            }
            attempts += 1;
            if attempts < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }

    /// Takes a place everywhere or nowhere; `None` if that hangs on another request just being decided.
    fn attempt(&self) -> Option<Decision> {
        // Looking first costs little, and keeps requests that are refused from writing at all.
        for index in self.binding() {
            let room = self.counters[index].places().look(self.cost, self.keys[index].quota.requests);
            if let Room::Full { used } = room {
                return Some(self.refusal(index, used));
            }
        }
        let Some(last) = self.binding().next_back() else {
            self.count_lenient();
            return Some(Decision::Allowed);
        };
        for index in self.binding() {
            let (places, limit) = (self.counters[index].places(), self.keys[index].quota.requests);
            // With the last one it is decided, so that one needs no second step.
            let room =
                if index == last { places.take(self.cost, limit) } else { places.hold(self.cost, limit) };
            match self.honest(index, room) {
                Room::Enough => {}
                Room::Full { used } => {
                    self.held(index).for_each(|counter| counter.places().give_back(self.cost));
                    return Some(self.refusal(index, used));
                }
                Room::Unsure { .. } => {
                    self.held(index).for_each(|counter| counter.places().give_back(self.cost));
                    return None;
                }
            }
        }
        self.held(last).for_each(|counter| counter.places().keep());
        self.count_lenient();
        Some(Decision::Allowed)
    }

    /// The same counter may stand in the list twice; then the undecided request that makes it full is this
    /// one, and there is nothing to wait for.
    fn honest(&self, index: usize, room: Room) -> Room {
        let Room::Unsure { undecided } = room else { return room };
        let own = self.held(index).filter(|counter| Arc::ptr_eq(counter, &self.counters[index])).count();
        if own as u64 == undecided {
            Room::Full { used: self.counters[index].places().used().saturating_sub(self.cost * undecided) }
        } else {
            room
        }
    }

    /// Limits that can refuse.
    fn binding(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        (0..self.keys.len()).filter(|index| !self.keys[*index].lenient)
    }

    /// The counters before `index` on which a place is held.
    fn held(&self, index: usize) -> impl Iterator<Item = &Arc<Counter>> {
        self.binding().take_while(move |earlier| *earlier < index).map(|earlier| &self.counters[earlier])
    }

    fn count_lenient(&self) {
        let lenient = self.keys.iter().zip(self.counters).filter(|(key, _)| key.lenient);
        lenient.for_each(|(_, counter)| counter.places().count(self.cost));
    }

    fn refusal(&self, index: usize, used: u64) -> Decision {
        let key = &self.keys[index];
        let retry_at = self.counters[index].ends();
        Decision::Refused(Refusal { index, level: key.level, quota: key.quota, used, retry_at })
    }
}

/// How far a limit has been used in its present window.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Its level.
    pub level: Level,
    /// Who is counted; as [`Key::subject`]. Empty for a shared counter.
    pub subject: [Box<str>; 3],
    /// Whether it stands for all newcomers for whom there was no room.
    pub shared: bool,
    /// Requests counted.
    pub used: u64,
    /// When the window began.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

impl Usage {
    fn of(counter: &Counter) -> Self {
        Self {
            level: counter.identity.level,
            subject: counter.identity.subject().map(Box::from),
            shared: counter.identity.shared,
            used: counter.places().used(),
            since: counter.starts(),
            until: counter.ends(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use apim_core::model::Quota;
    use apim_core::testing::ManualClock;

    use super::*;

    fn counter(engine: &LocalEngine, key: &Key<'_>) -> Arc<Counter> {
        let one = |counters: &[Arc<Counter>]| counters[0].clone();
        engine.table.counters(std::slice::from_ref(key), engine.clock.now(), &*engine.clock, one)
    }

    /// Sees what threads meet too seldom for a test: the moment between a place held and a place kept.
    #[test]
    fn the_last_place_is_refused_to_nobody_while_its_holder_may_give_it_back() {
        let engine = LocalEngine::new(Arc::new(ManualClock::default()));
        let key =
            Key { level: Level::Api, subject: ["/a/1", "", ""], quota: Quota::per_minute(1), lenient: false };
        let counter = counter(&engine, &key);
        let limits = Limits { keys: &[key], counters: std::slice::from_ref(&counter), cost: 1 };

        assert_eq!(counter.places().hold(1, 1), Room::Enough);
        assert_eq!(limits.attempt(), None);
        counter.places().give_back(1);
        assert_eq!(limits.attempt(), Some(Decision::Allowed));
        assert!(matches!(limits.attempt(), Some(Decision::Refused(_))));
    }

    #[test]
    fn a_request_that_has_to_look_again_holds_nothing_meanwhile() {
        let engine = LocalEngine::new(Arc::new(ManualClock::default()));
        let key = |level| Key { level, subject: [""; 3], quota: Quota::per_minute(1), lenient: false };
        let keys = [key(Level::Api), key(Level::Application)];
        let counters = keys.map(|key| counter(&engine, &key));
        let limits = Limits { keys: &keys, counters: &counters, cost: 1 };

        assert_eq!(counters[1].places().hold(1, 1), Room::Enough);
        assert_eq!(limits.attempt(), None);
        assert_eq!(counters[0].places().used(), 0);
        counters[1].places().keep();
        assert!(matches!(limits.attempt(), Some(Decision::Refused(refusal)) if refusal.index == 1));
        assert_eq!(counters[0].places().used(), 0);
    }
}
