//! HTTP/1.1, from client to backend and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use apim_core::{Body, Peer, Shutdown, Worker};
use apim_gateway::server::{Serve, Server, ServerConfig};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;

use crate::bench::{LIMIT, OK, Plan, Wire, answering, backend, echoing_heads};

#[tokio::test]
async fn a_connection_serves_many_requests_and_so_does_the_backends() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let address = backend(move |number, mut wire| {
        counted.store(number + 1, SeqCst);
        async move {
            while wire.next().await.is_some() {
                wire.send(OK).await;
            }
        }
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    for _ in 0..20 {
        let got = client.ask("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!((got.status(), got.text()), ("200", "ok"));
    }
    assert_eq!(connections.load(SeqCst), 1);
}

#[tokio::test]
async fn the_backend_sees_its_own_host_and_base_path_and_who_asked() {
    let address = echoing_heads().await;
    let gateway = Plan::to(format!("http://{address}/base/")).start();
    let got = gateway
        .connect()
        .await
        .ask("GET /a%20b?c=d%2F HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_Proto: https\r\n\r\n")
        .await;
    let seen = got.text().to_ascii_lowercase();
    assert!(seen.starts_with("get /base/a%20b?c=d%2f http/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: {address}\r\n")), "{seen}");
    assert!(seen.contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-host: shop.example\r\n"), "{seen}");
    assert!(seen.contains("x-forwarded-proto: http\r\n"), "{seen}");
    assert!(!seen.contains("6.6.6.6") && !seen.contains("x_forwarded"), "{seen}");
}

#[tokio::test]
async fn headers_of_one_hop_stay_there_in_both_directions() {
    let address = echoing_heads().await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let got = gateway
        .connect()
        .await
        .ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: x\r\nTE: gzip\r\n\r\n")
        .await;
    let seen = got.text().to_ascii_lowercase();
    for gone in ["x-mine", "keep-alive", "proxy-", "te:", "connection"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }

    let address = answering(
        "HTTP/1.1 200 OK\r\nConnection: X-Theirs\r\nX-Theirs: 1\r\nKeep-Alive: timeout=5\r\nX-Ours: 2\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let got = gateway.connect().await.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(got.header("x-ours"), Some("2"));
    assert_eq!((got.header("x-theirs"), got.header("keep-alive")), (None, None));
}

#[tokio::test]
async fn a_head_request_tells_the_length_and_sends_no_body() {
    let address = answering("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = client.head().await.unwrap();
        assert!(head.to_ascii_lowercase().contains("content-length: 1234"), "{head}");
    }
}

#[tokio::test]
async fn a_chunked_body_passes_in_both_directions_with_its_trailers() {
    let address = backend(|_, mut wire| async move {
        while let Some(got) = wire.next().await {
            let body = String::from_utf8(got.body).unwrap();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n{:x}\r\n{body}\r\n0\r\nX-Sum: {}\r\n\r\n",
                body.len(),
                got.trailers.trim(),
            );
            wire.send(answer).await;
        }
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let got = gateway
        .connect()
        .await
        .ask("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Mine\r\n\r\n5\r\nhello\r\n0\r\nX-Mine: 7\r\n\r\n")
        .await;
    assert_eq!(got.text(), "hello");
    assert_eq!(got.trailers.to_ascii_lowercase(), "x-sum: x-mine: 7\n");
}

#[tokio::test]
async fn a_get_with_a_chunked_body_keeps_its_body() {
    let address = backend(|_, mut wire| async move {
        let got = wire.message().await;
        assert_eq!(got.text(), "hello");
        wire.send(OK).await;
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let got = gateway
        .connect()
        .await
        .ask("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .await;
    assert_eq!(got.status(), "200");
}

#[tokio::test]
async fn the_gateway_says_continue_when_the_backend_wants_the_body() {
    let address = backend(|_, mut wire| async move {
        let got = wire.message().await;
        assert_eq!(got.header("expect"), None);
        assert_eq!(got.text(), "hello");
        wire.send(OK).await;
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 100"));
    assert_eq!(client.ask("hello").await.status(), "200");
}

#[tokio::test]
async fn a_request_without_a_body_is_sent_again_when_an_open_connection_turns_out_to_be_closed() {
    // Each connection answers once, reads the next request, and goes away without a word.
    let address = backend(|_, mut wire| async move {
        if wire.next().await.is_some() {
            wire.send(OK).await;
            wire.next().await;
        }
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    for _ in 0..5 {
        assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.status(), "200");
    }
    // A POST may have been acted upon, so it is not.
    let got = client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").await;
    assert_eq!((got.status(), got.text()), ("502", "101505"));
}

/// Answers with what it is sent.
#[derive(Clone)]
struct Echo;

impl Serve for Echo {
    type Reply = Response<Body>;

    async fn serve(&self, request: &mut Request<Body>, _: Peer, _: Worker) -> Response<Body> {
        Response::new(std::mem::take(request.body_mut()))
    }
}

/// Reads what is sent to `/read`, and answers anything else without a look at the body, when it is told to.
#[derive(Clone)]
struct Careless(Arc<Notify>);

impl Serve for Careless {
    type Reply = Response<Body>;

    async fn serve(&self, request: &mut Request<Body>, _: Peer, _: Worker) -> Response<Body> {
        match request.uri().path() {
            "/read" => drop(std::mem::take(request).into_body().collect().await.unwrap()),
            _ => self.0.notified().await,
        }
        Response::new(Body::empty())
    }
}

/// Waits until all that was sent has reached the other end, whether or not somebody has read it there.
async fn until_arrived(client: &Wire) {
    let port = format!(":{:04X} ", client.tcp.local_addr().unwrap().port());
    let began = Instant::now();
    loop {
        // Its local address, the remote one, a state, and how much has not been acknowledged (`man 5 proc_pid_net`).
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut all = sockets.lines().filter_map(|line| Some(line.split_once(": ")?.1));
        let ours = all.find(|socket| socket.get(8..14) == Some(&port)).unwrap();
        if ours.split(' ').nth(3).unwrap().starts_with("00000000:") {
            return;
        }
        assert!(began.elapsed() < LIMIT, "{sockets}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_the_rest_of_a_small_body_that_nobody_wants_and_not_for_a_large_one() {
    let arrived = Arc::new(Notify::new());
    let mut config = ServerConfig::default();
    config.http = Some(([127, 0, 0, 1], 0).into());
    let bound = Server::new(Careless(arrived.clone()), config).bind().unwrap();
    let address = bound.http_addr().unwrap();
    tokio::spawn(bound.run(Shutdown::new(std::future::pending())));
    let post = |path: &str, length: usize| {
        let body = "x".repeat(length);
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    for (length, stays) in [(64 << 10, true), ((64 << 10) + 1, false)] {
        let mut client = Wire::connect(address).await;
        // By this the system learns to hold more for us than is read of it in vain.
        assert_eq!(client.ask(&post("/read", 8 << 20)).await.status(), "200");
        client.send(post("/", length)).await;
        until_arrived(&client).await;
        arrived.notify_one();
        let got = client.message().await;
        assert_eq!((got.status(), got.header("connection") != Some("close")), ("200", stays), "{length}");
    }
}

#[tokio::test]
async fn once_an_answer_has_begun_nobody_is_told_to_continue() {
    let mut config = ServerConfig::default();
    config.http = Some(([127, 0, 0, 1], 0).into());
    let bound = Server::new(Echo, config).bind().unwrap();
    let mut client = Wire::connect(bound.http_addr().unwrap()).await;
    tokio::spawn(bound.run(Shutdown::new(std::future::pending())));
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n").await;
    // The body is asked for by whoever writes the answer, whose head is there by then.
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 200"));
    client.send("hello").await;
    assert_eq!(client.take(5).await.unwrap(), b"hello");
}

#[tokio::test]
async fn an_old_backend_may_end_lines_barely_and_its_body_may_look_like_the_end_of_a_head() {
    for answer in [
        "HTTP/1.1 200 OK\nServer: old\nContent-Length: 10\n\nabc\r\n\r\ndef",
        "HTTP/1.1 200 OK\nServer: old\r\nContent-Length: 10\n\r\nabc\r\n\r\ndef",
        "HTTP/1.1 103 Early Hints\n\nHTTP/1.1 200 OK\nServer: old\r\nContent-Length: 10\r\n\r\nabc\r\n\r\ndef",
        "HTTP/1.1 200 OK\nServer: old\nTransfer-Encoding: chunked\n\na\r\nabc\r\n\r\ndef\r\n0\r\n\r\n",
    ] {
        let address = answering(answer).await;
        let gateway = Plan::to(format!("http://{address}")).start();
        let mut client = gateway.connect().await;
        for _ in 0..2 {
            let got = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert_eq!((got.status(), got.header("server")), ("200", Some("old")), "{answer:?}");
            assert_eq!(got.text(), "abc\r\n\r\ndef", "{answer:?}");
        }
    }
}
