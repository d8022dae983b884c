//! What could be read in two ways is refused, and no byte of it reaches a backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::bench::{OK, Plan, answering, backend};

#[tokio::test]
async fn ambiguous_heads_are_refused_and_the_connection_closed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let address = backend(move |_, mut wire| {
        let counted = counted.clone();
        async move {
            while wire.next().await.is_some() {
                counted.fetch_add(1, SeqCst);
                wire.send(OK).await;
            }
        }
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    for head in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = gateway.connect().await;
        client.send(head).await;
        let got = client.message().await;
        assert!(got.status().starts_with('4'), "{head:?} was answered {}", got.head);
        assert!(client.is_closed().await, "{head:?} left the connection open");
    }
    assert_eq!(asked.load(SeqCst), 0);
}

#[tokio::test]
async fn an_ambiguous_head_behind_a_good_request_is_refused_too() {
    let gateway = Plan::to(format!("http://{}", answering(OK).await)).start();
    for good in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\n",
    ] {
        for ambiguous in [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "GET / HTTP/1.1\nHost: a\n\n",
        ] {
            let mut client = gateway.connect().await;
            client.send(format!("{good}{ambiguous}")).await;
            let mut statuses = Vec::new();
            while let Some(got) = client.next().await {
                statuses.push(got.status().to_owned());
            }
            let refused = statuses.last().is_some_and(|last| last == "400");
            assert!(refused, "{good:?} then {ambiguous:?}: {statuses:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_arrives_behind_its_answer_is_not_taken_for_a_head() {
    // Answers each head at once; what is a body to us is nothing to it.
    let address = backend(|_, mut wire| async move {
        while wire.head().await.is_some() {
            wire.send(OK).await;
        }
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    let got = client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nhello").await;
    assert_eq!(got.status(), "200");
    // Lines that end as those of a text do, which no head's may.
    client.send("\nworld\n").await;
    let got = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(got.status(), "200");
}

#[tokio::test]
async fn a_length_beside_chunks_from_a_backend_does_not_reach_the_client() {
    let address = answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    )
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let got = gateway.connect().await.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(got.text(), "hello");
    assert_eq!(got.header("content-length"), None);
}

#[tokio::test]
async fn a_head_too_large_is_refused() {
    let gateway = Plan::to(format!("http://{}", answering(OK).await)).start();
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let got = gateway.connect().await.ask(&head).await;
    assert_eq!(got.status(), "431");
    let many = "X: y\r\n".repeat(200);
    let got = gateway.connect().await.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).await;
    assert_eq!(got.status(), "431");
    // Trailers are a head that comes late.
    let body = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {}",
        "x".repeat(20_000)
    );
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(&format!("{body}\r\n\r\n")).await.status(), "400");
    assert!(client.is_closed().await);
}
