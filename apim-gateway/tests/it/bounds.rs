//! What clients may take of the gateway is bounded.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::bench::{Identity, LIMIT, OK, Plan, Wire, answering, backend};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn plan() -> Plan {
    Plan::to(format!("http://{}", answering(OK).await))
}

#[tokio::test]
async fn a_body_larger_than_allowed_is_refused_however_its_end_is_told() {
    let mut plan = plan().await;
    plan.server.limits.body_bytes = 10;
    let gateway = plan.start();
    for (request, expected) in [
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789", "200"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
            "200",
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", "413"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n1\r\nx\r\n",
            "413",
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789x\r\n", "413"),
    ] {
        assert_eq!(gateway.connect().await.ask(request).await.status(), expected, "{request:?}");
    }
}

#[tokio::test]
async fn a_client_has_so_many_connections_over_all_workers() {
    let mut plan = plan().await;
    plan.server.workers = 2;
    plan.server.limits.connections_per_client = Some(3);
    plan.server.http_balancers = vec!["127.0.0.2/32".parse().unwrap()];
    let gateway = plan.start();
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = gateway.connect().await;
        assert_eq!(client.ask(GET).await.status(), "200");
        held.push(client);
    }
    let mut fourth = gateway.connect().await;
    fourth.send(GET).await;
    assert!(fourth.next().await.is_none());
    held.pop();
    let served = async {
        loop {
            let mut client = gateway.connect().await;
            client.send(GET).await;
            if client.next().await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, served).await.unwrap();
}

#[tokio::test]
async fn requests_sent_ahead_of_an_answer_wait_outside() {
    let address = backend(|_, mut wire| async move {
        wire.next().await;
        std::future::pending().await
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    // What nobody reads fills the sockets' buffers, and then sending stands still.
    let ahead = GET.repeat(10_000);
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_millis(500), client.send(&ahead)).await.is_ok() {
        taken += ahead.len();
        assert!(taken < 64 << 20, "the gateway took {taken} bytes of requests in");
    }
}

#[tokio::test]
async fn a_target_too_long_is_refused() {
    let gateway = plan().await.start();
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000));
    let got = gateway.connect().await.ask(&long).await;
    assert!(matches!(got.status(), "414" | "431"), "{}", got.head);
}

#[tokio::test]
async fn who_is_slow_is_not_waited_for() {
    let identity = Identity::new();
    let mut plan = plan().await;
    plan.server.https = Some(([127, 0, 0, 1], 0).into());
    plan.server.tls = Some(identity.server());
    let limits = &mut plan.server.limits;
    limits.head_timeout = Duration::from_millis(400);
    limits.handshake_timeout = Duration::from_millis(400);
    limits.body_timeout = Duration::from_millis(400);
    limits.keep_alive = Duration::from_millis(400);
    let gateway = plan.start();
    let (http, https) = (gateway.http(), gateway.https());
    for (address, begin) in [
        (http, ""),
        (http, "G"),
        (http, "GET / HTTP/1.1\r\nHost: a\r\n"),
        (http, "PRI * HTTP/2.0\r\n\r\nSM"),
        (http, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe"),
        (https, ""),
        (https, "\u{16}\u{3}\u{1}"),
    ] {
        let since = Instant::now();
        let mut client = Wire::connect(address).await;
        client.send(begin).await;
        // A head that goes on for ever, a byte at a time, does not move its deadline.
        let drips = begin.ends_with("Host: a\r\n");
        let mut got = [0; 1024];
        loop {
            match tokio::time::timeout(Duration::from_millis(100), client.tcp.read(&mut got)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(_)) => {}
                Err(_) if drips && client.tcp.write_all(b"X").await.is_err() => break,
                Err(_) => {}
            }
            assert!(since.elapsed() < LIMIT, "{begin:?} was waited for");
        }
    }
}

#[tokio::test]
async fn a_connection_has_so_many_requests_if_that_is_wanted() {
    let mut plan = Plan::to(format!("http://{}", answering(OK).await));
    plan.server.limits.requests_per_connection = Some(3);
    let gateway = plan.start();
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = gateway.connect().await;
    for last in [false, false, true] {
        let got = client.ask(get).await;
        assert_eq!((got.status(), got.header("connection") == Some("close")), ("200", last));
    }
    assert!(client.is_closed().await);
    // Those that were sent ahead are not answered, and the client has been told.
    let mut hasty = gateway.connect().await;
    hasty.send(get.repeat(5)).await;
    for last in [false, false, true] {
        assert_eq!(hasty.message().await.header("connection") == Some("close"), last);
    }
    assert!(hasty.next().await.is_none());

    let tcp = tokio::net::TcpStream::connect(gateway.http()).await.unwrap();
    let handshake = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
        .handshake(hyper_util::rt::TokioIo::new(tcp));
    let (mut client, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let empty = http_body_util::Empty::<bytes::Bytes>::new;
    for _ in 0..3 {
        let request = http::Request::get("http://a/").body(empty()).unwrap();
        assert_eq!(client.send_request(request).await.unwrap().status(), 200);
    }
    tokio::time::timeout(LIMIT, connection).await.unwrap().unwrap().unwrap();
    let request = http::Request::get("http://a/").body(empty()).unwrap();
    assert!(client.send_request(request).await.is_err());
}
