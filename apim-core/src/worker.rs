//! State that each worker has for itself.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which worker of a server handles a request, from 0.
///
/// Under our own server a worker is a thread with its own runtime; embedded in a multi-thread runtime every
/// request says 0, and nothing breaks: [`PerWorker`] is only less apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Worker(pub usize);

/// One `T` for each worker, so that workers do not meet on the hot path.
///
/// Each sits behind a mutex that only its worker takes, which costs a few nanoseconds and keeps the whole
/// thing `Sync` without unsafe code. The guard must not be held across an await: it is not `Send`, so the
/// compiler sees to it.
///
/// ```
/// use apim_core::{PerWorker, Worker};
///
/// let counts = PerWorker::new(4, || 0u64);
/// *counts.of(Worker(2)) += 1;
/// assert_eq!(counts.iter().map(|count| *count).sum::<u64>(), 1);
/// ```
pub struct PerWorker<T>(Box<[Padded<T>]>);

/// Two cache lines apart, since processors fetch them in pairs.
#[repr(align(128))]
struct Padded<T>(Mutex<T>);

impl<T> PerWorker<T> {
    /// Makes one for each of so many workers; at least one.
    pub fn new(workers: usize, mut make: impl FnMut() -> T) -> Self {
        Self((0..workers.max(1)).map(|_| Padded(Mutex::new(make()))).collect())
    }

    /// This worker's own. Workers beyond the number given to [`new`](Self::new) share.
    pub fn of(&self, worker: Worker) -> MutexGuard<'_, T> {
        self.0[worker.0 % self.0.len()].0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everybody's, one after the other; for scrapes and clean-ups.
    pub fn iter(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.0.iter().map(|padded| padded.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> fmt::Debug for PerWorker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PerWorker({})", self.0.len())
    }
}
