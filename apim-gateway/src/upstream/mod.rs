//! Gets answers from backends.
//!
//! An [`Upstream`] is the inner end of every API's pipeline. It chooses the endpoint by the caller's key,
//! takes a connection that this worker has open or opens one, sends the request as it streams in, and hands
//! the response on as it streams out.
//!
//! # What it changes in a message
//!
//! The endpoint's base path goes before the path, `Host` becomes the backend's. Headers that mean one hop
//! only are dropped in both directions. `X-Forwarded-For`, `-Proto` and `-Host` are written; what a client
//! claims in such headers is only believed when the gateway knew its peer for a trusted proxy, which shows in
//! [`Context::client_ip`](apim_core::Context). `Expect` is dropped: the gateway answers `100 Continue` itself,
//! when the backend's connection asks for the first piece of the body, so that a refused upload never starts.
//! `Via` is only sent where it is configured, since common servers stop compressing for requests that carry
//! one.
//!
//! # When it tries again
//!
//! Once, on a new connection, if a connection that was open already turns out to be closed: always if nothing
//! had been written, otherwise only for idempotent requests without a body, since a backend may have acted on
//! any other (RFC 9110 section 9.2.2).

mod body;
mod choice;
mod failure;
mod forward;
mod line;
mod pool;
mod target;

use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use apim_core::fault::{self, Rescue};
use apim_core::model::Endpoint;
use apim_core::{Answer, Backend, Body, Context, Exchange, Fault, Worker};
use http::{HeaderMap, Method, Request, Response, StatusCode, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use body::{Download, Upload};
use line::Line;
use pool::Own;
use target::Target;

use crate::transport::watch::Watch;
use crate::transport::{hop, tunnel};

pub use target::check;

/// How backends are talked to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UpstreamConfig {
    /// TLS towards `https` and `wss` endpoints: whom to trust, what to present. Without it they cannot be
    /// called. ALPN is set by the upstream. See [`client_config`](crate::transport::tls::client_config).
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Until a connection stands, TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// Between two pieces of a response's body. Default 60 s.
    pub body_timeout: Duration,
    /// How long an upgraded connection may be silent. Default 15 minutes.
    pub tunnel_timeout: Duration,
    /// How many connections to keep open for later, per worker and backend. Default 256.
    pub idle_connections: usize,
    /// How long to keep them. Default 50 s, less than the usual backend does.
    pub idle_timeout: Duration,
    /// Bytes of a response's head. Default 64 KiB.
    pub head_bytes: usize,
    /// The name to add to `Via`, if any.
    pub via: Option<String>,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            tls: None,
            connect_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(60),
            tunnel_timeout: Duration::from_secs(15 * 60),
            idle_connections: 256,
            idle_timeout: Duration::from_secs(50),
            head_bytes: 64 << 10,
            via: None,
        }
    }
}

/// The inner end of pipelines. Cheap to clone; all clones share their connections.
///
/// Each worker has connections of its own. Under a runtime with many threads every request says worker 0 and
/// they share; a connection's own task runs wherever the runtime puts it.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    workers: Box<[Arc<Own>]>,
    rescue: Arc<dyn Rescue>,
}

impl Upstream {
    /// For so many workers. Faults become answers through `rescue`.
    pub fn new(config: UpstreamConfig, workers: usize, rescue: Arc<dyn Rescue>) -> Self {
        let config = Arc::new(pool::Settings::new(config));
        let workers = (0..workers.max(1)).map(|_| Arc::new(Own::new(config.clone()))).collect();
        Self(Arc::new(Inner { workers, rescue }))
    }

    fn own(&self, worker: Worker) -> &Arc<Own> {
        &self.0.workers[worker.0 % self.0.workers.len()]
    }

    async fn get(
        &self,
        head: request::Parts,
        body: Body,
        context: &mut Context,
    ) -> Result<Response<Body>, Fault> {
        let own = self.own(context.worker);
        let endpoint = choice::endpoint(context)?;
        let wait = Wait::of(endpoint);
        let target = own.target(endpoint)?;
        context.destination = Some(target.destination.clone());
        let call = Call { own, target, wait };
        call.run(head, body, context).await
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({} workers)", self.0.workers.len())
    }
}

impl Backend for Upstream {
    async fn call(&self, exchange: Exchange) -> Answer {
        let (message, mut context) = exchange.into_parts();
        let response = match message.finish(&context.formats) {
            Ok((head, body)) => self.get(head, body, &mut context).await,
            Err(error) => Err(error.into()),
        };
        match response {
            Ok(response) => Answer::new(response, context),
            Err(fault) => {
                tracing::debug!(request = %context.request_id, %fault, "the backend gave no answer");
                let mut answer = Answer::new(Response::default(), context);
                answer.fail(fault, &*self.0.rescue);
                answer
            }
        }
    }
}

/// How long to wait for the head, and what to say when that was too long.
#[derive(Clone, Copy)]
struct Wait {
    time: Duration,
    status: StatusCode,
}

impl Wait {
    fn of(endpoint: &Endpoint) -> Self {
        let status = StatusCode::from_u16(endpoint.timeout_status).unwrap_or(StatusCode::GATEWAY_TIMEOUT);
        Self { time: Duration::from_millis(endpoint.timeout_ms), status }
    }

    fn over(self, target: &Target) -> Fault {
        Fault::new(fault::BACKEND_TIMEOUT)
            .with_status(self.status)
            .detail(format!("{} sent no response within {:?}", target.destination, self.time))
    }
}

/// One request on its way to one backend.
struct Call<'a> {
    own: &'a Arc<Own>,
    target: Arc<Target>,
    wait: Wait,
}

impl Call<'_> {
    async fn run(
        self,
        mut head: request::Parts,
        body: Body,
        context: &mut Context,
    ) -> Result<Response<Body>, Fault> {
        let client = forward::upgrade(&mut head, &body);
        let upgrades = client.is_some();
        forward::prepare(&mut head, &body, upgrades, context, &self.target, self.own)?;
        context.backend_started = Some(Instant::now());
        let line = match self.target.pool.take() {
            Some(line) if !upgrades || matches!(line, Line::H1(_)) => line,
            _ => line::open(self.own, &self.target, upgrades).await?,
        };
        let (response, line) = self.send(head, body, line, upgrades).await?;
        context.backend_ended = Some(Instant::now());
        context.backend_status = Some(response.status());
        self.receive(response, line, client)
    }

    /// Sends the request, and once more if it may be; if it `upgrades`, by HTTP/1.1 both times.
    async fn send(
        &self,
        head: request::Parts,
        body: Body,
        line: Line,
        upgrades: bool,
    ) -> Result<(Response<Incoming>, Line), Fault> {
        let used = line.is_used();
        let spare = (used && is_repeatable(&head.method, &body)).then(|| Spare::of(&head));
        let Failed { error, unsent } = match self.attempt(head, body, line).await? {
            Ok(answered) => return Ok(answered),
            Err(failed) => *failed,
        };
        let closed = error.as_ref().is_none_or(failure::is_closed);
        let again = match (unsent, spare) {
            (Some(request), _) if used => Some(request),
            (None, Some(spare)) if closed => Some(spare.request()),
            _ => None,
        };
        let Some(request) = again else { return Err(failure::sending(&self.target, error)) };
        let (head, body) = request.into_parts();
        let line = line::open(self.own, &self.target, upgrades).await?;
        match self.attempt(head, body, line).await? {
            Ok(answered) => Ok(answered),
            Err(failed) => Err(failure::sending(&self.target, failed.error)),
        }
    }

    async fn attempt(&self, mut head: request::Parts, body: Body, mut line: Line) -> Result<Attempt, Fault> {
        match &line {
            Line::H1(_) => forward::prepare_h1(&mut head, &self.target),
            Line::H2(_) => forward::prepare_h2(&mut head, &self.target)?,
        }
        let sweep = &self.own.sweep;
        let watch = line.watch().clone();
        watch.arm(sweep.from(Instant::now(), self.wait.time));
        match in_time(&watch, line.is_free()).await {
            None => return Err(self.wait.over(&self.target)),
            Some(true) => {}
            Some(false) => {
                return Ok(Err(Failed { error: None, unsent: Some(Request::from_parts(head, body)) }.into()));
            }
        }
        let body = Upload::new(body, &line, sweep, self.wait.time);
        match in_time(&watch, line.send(Request::from_parts(head, body))).await {
            None => Err(self.wait.over(&self.target)),
            Some(Ok(response)) => {
                line.course().answered();
                watch.disarm();
                Ok(Ok((response, line)))
            }
            Some(Err(mut error)) => {
                let unsent = error.take_message().map(|request| request.map(Upload::into_body));
                Ok(Err(Failed { error: Some(error.into_error()), unsent }.into()))
            }
        }
    }

    fn receive(
        &self,
        mut response: Response<Incoming>,
        line: Line,
        client: Option<OnUpgrade>,
    ) -> Result<Response<Body>, Fault> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(client) = client.filter(|_| forward::is_websocket(response.headers())) else {
                return Err(failure::unasked_upgrade(&self.target));
            };
            let backend = hyper::upgrade::on(&mut response);
            let idle = self.own.settings.tunnel_timeout;
            tokio::spawn(tunnel::join(client, backend, self.own.sweep.clone(), idle));
            let (mut head, _) = response.into_parts();
            forward::switch(&mut head.headers);
            return Ok(Response::from_parts(head, Body::empty()));
        }
        let (mut head, incoming) = response.into_parts();
        forward::check_framing(&mut head.headers, &self.target)?;
        hop::clean_response(&mut head.headers);
        Ok(Response::from_parts(head, Download::body(incoming, line, self.own, &self.target)))
    }
}

/// What comes of some work; none if the deadline passes before.
async fn in_time<F: Future>(watch: &Watch, work: F) -> Option<F::Output> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => watch.poll_expired(cx).map(|()| None),
    })
    .await
}

/// A response with the connection it came by, or what came instead.
type Attempt = Result<(Response<Incoming>, Line), Box<Failed>>;

/// A request that got no response.
struct Failed {
    /// None: the connection had gone before anything was sent.
    error: Option<hyper::Error>,
    /// The request, if nothing of it was sent.
    unsent: Option<Request<Body>>,
}

/// Whether a backend that has seen the request before it went away may see it again.
fn is_repeatable(method: &Method, body: &Body) -> bool {
    method.is_idempotent() && http_body::Body::is_end_stream(body)
}

/// What is needed to send a request without a body again.
struct Spare {
    method: Method,
    uri: http::Uri,
    headers: HeaderMap,
}

impl Spare {
    fn of(head: &request::Parts) -> Self {
        Self { method: head.method.clone(), uri: head.uri.clone(), headers: head.headers.clone() }
    }

    fn request(self) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}
