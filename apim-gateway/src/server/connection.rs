//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use apim_core::fault;
use apim_core::{Fault, Peer};
use http::header::{CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::body::{Flight, Leaving, Received, Tunnel};
use super::clients::Seat;
use super::extended::{self, Handshake};
use super::proxy;
use super::socket::{Slot, Socket};
use super::stream::Streams;
use super::traffic::{Closed, Door};
use super::worker::{CLOSING, LEAVING, SERVING, Shared};
use super::{Limits, Serve};
use crate::rescue::REQUEST_ID;
use crate::router::Host;
use crate::transport::client_certificate::ClientCertificate;
use crate::transport::tunnel::Hold;
use crate::transport::watch::Sweep;
use crate::transport::{buffer, hop};

/// How every HTTP/2 connection begins (RFC 9113 section 3.4); no HTTP/1.1 request begins with `PRI `.
const PREFACE: &[u8] = b"PRI ";

/// How many header lines hyper accepts when it is told nothing.
const USUAL_HEADERS: usize = 100;

/// How long a client has to take the word that its connection ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// hyper's two servers, configured once.
pub(super) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
}

impl Protocols {
    pub(super) fn new(limits: &Limits, sweep: &Arc<Sweep>) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .max_header_size(limits.head_bytes)
            .max_buf_size(buffer::limit(limits.head_bytes))
            // Deadlines of heads are watched by the slot, which needs no timer per request.
            .header_read_timeout(None);
        // Its own limit hyper keeps in an array that costs nothing, any other in one that it fills each time.
        if limits.headers != USUAL_HEADERS {
            http1.max_headers(limits.headers);
        }
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
        Self { http1, http2 }
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
    let io = TokioIo::new(socket);
    let seen = Arc::new(Seen { shared: shared.clone(), slot: slot.clone(), peer, session });
    let service = service_fn(move |request| answer(seen.clone(), request));
    if h2 {
        watch(&shared, &slot, shared.protocols.http2.serve_connection(io, service)).await;
    } else {
        let connection = shared.protocols.http1.serve_connection(io, service).with_upgrades();
        watch(&shared, &slot, connection).await;
        // A connection that was upgraded goes on elsewhere. It is still one that the limit counts and a
        // drain waits for.
        let _ = closed.await;
    }
}

/// What a request of this connection needs to know: one count per request, which no other worker touches.
struct Seen<S> {
    shared: Arc<Shared<S>>,
    slot: Arc<Slot>,
    peer: Peer,
    session: Session,
}

impl<S> Seen<S> {
    /// Whether the client was shown another certificate than that of the host it asks now.
    fn is_misdirected(&self, request: &Request<Incoming>) -> bool {
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

async fn answer<S: Serve>(
    seen: Arc<Seen<S>>,
    mut request: Request<Incoming>,
) -> Result<Response<Leaving<S::Body>>, Infallible> {
    let flight = Flight::new(seen.slot.clone());
    let h1 = request.version() < Version::HTTP_2;
    if seen.slot.is_ambiguous() {
        let refusal = refused(StatusCode::BAD_REQUEST, AMBIGUOUS, h1, flight);
        return Ok(told(&seen, request, Fault::new(fault::BAD_REQUEST).rule("framing"), refusal));
    }
    // Whoever stands in front of us may have filled in another host than we would (RFC 9112 section 3.2).
    if request.version() == Version::HTTP_11 && !request.headers().contains_key(HOST) {
        let refusal = refused(StatusCode::BAD_REQUEST, NO_HOST, h1, flight);
        return Ok(told(&seen, request, Fault::new(fault::BAD_REQUEST).rule("host"), refusal));
    }
    // The gateway is no forward proxy, and what follows a CONNECT must never be taken for a request.
    let mut handshake = None;
    if request.method() == Method::CONNECT {
        if !extended::is_websocket(&request) {
            let refusal = refused(StatusCode::METHOD_NOT_ALLOWED, NO_CONNECT, h1, flight);
            return Ok(told(&seen, request, Fault::new(fault::METHOD_NOT_ALLOWED).rule("connect"), refusal));
        }
        handshake = Some(Handshake::begin(&mut request));
        request.extensions_mut().insert(Hold::new(Tunnel::new(seen.slot.clone())));
    }
    let Shared { service, worker, stage, limits, .. } = &*seen.shared;
    if http_body::Body::size_hint(request.body()).lower() > limits.body_bytes {
        let refusal = refused(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, h1, flight);
        let fault = Fault::new(fault::BODY_TOO_LARGE).rule("server.body_bytes").wanted(limits.body_bytes);
        return Ok(told(&seen, request, fault, refusal));
    }
    if seen.is_misdirected(&request) {
        let refusal = refused(StatusCode::MISDIRECTED_REQUEST, MISDIRECTED, h1, flight);
        let fault = Fault::new(fault::BAD_REQUEST).with_status(StatusCode::MISDIRECTED_REQUEST);
        return Ok(told(&seen, request, fault.rule("certificate.host"), refusal));
    }
    if let Some(certificate) = &seen.session.certificate {
        request.extensions_mut().insert(certificate.clone());
    }
    if !seen.slot.gauge.admits() {
        // Without a record: refusing must stay far cheaper than serving.
        return Ok(overloaded(&seen, h1, flight));
    }
    // hyper puts it there for those who ask for an upgrade; of all others there is not even a table to look into.
    if request.extensions().get::<OnUpgrade>().is_some() {
        request.extensions_mut().insert(seen.shared.tunnels.begin());
    }
    hop::clean_request(request.headers_mut());
    let request = request.map(|body| Received::body(body, &seen.slot, limits.body_bytes));
    let mut response = service.serve(request, seen.peer, *worker).await;
    if let Some(handshake) = handshake {
        if !handshake.end(&mut response) {
            return Ok(refused(StatusCode::BAD_GATEWAY, NO_WEBSOCKET, h1, flight));
        }
    } else if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        seen.slot.hand_over();
    } else if h1 && (stage.load(Relaxed) != SERVING || seen.slot.is_ambiguous()) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| Leaving::served(body, flight)))
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
    request: Request<Incoming>,
    fault: Fault,
    mut refusal: Response<Leaving<S::Body>>,
) -> Response<Leaving<S::Body>> {
    let (head, _) = request.into_parts();
    if let Some(id) = seen.shared.service.refused(&head, fault, seen.peer, seen.shared.worker) {
        refusal.headers_mut().insert(REQUEST_ID, id);
    }
    refusal
}

fn refused<B>(status: StatusCode, words: &'static str, h1: bool, flight: Flight) -> Response<Leaving<B>> {
    let mut response = Response::new(Leaving::words(words, flight));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if h1 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

const OVERLOADED: &str = r#"{"code":"503","type":"Status report","message":"Service Unavailable","description":"There is more to do than can be done; try again later"}"#;

fn overloaded<S, B>(seen: &Seen<S>, h1: bool, flight: Flight) -> Response<Leaving<B>> {
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

/// A connection of hyper's that can be asked to come to an end.
trait Graceful: Future<Output = hyper::Result<()>> {
    fn graceful_shutdown(self: Pin<&mut Self>);
    /// Whether the protocol can say which requests it still takes, as HTTP/2 can.
    const SAYS_GOODBYE: bool;
}

impl<T, S, B> Graceful for http1::UpgradeableConnection<TokioIo<Socket<T>>, S>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<apim_core::BoxError>,
    B: http_body::Body + 'static,
    B::Error: Into<apim_core::BoxError>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
    const SAYS_GOODBYE: bool = false;
}

impl<T, S, B> Graceful for http2::Connection<TokioIo<Socket<T>>, S, Streams>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = B>,
    S::Future: Send + 'static,
    S::Error: Into<apim_core::BoxError>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<apim_core::BoxError>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
    const SAYS_GOODBYE: bool = true;
}

/// Runs a connection until it ends, its deadline passes, or the worker drains and it has nothing in flight.
async fn watch<S, C: Graceful>(shared: &Shared<S>, slot: &Slot, connection: C) {
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
                if !C::SAYS_GOODBYE {
                    return Poll::Ready(());
                }
                let last = goodbye.get_or_insert_with(|| {
                    let last = slot.sweep.watch();
                    last.arm(slot.sweep.after(GOODBYE));
                    last
                });
                if last.poll_expired(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            let at = if C::SAYS_GOODBYE { LEAVING } else { CLOSING };
            if asked || (goodbye.is_none() && shared.stage.load(Relaxed) < at) {
                return Poll::Pending;
            }
            asked = true;
            connection.as_mut().graceful_shutdown();
        }
    })
    .await;
}
