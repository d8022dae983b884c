//! The operator's door: `/livez`, `/readyz`, `/metrics`, on a listener of its own.
//!
//! It should not be reachable from where clients are. It tells nothing but whether the process runs, whether
//! it may be sent traffic, and its counters.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apim_core::Shutdown;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::ServerError;

/// What the door can tell.
///
/// ```
/// use apim_gateway::server::health::Health;
///
/// let health = Health::new(|| Err("no snapshot has been loaded yet".to_owned()))
///     .with_metrics(|| "apim_requests_total 0\n".to_owned());
/// ```
#[derive(Clone)]
pub struct Health {
    ready: Arc<dyn Fn() -> Result<(), String> + Send + Sync>,
    metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
}

impl Health {
    /// With what says whether traffic may come, and if not, why.
    pub fn new(ready: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { ready: Arc::new(ready), metrics: None }
    }

    /// With counters, in the Prometheus text format.
    #[must_use]
    pub fn with_metrics(mut self, metrics: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.metrics = Some(Arc::new(metrics));
        self
    }

    /// Takes the address; port 0 takes any that is free.
    ///
    /// # Errors
    ///
    /// [`ServerError::Listen`]. Must be called within a tokio runtime.
    pub fn bind(self, address: SocketAddr) -> Result<BoundHealth, ServerError> {
        let failed = |source| ServerError::Listen { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        Ok(BoundHealth { health: self, listener, address })
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        }
        match (path, &self.metrics) {
            ("/livez", _) => text(StatusCode::OK, "ok\n".to_owned()),
            ("/readyz", _) => match (self.ready)() {
                Ok(()) => text(StatusCode::OK, "ok\n".to_owned()),
                Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            ("/metrics", Some(metrics)) => text(StatusCode::OK, metrics()),
            _ => text(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n".to_owned()),
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("metrics", &self.metrics.is_some()).finish_non_exhaustive()
    }
}

/// The door, with its address.
#[derive(Debug)]
pub struct BoundHealth {
    health: Health,
    listener: TcpListener,
    address: SocketAddr,
}

impl BoundHealth {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is ready.
    pub async fn run(self, shutdown: Shutdown) {
        tokio::select! {
            () = shutdown => {}
            () = self.accept() => {}
        }
    }

    async fn accept(&self) {
        loop {
            let Ok((tcp, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let health = self.health.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let response = health.answer(request.method(), request.uri().path());
                async { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(tcp), service);
            tokio::spawn(connection);
        }
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
