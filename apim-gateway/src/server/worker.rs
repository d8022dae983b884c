//! A worker: one thread, one runtime, its own listeners and connections.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use apim_core::{Shutdown, Worker};
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::clients::Clients;
use super::connection::{self, Protocols};
use super::gauge::{self, Gauge};
use super::traffic::{Closed, Own};
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
    pub(super) traffic: Own,
    pub(super) stage: AtomicU8,
    pub(super) tunnels: Ends,
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

/// Starts all workers and waits for them.
pub(super) async fn run_all<S: Serve>(bound: Bound<S>, shutdown: Shutdown) -> Result<(), ServerError> {
    let Bound { service, config, workers, traffic, http, https } = bound;
    let mut http = http.map(|listeners| listeners.sockets.into_iter());
    let mut https = https.map(|listeners| listeners.sockets.into_iter());
    let (stop, stopping) = watch::channel(false);
    let mut running = Vec::with_capacity(workers);
    let clients = config.limits.connections_per_client.map(Clients::new);
    for index in 0..workers {
        let listeners = Sockets {
            http: http.as_mut().and_then(Iterator::next),
            https: https.as_mut().and_then(Iterator::next),
            tls: config.tls.clone().map(TlsAcceptor::from),
        };
        let sweep = Arc::default();
        let requests = config.limits.requests.div_ceil(workers);
        let traffic = traffic.of(Worker(index));
        let shared = Shared {
            gauge: Arc::new(Gauge::new(Worker(index), config.shedding.as_ref(), requests, traffic.clone())),
            traffic,
            service: service.clone(),
            worker: Worker(index),
            protocols: Protocols::new(&config.limits, &sweep),
            limits: Limits {
                connections: config.limits.connections.div_ceil(workers),
                ..config.limits.clone()
            },
            sweep,
            stage: AtomicU8::new(SERVING),
            tunnels: Ends::default(),
            certificates: config.certificates.clone(),
            clients: clients.clone(),
            http_balancers: config.http_balancers.clone(),
            https_balancers: config.https_balancers.clone(),
        };
        running.push(start(shared, listeners, stopping.clone())?);
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
    tls: Option<TlsAcceptor>,
}

fn start<S: Serve>(
    shared: Shared<S>,
    sockets: Sockets,
    stopping: watch::Receiver<bool>,
) -> Result<oneshot::Receiver<()>, ServerError> {
    let (done, ended) = oneshot::channel();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServerError::Start)?;
    let body = move || {
        if runtime.block_on(run(Arc::new(shared), sockets, stopping)).is_ok() {
            let _ = done.send(());
        }
        // Resolvers may still be asking; nobody waits for their answer.
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name("gateway-worker".to_owned()).spawn(body).map_err(ServerError::Start)?;
    Ok(ended)
}

/// The life of a worker. Ends when it has drained.
async fn run<S: Serve>(
    shared: Arc<Shared<S>>,
    sockets: Sockets,
    mut stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = |socket: Option<TcpListener>| socket.map(tokio::net::TcpListener::from_std).transpose();
    let http = listener(sockets.http)?;
    let https = listener(sockets.https)?;
    let tls = sockets.tls;
    tokio::spawn(gauge::watch(shared.gauge.clone()));
    let mut connections = JoinSet::new();
    loop {
        let closed = shared.gauge.is_closed();
        let full = closed || connections.len() >= shared.limits.connections;
        tokio::select! {
            // A sender that is gone means that nobody wants this server any more.
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => {}
            () = shared.gauge.opened(), if closed => {}
            tcp = accept(http.as_ref(), &shared.traffic), if !full => spawn(&mut connections, &shared, tcp, None),
            tcp = accept(https.as_ref(), &shared.traffic), if !full => spawn(&mut connections, &shared, tcp, tls.as_ref()),
        }
    }
    // Who has been connected by the system but not been accepted yet was promised an answer too.
    for (listener, tls) in [(http, None), (https, tls)] {
        let Some(listener) = listener else { continue };
        while let Some(tcp) = waiting(&listener).await {
            spawn(&mut connections, &shared, Some(tcp), tls.as_ref());
        }
    }
    drain(&shared, connections).await;
    Ok(())
}

/// The next connection; none if the system has no sockets left just now.
async fn accept(listener: Option<&tokio::net::TcpListener>, traffic: &Own) -> Option<TcpStream> {
    let Some(listener) = listener else { return std::future::pending().await };
    match listener.accept().await {
        Ok((tcp, _)) => Some(tcp),
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

fn spawn<S: Serve>(
    connections: &mut JoinSet<()>,
    shared: &Arc<Shared<S>>,
    tcp: Option<TcpStream>,
    tls: Option<&TlsAcceptor>,
) {
    let Some(tcp) = tcp else { return };
    shared.gauge.accepted();
    let shared = shared.clone();
    match tls.cloned() {
        None => connections.spawn(connection::plain(shared, tcp)),
        Some(tls) => connections.spawn(connection::encrypted(shared, tcp, tls)),
    };
}

async fn drain<S: Serve>(shared: &Shared<S>, mut connections: JoinSet<()>) {
    let all_gone = async {
        shared.stage.store(LEAVING, Relaxed);
        shared.gauge.release_all();
        // They would never be done by themselves. Their clients know by this to connect elsewhere.
        shared.tunnels.ask(LEAVE);
        shared.sweep.wake_all();
        let lingering =
            tokio::time::timeout(LINGER, async { while connections.join_next().await.is_some() {} });
        if lingering.await.is_err() {
            shared.stage.store(CLOSING, Relaxed);
            shared.sweep.wake_all();
            while connections.join_next().await.is_some() {}
        }
    };
    if tokio::time::timeout(shared.limits.drain_timeout, all_gone).await.is_err() {
        tracing::warn!(left = connections.len(), "connections were cut after the drain timeout");
    }
}
