//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use apim_core::fault;
use apim_core::{Body, Fault, Peer};
use http::header::{CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::body::{Flight, Leaving, Received, Tunnel};
use super::clients::Seat;
use super::extended::{self, Handshake};
use super::http1;
use super::proxy;
use super::socket::{GOODBYE, Slot, Socket};
use super::stream::Streams;
use super::traffic::{Closed, Door};
use super::worker::{LEAVING, SERVING, Shared};
use super::{Limits, Reply, Serve};
use crate::rescue::REQUEST_ID;
use crate::router::Host;
use crate::transport::client_certificate::ClientCertificate;
use crate::transport::tunnel::Hold;
use crate::transport::watch::{Sweep, Watch};
use crate::transport::{hop, upgrade};

/// How every HTTP/2 connection begins (RFC 9113 section 3.4); no HTTP/1.1 request begins with `PRI `.
const PREFACE: &[u8] = b"PRI ";

/// hyper's server for HTTP/2, configured once.
pub(super) struct Protocols(http2::Builder<Streams>);

impl Protocols {
    pub(super) fn new(limits: &Limits, sweep: &Arc<Sweep>) -> Self {
        let mut http2 = http2::Builder::new(Streams::new(sweep.clone()));
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            // Rapid reset (CVE-2023-44487) and its server-side twin MadeYouReset (CVE-2025-8671).
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(256)
            // Bounds CONTINUATION floods and HPACK bombs: h2 counts the decoded list.
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(256 << 10)
            .enable_connect_protocol()
            .keep_alive_interval(limits.keep_alive)
            .keep_alive_timeout(limits.head_timeout);
        Self(http2)
    }
}

/// Serves a clear-text connection.
pub(super) async fn plain<S: Serve>(shared: Arc<Shared<S>>, mut tcp: TcpStream) {
    let _visit = shared.traffic.enter(Door::Http);
    let arrived = arrived(&shared, &mut tcp, &shared.http_balancers, false);
    let Some(Arrived { peer, .. }) = &arrived.await else { return };
    let speaks_h2 = speaks_h2(&tcp);
    // Who says nothing at all is not waited for longer than for a head.
    let Ok(Ok(h2)) = tokio::time::timeout(shared.limits.head_timeout, speaks_h2).await else { return };
    serve(shared.clone(), tcp, *peer, h2, Session::default()).await;
}

/// Serves a TLS connection.
pub(super) async fn encrypted<S: Serve>(shared: Arc<Shared<S>>, mut tcp: TcpStream, tls: TlsAcceptor) {
    let _visit = shared.traffic.enter(Door::Https);
    let arrived = arrived(&shared, &mut tcp, &shared.https_balancers, true);
    let Some(Arrived { peer, .. }) = &arrived.await else { return };
    let handshake = tokio::time::timeout(shared.limits.handshake_timeout, tls.accept(tcp));
    match handshake.await {
        Ok(Ok(stream)) => {
            let agreed = stream.get_ref().1;
            let h2 = agreed.alpn_protocol() == Some(b"h2");
            let session = Session::of(agreed);
            serve(shared.clone(), stream, *peer, h2, session).await;
        }
        Ok(Err(error)) => {
            shared.traffic.close(Closed::Tls);
            tracing::debug!(%error, client = %peer.address, "no TLS was agreed on");
        }
        Err(_) => {
            shared.traffic.close(Closed::Tls);
            tracing::debug!(client = %peer.address, "the TLS handshake took too long");
        }
    }
}

/// A connection that may be served, and is counted until this is dropped.
struct Arrived {
    peer: Peer,
    _seat: Option<Seat>,
}

/// Finds out whose connection it is; none if it is not to be served.
async fn arrived<S: Serve>(
    shared: &Shared<S>,
    tcp: &mut TcpStream,
    balancers: &[IpNet],
    tls: bool,
) -> Option<Arrived> {
    let Some(mut peer) = accepted(tcp, tls) else {
        shared.traffic.close(Closed::System);
        return None;
    };
    let address = peer.address.ip().to_canonical();
    if balancers.iter().any(|network| network.contains(&address)) {
        match tokio::time::timeout(shared.limits.handshake_timeout, proxy::take(tcp)).await {
            Ok(Ok(client)) => peer.address = client.unwrap_or(peer.address),
            Ok(Err(error)) => {
                shared.traffic.close(Closed::Balancer);
                tracing::debug!(%error, balancer = %address, "a connection does not say whose it is");
                return None;
            }
            Err(_) => {
                shared.traffic.close(Closed::Balancer);
                tracing::debug!(balancer = %address, "a connection took too long to say whose it is");
                return None;
            }
        }
    }
    let seat = match &shared.clients {
        None => None,
        Some(clients) => {
            let seat = clients.enter(peer.address.ip());
            if seat.is_none() {
                shared.traffic.close(Closed::Client);
                tracing::debug!(client = %peer.address, "a client has too many connections");
                return None;
            }
            seat
        }
    };
    Some(Arrived { peer, _seat: seat })
}

/// What a TLS handshake has told of the client.
#[derive(Default)]
struct Session {
    /// The host it asked for, in lower case.
    asked: Option<Box<str>>,
    certificate: Option<ClientCertificate>,
}

impl Session {
    fn of(agreed: &rustls::ServerConnection) -> Self {
        let asked = agreed.server_name().map(|name| name.to_ascii_lowercase().into());
        Self { asked, certificate: ClientCertificate::of(agreed) }
    }
}

fn accepted(tcp: &TcpStream, tls: bool) -> Option<Peer> {
    // Answers are written whole; waiting for more to fill a packet only delays them.
    tcp.set_nodelay(true).ok()?;
    let address: SocketAddr = tcp.peer_addr().ok()?;
    Some(Peer { address, tls })
}

/// Looks at the first bytes without taking them.
async fn speaks_h2(tcp: &TcpStream) -> std::io::Result<bool> {
    let mut begin = [0; PREFACE.len()];
    loop {
        let seen = tcp.peek(&mut begin).await?;
        let begin = begin.get(..seen).unwrap_or_default();
        if seen == 0 || seen == PREFACE.len() || !PREFACE.starts_with(begin) {
            return Ok(begin == PREFACE);
        }
        // A preface in pieces this small is not a real client's; peeking again at once would spin.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn serve<S, T>(shared: Arc<Shared<S>>, io: T, peer: Peer, h2: bool, session: Session)
where
    S: Serve,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let slot = Arc::new(Slot::new(shared.sweep.clone(), shared.gauge.clone(), shared.limits.clone(), h2));
    let (socket, closed) = Socket::new(io, slot.clone());
    let seen = Arc::new(Seen { shared: shared.clone(), slot: slot.clone(), peer, session });
    if h2 {
        let service = service_fn(move |request| stream(seen.clone(), request));
        watch(&shared, &slot, shared.protocols.0.serve_connection(TokioIo::new(socket), service)).await;
    } else {
        until_expired(&slot.watch, http1::serve(seen, socket)).await;
        // A connection that was upgraded goes on elsewhere. It is still one that the limit counts and a
        // drain waits for.
        let _ = closed.await;
    }
}

/// Runs something until it ends or its deadline has passed; it is polled again when all watches are woken.
async fn until_expired(watch: &Watch, work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    let mut registered = false;
    std::future::poll_fn(|cx| {
        if !std::mem::replace(&mut registered, true) {
            watch.register(cx.waker());
        }
        if work.as_mut().poll(cx).is_ready() || watch.is_expired() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// What a request of this connection needs to know: one count per request, which no other worker touches.
pub(super) struct Seen<S> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) slot: Arc<Slot>,
    peer: Peer,
    session: Session,
}

impl<S> Seen<S> {
    /// Whether the client was shown another certificate than that of the host it asks now.
    fn is_misdirected(&self, request: &Request<Body>) -> bool {
        let Some(certificates) = self.shared.certificates.as_ref().filter(|_| self.peer.tls) else {
            return false;
        };
        let named = request.uri().authority().map(Authority::as_str);
        let named = named.or_else(|| request.headers().get(HOST)?.to_str().ok());
        // What is no host is refused by whoever reads it next.
        let host = named.and_then(|named| Host::parse(named).ok());
        host.is_some_and(|host| !certificates.agree(self.session.asked.as_deref(), host.as_str()))
    }
}

/// Answers a request that came by HTTP/2.
async fn stream<S: Serve>(
    seen: Arc<Seen<S>>,
    request: Request<Incoming>,
) -> Result<Response<Leaving<S::Reply>>, Infallible> {
    let length = http_body::Body::size_hint(request.body()).lower();
    let mut request = request.map(|body| Received::body(body, &seen.slot, seen.shared.limits.body_bytes));
    Ok(answer(&seen, &mut request, length).await.into_response())
}

/// Answers a request whose body has so many bytes at least.
pub(super) async fn answer<S: Serve>(
    seen: &Arc<Seen<S>>,
    request: &mut Request<Body>,
    length: u64,
) -> Leaving<S::Reply> {
    let flight = Flight::new(seen.slot.clone());
    let h1 = request.version() < Version::HTTP_2;
    if seen.slot.is_ambiguous() {
        let refusal = refused(StatusCode::BAD_REQUEST, AMBIGUOUS, h1, flight);
        return told(seen, request, Fault::new(fault::BAD_REQUEST).rule("framing"), refusal);
    }
    // Whoever stands in front of us may have filled in another host than we would (RFC 9112 section 3.2).
    if request.version() == Version::HTTP_11 && !request.headers().contains_key(HOST) {
        let refusal = refused(StatusCode::BAD_REQUEST, NO_HOST, h1, flight);
        return told(seen, request, Fault::new(fault::BAD_REQUEST).rule("host"), refusal);
    }
    // The gateway is no forward proxy, and what follows a CONNECT must never be taken for a request.
    let mut handshake = None;
    if request.method() == Method::CONNECT {
        if !extended::is_websocket(request) {
            let refusal = refused(StatusCode::METHOD_NOT_ALLOWED, NO_CONNECT, h1, flight);
            return told(seen, request, Fault::new(fault::METHOD_NOT_ALLOWED).rule("connect"), refusal);
        }
        handshake = Some(Handshake::begin(request));
        request.extensions_mut().insert(Hold::new(Tunnel::new(seen.slot.clone())));
    }
    let Shared { service, worker, stage, limits, .. } = &*seen.shared;
    if length > limits.body_bytes {
        let refusal = refused(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, h1, flight);
        let fault = Fault::new(fault::BODY_TOO_LARGE).rule("server.body_bytes").wanted(limits.body_bytes);
        return told(seen, request, fault, refusal);
    }
    if seen.is_misdirected(request) {
        let refusal = refused(StatusCode::MISDIRECTED_REQUEST, MISDIRECTED, h1, flight);
        let fault = Fault::new(fault::BAD_REQUEST).with_status(StatusCode::MISDIRECTED_REQUEST);
        return told(seen, request, fault.rule("certificate.host"), refusal);
    }
    if let Some(certificate) = &seen.session.certificate {
        request.extensions_mut().insert(certificate.clone());
    }
    if !seen.slot.admits() {
        // Without a record: refusing must stay far cheaper than serving.
        service.shed(request, seen.peer, *worker);
        return overloaded(seen, h1, flight);
    }
    if upgrade::is_offered(request.extensions()) {
        request.extensions_mut().insert(seen.shared.tunnels.begin());
    }
    hop::clean_request(request.headers_mut());
    let mut response = service.serve(request, seen.peer, *worker).await;
    if let Some(handshake) = handshake {
        if !handshake.end(&mut response) {
            return refused(StatusCode::BAD_GATEWAY, NO_WEBSOCKET, h1, flight);
        }
    } else if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        seen.slot.hand_over();
    } else if h1 && (stage.load(Relaxed) != SERVING || seen.slot.is_spent()) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Leaving::served(response, flight)
}

const AMBIGUOUS: &str = r#"{"code":"400","type":"Status report","message":"Bad Request","description":"The request is framed in a way that can be read in two ways"}"#;
const NO_HOST: &str = r#"{"code":"400","type":"Status report","message":"Bad Request","description":"The request names no host"}"#;
const NO_CONNECT: &str = r#"{"code":"405","type":"Status report","message":"Method Not Allowed","description":"CONNECT is not supported"}"#;

const TOO_LARGE: &str = r#"{"code":"413","type":"Status report","message":"Content Too Large","description":"The body is larger than this server takes"}"#;
const MISDIRECTED: &str = r#"{"code":"421","type":"Status report","message":"Misdirected Request","description":"The connection was made for another host"}"#;
const NO_WEBSOCKET: &str = r#"{"code":"101506","type":"Status report","message":"Runtime Error","description":"The backend does not speak WebSocket"}"#;

/// A refusal with the id under which the operator finds why.
fn told<S: Serve>(
    seen: &Seen<S>,
    request: &mut Request<Body>,
    fault: Fault,
    mut refusal: Leaving<S::Reply>,
) -> Leaving<S::Reply> {
    let (head, _) = std::mem::take(request).into_parts();
    if let Some(id) = seen.shared.service.refused(&head, fault, seen.peer, seen.shared.worker) {
        refusal.headers_mut().insert(REQUEST_ID, id);
    }
    refusal
}

fn refused<R: Reply>(status: StatusCode, words: &'static str, h1: bool, flight: Flight) -> Leaving<R> {
    let mut response = Leaving::words(status, words, flight);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if h1 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

const OVERLOADED: &str = r#"{"code":"503","type":"Status report","message":"Service Unavailable","description":"There is more to do than can be done; try again later"}"#;

fn overloaded<S, R: Reply>(seen: &Seen<S>, h1: bool, flight: Flight) -> Leaving<R> {
    let gauge = &seen.slot.gauge;
    let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, OVERLOADED, h1, flight);
    response.headers_mut().insert(RETRY_AFTER, gauge.retry_after());
    // Unless all have to go, the connection stays: another would cost far more than its request.
    if seen.shared.stage.load(Relaxed) == SERVING {
        response.headers_mut().remove(CONNECTION);
        gauge.hold(&seen.slot);
    }
    response
}

/// Runs an HTTP/2 connection until it ends, its deadline passes, or the worker drains and it has nothing in flight.
async fn watch<S, T, F, B>(
    shared: &Shared<S>,
    slot: &Slot,
    connection: http2::Connection<TokioIo<Socket<T>>, F, Streams>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: HttpService<Incoming, ResBody = B>,
    F::Future: Send + 'static,
    F::Error: Into<apim_core::BoxError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<apim_core::BoxError>,
{
    let mut connection = pin!(connection);
    let mut registered = false;
    let mut asked = false;
    let mut goodbye = None;
    std::future::poll_fn(|cx| {
        if !std::mem::replace(&mut registered, true) {
            slot.watch.register(cx.waker());
        }
        loop {
            // Polled before it is asked to end: a request that has arrived already is then in flight.
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if slot.watch.is_expired() {
                // HTTP/2 can say so, which spares the client a request in vain; but it must listen.
                let last = goodbye.get_or_insert_with(|| {
                    let last = slot.sweep.watch();
                    last.arm(slot.sweep.after(GOODBYE));
                    last
                });
                if last.poll_expired(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            let leaves = shared.stage.load(Relaxed) >= LEAVING || slot.is_spent();
            if asked || (goodbye.is_none() && !leaves) {
                return Poll::Pending;
            }
            asked = true;
            connection.as_mut().graceful_shutdown();
        }
    })
    .await;
}
