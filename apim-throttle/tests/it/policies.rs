//! WSO2's tiers and limit documents.

use apim_core::model::{Policy, PolicyKind};
use apim_throttle::defaults;
use apim_throttle::policy::Limit;
use serde_json::{Value, json};

use super::*;

fn quota(document: Value) -> Result<Quota, String> {
    serde_json::from_value::<Limit>(document).unwrap().quota().map_err(|error| error.to_string())
}

fn counted(requests: i64, unit: &str, units: i64) -> Result<Quota, String> {
    let count = json!({"requestCount": requests, "timeUnit": unit, "unitTime": units});
    quota(json!({"type": "REQUESTCOUNTLIMIT", "requestCount": count, "bandwidth": null}))
}

#[test]
fn wso2s_tiers_are_there_with_its_numbers() {
    let find = |kind, name: &str| -> Policy {
        defaults().into_iter().find(|policy| policy.kind == kind && &*policy.name == name).unwrap()
    };
    for (kind, name, per_minute) in [
        (PolicyKind::Subscription, "Bronze", 1_000),
        (PolicyKind::Subscription, "Silver", 2_000),
        (PolicyKind::Subscription, "Gold", 5_000),
        (PolicyKind::Subscription, "Unauthenticated", 500),
        (PolicyKind::Subscription, "DefaultSubscriptionless", 10_000),
        (PolicyKind::Application, "10PerMin", 10),
        (PolicyKind::Application, "20PerMin", 20),
        (PolicyKind::Application, "50PerMin", 50),
        (PolicyKind::Advanced, "10KPerMin", 10_000),
        (PolicyKind::Advanced, "20KPerMin", 20_000),
        (PolicyKind::Advanced, "50KPerMin", 50_000),
    ] {
        assert_eq!(find(kind, name).quota, Some(Quota::per_minute(per_minute)), "{name}");
    }
    for kind in [PolicyKind::Subscription, PolicyKind::Application, PolicyKind::Advanced] {
        assert_eq!(find(kind, "Unlimited").quota, None);
    }
    assert_eq!(defaults().len(), 14);
    assert!(defaults().iter().all(|policy| policy.stop_on_quota_reach && policy.burst.is_none()));
}

#[test]
fn the_units_of_the_specification_and_of_the_seeded_data_are_read() {
    for (unit, seconds) in [
        ("sec", 1),
        ("min", 60),
        ("hour", 3_600),
        ("day", 86_400),
        ("days", 86_400),
        ("months", 30 * 86_400),
        ("MINUTES", 60),
        ("year", 365 * 86_400),
    ] {
        assert_eq!(counted(5, unit, 2), Ok(Quota { requests: 5, window_ms: 2 * seconds * 1_000 }), "{unit}");
    }
}

#[test]
fn what_cannot_be_enforced_is_refused_with_its_place() {
    let problem = |result: Result<Quota, String>| result.unwrap_err();
    assert!(problem(counted(1, "fortnight", 1)).starts_with("requestCount.timeUnit: `fortnight` is not"));
    assert!(problem(counted(1, "", 1)).starts_with("requestCount.timeUnit: ``"));
    assert_eq!(problem(counted(-1, "min", 1)), "requestCount.requestCount: -1 is below zero");
    assert_eq!(problem(counted(1, "min", 0)), "requestCount.unitTime: 0 is not above zero");
    assert!(problem(counted(1, "year", i64::MAX)).starts_with("requestCount.unitTime: "));
    assert_eq!(problem(quota(json!({"type": "REQUESTCOUNTLIMIT"}))), "requestCount: it is missing");
    let bandwidth = json!({"type": "BANDWIDTHLIMIT", "bandwidth": {"dataAmount": 1}});
    assert_eq!(
        problem(quota(bandwidth)),
        "type: `BANDWIDTHLIMIT` cannot be enforced, only `REQUESTCOUNTLIMIT`"
    );
}
