//! What became of requests, window by window.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use benches::load::{Latencies, Quantiles, Vitals};
use serde::Serialize;

use crate::pulse::Pulse;
use crate::site::Site;
use crate::steady::Way;

/// Different failures that are kept in words; all are counted.
const WORDS: usize = 20;

/// The book. Everybody writes into the window that is open.
#[derive(Default)]
pub(crate) struct Ledger {
    open: Mutex<Counts>,
    failures: Mutex<BTreeMap<String, u64>>,
    turned_away: AtomicU64,
    stalled: AtomicU64,
    /// The machine's.
    pub(crate) pulse: Pulse,
}

/// What a window has counted.
#[derive(Default)]
pub(crate) struct Counts {
    calls: Latencies,
    past: Latencies,
    idle: u64,
    slow: u64,
    errors: u64,
    /// From the control plane's answer until the gateway does as it was told.
    deployments: Latencies,
    standstills: usize,
}

impl Ledger {
    /// A call was answered.
    pub(crate) fn called(&self, way: Way, took: Duration) {
        let mut open = self.open.lock().unwrap();
        match way {
            Way::Through => open.calls.record(took),
            Way::Past => open.past.record(took),
        }
    }

    /// An idle connection was found to stand.
    pub(crate) fn idle(&self) {
        self.open.lock().unwrap().idle += 1;
    }

    /// A slow exchange came to its end.
    pub(crate) fn slow(&self) {
        self.open.lock().unwrap().slow += 1;
    }

    /// A deployment was seen.
    pub(crate) fn deployed(&self, after: Duration) {
        self.open.lock().unwrap().deployments.record(after);
    }

    /// Something failed that must not.
    pub(crate) fn failed(&self, what: &str, error: &io::Error) {
        self.open.lock().unwrap().errors += 1;
        let mut failures = self.failures.lock().unwrap();
        let words = format!("{what}: {error}");
        if failures.len() < WORDS || failures.contains_key(&words) {
            *failures.entry(words).or_default() += 1;
        } else {
            *failures.entry("others".to_owned()).or_default() += 1;
        }
    }

    /// The machine has stood still until now.
    pub(crate) fn stood_still(&self) {
        self.open.lock().unwrap().standstills += 1;
    }

    /// An exchange failed. A gateway that leaves owes nothing to whoever asked after it was told to: his
    /// request was turned away, and is sent again elsewhere.
    pub(crate) fn broke(&self, site: &Site, what: &str, asked_in_time: bool, error: &io::Error) {
        let unheard = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::BrokenPipe
        );
        if site.is_leaving() && !asked_in_time && unheard {
            self.turned_away.fetch_add(1, Relaxed);
        } else if self.pulse.is_shaken(Instant::now()) {
            self.stalled();
        } else {
            self.failed(what, error);
        }
    }

    /// Something failed because this program, or the machine, had stood still.
    pub(crate) fn stalled(&self) {
        self.stalled.fetch_add(1, Relaxed);
    }

    /// How often it did.
    pub(crate) fn stalls(&self) -> u64 {
        self.stalled.load(Relaxed)
    }

    /// How many came after the gateway was told to leave, and got nothing.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Relaxed)
    }

    /// Failures in words, and how often.
    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        self.failures.lock().unwrap().clone()
    }

    /// Closes the window and opens the next.
    pub(crate) fn turn(&self) -> Counts {
        std::mem::take(&mut self.open.lock().unwrap())
    }
}

/// A window, closed.
#[derive(Debug, Serialize)]
pub(crate) struct Window {
    /// Seconds from the beginning to its end.
    pub(crate) at: f64,
    /// Seconds it took.
    pub(crate) length: f64,
    pub(crate) calls: usize,
    /// Microseconds from the appointed time to the answer's last byte.
    pub(crate) latency: Quantiles,
    /// The same of calls that went past the gateway.
    pub(crate) past: Quantiles,
    pub(crate) idle_exchanges: u64,
    pub(crate) slow_exchanges: u64,
    pub(crate) errors: u64,
    pub(crate) deployments: usize,
    /// How often the machine stood still.
    pub(crate) standstills: usize,
    /// Microseconds from the control plane's answer until a call shows the change.
    pub(crate) seen: Quantiles,
    pub(crate) vitals: Vitals,
    /// Percent of one processor.
    pub(crate) cpu: f64,
}

impl Window {
    pub(crate) const HEADING: &str = "  seconds   calls      p50      p99      max  past p99   idle   slow  errors  deployed  seen max  still    MiB  files  cpu %";

    pub(crate) fn new(at: f64, length: f64, counts: Counts, before: &Vitals, now: Vitals) -> Self {
        let worked = now.worked_since(before);
        Self {
            at,
            length,
            calls: counts.calls.len(),
            latency: counts.calls.quantiles(),
            past: counts.past.quantiles(),
            idle_exchanges: counts.idle,
            slow_exchanges: counts.slow,
            errors: counts.errors,
            deployments: counts.deployments.len(),
            standstills: counts.standstills,
            seen: counts.deployments.quantiles(),
            vitals: now,
            cpu: 100.0 * worked.as_secs_f64() / length,
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |micros: u32| f64::from(micros) / 1e3;
        write!(
            f,
            "{:9.0} {:7} {:8.2} {:8.2} {:8.2} {:9.2} {:6} {:6} {:7} {:9} {:9.1} {:6} {:6.1} {:6} {:6.1}",
            self.at,
            self.calls,
            ms(self.latency.p50),
            ms(self.latency.p99),
            ms(self.latency.max),
            ms(self.past.p99),
            self.idle_exchanges,
            self.slow_exchanges,
            self.errors,
            self.deployments,
            ms(self.seen.max),
            self.standstills,
            self.vitals.rss_kib as f64 / 1024.0,
            self.vitals.files,
            self.cpu,
        )
    }
}
