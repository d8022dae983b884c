//! What a request may cost, in figures that do not depend on the machine: allocations and system calls.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod allocations;
mod calls;
mod redeployments;
mod soak;

use std::sync::{Mutex, MutexGuard, PoisonError};

use benches::report::Heap;

#[global_allocator]
static HEAP: &Heap = &stats_alloc::INSTRUMENTED_SYSTEM;

/// Both count what the process does, so one waits for the other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
