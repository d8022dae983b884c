//! A control plane, over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use apim_core::explanation::{Question, QuestionStream};
use apim_core::{
    BoxError, BusError, Event, EventStream, Explanation, Revision, Secret, Snapshot, SnapshotSource,
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;

use crate::transport::dial::{self, Destination};
use crate::transport::tls;

/// Until a connection stands, and until a response begins.
const PATIENCE: Duration = Duration::from_secs(10);

/// The control plane sends an empty line every five seconds. Three that do not come are a broken stream.
const SILENCE: Duration = Duration::from_secs(16);

/// A whole snapshot.
const LARGEST_SNAPSHOT: usize = 1 << 30;

/// One event. Each holds one thing, of which an API is the largest.
const LARGEST_EVENT: usize = 64 << 20;

/// What a gateway needs to join a control plane: the content of `join.json`.
///
/// ```
/// use apim_gateway::source::Join;
///
/// let join: Join = serde_json::from_str(
///     r#"{"url": "https://control.example:9443", "ca": "-----BEGIN CERTIFICATE-----…", "token": "s3cret"}"#,
/// ).unwrap();
/// assert!(!format!("{join:?}").contains("s3cret"));
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Where the control plane is: scheme, host and port.
    pub url: String,
    /// The one authority whose certificate is believed, as PEM. Needed for `https`.
    #[serde(default)]
    pub ca: Option<String>,
    /// What proves that this gateway may ask.
    pub token: Secret,
}

/// Why a control plane can never be asked with what was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The URL cannot be used.
    #[error("the control plane's URL `{url}` {why}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The authority's certificate cannot be used.
    #[error("the control plane's authority (`ca`) cannot be used")]
    Authority(#[from] tls::TlsError),
    /// The token cannot be sent.
    #[error("the token holds characters that no header can carry")]
    Token,
}

/// A control plane as a source of snapshots and events.
pub struct Remote(Arc<Inner>);

struct Inner {
    to: Destination,
    host: HeaderValue,
    authorization: HeaderValue,
    gateway: String,
    /// For reports, which are many and small.
    reports: tokio::sync::Mutex<Option<http1::SendRequest<Full<Bytes>>>>,
}

impl Remote {
    /// Asks as the gateway of this name.
    ///
    /// # Errors
    ///
    /// [`RemoteError`], if it could never work.
    pub fn new(join: &Join, gateway: impl Into<String>) -> Result<Self, RemoteError> {
        let wrong = |why| RemoteError::Url { url: join.url.clone(), why };
        let uri: Uri = join.url.parse().map_err(|_| wrong("is no URL"))?;
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("must end after the host and port"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = match uri.scheme_str() {
            Some("https") => {
                let ca = join.ca.as_deref().ok_or_else(|| wrong("needs an authority to believe (`ca`)"))?;
                let mut config = tls::client_config(tls::roots(ca.as_bytes())?)?;
                config.alpn_protocols = vec![b"http/1.1".to_vec()];
                Some(Arc::new(config))
            }
            // The token would be read by everybody on the way.
            Some("http") if !is_local(&host) => {
                return Err(wrong("must begin with https:// unless it is local"));
            }
            Some("http") => None,
            _ => return Err(wrong("must begin with https://")),
        };
        let port = authority.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", join.token.expose()))
            .map_err(|_| RemoteError::Token)?;
        authorization.set_sensitive(true);
        Ok(Self(Arc::new(Inner {
            to: Destination { host, port, tls, server_name: None },
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("names no usable host"))?,
            authorization,
            gateway: gateway.into(),
            reports: tokio::sync::Mutex::new(None),
        })))
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({}:{})", self.0.to.host, self.0.to.port)
    }
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[async_trait]
impl SnapshotSource for Remote {
    async fn snapshot(&self) -> Result<Snapshot, BusError> {
        self.0.snapshot().await.map_err(broken)
    }

    async fn changes(&self, after: Revision) -> Result<EventStream, BusError> {
        let response = self.0.events(after).await.map_err(broken)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::GONE => return Err(BusError::TooOld(after)),
            status => return Err(broken(Unexpected(status))),
        }
        let events = Events { lines: Lines::of(response), last: after };
        Ok(Box::pin(futures_util::stream::unfold(Some(events), |events| async {
            let mut events = events?;
            match events.next().await {
                Ok(event) => Some((Ok(event), Some(events))),
                // After an error the stream ends, as its contract says.
                Err(error) => Some((Err(broken(error)), None)),
            }
        })))
    }

    async fn questions(&self) -> Result<QuestionStream, BusError> {
        let name = self.0.name();
        let path = format!("/internal/gateway/v1/questions?gateway={name}");
        let response = self.0.open(&path).await.map_err(broken)?;
        match response.status() {
            StatusCode::OK => {}
            status => return Err(broken(Unexpected(status))),
        }
        Ok(Box::pin(futures_util::stream::unfold(Some(Lines::of(response)), |lines| async {
            let mut lines = lines?;
            match lines.question().await {
                Ok(question) => Some((Ok(question), Some(lines))),
                Err(error) => Some((Err(broken(error)), None)),
            }
        })))
    }

    async fn answer(&self, question: u64, found: Option<Explanation>) {
        let answer = json!({"question": question, "gateway": self.0.gateway, "found": found});
        // Whoever asked does not wait for long, so there is no second try.
        if let Err(error) = self.0.post("/internal/gateway/v1/answers", answer.to_string().into()).await {
            tracing::debug!(error = &*error, "an answer was not taken");
        }
    }

    async fn applied(&self, revision: Revision) {
        // A connection that was open may have gone; a new one is worth one more try.
        for _ in 0..2 {
            match self.0.report(revision).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!(error = &*error, revision = revision.0, "a report was not taken")
                }
            }
        }
        tracing::warn!(revision = revision.0, "the control plane could not be told what is in force here");
    }
}

fn broken(error: impl Into<BoxError>) -> BusError {
    BusError::Broken(error.into())
}

/// An answer that no control plane of ours gives to a gateway that may ask.
#[derive(Debug, thiserror::Error)]
#[error("the control plane answered {}{}", .0, hint(*.0))]
struct Unexpected(StatusCode);

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": is the token in join.json still good?",
        StatusCode::NOT_FOUND => ": is the URL in join.json a control plane's?",
        _ => "",
    }
}

#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the control plane did not answer within {PATIENCE:?}")]
    Slow,
    #[error("the control plane has been silent for {SILENCE:?}")]
    Silent,
    #[error("the stream of events ended")]
    Ended,
    #[error("an event is larger than {LARGEST_EVENT} bytes")]
    TooLarge,
    #[error("event {} came after {}", .1.0, .0.0)]
    Gap(Revision, Revision),
}

impl Inner {
    async fn snapshot(&self) -> Result<Snapshot, BoxError> {
        let mut sender = self.connect().await?;
        let request = self.request(Method::GET, "/internal/gateway/v1/snapshot", Bytes::new())?;
        let response = answer(&mut sender, request).await?;
        if response.status() != StatusCode::OK {
            return Err(Unexpected(response.status()).into());
        }
        let body = Limited::new(response.into_body(), LARGEST_SNAPSHOT).collect();
        let body = tokio::time::timeout(PATIENCE * 12, body).await.map_err(|_| Broken::Slow)??;
        let bytes = body.to_bytes();
        // Thousands of APIs take a while to parse.
        Ok(tokio::task::spawn_blocking(move || serde_json::from_slice(&bytes)).await??)
    }

    async fn events(&self, after: Revision) -> Result<Response<Incoming>, BoxError> {
        self.open(&format!("/internal/gateway/v1/events?after={}&gateway={}", after.0, self.name())).await
    }

    /// This gateway's name, for a query.
    fn name(&self) -> String {
        url::form_urlencoded::byte_serialize(self.gateway.as_bytes()).collect()
    }

    async fn open(&self, path: &str) -> Result<Response<Incoming>, BoxError> {
        let mut sender = self.connect().await?;
        answer(&mut sender, self.request(Method::GET, path, Bytes::new())?).await
    }

    async fn report(&self, revision: Revision) -> Result<(), BoxError> {
        let body = json!({"revision": revision, "gateway": self.gateway});
        self.post("/internal/gateway/v1/applied", body.to_string().into()).await
    }

    async fn post(&self, path: &str, body: Bytes) -> Result<(), BoxError> {
        let request = self.request(Method::POST, path, body)?;
        let mut reports = self.reports.lock().await;
        let open = reports.take().filter(|sender| !sender.is_closed());
        let mut sender = match open {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let response = answer(&mut sender, request).await?;
        let status = response.status();
        let rest = Limited::new(response.into_body(), 64 << 10).collect();
        tokio::time::timeout(PATIENCE, rest).await.map_err(|_| Broken::Slow)??;
        *reports = Some(sender);
        if status.is_success() { Ok(()) } else { Err(Unexpected(status).into()) }
    }

    async fn connect(&self) -> Result<http1::SendRequest<Full<Bytes>>, BoxError> {
        let stream = dial::dial(&self.to, PATIENCE).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, BoxError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse()?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(request)
    }
}

async fn answer(
    sender: &mut http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, BoxError> {
    tokio::time::timeout(PATIENCE, async {
        sender.ready().await?;
        sender.send_request(request).await
    })
    .await
    .map_err(|_| Broken::Slow)?
    .map_err(Into::into)
}

/// The events of a stream, without a gap.
struct Events {
    lines: Lines,
    last: Revision,
}

impl Events {
    /// The next event, which is the one after the last.
    async fn next(&mut self) -> Result<Event, BoxError> {
        let event: Event = serde_json::from_slice(&self.lines.next().await?)?;
        if event.revision != self.last.next() {
            return Err(Broken::Gap(self.last, event.revision).into());
        }
        self.last = event.revision;
        Ok(event)
    }
}

/// The lines of a stream.
struct Lines {
    body: Incoming,
    rest: BytesMut,
    /// How much of `rest` has been looked through for the end of a line.
    searched: usize,
}

/// A question as a line.
#[derive(Deserialize)]
struct Asked {
    question: u64,
    request: String,
}

impl Lines {
    fn of(response: Response<Incoming>) -> Self {
        Self { body: response.into_body(), rest: BytesMut::new(), searched: 0 }
    }

    async fn question(&mut self) -> Result<Question, BoxError> {
        let Asked { question, request } = serde_json::from_slice(&self.next().await?)?;
        Ok(Question { number: question, request: request.parse()? })
    }

    /// The next line that says something; an empty one only shows that the stream is alive.
    async fn next(&mut self) -> Result<BytesMut, BoxError> {
        loop {
            let line = self.line().await?;
            if !line.trim_ascii().is_empty() {
                return Ok(line);
            }
        }
    }

    async fn line(&mut self) -> Result<BytesMut, BoxError> {
        loop {
            if let Some(end) = self.rest.get(self.searched..).and_then(|new| memchr::memchr(b'\n', new)) {
                let line = self.rest.split_to(self.searched + end + 1);
                self.searched = 0;
                return Ok(line);
            }
            self.searched = self.rest.len();
            if self.rest.len() > LARGEST_EVENT {
                return Err(Broken::TooLarge.into());
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await.map_err(|_| Broken::Silent)?;
            let frame = frame.ok_or(Broken::Ended)??;
            if let Some(data) = frame.data_ref() {
                self.rest.extend_from_slice(data);
            }
        }
    }
}
