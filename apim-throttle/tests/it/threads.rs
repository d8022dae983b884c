//! A limit is exact, however many threads race for it.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::*;

const THREADS: usize = 8;

/// Calls `work` with its number on so many threads, all let go at once, and adds up the results.
fn race(work: impl Fn(usize) -> u64 + Sync) -> u64 {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        let run = |number| {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(number)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn many_threads_get_exactly_the_quota_in_each_window() {
    let (clock, engine) = at_noon();
    let keys = [key(Level::Application, "shop", Quota::per_minute(1_000))];
    for _ in 0..20 {
        let passed = race(|_| (0..500).filter(|_| passes(&engine, &keys)).count() as u64);
        assert_eq!(passed, 1_000);
        clock.advance(Duration::from_secs(60));
    }
}

#[test]
fn several_limits_at_once_are_each_used_to_the_last_place() {
    let (_, engine) = at_noon();
    // All share the API's limit; each thread has a plan of its own, too small for what it asks.
    let api = key(Level::Api, "/a/1", Quota::per_minute(THREADS as u64 * 300));
    let names: Vec<_> = (0..THREADS).map(|number| format!("shop {number}")).collect();
    let passed = race(|number| {
        let plan = key(Level::Subscription, &names[number], Quota::per_minute(300));
        (0..2_000).filter(|_| passes(&engine, &[api, plan])).count() as u64
    });
    assert_eq!(passed, THREADS as u64 * 300);
    assert_eq!(used(&engine, &api), passed);
}

#[test]
fn a_request_that_is_itself_refused_never_costs_another_its_place() {
    // Half of the threads are refused by a limit of their own, over and over, while they reach for the last
    // places of the common one.
    for _ in 0..200 {
        let (_, engine) = at_noon();
        let common = key(Level::Api, "/a/1", Quota::per_minute(20));
        let spent = key(Level::Subscription, "spent", Quota::per_minute(2));
        let places = AtomicU64::new(0);
        let refused = race(|number| {
            let mut refused = 0;
            for _ in 0..20 {
                let keys = [common, spent];
                let keys = if number % 2 == 0 { &keys[..] } else { &keys[..1] };
                match take(&engine, keys) {
                    Decision::Allowed => drop(places.fetch_add(1, Ordering::SeqCst)),
                    Decision::Refused(refusal) if refusal.level == Level::Api => refused += 1,
                    Decision::Refused(_) => {}
                }
            }
            refused
        });
        assert_eq!(places.into_inner(), 20);
        assert!(refused > 0);
    }
}

#[test]
fn limits_taken_in_opposite_orders_block_nobody_for_ever() {
    let (_, engine) = at_noon();
    let one = key(Level::Operation, "one", Quota::per_minute(500));
    let other = key(Level::Operation, "other", Quota::per_minute(500));
    let passed = race(|number| {
        let keys = if number % 2 == 0 { [one, other] } else { [other, one] };
        (0..1_000).filter(|_| passes(&engine, &keys)).count() as u64
    });
    assert_eq!(passed, 500);
}

#[test]
fn no_window_passes_more_than_its_quota_while_the_clock_runs() {
    let (clock, engine) = at_noon();
    let keys = [key(Level::Application, "shop", Quota { requests: 7, window_ms: 10 })];
    let windows = 200;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut passed = 0;
                    while !over.load(Ordering::Relaxed) {
                        passed += u64::from(passes(&engine, &keys));
                    }
                    passed
                })
            })
            .collect();
        for _ in 0..windows * 10 {
            thread::yield_now();
            clock.advance(Duration::from_millis(1));
            if clock.now().as_millis() % 10 == 5 {
                engine.sweep();
            }
        }
        over.store(true, Ordering::Relaxed);
        let passed: u64 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
        assert!(passed <= (windows + 1) * 7, "{passed} passed in {windows} windows of 7");
    });
}
