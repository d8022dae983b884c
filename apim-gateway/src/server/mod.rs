//! Listens, accepts, drains.
//!
//! One single-threaded runtime per worker, each with its own listening socket on the same port
//! (`SO_REUSEPORT`), so that workers share nothing on a request's path. HTTP/1.1 and HTTP/2 are served on
//! both ports: by ALPN over TLS, by prior knowledge in the clear.
//!
//! A [`Gateway`](crate::Gateway) is what is usually served, but anything that is [`Serve`] can be.

mod arriving;
mod body;
mod clients;
mod connection;
mod control;
mod date;
mod extended;
pub mod framing;
mod gauge;
pub mod health;
mod http1;
mod listen;
mod permits;
mod places;
pub mod proxy;
mod reply;
mod shedding;
mod socket;
mod stream;
mod traffic;
mod worker;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apim_core::{Body, Fault, Peer, Shutdown, Worker};
use http::{HeaderValue, Request};
use ipnet::IpNet;

pub use control::Control;
use listen::Listeners;
pub use reply::Reply;
pub use shedding::Shedding;
pub use traffic::Traffic;
pub(crate) use traffic::{Closed, Door, Shed};

use crate::transport::certificates::Certificates;

/// Answers requests that this server has received.
///
/// Called once per request, on the worker that owns its connection; dropped where it stands if the client
/// goes away. It must not block: every other request of the worker would wait.
///
/// ```
/// use apim_core::{Body, Peer, Worker};
/// use apim_gateway::server::Serve;
/// use http::{Request, Response};
///
/// /// Sends back what it is sent.
/// #[derive(Clone)]
/// struct Echo;
///
/// impl Serve for Echo {
///     type Reply = Response<Body>;
///
///     async fn serve(&self, request: &mut Request<Body>, _: Peer, _: Worker) -> Response<Body> {
///         Response::new(std::mem::take(request.body_mut()))
///     }
/// }
/// ```
pub trait Serve: Clone + Send + Sync + 'static {
    /// Its answers.
    type Reply: Reply;

    /// Answers a request, of which it may take what it likes: nobody looks at it afterwards.
    fn serve(
        &self,
        request: &mut Request<Body>,
        peer: Peer,
        worker: Worker,
    ) -> impl Future<Output = Self::Reply> + Send;

    /// Learns of a request that the server itself refuses, since it must not be served; answers the id that
    /// the refusal is to carry as `x-request-id`. The default keeps no such records.
    fn refused(
        &self,
        _head: &http::request::Parts,
        _fault: Fault,
        _peer: Peer,
        _worker: Worker,
    ) -> Option<HeaderValue> {
        None
    }

    /// Learns of a request that is refused because there is more to do than can be done, of which it may take what it
    /// likes. There are many of them, when there is no time: this must cost far less than to serve one. The default
    /// does nothing.
    fn shed(&self, _request: &mut Request<Body>, _peer: Peer, _worker: Worker) {}
}

/// Where to listen, and what to put up with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Where to listen for clear-text connections.
    pub http: Option<SocketAddr>,
    /// Where to listen for TLS connections.
    pub https: Option<SocketAddr>,
    /// TLS; needed with [`https`](Self::https). See [`Certificates::server_config`].
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The certificates that [`tls`](Self::tls) shows. With them, a request to a host that another of them is
    /// for than its connection was shown is answered 421.
    pub certificates: Option<Certificates>,
    /// Peers whose clear-text connections begin with the [PROXY protocol](proxy). Default: none.
    pub http_balancers: Vec<IpNet>,
    /// Peers whose TLS connections begin with the [PROXY protocol](proxy). Default: none.
    pub https_balancers: Vec<IpNet>,
    /// How many workers; 0 is one for each core.
    pub workers: usize,
    /// What to put up with.
    pub limits: Limits,
    /// When to refuse requests because there is more to do than can be done; none: never. Default:
    /// [`Shedding::default`].
    pub shedding: Option<Shedding>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            http: None,
            https: None,
            tls: None,
            certificates: None,
            http_balancers: Vec::new(),
            https_balancers: Vec::new(),
            workers: 0,
            limits: Limits::default(),
            shedding: Some(Shedding::default()),
        }
    }
}

/// What the server puts up with from its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a request's head. Default 64 KiB.
    pub head_bytes: usize,
    /// Header lines of a request. Default 100.
    pub headers: usize,
    /// From a head's first byte to its last, and from the connection to the first byte. Default 10 s.
    pub head_timeout: Duration,
    /// Between two pieces of a request's body. Default 30 s.
    pub body_timeout: Duration,
    /// How long a client may refuse to take what is sent to it, counted anew with each piece of its request's body: it
    /// may send all of that first. Default 60 s.
    pub write_timeout: Duration,
    /// How long a connection may wait for its next request. Default 75 s.
    pub keep_alive: Duration,
    /// Until TLS is established. Default 10 s.
    pub handshake_timeout: Duration,
    /// Connections at once, WebSockets included: one limit for all workers together, exactly. More wait in the
    /// system's queue, and one for each worker at the door. Default 50,000.
    pub connections: usize,
    /// Requests at once; more are answered `503` with `Retry-After`: one limit for all workers together, exactly.
    /// Default 50,000.
    pub requests: usize,
    /// Connections at once from one address, or from one IPv6 network of 64 bits, over all workers. More are
    /// closed as they come. Behind a balancer that does not speak the PROXY protocol all come from its address.
    /// Default: as many as there may be.
    pub connections_per_client: Option<usize>,
    /// Bytes of a request's body; a larger one is answered 413. Default: as many as the client sends.
    pub body_bytes: u64,
    /// Requests at once on one HTTP/2 connection. Default 200.
    pub streams: u32,
    /// Requests on one connection, one after the other: with the answer to the last it is closed, so that clients
    /// spread anew over whatever stands behind an address. Over HTTP/2 the client is told to go, and a few that are on
    /// their way are answered too. Default: as many as the client likes.
    pub requests_per_connection: Option<u32>,
    /// How long requests in flight may take once shutdown has begun. WebSockets are closed at its beginning, with code
    /// 1001. Default 30 s.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 << 10,
            headers: 100,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
            handshake_timeout: Duration::from_secs(10),
            connections: 50_000,
            requests: 50_000,
            connections_per_client: None,
            body_bytes: u64::MAX,
            streams: 200,
            requests_per_connection: None,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", listen::explain(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no address to listen on.
    #[error("there is nothing to listen on: neither http nor https has an address")]
    Nothing,
    /// An https address without a certificate.
    #[error("https needs a certificate")]
    NoCertificate,
    /// A worker could not be started.
    #[error("a worker could not be started")]
    Start(#[source] io::Error),
    /// A worker ended on its own.
    #[error("a worker died")]
    WorkerDied,
    /// A setting that a server has from its start to its end.
    #[error("{0}: cannot change without a restart")]
    Fixed(&'static str),
}

/// A server that does not listen yet.
///
/// ```no_run
/// # use apim_gateway::server::{Serve, ServerError};
/// # async fn example(gateway: impl Serve) -> Result<(), ServerError> {
/// use apim_core::Shutdown;
/// use apim_gateway::server::{Server, ServerConfig};
///
/// let mut config = ServerConfig::default();
/// config.http = Some(([127, 0, 0, 1], 8280).into());
/// Server::new(gateway, config).run(Shutdown::new(async { tokio::signal::ctrl_c().await.unwrap_or(()) })).await
/// # }
/// ```
pub struct Server<S> {
    service: S,
    config: ServerConfig,
}

impl<S: Serve> Server<S> {
    /// A server for a gateway.
    pub fn new(service: S, config: ServerConfig) -> Self {
        Self { service, config }
    }

    /// How many workers it will have.
    pub fn workers(&self) -> usize {
        match self.config.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            some => some,
        }
    }

    /// Takes the addresses. Connections wait in the system's queue until [`Bound::run`].
    ///
    /// # Errors
    ///
    /// [`ServerError`], if an address is in use or may not be used.
    pub fn bind(self) -> Result<Bound<S>, ServerError> {
        let workers = self.workers();
        let Self { service, config } = self;
        if config.https.is_some() && config.tls.is_none() {
            return Err(ServerError::NoCertificate);
        }
        let bind = |address| Listeners::bind(address, workers);
        let http = config.http.map(bind).transpose()?;
        let https = config.https.map(bind).transpose()?;
        if http.is_none() && https.is_none() {
            return Err(ServerError::Nothing);
        }
        let control = Control::new(config, workers);
        Ok(Bound { service, control, workers, traffic: Traffic::new(workers), http, https })
    }

    /// Listens until `shutdown` is ready, then drains.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind) and [`Bound::run`].
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServerError> {
        self.bind()?.run(shutdown).await
    }
}

/// A server that has its addresses.
pub struct Bound<S> {
    service: S,
    control: Control,
    workers: usize,
    traffic: Traffic,
    http: Option<Listeners>,
    https: Option<Listeners>,
}

impl<S: Serve> Bound<S> {
    /// Where it listens for clear-text connections.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|listeners| listeners.address)
    }

    /// Where it listens for TLS connections.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https.as_ref().map(|listeners| listeners.address)
    }

    /// What gives it other settings while it runs.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// What its workers count at its doors, for [`Metrics::watch`](crate::metrics::Metrics::watch).
    pub fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    /// Serves until `shutdown` is ready, then drains: no new connection is taken, the answer to the next
    /// request of each says that it is the last, and requests in flight finish, up to
    /// [`Limits::drain_timeout`].
    ///
    /// # Errors
    ///
    /// [`ServerError`], if a worker cannot be started or dies.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ServerError> {
        worker::run_all(self, shutdown).await
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for Bound<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("control", &self.control).finish_non_exhaustive()
    }
}
