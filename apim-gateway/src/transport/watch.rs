//! Deadlines that cost two stores to set, because one task per worker looks at all of them.
//!
//! A timer per request is the dearest thing a proxy can do after its four system calls. Nobody needs the
//! precision: a [`Sweep`] wakes up ten times a second and looks which [`Watch`]es are due.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

/// How often deadlines are looked at, and so how late one may be noticed.
const TICK: Duration = Duration::from_millis(100);

const NEVER: u64 = u64::MAX;

/// One deadline, which can be set again and again.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// In milliseconds of the sweep; `NEVER` when nobody waits.
    due: Due,
    expired: AtomicBool,
    waker: AtomicWaker,
}

#[derive(Debug)]
struct Due(AtomicU64);

impl Default for Due {
    fn default() -> Self {
        Self(AtomicU64::new(NEVER))
    }
}

impl Watch {
    /// Sets the deadline, by the sweep's clock.
    pub(crate) fn arm(&self, due: u64) {
        self.due.0.store(due, Relaxed);
    }

    /// Sets another deadline, if there is one.
    pub(crate) fn postpone(&self, due: u64) {
        if self.due.0.load(Relaxed) != NEVER {
            self.arm(due);
        }
    }

    /// Takes the deadline back.
    pub(crate) fn disarm(&self) {
        self.due.0.store(NEVER, Relaxed);
    }

    /// Whether the deadline has passed. It stays so.
    pub(crate) fn is_expired(&self) -> bool {
        self.expired.load(Relaxed)
    }

    /// Ready once the deadline has passed; otherwise the task is woken when it does.
    pub(crate) fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.register(cx.waker());
        if self.is_expired() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Says whom to wake.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    fn look(&self, now: u64) {
        if self.due.0.load(Relaxed) <= now && !self.expired.swap(true, Relaxed) {
            self.waker.wake();
        }
    }
}

/// Looks at the deadlines of one worker.
#[derive(Debug)]
pub(crate) struct Sweep {
    base: Instant,
    /// Milliseconds since `base`, as of the last tick.
    now: AtomicU64,
    watches: Mutex<Watches>,
}

#[derive(Debug, Default)]
struct Watches {
    all: Vec<Weak<Watch>>,
    running: bool,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { base: Instant::now(), now: AtomicU64::new(0), watches: Mutex::default() }
    }
}

impl Sweep {
    /// The time of the last tick: good enough for deadlines, and free.
    pub(crate) fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// A moment on the clock of this sweep.
    fn at(&self, moment: Instant) -> u64 {
        millis(moment.saturating_duration_since(self.base)).min(NEVER - 1)
    }

    /// So much after a moment.
    pub(crate) fn from(&self, moment: Instant, wait: Duration) -> u64 {
        self.at(moment).saturating_add(millis(wait)).min(NEVER - 1)
    }

    /// So much after the last tick.
    pub(crate) fn after(&self, wait: Duration) -> u64 {
        self.now().saturating_add(millis(wait)).min(NEVER - 1)
    }

    /// Looks at a new watch until it is dropped. Must be called within a runtime.
    pub(crate) fn watch(self: &Arc<Self>) -> Arc<Watch> {
        let watch = Arc::new(Watch::default());
        let mut watches = self.lock();
        watches.all.push(Arc::downgrade(&watch));
        if !watches.running {
            watches.running = true;
            drop(watches);
            self.tick();
            tokio::spawn(run(Running(Some(self.clone()))));
        }
        watch
    }

    /// Wakes everybody who registered with a watch.
    pub(crate) fn wake_all(&self) {
        let all: Vec<_> = self.lock().all.iter().filter_map(Weak::upgrade).collect();
        all.iter().for_each(|watch| watch.waker.wake());
    }

    /// Looks at all watches and forgets those that are gone. False when none is left.
    fn tick(&self) -> bool {
        let now = self.at(Instant::now());
        self.now.store(now, Relaxed);
        let mut watches = self.lock();
        watches.all.retain(|watch| match watch.upgrade() {
            Some(watch) => {
                watch.look(now);
                true
            }
            None => false,
        });
        watches.running = !watches.all.is_empty();
        watches.running
    }

    fn lock(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER)
}

/// Remembers that nobody ticks any more when a runtime ends and drops the task.
struct Running(Option<Arc<Sweep>>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(sweep) = self.0.take() {
            sweep.lock().running = false;
        }
    }
}

async fn run(mut running: Running) {
    while let Some(sweep) = &running.0 {
        tokio::time::sleep(TICK).await;
        if !sweep.tick() {
            // The tick has said so itself, and another task may be running by now.
            running.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_deadline_wakes_whoever_waits_for_it() {
        let sweep = Arc::new(Sweep::default());
        let watch = sweep.watch();
        watch.arm(sweep.after(Duration::from_millis(50)));
        let expired = std::future::poll_fn(|cx| watch.poll_expired(cx));
        tokio::time::timeout(Duration::from_secs(5), expired).await.unwrap();
    }

    #[tokio::test]
    async fn a_deadline_taken_back_does_not_come() {
        let sweep = Arc::new(Sweep::default());
        let watch = sweep.watch();
        watch.arm(0);
        watch.disarm();
        assert!(sweep.tick());
        assert!(!watch.is_expired());
    }

    #[tokio::test]
    async fn nobody_ticks_for_watches_that_are_gone() {
        let sweep = Arc::new(Sweep::default());
        drop(sweep.watch());
        assert!(!sweep.tick());
    }
}
