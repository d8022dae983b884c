//! A login takes memory for as long as it lasts.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::sync::Barrier;
use std::thread;

use apim_core::password::{Cost, hash, verify};

/// Logins at a time: each thread has an arena of its own in glibc's allocator.
const THREADS: usize = 3;

/// What each hash takes, in KiB.
const EACH: u64 = 19 << 10;

/// Resident memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim_end().parse().unwrap()
}

/// The first hash to be freed teaches glibc to keep blocks of its size, so each thread makes several.
#[test]
fn the_memory_that_hashes_take_is_given_back_to_the_system() {
    let before = resident();
    let turn = Barrier::new(THREADS + 1);
    let log_in = || {
        let good = [(), ()].map(|()| {
            turn.wait();
            hash("hunter42", Cost::default()).is_ok_and(|hash| verify("hunter42", &hash))
        });
        turn.wait();
        turn.wait();
        assert_eq!(good, [true; 2]);
    };
    let grown = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(log_in);
        }
        for _ in 0..3 {
            turn.wait();
        }
        let grown = resident().saturating_sub(before);
        turn.wait();
        grown
    });
    // Other tests run beside this one; what one thread would keep is more than they take.
    assert!(grown < EACH, "{grown} KiB more than before");
}
