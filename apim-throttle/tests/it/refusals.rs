//! All limits of a request are decided at once, and a refusal says which one it was.

use super::*;

#[test]
fn a_refused_request_uses_up_nothing() {
    let (_, engine) = at_noon();
    let wide = key(Level::Api, "/a/1", Quota::per_minute(100));
    let narrow = key(Level::Subscription, "shop", Quota::per_minute(1));
    let lenient = lenient(key(Level::Application, "shop", Quota::per_minute(1)));
    assert!(passes(&engine, &[wide, narrow, lenient]));
    for _ in 0..5 {
        assert!(!passes(&engine, &[wide, narrow, lenient]));
    }
    assert_eq!([wide, narrow, lenient].map(|key| used(&engine, &key)), [1, 1, 1]);
}

#[test]
fn the_first_full_limit_of_the_list_is_the_one_reported() {
    let (_, engine) = at_noon();
    let open = key(Level::Api, "/a/1", Quota::per_minute(9));
    let first = key(Level::Subscription, "shop", Quota { requests: 1, window_ms: 1000 });
    let second = key(Level::Application, "shop", Quota { requests: 1, window_ms: 3_600_000 });
    assert!(passes(&engine, &[open, first, second]));
    let refusal = refusal(take(&engine, &[open, first, second]));
    assert_eq!((refusal.index, refusal.level, refusal.quota), (1, Level::Subscription, first.quota));
    assert_eq!(refusal.used, 1);
    assert_eq!(refusal.retry_at, Timestamp::from_millis(NOON.as_millis() + 1000));
}

#[test]
fn a_lenient_limit_counts_on_and_refuses_nobody() {
    let (_, engine) = at_noon();
    let key = lenient(key(Level::Subscription, "shop", Quota::per_minute(2)));
    for _ in 0..5 {
        assert!(passes(&engine, &[key]));
    }
    assert_eq!(used(&engine, &key), 5);
    assert!(!passes(&engine, &[Key { lenient: false, ..key }]), "the plan was changed to stop");
}

#[test]
fn a_request_without_limits_passes() {
    let (_, engine) = at_noon();
    assert!(passes(&engine, &[]));
    assert!(engine.snapshot().is_empty());
}

#[test]
fn levels_and_subjects_are_never_mixed_up() {
    let (_, engine) = at_noon();
    let quota = Quota::per_minute(1);
    let levels = [
        Level::Api,
        Level::Operation,
        Level::Subscription,
        Level::SubscriptionBurst,
        Level::Application,
        Level::ApplicationBurst,
    ];
    let subjects = [["ab", "c", ""], ["a", "bc", ""], ["abc", "", ""], ["", "", "abc"], ["a", "b", "c"]];
    for level in levels {
        for subject in subjects {
            assert!(
                passes(&engine, &[Key { level, subject, quota, lenient: false }]),
                "{level:?} {subject:?}"
            );
        }
    }
    assert_eq!(engine.snapshot().len(), levels.len() * subjects.len());
}

#[test]
fn a_limit_that_is_named_twice_counts_twice() {
    let (_, engine) = at_noon();
    let key = key(Level::Operation, "/a/1", Quota::per_minute(3));
    assert!(passes(&engine, &[key, key]));
    let refusal = refusal(take(&engine, &[key, key]));
    assert_eq!((refusal.index, refusal.used), (1, 2));
    assert_eq!(used(&engine, &key), 2);
    assert!(passes(&engine, &[key]));
}

#[test]
fn a_cost_beyond_what_is_left_is_refused_whole() {
    let (_, engine) = at_noon();
    let keys = [key(Level::Api, "/a/1", Quota::per_minute(10))];
    let mut cost = Cost::ONE;
    cost.requests = 6;
    assert_eq!(take_cost(&engine, &keys, cost), Decision::Allowed);
    assert_eq!(refusal(take_cost(&engine, &keys, cost)).used, 6);
    cost.requests = 4;
    assert_eq!(take_cost(&engine, &keys, cost), Decision::Allowed);
}

#[test]
fn a_reset_gives_one_user_of_one_application_the_quota_again() {
    let (_, engine) = at_noon();
    let of = |level, application, user| {
        [Key { level, subject: [application, user, ""], quota: Quota::per_minute(1), lenient: false }]
    };
    let ann = of(Level::Application, "shop", "ann");
    let burst = of(Level::ApplicationBurst, "shop", "ann");
    let bob = of(Level::Application, "shop", "bob");
    let elsewhere = of(Level::Application, "bank", "ann");
    let plan = of(Level::Subscription, "shop", "ann");
    let all = [&ann, &burst, &bob, &elsewhere, &plan];
    assert!(all.iter().all(|keys| passes(&engine, *keys)));
    engine.reset("shop", "ann");
    engine.reset("shop", "nobody");
    assert_eq!(all.map(|keys| passes(&engine, keys)), [true, true, false, false, false]);
}
