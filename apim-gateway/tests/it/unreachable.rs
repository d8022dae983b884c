//! Backends that are away, slow, or wrong: each has its own number.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::bench::{Got, Plan, answering, backend};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn ask(plan: Plan) -> Got {
    plan.start().connect().await.ask(GET).await
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let got = ask(Plan::to(format!("http://{address}"))).await;
    assert_eq!((got.status(), got.text()), ("502", "101503"));
}

#[tokio::test]
async fn nobody_accepts() {
    // A TLS handshake that never gets an answer is part of connecting.
    let address = backend(|_, mut wire| async move {
        wire.take(1 << 20).await;
    })
    .await;
    let identity = crate::bench::Identity::new();
    let mut plan = Plan::to(format!("https://localhost:{}", address.port()));
    plan.upstream.tls = Some(std::sync::Arc::new(identity.client()));
    plan.upstream.connect_timeout = Duration::from_millis(200);
    let got = ask(plan).await;
    assert_eq!((got.status(), got.text()), ("504", "101508"));
}

#[tokio::test]
async fn callers_of_a_backend_that_is_away_share_one_attempt_and_its_failure() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    let address = backend(move |_, mut wire| {
        counted.fetch_add(1, SeqCst);
        async move {
            wire.take(1 << 20).await;
        }
    })
    .await;
    let identity = crate::bench::Identity::new();
    let mut plan = Plan::to(format!("https://localhost:{}", address.port()));
    plan.upstream.tls = Some(Arc::new(identity.client()));
    plan.upstream.connect_timeout = Duration::from_secs(2);
    plan.server.workers = 1;
    let gateway = plan.start();
    let mut clients = Vec::new();
    for _ in 0..15 {
        let mut client = gateway.connect().await;
        client.send(GET).await;
        clients.push(client);
    }
    for client in &mut clients {
        let got = client.message().await;
        assert_eq!((got.status(), got.text()), ("504", "101508"));
    }
    assert_eq!(attempts.load(SeqCst), 1);
    // Whoever comes later is not told of an old failure.
    assert_eq!(clients[0].ask(GET).await.status(), "504");
    assert_eq!(attempts.load(SeqCst), 2);
}

#[tokio::test]
async fn nobody_answers() {
    let address = backend(|_, mut wire| async move {
        wire.head().await;
        wire.head().await;
    })
    .await;
    let mut plan = Plan::to(format!("http://{address}"));
    plan.endpoint.timeout_ms = 200;
    let got = ask(plan).await;
    assert_eq!((got.status(), got.text()), ("504", "101504"));

    let mut plan = Plan::to(format!("http://{address}"));
    plan.endpoint.timeout_ms = 200;
    plan.endpoint.timeout_status = 503;
    assert_eq!(ask(plan).await.status(), "503");
}

#[tokio::test]
async fn an_answer_that_is_no_http() {
    let got = ask(Plan::to(format!("http://{}", answering("SSH-2.0-OpenSSH_9.2\r\n\r\n").await))).await;
    assert_eq!((got.status(), got.text()), ("502", "101506"));
}

#[tokio::test]
async fn an_answer_that_is_announced_again_and_again_is_not_waited_for() {
    for (times, status) in [(5, "200"), (50, "502")] {
        let address = backend(move |_, mut wire| async move {
            wire.head().await;
            wire.send("HTTP/1.1 102 Processing\r\n\r\n".repeat(times)).await;
            wire.send(crate::bench::OK).await;
            wire.head().await;
        })
        .await;
        assert_eq!(ask(Plan::to(format!("http://{address}"))).await.status(), status, "{times} times");
    }
}

#[tokio::test]
async fn a_connection_closed_before_the_answer() {
    let address = backend(|_, mut wire| async move {
        wire.head().await;
    })
    .await;
    let got = ask(Plan::to(format!("http://{address}"))).await;
    assert_eq!((got.status(), got.text()), ("502", "101505"));
}

#[tokio::test]
async fn a_body_that_stalls_or_breaks_is_not_mistaken_for_a_whole_one() {
    let framed = ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"];
    for (stalls, framed) in [(true, framed[0]), (false, framed[0]), (true, framed[1]), (false, framed[1])] {
        let address = backend(move |_, mut wire| async move {
            wire.head().await;
            wire.send(format!("HTTP/1.1 200 OK\r\n{framed}")).await;
            if stalls {
                wire.head().await;
            }
        })
        .await;
        let mut plan = Plan::to(format!("http://{address}"));
        plan.upstream.body_timeout = Duration::from_millis(200);
        let gateway = plan.start();
        let mut client = gateway.connect().await;
        client.send(GET).await;
        assert!(client.next().await.is_none(), "{framed:?}, stalls: {stalls}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_body_is_told_so() {
    let address = backend(|_, mut wire| async move {
        wire.message().await;
    })
    .await;
    let mut plan = Plan::to(format!("http://{address}"));
    plan.server.limits.body_timeout = Duration::from_millis(200);
    let gateway = plan.start();
    let got =
        gateway.connect().await.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello").await;
    assert_eq!((got.status(), got.text()), ("408", "408"));
}

#[tokio::test]
async fn a_slow_head_and_an_idle_connection_are_closed() {
    let mut plan = Plan::to(format!("http://{}", answering(crate::bench::OK).await));
    plan.server.limits.head_timeout = Duration::from_millis(300);
    plan.server.limits.keep_alive = Duration::from_millis(300);
    let gateway = plan.start();
    let mut slow = gateway.connect().await;
    slow.send("GET / HTTP/1.1\r\nHo").await;
    assert!(slow.is_closed().await);

    let mut idle = gateway.connect().await;
    assert_eq!(idle.ask(GET).await.status(), "200");
    assert!(idle.is_closed().await);

    let mut silent = gateway.connect().await;
    assert!(silent.is_closed().await);

    // However long a connection may be idle, a head that has begun is waited for no longer than the first one.
    let mut plan = Plan::to(format!("http://{}", answering(crate::bench::OK).await));
    plan.server.limits.head_timeout = Duration::from_millis(300);
    plan.server.limits.keep_alive = Duration::from_secs(3600);
    let gateway = plan.start();
    let mut again = gateway.connect().await;
    assert_eq!(again.ask(GET).await.status(), "200");
    again.send("GET / HTTP/1.1\r\nHo").await;
    assert!(again.is_closed().await);
}
