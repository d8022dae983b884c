//! Clocks go backwards, and nobody gains or loses much by it.

use std::time::Duration;

use super::*;

#[test]
fn a_small_step_back_hands_out_no_second_quota() {
    let (clock, engine) = at_noon();
    let keys = [key(Level::Application, "shop", Quota::per_minute(2))];
    assert!(passes(&engine, &keys));
    clock.set(Timestamp::from_millis(NOON.as_millis() - 500));
    assert!(passes(&engine, &keys));
    assert_eq!(refusal(take(&engine, &keys)).retry_at, NOON.plus(Duration::from_secs(60)));
    clock.set(NOON);
    assert!(!passes(&engine, &keys));
}

#[test]
fn a_clock_that_once_ran_years_ahead_refuses_nobody_once_mended() {
    let (clock, engine) = at_noon();
    let keys = [key(Level::Application, "shop", Quota::per_minute(1))];
    clock.set(NOON.plus(Duration::from_secs(100 * 365 * 86_400)));
    assert!(passes(&engine, &keys));
    clock.set(NOON);
    assert!(passes(&engine, &keys));
    assert!(!passes(&engine, &keys));
}

#[test]
fn counters_from_a_wrong_future_do_not_stay_in_memory() {
    let (clock, engine) = at_noon();
    clock.set(NOON.plus(Duration::from_secs(86_400)));
    assert!(passes(&engine, &[key(Level::Application, "shop", Quota::per_minute(1))]));
    clock.set(NOON);
    assert_eq!(engine.sweep(), 1);
}

#[test]
fn at_the_end_of_time_nothing_overflows() {
    let (clock, engine) = at_noon();
    let keys = [key(Level::Application, "shop", Quota::per_minute(1))];
    clock.set(Timestamp::from_millis(u64::MAX));
    assert!(passes(&engine, &keys));
    assert!(!passes(&engine, &keys));
    clock.set(Timestamp::from_millis(0));
    assert!(passes(&engine, &keys));
}
