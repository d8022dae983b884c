//! What the traffic manager promises, one module per promise.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use apim_core::model::Quota;
use apim_core::testing::ManualClock;
use apim_core::throttle::{Cost, Decision, Key, Level, Refusal, ThrottleEngine};
use apim_core::{Clock as _, Step, Timestamp};
use apim_throttle::LocalEngine;

mod clocks;
mod memory;
mod model;
mod policies;
mod refusals;
mod threads;
mod windows;

/// A moment at which windows of a second, a minute and an hour begin: noon on some day.
const NOON: Timestamp = Timestamp::from_secs(20_000 * 86_400 + 12 * 3_600);

fn at_noon() -> (Arc<ManualClock>, LocalEngine) {
    let clock = Arc::new(ManualClock::at(NOON));
    (clock.clone(), LocalEngine::new(clock))
}

fn key(level: Level, who: &str, quota: Quota) -> Key<'_> {
    Key { level, subject: [who, "", ""], quota, lenient: false }
}

fn lenient(key: Key<'_>) -> Key<'_> {
    Key { lenient: true, ..key }
}

fn take(engine: &LocalEngine, keys: &[Key<'_>]) -> Decision {
    take_cost(engine, keys, Cost::ONE)
}

fn take_cost(engine: &LocalEngine, keys: &[Key<'_>], cost: Cost) -> Decision {
    match engine.take(keys, cost) {
        Step::Done(decision) => decision,
        Step::Wait(_) => panic!("the local engine never waits"),
    }
}

fn passes(engine: &LocalEngine, keys: &[Key<'_>]) -> bool {
    take(engine, keys) == Decision::Allowed
}

fn refusal(decision: Decision) -> Refusal {
    match decision {
        Decision::Refused(refusal) => refusal,
        Decision::Allowed => panic!("it was let through"),
    }
}

fn used(engine: &LocalEngine, key: &Key<'_>) -> u64 {
    engine.usage(key).map_or(0, |usage| usage.used)
}
