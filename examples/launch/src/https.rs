//! A TLS listener for an axum router: the control plane's door.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::{Failure, OrFail as _};

/// How long a client may take for its TLS handshake, and for its request's head.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long requests may take to finish once the end has come.
const DRAIN: Duration = Duration::from_secs(10);

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS: usize = 4096;

/// Binds an address; a port in use is one clear line.
///
/// # Errors
///
/// If the address is not to be had.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.or_fail(format!("cannot listen on {address}"))
}

/// Serves a router over TLS until `end` is ready, then lets open requests finish.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    end: impl Future<Output = ()>,
) {
    let acceptor = TlsAcceptor::from(tls);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    tokio::pin!(end);
    loop {
        let (accepted, place) = tokio::select! {
            () = &mut end => break,
            next = accept(&listener, &places) => next,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: the next attempt may do better, but not at once.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let acceptor = acceptor.clone();
        let watcher = graceful.watcher();
        let router = router.clone();
        tokio::spawn(async move {
            let _place = place;
            let _ = socket.set_nodelay(true);
            let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(socket)).await else {
                return;
            };
            let service = router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
                // By the client's address the key manager tells a user's wrong passwords from a stranger's.
                request.extensions_mut().insert(apim_core::Peer { address: peer, tls: true });
                request.map(axum::body::Body::new)
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            builder.http2().timer(TokioTimer::new()).max_concurrent_streams(128);
            let connection = builder
                .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
            // What a client does to its own connection is its own business.
            let _ = watcher.watch(connection.into_owned()).await;
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests to the control plane did not finish in time");
    }
}

type Accepted = std::io::Result<(tokio::net::TcpStream, SocketAddr)>;

/// Waits for a free place first, so that a flood of connections costs the flooder and nobody else.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (Accepted, Option<tokio::sync::OwnedSemaphorePermit>) {
    let place = places.clone().acquire_owned().await.ok();
    (listener.accept().await, place)
}
