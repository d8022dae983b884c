//! What a request may cost, in figures that do not depend on the machine: allocations and system calls.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod allocations;
mod calls;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Both count what the process does, so one waits for the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
