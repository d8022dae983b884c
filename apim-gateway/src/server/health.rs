//! The operator's door: `/livez`, `/readyz`, `/metrics`, `/why/{request-id}` and `POST /reload`, on a listener of
//! its own.
//!
//! It should not be reachable from where clients are. It tells whether the process runs, whether it may be
//! sent traffic, its counters, and why it refused a request: as text, or as JSON to those who accept JSON.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apim_core::exchange::InvalidRequestId;
use apim_core::{BoxFuture, Explanation, RequestId, Shutdown};
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::ServerError;

/// The media type of the Prometheus text format.
const EXPOSITION: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

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
    why: Option<Arc<dyn Fn(RequestId) -> Option<Explanation> + Send + Sync>>,
    reload: Option<Reload>,
}

type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

impl Health {
    /// With what says whether traffic may come, and if not, why.
    pub fn new(ready: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { ready: Arc::new(ready), metrics: None, why: None, reload: None }
    }

    /// With counters, in the Prometheus text format 0.0.4, as
    /// [`Metrics::exposition`](crate::metrics::Metrics::exposition).
    #[must_use]
    pub fn with_metrics(mut self, metrics: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.metrics = Some(Arc::new(metrics));
        self
    }

    /// With what knows of requests why they were answered as they were, as
    /// [`Gateway::why`](crate::Gateway::why).
    #[must_use]
    pub fn with_why(
        mut self,
        why: impl Fn(RequestId) -> Option<Explanation> + Send + Sync + 'static,
    ) -> Self {
        self.why = Some(Arc::new(why));
        self
    }

    /// With what reads files anew on `POST /reload`, and says what it has done, or why it has not.
    #[must_use]
    pub fn with_reload<F>(mut self, reload: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        self.reload = Some(Arc::new(move || Box::pin(reload())));
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

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method(), request.uri().path());
        if let (&Method::POST, "/reload", Some(reload)) = (method, path, &self.reload) {
            return match reload().await {
                Ok(done) => text(StatusCode::OK, format!("{done}\n")),
                Err(why) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")),
            };
        }
        if method != Method::GET && method != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        }
        match (path, &self.metrics) {
            ("/livez", _) => text(StatusCode::OK, "ok\n".to_owned()),
            ("/readyz", _) => match (self.ready)() {
                Ok(()) => text(StatusCode::OK, "ok\n".to_owned()),
                Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            ("/metrics", Some(metrics)) => {
                let mut response = text(StatusCode::OK, metrics());
                response.headers_mut().insert(CONTENT_TYPE, EXPOSITION);
                response
            }
            _ => match (path.strip_prefix("/why/"), &self.why) {
                (Some(id), Some(why)) => explain(&**why, id, request.headers().get(ACCEPT)),
                _ => text(
                    StatusCode::NOT_FOUND,
                    "there are /livez, /readyz, /metrics and /why/{request-id}\n".to_owned(),
                ),
            },
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
                let health = health.clone();
                async move { Ok::<_, Infallible>(health.answer(&request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .serve_connection(TokioIo::new(tcp), service);
            tokio::spawn(connection);
        }
    }
}

fn explain(
    why: &dyn Fn(RequestId) -> Option<Explanation>,
    id: &str,
    accept: Option<&HeaderValue>,
) -> Response<Full<Bytes>> {
    let Ok(id) = id.parse() else {
        return text(StatusCode::BAD_REQUEST, format!("{InvalidRequestId}\n"));
    };
    let Some(explanation) = why(id) else {
        let unknown = "not known here: the backend answered it, or another gateway did, or it was long ago\n";
        return text(StatusCode::NOT_FOUND, unknown.to_owned());
    };
    let json = accept.is_some_and(|accept| memchr::memmem::find(accept.as_bytes(), b"json").is_some());
    if !json {
        return text(StatusCode::OK, explanation.to_string());
    }
    let body = serde_json::to_string(&explanation).unwrap_or_default();
    let mut response = text(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
