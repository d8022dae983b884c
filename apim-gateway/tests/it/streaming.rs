//! Bodies pass as they come: nobody waits for their end, and nobody holds them whole.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::bench::{LIMIT, OK, Plan, Wire, backend};

const PIECE: usize = 64 << 10;
const PIECES: usize = 1024; // 64 MiB

#[tokio::test]
async fn the_first_piece_arrives_before_the_last_is_sent() {
    let address = backend(|_, mut wire| async move {
        // Sends back each piece of the request when it has come, while the request still goes on.
        wire.head().await.unwrap();
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for _ in 0..3 {
            let piece = wire.take(10).await.unwrap(); // "5\r\nhello\r\n"
            wire.send(piece).await;
        }
        wire.send("0\r\n\r\n").await;
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for first in [true, false, false] {
        client.send("5\r\nhello\r\n").await;
        if first {
            assert!(client.head().await.unwrap().starts_with("HTTP/1.1 200"));
        }
        assert_eq!(client.take(10).await.unwrap(), b"5\r\nhello\r\n");
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.take(5).await.unwrap(), b"0\r\n\r\n");
}

#[tokio::test]
async fn a_large_download_waits_for_its_reader() {
    let (sent, mut progress) = tokio::sync::watch::channel(0);
    let address = backend(move |_, mut wire| {
        let sent = sent.clone();
        async move {
            wire.head().await.unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PIECE * PIECES);
            wire.send(head).await;
            let piece = vec![b'x'; PIECE];
            for count in 0..PIECES {
                wire.send(&piece).await;
                sent.send_replace(count + 1);
            }
        }
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    client.head().await.unwrap();
    // Nobody reads now. What is in flight fills the sockets' buffers and then stands still.
    while tokio::time::timeout(Duration::from_millis(500), progress.changed()).await.is_ok() {}
    assert!(*progress.borrow() < PIECES / 2, "the gateway took {} pieces in", *progress.borrow());
    for _ in 0..PIECES {
        client.take(PIECE).await.unwrap();
    }
}

#[tokio::test]
async fn a_large_upload_waits_for_the_backend() {
    let (go, gone) = tokio::sync::watch::channel(false);
    let address = backend(move |_, mut wire| {
        let mut gone = gone.clone();
        async move {
            wire.head().await.unwrap();
            gone.wait_for(|go| *go).await.unwrap();
            for _ in 0..PIECES {
                wire.take(PIECE).await.unwrap();
            }
            wire.send(crate::bench::OK).await;
        }
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", PIECE * PIECES)).await;
    let piece = vec![b'x'; PIECE];
    let mut sent = 0;
    while sent < PIECES && tokio::time::timeout(Duration::from_millis(500), client.send(&piece)).await.is_ok()
    {
        sent += 1;
    }
    assert!(sent < PIECES / 2, "the gateway took {sent} pieces in");
    go.send_replace(true);
    drop(gateway);
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_backend() {
    let (ended, mut end) = tokio::sync::watch::channel(false);
    let address = backend(move |_, mut wire| {
        let ended = ended.clone();
        async move {
            wire.head().await.unwrap();
            assert!(wire.is_closed().await);
            ended.send_replace(true);
        }
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(client);
    tokio::time::timeout(crate::bench::LIMIT, end.wait_for(|end| *end)).await.unwrap().unwrap();
}

#[tokio::test]
async fn nobody_waits_behind_the_upload_of_somebody_who_has_been_answered() {
    // Answers as soon as the head is there, and never reads on while the body comes.
    let address = backend(|_, mut wire| async move {
        while wire.head().await.is_some() {
            wire.send(OK).await;
        }
    })
    .await;
    let mut plan = Plan::to(format!("http://{address}"));
    plan.server.workers = 1;
    plan.endpoint.timeout_ms = 2_000;
    let gateway = plan.start();
    let mut slow = gateway.connect().await;
    let got = slow.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello").await;
    assert_eq!(got.status(), "200");
    let got = gateway.connect().await.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!((got.status(), got.text()), ("200", "ok"));
}

#[tokio::test]
async fn an_upload_that_goes_on_after_the_answer_has_begun_does_not_shorten_it() {
    let address = backend(|_, mut wire| async move {
        wire.head().await.unwrap();
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
        wire.take(10).await.unwrap();
        // Longer than the wait for a head, shorter than that for the next piece of a body.
        tokio::time::sleep(Duration::from_millis(900)).await;
        wire.send("world").await;
    })
    .await;
    let mut plan = Plan::to(format!("http://{address}"));
    plan.endpoint.timeout_ms = 300;
    let gateway = plan.start();
    // By HTTP/2, where the two bodies are in different hands: over HTTP/1.1 whoever takes a piece of the one looks
    // at the other as well, and so would mend a deadline that the upload had moved.
    let tcp = TcpStream::connect(gateway.http()).await.unwrap();
    let handshake = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(tcp));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let (pieces, body) = tokio::sync::mpsc::channel::<Bytes>(2);
    let body = futures_util::stream::unfold(body, |mut body| async {
        Some((Ok::<_, std::convert::Infallible>(Frame::data(body.recv().await?)), body))
    });
    pieces.send("hello".into()).await.unwrap();
    let request = Request::post("http://a/").header("content-length", 10);
    let request = request.body(StreamBody::new(Box::pin(body))).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut answer = response.into_body();
    assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
    pieces.send("world".into()).await.unwrap();
    assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "world");
}

#[tokio::test]
async fn an_upload_goes_on_after_the_answer_has_begun_without_a_word_from_the_backend() {
    let address = backend(|_, mut wire| async move {
        wire.head().await.unwrap();
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
        wire.take(12).await.unwrap();
        wire.send("world").await;
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let mut client = gateway.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nabc").await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(client.take(5).await.unwrap(), b"hello");
    for piece in ["def", "ghi", "jkl"] {
        // Far enough apart to arrive one by one.
        tokio::time::sleep(Duration::from_millis(50)).await;
        client.send(piece).await;
    }
    assert_eq!(client.take(5).await.unwrap(), b"world");
}

#[tokio::test]
async fn nobody_waits_behind_bytes_that_a_backend_has_answered_and_not_taken() {
    // The first connection answers a head and takes nothing of what follows.
    let listener = small_listener();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for first in [true, false] {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut wire = Wire::over(tcp);
                if first {
                    wire.head().await;
                    wire.send(OK).await;
                    return std::future::pending().await;
                }
                while wire.next().await.is_some() {
                    wire.send(OK).await;
                }
            });
        }
    });
    let mut plan = Plan::to(format!("http://{address}"));
    plan.server.workers = 1;
    plan.endpoint.timeout_ms = 2_000;
    let gateway = plan.start();
    // More than the system takes off the gateway's hands.
    let size = room().await + 200_000;
    let mut slow = gateway.connect().await;
    slow.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n")).await;
    slow.send(vec![b'x'; size]).await;
    assert_eq!(slow.message().await.status(), "200");
    let got = gateway.connect().await.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!((got.status(), got.text()), ("200", "ok"));
}

/// More than the system takes in on the way between a client and a backend, whichever of them does not read.
const MUCH: usize = 32 << 20;

/// Sends a large answer from the start, and reads the request meanwhile.
async fn at_once(answer: usize) -> SocketAddr {
    backend(move |_, mut wire| async move {
        let (mut read, mut write) = wire.tcp.split();
        let length = length_of_request(&mut read).await;
        let answer = async {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {answer}\r\n\r\n");
            write.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..answer / PIECE {
                write.write_all(&[b'y'; PIECE]).await.unwrap();
            }
        };
        let (mut request, mut nowhere) = (read.take(length), tokio::io::sink());
        let ((), taken) = tokio::join!(answer, tokio::io::copy(&mut request, &mut nowhere));
        assert_eq!(taken.unwrap(), length);
    })
    .await
}

/// Reads a head and nothing behind it.
async fn length_of_request(read: &mut (impl AsyncRead + Unpin)) -> u64 {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(read.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.map_or(0, |length| length.parse().unwrap())
}

#[tokio::test]
async fn a_client_may_send_all_before_it_takes_anything_if_its_backend_does_both_at_once() {
    let gateway = Plan::to(format!("http://{}", at_once(MUCH).await)).start();
    let mut client = gateway.connect().await;
    let whole = async {
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n")).await;
        for _ in 0..MUCH / PIECE {
            client.send([b'x'; PIECE]).await;
        }
        client.message().await
    };
    let got = tokio::time::timeout(LIMIT, whole).await.expect("it stands still");
    assert_eq!((got.status(), got.body.len()), ("200", MUCH));
    assert_eq!(got.header("content-length"), Some(&*MUCH.to_string()));
    // The connection is as good as new.
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.status(), "200");
}

/// What a client gets that speaks HTTP/2, and opens no window for the answer until it has sent all of its request in so
/// many pieces.
async fn by_http2(gateway: SocketAddr, pieces: usize, each: usize, pause: Duration) -> usize {
    let tcp = TcpStream::connect(gateway).await.unwrap();
    let handshake = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(tcp));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let (to, body) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = futures_util::stream::unfold(body, |mut body| async {
        Some((Ok::<_, std::convert::Infallible>(Frame::data(body.recv().await?)), body))
    });
    let request = Request::post("http://a/").header("content-length", pieces * each);
    let request = request.body(StreamBody::new(Box::pin(body))).unwrap();
    let whole = async {
        let response = sender.send_request(request).await.unwrap();
        let piece = Bytes::from(vec![b'x'; each]);
        for _ in 0..pieces {
            tokio::time::sleep(pause).await;
            to.send(piece.clone()).await.unwrap();
        }
        response.into_body().collect().await.unwrap().to_bytes().len()
    };
    tokio::time::timeout(LIMIT, whole).await.expect("it stands still")
}

#[tokio::test]
async fn so_may_one_that_speaks_http2() {
    let gateway = Plan::to(format!("http://{}", at_once(MUCH).await)).start();
    assert_eq!(by_http2(gateway.http(), MUCH / PIECE, PIECE, Duration::ZERO).await, MUCH);
}

#[tokio::test]
async fn who_sends_may_take_the_answer_when_all_is_sent_however_long_that_takes() {
    // More than the system takes in for a client that takes in little itself.
    let answer = 8 << 20;
    let mut plan = Plan::to(format!("http://{}", at_once(answer).await));
    plan.server.limits.write_timeout = Duration::from_millis(700);
    let gateway = plan.start();
    // Twice as long as a client may take nothing that sends nothing, either.
    let (pieces, pause) = (12, Duration::from_millis(120));
    let by_http1 = async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let mut client = Wire::over(socket.connect(gateway.http()).await.unwrap());
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {pieces}\r\n\r\n")).await;
        for _ in 0..pieces {
            tokio::time::sleep(pause).await;
            client.send("x").await;
        }
        client.message().await.body.len()
    };
    let taken = tokio::join!(by_http1, by_http2(gateway.http(), pieces, 1, pause));
    assert_eq!(taken, (answer, answer));
}

/// What is echoed has to be somewhere: no proxy with bounded buffers can do more.
#[tokio::test]
async fn a_client_that_takes_nothing_of_what_a_backend_echoes_is_left_when_its_time_is_over() {
    let (told, mut gone) = tokio::sync::mpsc::channel(1);
    let address = backend(move |_, mut wire| {
        let told = told.clone();
        async move {
            wire.head().await.unwrap();
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n")).await;
            let (mut read, mut write) = wire.tcp.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
            let _ = told.send(()).await;
        }
    });
    let mut plan = Plan::to(format!("http://{}", address.await));
    plan.server.limits.write_timeout = Duration::from_millis(600);
    let gateway = plan.start();
    let mut client = gateway.connect().await;
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n")).await;
    let send = async { while client.tcp.write_all(&[b'x'; PIECE]).await.is_ok() {} };
    tokio::time::timeout(LIMIT, send).await.expect("nobody has left it");
    tokio::time::timeout(LIMIT, gone.recv()).await.expect("nobody has told the backend").unwrap();
}

/// A listener whose connections take in little that nobody reads.
fn small_listener() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket.listen(16).unwrap()
}

/// How much the system takes in for a connection that nobody reads from.
async fn room() -> usize {
    let listener = small_listener();
    let mut tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let _nobody = listener.accept().await.unwrap();
    let mut taken = 0;
    while let Ok(count) = tokio::time::timeout(Duration::from_millis(300), tcp.write(&[b'x'; 16 << 10])).await
    {
        taken += count.unwrap();
    }
    taken
}
