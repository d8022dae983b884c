//! The tiers that WSO2 ships (spec: throttling, section 3).

use apim_core::model::{Policy, PolicyKind, Quota};

/// Requests per minute by kind and name; none: unlimited.
const TIERS: [(PolicyKind, &str, Option<u64>); 14] = [
    (PolicyKind::Advanced, "10KPerMin", Some(10_000)),
    (PolicyKind::Advanced, "20KPerMin", Some(20_000)),
    (PolicyKind::Advanced, "50KPerMin", Some(50_000)),
    (PolicyKind::Advanced, "Unlimited", None),
    (PolicyKind::Application, "10PerMin", Some(10)),
    (PolicyKind::Application, "20PerMin", Some(20)),
    (PolicyKind::Application, "50PerMin", Some(50)),
    (PolicyKind::Application, "Unlimited", None),
    (PolicyKind::Subscription, "Bronze", Some(1_000)),
    (PolicyKind::Subscription, "Silver", Some(2_000)),
    (PolicyKind::Subscription, "Gold", Some(5_000)),
    (PolicyKind::Subscription, "Unlimited", None),
    // Calls without a subscription, counted by client address; no portal offers it.
    (PolicyKind::Subscription, "Unauthenticated", Some(500)),
    // Calls of an API that has no business plans.
    (PolicyKind::Subscription, "DefaultSubscriptionless", Some(10_000)),
];

/// The policies that exist before anybody makes one. All stop when their quota is reached.
pub fn defaults() -> Vec<Policy> {
    let policy = |(kind, name, requests): (PolicyKind, &str, Option<u64>)| Policy {
        kind,
        name: name.into(),
        quota: requests.map(Quota::per_minute),
        burst: None,
        stop_on_quota_reach: true,
    };
    TIERS.map(policy).into()
}
