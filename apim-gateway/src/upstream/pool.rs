//! What a worker has for itself: its backends, their open connections, its deadlines.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, WeakShared};
use http::uri::Scheme;
use rustls::ClientConfig;

use super::UpstreamConfig;
use super::http1::H1;
use super::line::{Line, Trunk};
use super::target::{Address, Target};
use super::tls::{self, OwnTls};
use crate::transport::dial::{Destination, DialError};
use crate::transport::watch::Sweep;

/// The configuration, ready for use.
pub(super) struct Settings {
    config: UpstreamConfig,
    /// TLS that lets the backend choose between HTTP/2 and HTTP/1.1, and TLS for upgrades, which only HTTP/1.1
    /// has.
    tls: Option<(Arc<ClientConfig>, Arc<ClientConfig>)>,
}

impl std::ops::Deref for Settings {
    type Target = UpstreamConfig;
    fn deref(&self) -> &UpstreamConfig {
        &self.config
    }
}

impl Settings {
    pub(super) fn new(config: UpstreamConfig) -> Self {
        Self { tls: config.tls.as_deref().map(tls::alpn), config }
    }

    pub(super) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The gateway's own TLS in the form of an endpoint's.
    pub(super) fn as_own(&self) -> Option<OwnTls> {
        let (either, h1_only) = self.tls.clone()?;
        Some(OwnTls { either, h1_only, server_name: None, fingerprint: [0; 32] })
    }

    /// How to connect to an address: for either version of HTTP, and for HTTP/1.1 alone.
    pub(super) fn destinations(&self, address: &Address) -> (Destination, Destination) {
        let own = address.tls.as_deref().map(|tls| (tls.either.clone(), tls.h1_only.clone()));
        let (either, h1_only) = own.or_else(|| self.tls.clone()).filter(|_| address.secure).unzip();
        let server_name = address.tls.as_deref().and_then(|tls| tls.server_name.clone());
        let to = |tls| Destination {
            host: address.host.clone(),
            port: address.port,
            tls,
            server_name: server_name.clone(),
        };
        (to(either), to(h1_only))
    }
}

/// One worker's own. Two cache lines apart from another's, since processors fetch them in pairs.
#[repr(align(128))]
pub(super) struct Own {
    pub(super) settings: Arc<Settings>,
    pub(super) sweep: Arc<Sweep>,
    known: Mutex<Known>,
}

/// Which connections can serve for each other.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    secure: bool,
    http2: bool,
    authority: Box<str>,
    tls: Option<[u8; 32]>,
}

/// Every pool in use, so that endpoints that differ only in their path, and an API that is deployed again, share
/// connections.
#[derive(Default)]
struct Known {
    pools: HashMap<Key, Arc<Pool>>,
    /// How many there may be before those that nobody uses are looked for.
    enough: usize,
}

impl Known {
    /// Forgets pools whose endpoints and connections have gone.
    fn tidy(&mut self) {
        if self.pools.len() > self.enough {
            self.pools.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.is_empty());
            self.enough = (2 * self.pools.len()).max(64);
        }
    }
}

impl Own {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, sweep: Arc::default(), known: Mutex::default() }
    }

    /// A backend as this worker calls it.
    pub(super) fn target(&self, address: &Address) -> Target {
        Target {
            pool: self.pool_of(address),
            host: address.header.clone(),
            scheme: if address.secure { Scheme::HTTPS } else { Scheme::HTTP },
            authority: address.authority.clone(),
            base: address.base.clone(),
            destination: (*address.url).into(),
            connect_timeout: address.connect_timeout,
            body_timeout: address.body_timeout,
        }
    }

    fn pool_of(&self, address: &Address) -> Arc<Pool> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.tidy();
        let key = Key {
            secure: address.secure,
            http2: address.http2,
            authority: address.authority.as_str().into(),
            tls: address.tls.as_ref().map(|tls| tls.fingerprint),
        };
        known.pools.entry(key).or_insert_with(|| Arc::new(self.pool(address))).clone()
    }

    fn pool(&self, address: &Address) -> Pool {
        let (to, to_h1) = self.settings.destinations(address);
        Pool {
            to,
            to_h1,
            prior_knowledge: address.http2 && !address.secure,
            may_speak_h2: AtomicBool::new(address.http2 || address.secure),
            most_idle: self.settings.idle_connections,
            lines: Mutex::default(),
            sweep: self.sweep.clone(),
            opening: Mutex::default(),
        }
    }
}

/// A worker's connections to one backend.
pub(super) struct Pool {
    pub(super) to: Destination,
    pub(super) to_h1: Destination,
    pub(super) prior_knowledge: bool,
    /// Until it has been found out that the backend does not.
    may_speak_h2: AtomicBool,
    most_idle: usize,
    lines: Mutex<Lines>,
    sweep: Arc<Sweep>,
    /// A connection being opened that others could use as well. Weak, so that it is given up when the last
    /// who waits for it goes away.
    opening: Mutex<Option<WeakShared<Opening>>>,
}

/// Ends when the connection is in the pool.
type Opening = BoxFuture<'static, Result<(), Arc<DialError>>>;

#[derive(Default)]
struct Lines {
    /// Idle connections; the one used last is taken first, so that those beyond the need grow old.
    #[expect(clippy::vec_box, reason = "a connection is handed on many times for each time it is opened")]
    h1: Vec<Box<H1>>,
    /// Whether a task looks for those that have rested for too long.
    looked_after: bool,
    /// Open connections, each of which serves many requests at once.
    h2: Vec<Trunk>,
}

impl Pool {
    /// A connection that is open already.
    pub(super) fn take(&self) -> Option<Line> {
        let mut lines = self.lock();
        if !lines.h2.is_empty()
            && let Some(line) = lines.free_h2()
        {
            return Some(line);
        }
        while let Some(mut line) = lines.h1.pop() {
            if line.is_good() {
                return Some(Line::H1(line));
            }
        }
        None
    }

    /// One that certainly stands: room on one for many requests, or one that nobody has used.
    pub(super) fn take_new(&self) -> Option<Line> {
        let mut lines = self.lock();
        if let Some(line) = lines.free_h2() {
            return Some(line);
        }
        let new = lines.h1.iter().rposition(|line| !line.is_used())?;
        let mut line = lines.h1.remove(new);
        line.is_good().then_some(Line::H1(line))
    }

    /// Waits for the connection that is being opened, or opens one.
    ///
    /// All who wait drive it together and share its failure: one after the other they would wait for a
    /// backend that is away as many times as there are requests.
    pub(super) async fn opening<F>(&self, open: impl FnOnce() -> F) -> Result<(), Arc<DialError>>
    where
        F: Future<Output = Result<(), Arc<DialError>>> + Send + 'static,
    {
        let shared = {
            let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
            let going = opening.as_ref().and_then(WeakShared::upgrade);
            going.filter(|going| going.peek().is_none()).unwrap_or_else(|| {
                let new = open().boxed().shared();
                *opening = new.downgrade();
                new
            })
        };
        shared.await
    }

    /// Whether the backend speaks HTTP/2, as far as is known.
    pub(super) fn may_speak_h2(&self) -> bool {
        self.may_speak_h2.load(Relaxed)
    }

    /// What a new connection has told.
    pub(super) fn learned(&self, h2: bool) {
        self.may_speak_h2.store(h2, Relaxed);
    }

    /// Takes a connection that nobody uses, for so long.
    pub(super) fn give_back(self: &Arc<Self>, mut line: Box<H1>, until: u64, rest: Duration) {
        line.rests_until = until;
        let mut lines = self.lock();
        if lines.h1.len() < self.most_idle {
            lines.h1.push(line);
            if !std::mem::replace(&mut lines.looked_after, true) {
                tokio::spawn(look_after(Arc::downgrade(self), rest));
            }
        }
    }

    /// Lets go of what has rested for too long, or was closed at the other end. False if nothing is left.
    fn tidy(&self, now: u64) -> bool {
        let mut lines = self.lock();
        lines.h1.retain_mut(|line| line.rests_until > now && line.is_good());
        lines.looked_after = !lines.h1.is_empty();
        lines.looked_after
    }

    /// Whether no connection waits for a request.
    fn is_empty(&self) -> bool {
        let mut lines = self.lock();
        lines.h1.retain_mut(|line| line.is_good());
        lines.h2.retain(|trunk| !trunk.is_closed());
        lines.h1.is_empty() && lines.h2.is_empty()
    }

    /// Makes a new connection known to later requests.
    pub(super) fn keep(&self, trunk: Trunk) {
        self.lock().h2.push(trunk);
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks after connections that rest, as long as there are any.
async fn look_after(pool: Weak<Pool>, rest: Duration) {
    let every = (rest / 4).clamp(Duration::from_millis(50), Duration::from_secs(5));
    loop {
        tokio::time::sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.tidy(pool.sweep.now()) {
            return;
        }
    }
}

impl Lines {
    fn free_h2(&mut self) -> Option<Line> {
        self.h2.retain(|trunk| !trunk.is_closed());
        self.h2.iter().find(|trunk| trunk.has_room()).map(|trunk| Line::H2(trunk.share(true)))
    }
}

/// Requests in flight on one HTTP/2 connection, and how many the backend allows.
pub(super) struct Streams {
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Default for Streams {
    fn default() -> Self {
        // What RFC 9113 recommends as the least to allow, until the backend has said.
        Self { open: AtomicUsize::new(0), most: AtomicUsize::new(100) }
    }
}

impl Streams {
    pub(super) fn has_room(&self) -> bool {
        self.open.load(Relaxed) < self.most.load(Relaxed)
    }
    pub(super) fn allow(&self, most: usize) {
        self.most.store(most, Relaxed);
    }
    pub(super) fn one_more(&self) {
        self.open.fetch_add(1, Relaxed);
    }
    pub(super) fn one_less(&self) {
        self.open.fetch_sub(1, Relaxed);
    }
}
