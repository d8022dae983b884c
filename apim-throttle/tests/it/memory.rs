//! Memory is bounded, whoever calls under however many names.

use std::time::Duration;

use super::*;

fn call(engine: &LocalEngine, who: &str) -> bool {
    passes(engine, &[key(Level::Subscription, who, Quota::per_minute(5))])
}

#[test]
fn counters_of_windows_that_are_over_make_room_by_themselves() {
    let (clock, engine) = at_noon();
    for round in 0..50 {
        for name in 0..2_000 {
            assert!(call(&engine, &format!("{round}-{name}")));
        }
        clock.advance(Duration::from_secs(60));
    }
    let left = engine.sweep();
    assert!(left < 20_000, "{left} counters were kept of 100,000 that are over");
    assert_eq!(engine.snapshot(), []);
}

#[test]
fn a_flood_of_names_shares_counters_and_leaves_the_others_alone() {
    let clock = Arc::new(ManualClock::at(NOON));
    let engine = LocalEngine::with_room(clock.clone(), 640);
    assert!(call(&engine, "faithful"));

    let passed = (0..100_000).filter(|name| call(&engine, &format!("10.0.0.{name}"))).count();
    // One each for those who found room, and one quota for each of the 64 shards.
    assert!((640..=640 + 64 * 5).contains(&passed), "{passed} passed");
    let counters = engine.snapshot();
    assert!(counters.len() <= 640 + 64, "{} counters", counters.len());
    assert!(counters.iter().any(|usage| usage.shared));

    assert_eq!((0..9).filter(|_| call(&engine, "faithful")).count(), 4);
    clock.advance(Duration::from_secs(60));
    assert_eq!((0..9).filter(|_| call(&engine, "newcomer")).count(), 5);
    assert!(engine.snapshot().iter().all(|usage| !usage.shared));
}

#[test]
fn a_flood_of_addresses_leaves_room_for_those_with_a_name() {
    let engine = LocalEngine::with_room(Arc::new(ManualClock::at(NOON)), 6_400);
    let quota = Quota::per_minute(5);
    for address in 0..50_000 {
        for level in [Level::Anonymous, Level::AnonymousBurst] {
            passes(&engine, &[key(level, &format!("2001:db8:{address:x}::"), quota)]);
        }
    }
    assert!(engine.snapshot().len() <= 3_200 + 2 * 64, "{} counters", engine.snapshot().len());
    for newcomer in 0..1_000 {
        let newcomer = format!("application-{newcomer}");
        assert_eq!((0..9).filter(|_| call(&engine, &newcomer)).count(), 5, "{newcomer}");
    }
    assert!(engine.snapshot().iter().all(|usage| !usage.shared || usage.level != Level::Subscription));
}

#[test]
fn long_names_take_more_of_the_room() {
    let clock = Arc::new(ManualClock::at(NOON));
    let engine = LocalEngine::with_room(clock, 6_400);
    let long = "x".repeat(10_000);
    for name in 0..6_400 {
        call(&engine, &format!("{long}{name}"));
    }
    let text: usize = engine.snapshot().iter().map(|usage| usage.subject[0].len()).sum();
    assert!(text < 6_400 * 256, "{text} bytes of names");
}
