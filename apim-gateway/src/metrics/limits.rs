//! What the throttle engine has decided.

use apim_core::throttle::{Decision, Key, Level};

use super::exposition::Exposition;

/// Labels of levels; the last is for those that are newer than this code.
const LEVELS: [&str; 9] = [
    "api",
    "operation",
    "subscription",
    "subscription_burst",
    "anonymous",
    "anonymous_burst",
    "application",
    "application_burst",
    "other",
];

/// Decisions by level.
#[derive(Debug, Default)]
pub(super) struct Limits {
    allowed: [u64; LEVELS.len()],
    refused: [u64; LEVELS.len()],
}

impl Limits {
    /// A call that passes has passed every limit that it is under; one that is refused counts for the limit that
    /// has refused it alone, as it does with the engine.
    pub(super) fn decided(&mut self, keys: &[Key<'_>], decision: &Decision) {
        match decision {
            Decision::Allowed => keys.iter().for_each(|key| self.allowed[place(key.level)] += 1),
            Decision::Refused(refusal) => self.refused[place(refusal.level)] += 1,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.allowed.iter_mut().zip(other.allowed).for_each(|(sum, more)| *sum += more);
        self.refused.iter_mut().zip(other.refused).for_each(|(sum, more)| *sum += more);
    }

    /// Levels of which there was nothing yet are left out.
    pub(super) fn write(&self, out: &mut Exposition) {
        let name = "apim_gateway_throttle_decisions_total";
        out.family(name, "Limits that calls were held against, by level and decision", "counter");
        for (decision, counts) in [("allowed", &self.allowed), ("refused", &self.refused)] {
            for (level, count) in LEVELS.iter().zip(counts).filter(|(_, count)| **count > 0) {
                out.sample(name, &[("level", level), ("decision", decision)], *count);
            }
        }
    }
}

fn place(level: Level) -> usize {
    match level {
        Level::Api => 0,
        Level::Operation => 1,
        Level::Subscription => 2,
        Level::SubscriptionBurst => 3,
        Level::Anonymous => 4,
        Level::AnonymousBurst => 5,
        Level::Application => 6,
        Level::ApplicationBurst => 7,
        _ => LEVELS.len() - 1,
    }
}
