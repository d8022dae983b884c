//! A snapshot is the changes that lead to the present.

use apim_core::model::{Api, ApiId, Application, Policy, PolicyKind, Quota, Revocation, Subscription};
use apim_core::{Change, Event, Revision, Snapshot};
use serde_json::json;

use super::*;

fn api(version: &str) -> Change {
    let api: Api = serde_json::from_value(json!({
        "id": "1", "name": "pets", "version": version, "context": "/pets",
        "operations": [{"method": "GET", "path": "/menu"}],
        "handlers": [{"use": "timeout", "after": 5}],
    }))
    .unwrap();
    Change::ApiDeployed(api.into())
}

fn policy(kind: PolicyKind, requests: u64) -> Change {
    let quota = Some(Quota::per_minute(requests));
    Change::PolicySaved(
        Policy { kind, name: "Gold".into(), quota, burst: None, stop_on_quota_reach: true }.into(),
    )
}

fn application() -> Change {
    let application: Application =
        serde_json::from_value(json!({"id": "7", "name": "shop", "owner": "ann", "policy": "Gold"})).unwrap();
    Change::ApplicationSaved(application.into())
}

fn subscription() -> Change {
    let subscription: Subscription =
        serde_json::from_value(json!({"id": "9", "application": "7", "api": "1", "plan": "Gold"})).unwrap();
    Change::SubscriptionSaved(subscription.into())
}

fn revoked(id: &str, seconds: u64) -> Change {
    Change::Revoked(Revocation::Token { id: id.into(), expires_at: Timestamp::from_secs(seconds) })
}

fn event(revision: u64, change: Change) -> Event {
    Event { revision: Revision(revision), at: Timestamp::default(), change }
}

fn after(changes: impl IntoIterator<Item = Change>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    changes.into_iter().zip(1..).for_each(|(change, revision)| snapshot.apply(event(revision, change)));
    snapshot
}

#[test]
fn a_later_change_replaces_an_earlier_one_about_the_same_thing() {
    let snapshot =
        after([api("1.0.0"), api("2.0.0"), policy(PolicyKind::Advanced, 1), policy(PolicyKind::Advanced, 2)]);
    assert_eq!(
        snapshot.changes().cloned().collect::<Vec<_>>(),
        [policy(PolicyKind::Advanced, 2), api("2.0.0")]
    );
    assert_eq!(snapshot.revision(), Revision(4));
}

#[test]
fn policies_of_one_name_and_different_kinds_are_different_things() {
    let kinds = [PolicyKind::Advanced, PolicyKind::Subscription, PolicyKind::Application];
    assert_eq!(after(kinds.map(|kind| policy(kind, 1))).changes().count(), 3);
    let removed = Change::PolicyRemoved { kind: PolicyKind::Subscription, name: "Gold".into() };
    let left = after(kinds.map(|kind| policy(kind, 1)).into_iter().chain([removed]));
    assert_eq!(left.changes().count(), 2);
    assert!(!left.changes().any(|change| change == &policy(PolicyKind::Subscription, 1)));
}

#[test]
fn what_was_removed_is_gone_and_may_come_back() {
    let removed = || Change::ApiUndeployed(ApiId::from("1"));
    assert_eq!(after([api("1.0.0"), removed()]).changes().count(), 0);
    assert_eq!(after([removed(), api("1.0.0"), removed(), removed(), api("1.0.0")]).changes().count(), 1);
}

#[test]
fn an_event_that_is_contained_already_changes_nothing() {
    let mut snapshot = after([api("1.0.0"), api("2.0.0")]);
    let before = snapshot.clone();
    snapshot.apply(event(1, Change::ApiUndeployed(ApiId::from("1"))));
    snapshot.apply(event(2, api("1.0.0")));
    assert_eq!(snapshot, before);
}

#[test]
fn what_others_refer_to_comes_first() {
    let snapshot = after([subscription(), application(), api("1.0.0"), policy(PolicyKind::Subscription, 5)]);
    let expected = [policy(PolicyKind::Subscription, 5), api("1.0.0"), application(), subscription()];
    assert_eq!(snapshot.changes().cloned().collect::<Vec<_>>(), expected);
}

#[test]
fn it_is_read_from_disk_as_it_was_written() {
    let snapshot = after([
        api("1.0.0"),
        application(),
        subscription(),
        policy(PolicyKind::Application, 10),
        revoked("t", 9),
    ]);
    let text = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot);
}

#[test]
fn events_on_top_of_one_that_was_read_lead_where_they_lead_without() {
    let all =
        [api("1.0.0"), application(), api("2.0.0"), Change::ApplicationRemoved("7".into()), subscription()];
    for cut in 0..=all.len() {
        let text = serde_json::to_string(&after(all[..cut].to_vec())).unwrap();
        let mut resumed: Snapshot = serde_json::from_str(&text).unwrap();
        (1..).zip(all.clone()).for_each(|(revision, change)| resumed.apply(event(revision, change)));
        assert_eq!(resumed, after(all.clone()), "read after {cut} events");
    }
}

#[test]
fn revocations_are_forgotten_when_the_tokens_have_expired_anyway() {
    let mut snapshot = after([revoked("early", 10), revoked("late", 20)]);
    snapshot.forget_expired(Timestamp::from_secs(15));
    assert_eq!(snapshot.changes().cloned().collect::<Vec<_>>(), [revoked("late", 20)]);
}
