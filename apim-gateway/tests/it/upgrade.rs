//! WebSockets pass.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::bench::{Identity, LIMIT, OK, Plan, agree, answering, backend, echoing_heads};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";

async fn echo(_: usize, mut wire: crate::bench::Wire) {
    let head = wire.head().await.unwrap().to_ascii_lowercase();
    assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
    wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n").await;
    while let Some(bytes) = wire.take(5).await {
        wire.send(bytes).await;
    }
}

#[tokio::test]
async fn after_the_handshake_bytes_pass_both_ways() {
    let address = backend(echo).await;
    let gateway = Plan::to(format!("ws://{address}")).start();
    let mut client = gateway.connect().await;
    // The client is in a hurry; what it sends early arrives after the 101, not as part of the handshake.
    client.send(format!("{HANDSHAKE}hello")).await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.to_ascii_lowercase().contains("sec-websocket-accept: y"), "{head}");
    assert_eq!(client.take(5).await.unwrap(), b"hello");
    client.send("world").await;
    assert_eq!(client.take(5).await.unwrap(), b"world");
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let gateway = Plan::to(format!("http://{}", answering(OK).await)).start();
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(HANDSHAKE).await.status(), "200");
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.status(), "200");
}

#[tokio::test]
async fn a_101_that_nobody_asked_for_is_a_failure() {
    let address =
        answering("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n").await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let got = gateway.connect().await.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((got.status(), got.text()), ("502", "101506"));
}

#[tokio::test]
async fn nothing_but_a_websocket_can_be_upgraded_to() {
    let gateway = Plan::to(format!("http://{}", echoing_heads().await)).start();
    for protocol in ["h2c", "websocket, h2c", "websocket\r\nUpgrade: h2c", "TLS/1.0"] {
        let got = gateway
            .connect()
            .await
            .ask(&format!(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
            ))
            .await;
        let seen = got.text().to_ascii_lowercase();
        for gone in ["upgrade", "http2-settings", "connection"] {
            assert!(!seen.contains(gone), "{gone} in {seen}");
        }
    }
    let got =
        gateway.connect().await.ask("GET / HTTP/1.1\r\nHost: a\r\nHTTP2-Settings: AAMAAABk\r\n\r\n").await;
    assert!(!got.text().to_ascii_lowercase().contains("http2-settings"), "{}", got.text());

    // A backend that says yes nevertheless gets no tunnel.
    let address =
        answering("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n").await;
    let gateway = Plan::to(format!("http://{address}")).start();
    for asked in [HANDSHAKE.to_owned(), HANDSHAKE.replace("websocket", "h2c")] {
        let got = gateway.connect().await.ask(&asked).await;
        assert_eq!((got.status(), got.text()), ("502", "101506"));
    }
}

#[tokio::test]
async fn a_silent_socket_is_closed_after_a_while() {
    let mut plan = Plan::to(format!("ws://{}", backend(echo).await));
    plan.upstream.tunnel_timeout = Duration::from_millis(200);
    let gateway = plan.start();
    let mut client = gateway.connect().await;
    client.send(HANDSHAKE).await;
    client.head().await.unwrap();
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn an_upgrade_that_is_tried_again_is_tried_over_http1() {
    let identity = Identity::new();
    let mut config = (*identity.server()).clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    // The first connection refuses the upgrade, takes the next and goes away; the second agrees to it.
    let address = backend(move |number, wire| {
        let acceptor = acceptor.clone();
        async move {
            let mut tls = acceptor.accept(wire.tcp).await.unwrap();
            assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            let answers = match number {
                0 => vec![OK, ""],
                _ => vec!["HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"],
            };
            for answer in answers {
                let mut head = vec![0; 4096];
                assert!(tls.read(&mut head).await.unwrap() > 0);
                tls.write_all(answer.as_bytes()).await.unwrap();
                tls.flush().await.unwrap();
            }
            if number > 0 {
                // Until the client has gone.
                let _ = tls.read(&mut [0]).await;
            }
        }
    })
    .await;
    let mut plan = Plan::to(format!("wss://localhost:{}", address.port()));
    plan.upstream.tls = Some(Arc::new(identity.client()));
    plan.server.workers = 1;
    let gateway = plan.start();
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(HANDSHAKE).await.status(), "200");
    client.send(HANDSHAKE).await;
    let head = client.head().await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert_eq!(client.take(5).await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_websocket_counts_as_a_connection_until_it_ends() {
    let mut plan = Plan::to(format!("ws://{}", backend(echo).await));
    plan.server.workers = 1;
    plan.server.limits.connections = 1;
    let gateway = plan.start();
    let mut client = gateway.connect().await;
    client.send(HANDSHAKE).await;
    client.head().await.unwrap();
    let mut second = gateway.connect().await;
    second.send(HANDSHAKE).await;
    assert!(tokio::time::timeout(Duration::from_millis(500), second.head()).await.is_err());
    drop(client);
    assert!(second.head().await.unwrap().starts_with("HTTP/1.1 101"));
}

#[tokio::test]
async fn a_drain_tells_a_websocket_to_go_elsewhere_and_waits_until_it_has_gone() {
    let gateway = Plan::to(format!("ws://{}", backend(echo).await)).start();
    let mut client = gateway.connect().await;
    client.send(HANDSHAKE).await;
    client.head().await.unwrap();
    client.send(b"\x81\x03abc").await;
    assert_eq!(client.take(5).await.unwrap(), b"\x81\x03abc");
    gateway.stop.send(()).unwrap();
    let mut ended = gateway.ended;
    assert_eq!(client.take(4).await.unwrap(), [0x88, 26, 0x03, 0xe9]);
    assert_eq!(client.take(24).await.unwrap(), b"the server is going away");
    assert!(client.is_closed().await);
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut ended).await.is_err());
    drop(client);
    tokio::time::timeout(LIMIT, ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_does_not_wait_long_for_a_websocket_that_does_not_go() {
    let gateway = Plan::to(format!("ws://{}", backend(echo).await)).start();
    let mut client = gateway.connect().await;
    client.send(HANDSHAKE).await;
    client.head().await.unwrap();
    gateway.stop.send(()).unwrap();
    tokio::time::timeout(LIMIT, gateway.ended).await.unwrap().unwrap().unwrap();
    assert_eq!(client.take(28).await.unwrap()[..2], [0x88, 26]);
}

/// Opens a WebSocket over HTTP/2 (RFC 8441).
async fn over_http2(gateway: &crate::bench::Running) -> (http::Response<hyper::body::Incoming>, H2Client) {
    let tcp = tokio::net::TcpStream::connect(gateway.http()).await.unwrap();
    let handshake =
        hyper::client::conn::http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(tcp));
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    // Extended CONNECT may be sent once the server has said that it takes it.
    client.send_request(http::Request::get("http://a/").body(Empty::new()).unwrap()).await.unwrap();
    let request = http::Request::connect("http://a/chat")
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat")
        .body(Empty::new())
        .unwrap();
    (client.send_request(request).await.unwrap(), client)
}

type H2Client = hyper::client::conn::http2::SendRequest<Empty<bytes::Bytes>>;

/// Agrees to a WebSocket as the standard asks, to what is no handshake it says OK.
async fn standard(_: usize, mut wire: crate::bench::Wire) {
    while let Some(head) = wire.head().await {
        let line = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        if line("sec-websocket-key: ").is_none() {
            wire.send(OK).await;
            continue;
        }
        assert!(head.starts_with("GET /chat HTTP/1.1\r\n") && head.contains("upgrade: websocket"), "{head}");
        assert_eq!(line("sec-websocket-protocol: ").as_deref(), Some("chat"));
        let chosen = "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Accept";
        wire.send(agree(&head).replace("Sec-WebSocket-Accept", chosen)).await;
        while let Some(bytes) = wire.take(5).await {
            wire.send(bytes).await;
        }
    }
}

#[tokio::test]
async fn a_websocket_over_http2_reaches_a_backend_that_speaks_http1() {
    let mut plan = Plan::to(format!("ws://{}", backend(standard).await));
    plan.server.limits.keep_alive = Duration::from_millis(300);
    let gateway = plan.start();
    let (response, mut client) = over_http2(&gateway).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    assert!(!response.headers().contains_key("sec-websocket-accept"));
    let mut socket = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let mut got = [0; 5];
    for text in [b"hello", b"world"] {
        socket.write_all(text).await.unwrap();
        socket.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, text);
        // Longer than an idle connection is kept: one with a WebSocket is not idle.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    // The connection serves other requests beside it.
    let request = http::Request::get("http://a/").body(Empty::new()).unwrap();
    assert_eq!(client.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_backend_that_agrees_to_something_else_opens_nothing_over_http2() {
    let address = backend(|_, mut wire| async move {
        while let Some(head) = wire.head().await {
            if !head.contains("sec-websocket-key") {
                wire.send(OK).await;
                continue;
            }
            wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n").await;
        }
    })
    .await;
    let gateway = Plan::to(format!("ws://{address}")).start();
    assert_eq!(over_http2(&gateway).await.0.status(), 502);
    let gateway = Plan::to(format!("http://{}", answering(OK).await)).start();
    // Not opened, and a CONNECT that is answered 200 would be.
    assert_eq!(over_http2(&gateway).await.0.status(), 502);
}
