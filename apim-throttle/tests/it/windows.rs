//! Windows are fixed, aligned to the epoch, and end on time.

use std::time::Duration;

use super::*;

const THREE_PER_MINUTE: Quota = Quota::per_minute(3);

#[test]
fn a_quota_of_three_lets_three_pass_in_each_window() {
    let (clock, engine) = at_noon();
    let keys = [key(Level::Application, "shop", THREE_PER_MINUTE)];
    for _ in 0..4 {
        assert_eq!((0..10).filter(|_| passes(&engine, &keys)).count(), 3);
        clock.advance(Duration::from_secs(60));
    }
}

#[test]
fn a_window_ends_on_the_minute_and_not_a_minute_after_the_first_call() {
    let (clock, engine) = at_noon();
    let keys = [key(Level::Application, "shop", Quota::per_minute(1))];
    clock.advance(Duration::from_millis(59_999));
    assert!(passes(&engine, &keys));
    assert!(!passes(&engine, &keys));
    clock.advance(Duration::from_millis(1));
    assert!(passes(&engine, &keys));
}

#[test]
fn windows_of_any_length_begin_at_multiples_since_1970() {
    let (clock, engine) = at_noon();
    for window_ms in [1, 7, 1000, 86_400_000, 7 * 86_400_000, 30 * 86_400_000] {
        let key = key(Level::Api, "/a/1", Quota { requests: 1, window_ms });
        assert!(passes(&engine, &[key]));
        let usage = engine.usage(&key).unwrap();
        assert_eq!(usage.since.as_millis() % window_ms, 0);
        assert_eq!(usage.until.since(usage.since), Duration::from_millis(window_ms));
        assert!(usage.since <= clock.now() && clock.now() < usage.until);
    }
}

#[test]
fn a_quota_of_nothing_lets_nothing_pass() {
    let (_, engine) = at_noon();
    assert!(!passes(&engine, &[key(Level::Api, "/a/1", Quota::per_minute(0))]));
}

#[test]
fn a_window_of_no_length_is_one_of_a_millisecond() {
    let (clock, engine) = at_noon();
    let keys = [key(Level::Api, "/a/1", Quota { requests: 1, window_ms: 0 })];
    assert!(passes(&engine, &keys));
    assert!(!passes(&engine, &keys));
    clock.advance(Duration::from_millis(1));
    assert!(passes(&engine, &keys));
}

#[test]
fn the_largest_quota_there_is_overflows_nothing() {
    let (_, engine) = at_noon();
    let keys = [key(Level::Api, "/a/1", Quota { requests: u64::MAX, window_ms: u64::MAX })];
    assert!(passes(&engine, &keys));
    let mut huge = Cost::ONE;
    huge.requests = u64::MAX;
    assert!(matches!(take_cost(&engine, &keys, huge), Decision::Refused(_)));
    assert_eq!(used(&engine, &keys[0]), 1);
    let lenient = keys.map(lenient);
    assert_eq!(take_cost(&engine, &lenient, huge), Decision::Allowed);
    assert_eq!(take_cost(&engine, &lenient, huge), Decision::Allowed);
    assert!(used(&engine, &keys[0]) >= 1 << 51, "it saturates");
}

#[test]
fn a_new_number_of_requests_applies_at_once_and_a_new_length_starts_afresh() {
    let (_, engine) = at_noon();
    let of = |requests, window_ms| [key(Level::Application, "shop", Quota { requests, window_ms })];
    assert!(passes(&engine, &of(2, 60_000)));
    assert!(passes(&engine, &of(2, 60_000)));
    assert!(!passes(&engine, &of(2, 60_000)));
    assert!(passes(&engine, &of(3, 60_000)));
    assert!(passes(&engine, &of(2, 3_600_000)));
}
