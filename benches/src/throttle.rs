//! The throttle decision.

use std::sync::Arc;

use apim_core::model::Quota;
use apim_core::throttle::{Cost, Key, Level, ThrottleEngine as _};
use apim_core::{Step, SystemClock};
use apim_throttle::LocalEngine;

use crate::Subject;

const PLENTY: Quota = Quota::per_minute(u64::MAX / 2);

/// Decisions about requests that pass and that do not.
pub fn subjects() -> Vec<Subject> {
    vec![
        decide("1 limit", 1, PLENTY, 1),
        decide("3 limits: API, subscription, application", 3, PLENTY, 1),
        decide("3 limits, 1,000 subjects in turn", 3, PLENTY, 1_000),
        decide("3 limits, 100,000 subjects in turn", 3, PLENTY, 100_000),
        decide("3 limits, refused by the last", 3, Quota::per_minute(0), 1),
    ]
}

/// So many levels, of which the last has the given quota, for so many subjects.
fn decide(name: &str, levels: usize, last: Quota, subjects: usize) -> Subject {
    let engine = LocalEngine::new(Arc::new(SystemClock));
    let names: Vec<_> = (0..subjects).map(|n| format!("f47ac10b-58cc-4372-a567-{n:012}")).collect();
    let mut turn = 0;
    Subject::new(name, move || {
        turn = (turn + 1) % names.len();
        let who = names[turn].as_str();
        let mut keys = [
            Key { level: Level::Api, subject: ["/petstore/1.0.0", "", ""], quota: PLENTY, lenient: false },
            Key {
                level: Level::Subscription,
                subject: [who, "/petstore/1.0.0", "Gold"],
                quota: PLENTY,
                lenient: false,
            },
            Key { level: Level::Application, subject: [who, "ann", ""], quota: PLENTY, lenient: false },
        ];
        keys[levels - 1].quota = last;
        let Step::Done(decision) = engine.take(&keys[..levels], Cost::ONE) else { return };
        std::hint::black_box(decision);
    })
}
