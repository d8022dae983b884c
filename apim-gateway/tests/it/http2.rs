//! HTTP/2: with clients, over TLS and in the clear, and with backends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use apim_gateway::transport::certificates;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::bench::{Identity, LIMIT, OK, Plan, answering, backend, echoing_heads};

async fn client(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> http2::SendRequest<Full<Bytes>> {
    let (sender, connection) =
        http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn over_tls(
    address: SocketAddr,
    identity: &Identity,
    protocol: &[u8],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut config = identity.client();
    config.alpn_protocols = vec![protocol.to_vec()];
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn alpn_chooses_http2_over_tls_and_the_backend_still_sees_http1() {
    let identity = Identity::new();
    let mut plan = Plan::to(format!("http://{}", echoing_heads().await));
    plan.server.https = Some(([127, 0, 0, 1], 0).into());
    plan.server.tls = Some(identity.server());
    let gateway = plan.start();
    let mut sender = client(over_tls(gateway.https(), &identity, b"h2").await).await;
    let response = sender.send_request(get("https://shop.example/x?y")).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    let seen = text(response).await.to_ascii_lowercase();
    assert!(seen.starts_with("get /x?y http/1.1\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-proto: https\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-host: shop.example\r\n"), "{seen}");

    // The same port speaks HTTP/1.1 to those who ask for it, and takes a new certificate while it runs.
    let stream = over_tls(gateway.https(), &identity, b"http/1.1").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_new_certificate_is_used_for_new_connections() {
    let (old, new) = (Identity::new(), rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    let mut plan = Plan::to(format!("http://{}", answering(OK).await));
    plan.server.https = Some(([127, 0, 0, 1], 0).into());
    plan.server.tls = Some(old.server());
    let gateway = plan.start();
    over_tls(gateway.https(), &old, b"h2").await;
    let (pem, key) = (new.cert.pem(), new.signing_key.serialize_pem());
    let identity = |pem: &[u8]| certificates::Identity::from_pem(pem, key.as_bytes());
    old.certificates.replace(vec![identity(pem.as_bytes()).unwrap()]).unwrap();
    let fresh = Identity { pem: pem.clone(), ..Identity::new() };
    over_tls(gateway.https(), &fresh, b"h2").await;
    assert!(identity(b"nonsense").is_err());
    assert!(old.certificates.replace(Vec::new()).is_err());
    over_tls(gateway.https(), &fresh, b"h2").await;
}

#[tokio::test]
async fn http2_in_the_clear_needs_no_upgrade() {
    let gateway = Plan::to(format!("http://{}", answering(OK).await)).start();
    let mut sender = client(TcpStream::connect(gateway.http()).await.unwrap()).await;
    for _ in 0..3 {
        assert_eq!(text(sender.send_request(get("http://a/")).await.unwrap()).await, "ok");
    }
    // A drain says goodbye and lets what is in flight finish.
    gateway.stop.send(()).unwrap();
    tokio::time::timeout(LIMIT, gateway.ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_http2_connection_ends_with_a_goodbye() {
    let mut plan = Plan::to(format!("http://{}", answering(OK).await));
    plan.server.limits.keep_alive = std::time::Duration::from_millis(300);
    let gateway = plan.start();
    let tcp = TcpStream::connect(gateway.http()).await.unwrap();
    let handshake = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(tcp));
    let (mut sender, connection) = handshake.await.unwrap();
    let ended = tokio::spawn(connection);
    assert_eq!(text(sender.send_request(get("http://a/")).await.unwrap()).await, "ok");
    // A connection that is cut is an error here; one that ends with GOAWAY is not.
    tokio::time::timeout(LIMIT, ended).await.unwrap().unwrap().unwrap();
}

/// Speaks HTTP/2 only, counts its connections, answers with the protocol it saw and a trailer.
async fn h2_backend(tls: Option<TlsAcceptor>) -> (SocketAddr, Arc<AtomicUsize>) {
    async fn serve(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(|request: Request<Incoming>| async move {
            let seen = format!("{:?} {} {:?}", request.version(), request.uri(), request.headers().get("te"));
            let trailers = http::HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                http::HeaderValue::from_static("0"),
            )]);
            let frames = [Ok::<_, Infallible>(Frame::data(Bytes::from(seen))), Ok(Frame::trailers(trailers))];
            Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(frames))))
        });
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(io), service)
            .await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            counted.fetch_add(1, SeqCst);
            let tls = tls.clone();
            tokio::spawn(async move {
                match tls {
                    None => serve(tcp).await,
                    Some(tls) => serve(tls.accept(tcp).await.unwrap()).await,
                }
            });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn a_backend_that_speaks_http2_gets_one_connection_for_many_requests() {
    let identity = Identity::new();
    let acceptor = TlsAcceptor::from(identity.server());
    let (address, connections) = h2_backend(Some(acceptor)).await;
    let mut plan = Plan::to(format!("https://localhost:{}/base", address.port()));
    plan.upstream.tls = Some(Arc::new(identity.client()));
    plan.server.workers = 1;
    let gateway = plan.start();
    let mut asking = Vec::new();
    let mut sender = client(TcpStream::connect(gateway.http()).await.unwrap()).await;
    for _ in 0..20 {
        asking.push(sender.send_request(get("http://a/x")));
    }
    let seen = format!("HTTP/2.0 https://localhost:{}/base/x None", address.port());
    for response in futures_util::future::join_all(asking).await {
        assert_eq!(text(response.unwrap()).await, seen);
    }
    assert_eq!(connections.load(SeqCst), 1);
}

#[tokio::test]
async fn trailers_pass_from_end_to_end_as_grpc_needs_them() {
    let (address, _) = h2_backend(None).await;
    let mut plan = Plan::to(format!("http://{address}"));
    plan.endpoint.http2 = true;
    let gateway = plan.start();
    let mut sender = client(TcpStream::connect(gateway.http()).await.unwrap()).await;
    let request =
        Request::post("http://a/svc/Method").header("te", "trailers").body(Full::default()).unwrap();
    let whole = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
    assert!(String::from_utf8(whole.to_bytes().to_vec()).unwrap().ends_with("Some(\"trailers\")"));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let identity = Identity::new();
    let acceptor = TlsAcceptor::from(identity.server());
    let (address, _) = h2_backend(Some(acceptor)).await;
    let mut plan = Plan::to(format!("https://127.0.0.1:{}", address.port()));
    plan.upstream.tls = Some(Arc::new(identity.client()));
    let gateway = plan.start();
    let got = gateway.connect().await.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((got.status(), got.text()), ("502", "101503"));
}

#[tokio::test]
async fn a_body_of_a_stream_is_bounded_in_size_and_time_as_any_other() {
    let backend = backend(|_, mut wire| async move {
        while wire.next().await.is_some() {
            wire.send(OK).await;
        }
    })
    .await;
    let mut plan = Plan::to(format!("http://{backend}"));
    plan.server.limits.body_bytes = 10;
    plan.server.limits.body_timeout = Duration::from_millis(300);
    let gateway = plan.start();
    let tcp = TcpStream::connect(gateway.http()).await.unwrap();
    let builder = http2::Builder::new(TokioExecutor::new());
    let (mut client, connection) = builder.handshake(TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    let piece = |text: &'static str| Ok::<_, Infallible>(Frame::data(Bytes::from(text)));
    for (pieces, ends, expected) in [
        (vec!["01234", "56789"], true, StatusCode::OK),
        (vec!["01234", "56789", "x"], true, StatusCode::PAYLOAD_TOO_LARGE),
        (vec!["01234"], false, StatusCode::REQUEST_TIMEOUT),
    ] {
        let rest = if ends { stream::empty().boxed() } else { stream::pending().boxed() };
        let sent = stream::iter(pieces.clone()).map(piece).chain(rest);
        let body = StreamBody::new(sent.boxed());
        let request = Request::post("http://a/").body(body).unwrap();
        let response = tokio::time::timeout(LIMIT, client.send_request(request)).await.unwrap().unwrap();
        assert_eq!(response.status(), expected, "{pieces:?}");
    }
}

#[tokio::test]
async fn a_stream_whose_client_takes_nothing_ends_and_its_connection_goes_on() {
    const PIECE: &[u8] = &[b'x'; 64 << 10];
    let (ended, mut end) = tokio::sync::watch::channel(false);
    let address = backend(move |_, mut wire| {
        let ended = ended.clone();
        async move {
            if wire.head().await.unwrap().starts_with("GET /small ") {
                return wire.send(OK).await;
            }
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
            while wire.tcp.write_all(PIECE).await.is_ok() {}
            ended.send_replace(true);
        }
    })
    .await;
    let mut plan = Plan::to(format!("http://{address}"));
    plan.server.limits.write_timeout = Duration::from_millis(300);
    let gateway = plan.start();
    // What is not read is not acknowledged, and this client has room for ten bytes.
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(10);
    let tcp = TcpStream::connect(gateway.http()).await.unwrap();
    let (mut sender, connection) = builder.handshake(TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    let large = sender.send_request(get("http://a/large")).await.unwrap();
    tokio::time::timeout(LIMIT, end.wait_for(|end| *end)).await.unwrap().unwrap();
    assert!(large.into_body().collect().await.is_err());
    assert_eq!(text(sender.send_request(get("http://a/small")).await.unwrap()).await, "ok");
}

/// A frame, byte by byte.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[tokio::test]
async fn a_client_that_asks_for_more_and_reads_nothing_is_still_cut_off() {
    const PIECE: &[u8] = &[b'x'; 64 << 10];
    let (sent, mut progress) = tokio::sync::watch::channel(0);
    let (seen, mut asked) = tokio::sync::watch::channel(false);
    let address = backend(move |number, mut wire| {
        let (sent, seen) = (sent.clone(), seen.clone());
        async move {
            wire.head().await;
            if number > 0 {
                seen.send_replace(true);
                return wire.send(OK).await;
            }
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
            while wire.tcp.write_all(PIECE).await.is_ok() {
                sent.send_modify(|sent| *sent += 1);
            }
        }
    })
    .await;
    let mut plan = Plan::to(format!("http://{address}"));
    plan.server.limits.write_timeout = std::time::Duration::from_secs(4);
    let gateway = plan.start();
    let mut tcp = TcpStream::connect(gateway.http()).await.unwrap();
    // All the room there may be, so that it is the socket which fills.
    let settings = frame(4, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
    let window = frame(8, 0, 0, &[0x7f, 0xff, 0, 0]);
    let get = |stream| frame(1, 5, stream, b"\x82\x86\x84\x41\x01a");
    tcp.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*settings, &window, &get(1)].concat())
        .await
        .unwrap();
    progress.wait_for(|sent| *sent > 0).await.unwrap();
    while tokio::time::timeout(std::time::Duration::from_millis(500), progress.changed()).await.is_ok() {}
    tcp.write_all(&get(3)).await.unwrap();
    tokio::time::timeout(LIMIT, asked.wait_for(|asked| *asked)).await.unwrap().unwrap();
    let closed = async {
        while tcp.write_all(&frame(6, 0, 0, b"are you?")).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, closed).await.unwrap();
}
