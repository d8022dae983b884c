//! What a worker knows of its own load, and who waits until there is less of it.
//!
//! How long work stands in line is found out by standing in line: a [`watch`] task is woken when a request
//! arrives, and sees how long it took until it was its turn. That is a task switch for one request in eight; no
//! timer, no system call, nothing that workers share.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use apim_core::Worker;
use http::HeaderValue;
use tokio::sync::Notify;

use super::permits::Permits;
use super::shedding::{Line, Shedding, Turn};
use super::socket::Slot;
use super::traffic::{Own, Shed};

/// Of so many requests one has the line measured.
const SAMPLE: usize = 8;

/// How often connections that were refused are read again, and how many of them: one for so many requests that
/// were let in meanwhile. A refusal costs about a third of a request, and so a tenth of what is done.
const TICK: Duration = Duration::from_millis(25);
const ADMITTED: usize = 3;

/// One worker's load.
pub(super) struct Gauge {
    worker: Worker,
    permits: Arc<Permits>,
    retry_after: HeaderValue,
    /// None where requests are never refused for the line's length.
    shedding: Option<Measured>,
    /// Since the worker has last kept up.
    refused: AtomicU64,
    traffic: Own,
}

/// What is measured, for a worker that refuses by it.
struct Measured {
    line: Mutex<Line>,
    /// What the line says of itself, to be asked for each request.
    overloaded: AtomicBool,
    spared: usize,
    /// Since when the watch stands in line; none if it does not.
    joined: Mutex<Option<Joined>>,
    base: Instant,
    arrived: AtomicUsize,
    /// Let in since connections were last read again.
    admitted: AtomicUsize,
    /// What refused clients are told to wait: none of them is held for longer.
    retry_after: Duration,
    turn: Notify,
    /// Told when the line has become short enough.
    relief: Notify,
    /// Connections that were refused, the first that was first.
    held: Mutex<VecDeque<(Instant, Arc<Slot>)>>,
}

/// When the watch joined the line, and how many requests had arrived by then.
#[derive(Clone, Copy)]
struct Joined {
    at: Instant,
    arrived: usize,
}

impl Gauge {
    /// For a worker whose requests need these permits.
    pub(super) fn new(
        worker: Worker,
        shedding: Option<&Shedding>,
        permits: Arc<Permits>,
        traffic: Own,
    ) -> Self {
        let seconds = shedding.map_or(1, |shedding| shedding.retry_after.as_secs().max(1));
        let measured = |shedding: &Shedding| Measured {
            line: Mutex::new(Line::new(shedding)),
            overloaded: AtomicBool::new(false),
            spared: shedding.spared,
            joined: Mutex::default(),
            base: Instant::now(),
            arrived: AtomicUsize::new(0),
            admitted: AtomicUsize::new(0),
            retry_after: Duration::from_secs(seconds),
            turn: Notify::new(),
            relief: Notify::new(),
            held: Mutex::default(),
        };
        Self {
            worker,
            permits,
            retry_after: HeaderValue::from(seconds),
            shedding: shedding.map(measured),
            refused: AtomicU64::new(0),
            traffic,
        }
    }

    /// A request is in flight.
    pub(super) fn begin(&self) {
        self.permits.begin(self.worker);
    }

    /// One is no more.
    pub(super) fn end(&self) {
        self.permits.end(self.worker);
    }

    /// Whether a request that has begun may go on.
    pub(super) fn admits(&self) -> bool {
        let full = !self.permits.admits(self.worker);
        if !full && !self.is_too_busy() {
            return true;
        }
        self.refused.store(self.refused.load(Relaxed) + 1, Relaxed);
        self.traffic.shed(if full { Shed::InFlight } else { Shed::Overload });
        false
    }

    fn is_too_busy(&self) -> bool {
        let Some(measured) = &self.shedding else { return false };
        let arrived = measured.arrived.load(Relaxed).wrapping_add(1);
        measured.arrived.store(arrived, Relaxed);
        if arrived.is_multiple_of(SAMPLE) || measured.overloaded.load(Relaxed) {
            self.tell(measured.measure());
        }
        if !measured.overloaded.load(Relaxed) {
            return false;
        }
        let admitted = lock(&measured.line).admits();
        measured.admitted.store(measured.admitted.load(Relaxed) + usize::from(admitted), Relaxed);
        !admitted
    }

    /// What a refused client is told to wait, in seconds.
    pub(super) fn retry_after(&self) -> HeaderValue {
        self.retry_after.clone()
    }

    /// Does not read a connection for a while, since its client was refused.
    pub(super) fn hold(&self, slot: &Arc<Slot>) {
        let Some(measured) = self.shedding.as_ref().filter(|_| slot.hold()) else { return };
        lock(&measured.held).push_back((Instant::now(), slot.clone()));
        // The watch ends their wait; it may be asleep, since these were the last requests.
        self.tell(measured.measure());
    }

    /// Reads all connections again.
    pub(super) fn release_all(&self) {
        let Some(measured) = &self.shedding else { return };
        let held = std::mem::take(&mut *lock(&measured.held));
        held.iter().for_each(|(_, slot)| slot.release());
    }

    /// A connection was accepted, which over TLS is the dearest work there is.
    pub(super) fn accepted(&self) {
        if let Some(measured) = &self.shedding {
            self.tell(measured.measure());
        }
    }

    /// Whether new connections have to wait.
    pub(super) fn is_closed(&self) -> bool {
        self.shedding.as_ref().is_some_and(Measured::is_too_long)
    }

    fn tell(&self, turn: Turn) {
        let worker = self.worker.0;
        match turn {
            Turn::Nothing => {}
            Turn::Overloaded => {
                let in_flight = self.permits.in_flight(self.worker);
                tracing::warn!(
                    worker,
                    in_flight,
                    "there is more to do than can be done: requests are refused"
                );
            }
            Turn::Relieved => {
                let refused = self.refused.swap(0, Relaxed);
                tracing::warn!(worker, refused, "the worker keeps up again");
            }
        }
    }

    /// Ready when they need not any more.
    pub(super) async fn opened(&self) {
        match &self.shedding {
            Some(measured) => measured.relief.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Measured {
    /// Sends the watch to the end of the line, or learns how long it has stood there.
    fn measure(&self) -> Turn {
        let mut joined = lock(&self.joined);
        match *joined {
            Some(joined) if self.is_crowd(joined) => {
                self.learn(|line| line.waits(self.since(joined.at), self.since(Instant::now())))
            }
            Some(_) => Turn::Nothing,
            None => {
                *joined = Some(self.join());
                self.turn.notify_one();
                Turn::Nothing
            }
        }
    }

    fn join(&self) -> Joined {
        Joined { at: Instant::now(), arrived: self.arrived.load(Relaxed) }
    }

    /// Whether so many have arrived since that the line is long for their number, and not for what each costs.
    fn is_crowd(&self, joined: Joined) -> bool {
        self.arrived.load(Relaxed).wrapping_sub(joined.arrived) > self.spared
    }

    /// It is the watch's turn.
    fn passed(&self) -> Turn {
        let now = Instant::now();
        let joined = lock(&self.joined).take().filter(|joined| self.is_crowd(*joined));
        let joined = joined.map_or(now, |joined| joined.at);
        self.learn(|line| line.passed(self.since(joined), self.since(now)))
    }

    fn learn(&self, what: impl FnOnce(&mut Line) -> Turn) -> Turn {
        let mut line = lock(&self.line);
        let turn = what(&mut line);
        self.overloaded.store(line.is_overloaded(), Relaxed);
        turn
    }

    /// Seconds until a moment.
    fn since(&self, moment: Instant) -> f64 {
        moment.saturating_duration_since(self.base).as_secs_f64()
    }

    fn is_standing(&self) -> bool {
        self.overloaded.load(Relaxed) && lock(&self.line).is_standing()
    }

    fn is_too_long(&self) -> bool {
        self.overloaded.load(Relaxed) && lock(&self.line).is_too_long()
    }

    /// Reads the connections again that have waited longest.
    fn release(&self) {
        let mut few = self.admitted.swap(0, Relaxed) / ADMITTED;
        let mut held = lock(&self.held);
        while let Some((since, slot)) = held.front() {
            if few == 0 && since.elapsed() < self.retry_after {
                return;
            }
            few = few.saturating_sub(1);
            slot.release();
            held.pop_front();
        }
    }
}

/// Nobody else ever holds one of these: they belong to one thread.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Measures the line whenever somebody wants to know, and all the time while it is too long.
pub(super) async fn watch(gauge: Arc<Gauge>) {
    let Some(measured) = &gauge.shedding else { return };
    let mut released = Instant::now();
    loop {
        let waiting = !lock(&measured.held).is_empty();
        tokio::select! {
            () = measured.turn.notified() => gauge.tell(measured.passed()),
            () = tokio::time::sleep(TICK), if waiting => {}
        }
        while measured.is_standing() {
            if released.elapsed() >= TICK {
                released = Instant::now();
                measured.release();
            }
            *lock(&measured.joined) = Some(measured.join());
            lap().await;
            gauge.tell(measured.passed());
            if !measured.is_too_long() {
                measured.relief.notify_one();
            }
        }
        measured.relief.notify_one();
        if waiting && released.elapsed() >= TICK {
            released = Instant::now();
            measured.release();
        }
    }
}

/// Goes to the end of the line. `yield_now` would wait for the system's news first, and then some.
async fn lap() {
    let mut been = false;
    let lap = std::future::poll_fn(|cx| {
        if std::mem::replace(&mut been, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    pin!(lap).await;
}
