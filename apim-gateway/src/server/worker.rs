//! A worker: one thread, one runtime, its own listeners and connections.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use apim_core::{Shutdown, Worker};
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::clients::Clients;
use super::connection::{self, Protocols};
use super::control::Rules;
use super::gauge::{self, Gauge};
use super::traffic::{Closed, Door, Own};
use super::{Bound, Limits, Serve, ServerError};
use crate::transport::certificates::Certificates;
use crate::transport::ending::{Ends, Farewell};
use crate::transport::watch::Sweep;

/// How long idle HTTP/1.1 connections are left open once draining has begun: a request that is already on
/// its way is then answered, with the remark that it was the last.
const LINGER: Duration = Duration::from_millis(500);

/// How long to wait when the system has no more sockets to give.
const BREATH: Duration = Duration::from_millis(50);

/// What all connections of a worker share.
pub(super) struct Shared<S> {
    pub(super) service: S,
    pub(super) worker: Worker,
    pub(super) limits: Limits,
    pub(super) protocols: Protocols,
    pub(super) sweep: Arc<Sweep>,
    pub(super) gauge: Arc<Gauge>,
    watching: Arc<Watching>,
    pub(super) traffic: Own,
    pub(super) stage: AtomicU8,
    pub(super) tunnels: Arc<Ends>,
    pub(super) certificates: Option<Certificates>,
    pub(super) clients: Option<Arc<Clients>>,
    pub(super) http_balancers: Vec<IpNet>,
    pub(super) https_balancers: Vec<IpNet>,
}

/// The worker serves.
pub(super) const SERVING: u8 = 0;
/// It takes no new connections, and says so to those it has.
pub(super) const LEAVING: u8 = 1;
/// It closes what is idle.
pub(super) const CLOSING: u8 = 2;

/// What WebSockets are told when it leaves.
pub(super) const LEAVE: Farewell = Farewell::leaving("the server is going away");

/// What a worker has for as long as it lives, whatever rules it serves by.
struct Post<S> {
    service: S,
    worker: Worker,
    sweep: Arc<Sweep>,
    traffic: Own,
    tunnels: Arc<Ends>,
}

impl<S: Serve> Post<S> {
    /// What connections share under these rules; with the load of those before, if it is measured as before. Must be
    /// called on the worker.
    fn shared(&self, rules: &Rules, before: Option<&Shared<S>>) -> Arc<Shared<S>> {
        let Rules { config, clients, .. } = rules;
        let (gauge, watching) = match before {
            Some(before) => (before.gauge.clone(), before.watching.clone()),
            None => {
                let (shedding, permits) = (config.shedding.as_ref(), rules.permits.clone());
                let gauge = Gauge::new(self.worker, shedding, permits, self.traffic.clone());
                let gauge = Arc::new(gauge);
                let watch = tokio::spawn(gauge::watch(gauge.clone()));
                (gauge, Arc::new(Watching(watch.abort_handle())))
            }
        };
        Arc::new(Shared {
            gauge,
            watching,
            traffic: self.traffic.clone(),
            service: self.service.clone(),
            worker: self.worker,
            protocols: Protocols::new(&config.limits, &self.sweep),
            limits: config.limits.clone(),
            sweep: self.sweep.clone(),
            stage: AtomicU8::new(SERVING),
            tunnels: self.tunnels.clone(),
            certificates: config.certificates.clone(),
            clients: clients.clone(),
            http_balancers: config.http_balancers.clone(),
            https_balancers: config.https_balancers.clone(),
        })
    }
}

/// Starts all workers and waits for them.
pub(super) async fn run_all<S: Serve>(bound: Bound<S>, shutdown: Shutdown) -> Result<(), ServerError> {
    let Bound { service, control, workers, traffic, http, https } = bound;
    let mut http = http.map(|listeners| listeners.sockets.into_iter());
    let mut https = https.map(|listeners| listeners.sockets.into_iter());
    let (stop, stopping) = watch::channel(false);
    let mut running = Vec::with_capacity(workers);
    for index in 0..workers {
        let listeners = Sockets {
            http: http.as_mut().and_then(Iterator::next),
            https: https.as_mut().and_then(Iterator::next),
        };
        let post = Post {
            service: service.clone(),
            worker: Worker(index),
            sweep: Arc::default(),
            traffic: traffic.of(Worker(index)),
            tunnels: Arc::default(),
        };
        running.push(start(post, listeners, stopping.clone(), control.rules())?);
    }
    drop(stopping);
    let mut running = futures_util::future::try_join_all(running);
    tokio::select! {
        () = shutdown => stop.send_replace(true),
        ended = &mut running => return ended.map(drop).map_err(|_| ServerError::WorkerDied),
    };
    running.await.map(drop).map_err(|_| ServerError::WorkerDied)
}

struct Sockets {
    http: Option<TcpListener>,
    https: Option<TcpListener>,
}

fn start<S: Serve>(
    post: Post<S>,
    sockets: Sockets,
    stopping: watch::Receiver<bool>,
    rules: watch::Receiver<Arc<Rules>>,
) -> Result<oneshot::Receiver<()>, ServerError> {
    let (done, ended) = oneshot::channel();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Start)?;
    let body = move || {
        if runtime.block_on(run(post, sockets, stopping, rules)).is_ok() {
            let _ = done.send(());
        }
        // Resolvers may still be asking; nobody waits for their answer.
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name("gateway-worker".to_owned()).spawn(body).map_err(ServerError::Start)?;
    Ok(ended)
}

/// The rules of a worker. Connections are served by those under which they were made.
struct Serving<S> {
    now: Arc<Shared<S>>,
    rules: Arc<Rules>,
    /// Former ones, as long as connections are served by them.
    former: Vec<Weak<Shared<S>>>,
}

impl<S: Serve> Serving<S> {
    /// Serves new connections by other rules. Those that there are go with their next answer, if it matters to them.
    fn go_on(&mut self, post: &Post<S>, rules: Arc<Rules>) {
        let leave = self.rules.config.differs_for_connections(&rules.config);
        let next = post.shared(&rules, (!leave).then_some(&*self.now));
        if leave {
            self.now.go(LEAVING);
        }
        self.former.retain(|former| former.strong_count() > 0);
        self.former.push(Arc::downgrade(&self.now));
        (self.now, self.rules) = (next, rules);
    }

    /// All connections are to go.
    fn go(&self, stage: u8) {
        self.former.iter().filter_map(Weak::upgrade).for_each(|former| former.go(stage));
        self.now.go(stage);
    }
}

impl<S> Shared<S> {
    fn go(&self, stage: u8) {
        self.stage.store(stage, Relaxed);
        self.gauge.release_all();
        self.sweep.wake_all();
    }
}

/// The life of a worker. Ends when it has drained.
async fn run<S: Serve>(
    post: Post<S>,
    sockets: Sockets,
    mut stopping: watch::Receiver<bool>,
    mut rules: watch::Receiver<Arc<Rules>>,
) -> std::io::Result<()> {
    let listener = |socket: Option<TcpListener>| socket.map(tokio::net::TcpListener::from_std).transpose();
    let http = listener(sockets.http)?;
    let https = listener(sockets.https)?;
    let mut serving = {
        let rules = rules.borrow_and_update().clone();
        Serving { now: post.shared(&rules, None), rules, former: Vec::new() }
    };
    let mut connections = JoinSet::new();
    // Accepted, and waiting for a place.
    let mut at_the_door = None;
    loop {
        let Serving { now, rules: in_force, .. } = &serving;
        let closed = now.gauge.is_closed();
        let (full, traffic) = (closed || at_the_door.is_some(), &post.traffic);
        tokio::select! {
            // A sender that is gone means that nobody wants this server any more.
            _ = stopping.wait_for(|stop| *stop) => break,
            Ok(()) = rules.changed() => {
                let changed = rules.borrow_and_update().clone();
                serving.go_on(&post, changed);
            }
            Some(_) = connections.join_next() => {}
            () = now.gauge.opened(), if closed => {}
            place = in_force.places.wait(), if at_the_door.is_some() => {
                let Some(came) = at_the_door.take() else { continue };
                serving.spawn(&mut connections, came, place);
            }
            came = accept(http.as_ref(), Door::Http, traffic), if !full => at_the_door = came,
            came = accept(https.as_ref(), Door::Https, traffic), if !full => at_the_door = came,
        }
        if let Some(came) = at_the_door.take() {
            match serving.rules.places.take() {
                Some(place) => serving.spawn(&mut connections, came, place),
                None => at_the_door = Some(came),
            }
        }
    }
    // Who has been connected by the system but not been accepted yet was promised an answer too.
    let mut last: Vec<_> = at_the_door.into_iter().collect();
    for (listener, door) in [(http, Door::Http), (https, Door::Https)] {
        let Some(listener) = listener else { continue };
        while let Some(tcp) = waiting(&listener).await {
            last.push((door, tcp));
        }
    }
    for came in last {
        let place = serving.rules.places.take();
        serving.spawn(&mut connections, came, place);
    }
    drain(&serving, &post.tunnels, connections).await;
    Ok(())
}

/// The next connection; none if the system has no sockets left just now.
async fn accept(
    listener: Option<&tokio::net::TcpListener>,
    door: Door,
    traffic: &Own,
) -> Option<(Door, TcpStream)> {
    let Some(listener) = listener else { return std::future::pending().await };
    match listener.accept().await {
        Ok((tcp, _)) => Some((door, tcp)),
        Err(error) => {
            traffic.close(Closed::System);
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(BREATH).await;
            None
        }
    }
}

/// A connection that is there already.
async fn waiting(listener: &tokio::net::TcpListener) -> Option<TcpStream> {
    std::future::poll_fn(|cx| match listener.poll_accept(cx) {
        std::task::Poll::Ready(Ok((tcp, _))) => std::task::Poll::Ready(Some(tcp)),
        _ => std::task::Poll::Ready(None),
    })
    .await
}

impl<S: Serve> Serving<S> {
    fn spawn(
        &self,
        connections: &mut JoinSet<()>,
        (door, tcp): (Door, TcpStream),
        place: impl Send + 'static,
    ) {
        let (shared, tls) = (self.now.clone(), self.rules.config.tls.clone());
        shared.gauge.accepted();
        match (door, tls) {
            (Door::Https, Some(tls)) => connections.spawn(async move {
                connection::encrypted(shared, tcp, tls.into()).await;
                drop(place);
            }),
            (Door::Http, _) => connections.spawn(async move {
                connection::plain(shared, tcp).await;
                drop(place);
            }),
            // There is no such port without TLS, and nothing is ever answered there in the clear.
            (Door::Https, None) => return,
        };
    }
}

async fn drain<S: Serve>(serving: &Serving<S>, tunnels: &Ends, mut connections: JoinSet<()>) {
    let all_gone = async {
        // They would never be done by themselves. Their clients know by this to connect elsewhere.
        tunnels.ask(LEAVE);
        serving.go(LEAVING);
        let lingering =
            tokio::time::timeout(LINGER, async { while connections.join_next().await.is_some() {} });
        if lingering.await.is_err() {
            serving.go(CLOSING);
            while connections.join_next().await.is_some() {}
        }
    };
    let limits = &serving.rules.config.limits;
    if tokio::time::timeout(limits.drain_timeout, all_gone).await.is_err() {
        tracing::warn!(left = connections.len(), "connections were cut after the drain timeout");
    }
}

/// What measures a worker's load, as long as anybody is served by it.
pub(super) struct Watching(AbortHandle);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}
