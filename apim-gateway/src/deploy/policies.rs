//! Throttling policies by kind and name.

use std::collections::HashMap;
use std::sync::Arc;

use apim_core::model::{Policy, PolicyKind, PolicyName, Quota};
use foldhash::quality::RandomState;

/// The policies of a gateway, by kind and name.
///
/// The tiers that WSO2 ships are known without being told (spec: throttling, section 3), so that a gateway
/// that runs from a file has them too; a policy of the same name replaces one.
#[derive(Debug, Clone)]
pub struct Policies([Arc<ByName>; 3]);

type ByName = HashMap<PolicyName, Policy, RandomState>;

/// The tier of calls that need no credential.
pub const UNAUTHENTICATED: &str = "Unauthenticated";
/// The tier of APIs without business plans.
pub const SUBSCRIPTIONLESS: &str = "DefaultSubscriptionless";
/// The tier without a limit.
pub const UNLIMITED: &str = "Unlimited";

const SHIPPED: [(PolicyKind, &str, Option<u64>); 14] = [
    (PolicyKind::Subscription, UNLIMITED, None),
    (PolicyKind::Subscription, "Bronze", Some(1_000)),
    (PolicyKind::Subscription, "Silver", Some(2_000)),
    (PolicyKind::Subscription, "Gold", Some(5_000)),
    (PolicyKind::Subscription, UNAUTHENTICATED, Some(500)),
    (PolicyKind::Subscription, SUBSCRIPTIONLESS, Some(10_000)),
    (PolicyKind::Application, UNLIMITED, None),
    (PolicyKind::Application, "10PerMin", Some(10)),
    (PolicyKind::Application, "20PerMin", Some(20)),
    (PolicyKind::Application, "50PerMin", Some(50)),
    (PolicyKind::Advanced, UNLIMITED, None),
    (PolicyKind::Advanced, "10KPerMin", Some(10_000)),
    (PolicyKind::Advanced, "20KPerMin", Some(20_000)),
    (PolicyKind::Advanced, "50KPerMin", Some(50_000)),
];

impl Default for Policies {
    fn default() -> Self {
        let mut policies = Self(std::array::from_fn(|_| Arc::default()));
        for (kind, name, per_minute) in SHIPPED {
            policies.save(shipped(kind, name, per_minute));
        }
        policies
    }
}

impl Policies {
    /// A policy, if there is one of that kind and name.
    pub fn get(&self, kind: PolicyKind, name: &str) -> Option<&Policy> {
        self.0[kind as usize].get(name)
    }

    pub(super) fn save(&mut self, policy: Policy) {
        Arc::make_mut(&mut self.0[policy.kind as usize]).insert(policy.name.clone(), policy);
    }

    /// Takes a policy away; a shipped one stands again as it was shipped.
    pub(super) fn remove(&mut self, kind: PolicyKind, name: &PolicyName) {
        let original = SHIPPED.iter().find(|(of, shipped, _)| *of == kind && **shipped == **name);
        let policies = Arc::make_mut(&mut self.0[kind as usize]);
        match original {
            Some((kind, name, per_minute)) => {
                policies.insert(PolicyName::from(*name), shipped(*kind, name, *per_minute));
            }
            None => {
                policies.remove(name);
            }
        }
    }
}

fn shipped(kind: PolicyKind, name: &str, per_minute: Option<u64>) -> Policy {
    Policy {
        kind,
        name: PolicyName::from(name),
        quota: per_minute.map(Quota::per_minute),
        burst: None,
        stop_on_quota_reach: true,
    }
}
