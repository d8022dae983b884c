//! A gateway with one API and a backend of the test's own making, and clients that speak plainly.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apim_core::fault::{Fault, Rescue};
use apim_core::handler::Backend as _;
use apim_core::model::{Api, Endpoint};
use apim_core::{Body, Clock, Context, Exchange, Peer, RequestId, Shutdown, SystemClock, Timestamp, Worker};
use apim_gateway::server::{Bound, Control, Serve, Server, ServerConfig, ServerError};
use apim_gateway::transport::certificates::{self, Agreement, Certificates};
use apim_gateway::transport::tls;
use apim_gateway::upstream::{ApiUpstream, Upstream, UpstreamConfig};
use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Nothing in these tests takes this long.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Tells the number, for tests to compare.
pub struct Number;

impl Rescue for Number {
    fn rescue(&self, fault: &Fault, _: &Context) -> Response<Body> {
        let mut response = Response::new(Body::from(fault.code().number.to_string()));
        *response.status_mut() = fault.status();
        response
    }
}

/// One API, straight to its backend: no chain between server and upstream.
#[derive(Clone)]
pub struct Straight {
    api: Arc<Api>,
    upstream: Arc<ApiUpstream>,
}

impl Serve for Straight {
    type Reply = Response<Body>;

    async fn serve(&self, request: &mut Request<Body>, peer: Peer, worker: Worker) -> Response<Body> {
        let mut exchange = Exchange::begin(request, RequestId(1), peer, Timestamp::default());
        exchange.context_mut().worker = worker;
        exchange.context_mut().api = Some(self.api.clone());
        self.upstream.call(exchange).await.into_parts().0
    }
}

/// A certificate for `localhost`, which is its own authority.
pub struct Identity {
    pub certificates: Certificates,
    pub pem: String,
}

impl Identity {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = made.cert.pem();
        let key = made.signing_key.serialize_pem();
        let identity = certificates::Identity::from_pem(pem.as_bytes(), key.as_bytes()).unwrap();
        Self { certificates: Certificates::new(vec![identity]).unwrap(), pem }
    }

    pub fn server(&self) -> Arc<rustls::ServerConfig> {
        self.certificates.server_config(Agreement::default()).unwrap()
    }

    pub fn client(&self) -> rustls::ClientConfig {
        tls::client_config(tls::roots(self.pem.as_bytes()).unwrap()).unwrap()
    }
}

/// What a test may want otherwise.
pub struct Plan {
    pub endpoint: Endpoint,
    pub server: ServerConfig,
    pub upstream: UpstreamConfig,
    pub clock: Arc<dyn Clock>,
}

impl Plan {
    pub fn to(url: impl Into<String>) -> Self {
        let mut server = ServerConfig::default();
        server.http = Some(([127, 0, 0, 1], 0).into());
        server.workers = 2;
        let upstream = UpstreamConfig::default();
        Self { endpoint: Endpoint::new(url), server, upstream, clock: Arc::new(SystemClock) }
    }

    /// Server and upstream without a listener: as a service that is embedded somewhere.
    pub fn embedded(self) -> (Straight, ServerConfig) {
        let mut api: Api = serde_json::from_value(serde_json::json!(
            {"name": "pets", "version": "1", "context": "/pets"}
        ))
        .unwrap();
        api.endpoints.production = Some(self.endpoint);
        let upstream = Upstream::new(self.upstream, 2, self.clock, Arc::new(Number));
        let upstream = Arc::new(upstream.serve(&api).unwrap());
        (Straight { api: Arc::new(api), upstream }, self.server)
    }

    pub fn try_bind(self) -> Result<Bound<Straight>, ServerError> {
        let (straight, config) = self.embedded();
        Server::new(straight, config).bind()
    }

    pub fn start(self) -> Running {
        let bound = self.try_bind().unwrap();
        let (http, https) = (bound.http_addr(), bound.https_addr());
        let control = bound.control();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = Shutdown::new(async { stopped.await.unwrap_or(()) });
        Running { http, https, control, stop, ended: tokio::spawn(bound.run(shutdown)) }
    }
}

/// A gateway that runs.
pub struct Running {
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    pub control: Control,
    pub stop: oneshot::Sender<()>,
    pub ended: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    pub fn http(&self) -> SocketAddr {
        self.http.unwrap()
    }

    pub fn https(&self) -> SocketAddr {
        self.https.unwrap()
    }

    pub async fn connect(&self) -> Wire {
        Wire::connect(self.http()).await
    }
}

/// A backend that does what the test says with each connection, numbered from 0.
pub async fn backend<F, Fut>(serve: F) -> SocketAddr
where
    F: Fn(usize, Wire) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(serve(number, Wire::over(tcp)));
            number += 1;
        }
    });
    address
}

/// A connection, byte by byte.
pub struct Wire {
    pub tcp: TcpStream,
    read: Vec<u8>,
}

/// A message as it came: its head as text, its body as it was framed by `Content-Length` or chunks.
pub struct Got {
    pub head: String,
    pub body: Vec<u8>,
    /// After the last chunk.
    pub trailers: String,
}

impl Got {
    pub fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub fn over(tcp: TcpStream) -> Self {
        Self { tcp, read: Vec::new() }
    }

    pub async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.tcp.write_all(text.as_ref()).await.unwrap();
    }

    /// One request after the other on one connection.
    pub async fn ask(&mut self, text: &str) -> Got {
        self.send(text).await;
        self.message().await
    }

    /// The next message; panics if there is none.
    pub async fn message(&mut self) -> Got {
        self.next().await.expect("the connection was closed before a whole message had come")
    }

    /// The next message, or none if the connection is closed before.
    pub async fn next(&mut self) -> Option<Got> {
        let head = self.head().await?;
        let mut got = Got { head, body: Vec::new(), trailers: String::new() };
        if got.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = self.line().await?;
                let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).unwrap();
                if size == 0 {
                    break;
                }
                got.body.extend(self.take(size).await?);
                self.take(2).await?;
            }
            loop {
                let line = self.line().await?;
                if line.is_empty() {
                    break;
                }
                got.trailers.push_str(&line);
                got.trailers.push('\n');
            }
        } else if let Some(length) = got.header("content-length") {
            let length = length.parse().unwrap();
            got.body = self.take(length).await?;
        }
        Some(got)
    }

    /// A head, up to its empty line.
    pub async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.read.drain(..end + 4).collect::<Vec<_>>();
                return Some(String::from_utf8(head).unwrap());
            }
            self.more().await?;
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|window| window == b"\r\n") {
                let line = self.read.drain(..end + 2).collect::<Vec<_>>();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            self.more().await?;
        }
    }

    /// So many bytes.
    pub async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            self.more().await?;
        }
        Some(self.read.drain(..count).collect())
    }

    async fn more(&mut self) -> Option<()> {
        let mut piece = vec![0; 64 << 10];
        let read = tokio::time::timeout(LIMIT, self.tcp.read(&mut piece)).await.expect("nothing came");
        match read {
            Ok(0) | Err(_) => None,
            Ok(count) => {
                self.read.extend_from_slice(&piece[..count]);
                Some(())
            }
        }
    }

    /// Whether the other side closes without another byte.
    pub async fn is_closed(&mut self) -> bool {
        self.read.is_empty() && self.more().await.is_none()
    }
}

/// What a backend answers that agrees to a WebSocket as the standard asks (RFC 6455 section 4.2.2).
pub fn agree(head: &str) -> String {
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value)
    });
    let keyed = [key.unwrap().as_bytes(), b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &keyed);
    let accept = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers every request alike.
pub async fn answering(answer: &'static str) -> SocketAddr {
    backend(move |_, mut wire| async move {
        while wire.next().await.is_some() {
            wire.send(answer).await;
        }
    })
    .await
}

/// Sends each request's head back as the body.
pub async fn echoing_heads() -> SocketAddr {
    backend(|_, mut wire| async move {
        while let Some(got) = wire.next().await {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", got.head.len(), got.head);
            wire.send(answer).await;
        }
    })
    .await
}
