//! HTTP/2 by the byte: what would be two requests of HTTP/1.1, or too much of anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use apim_gateway::server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::lanes::gateway;
use crate::bench::{LIMIT, OK, backend};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `ENHANCE_YOUR_CALM` (RFC 9113 section 7).
const CALM: u8 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Header lines, each without index and without compression (RFC 7541 section 6.2.2).
fn lines<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    lines.into_iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

const GET: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

/// What a client of HTTP/2 begins with.
fn hello() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*frame(4, 0, 0, &[])].concat()
}

/// What came back: kind of frame, and its payload.
type Got = Vec<(u8, Vec<u8>)>;

/// Sends bytes and reads frames, until one ends the stream or the connection.
async fn exchange(gateway: SocketAddr, bytes: Vec<u8>) -> Got {
    exchange_until(gateway, bytes, |kind, flags| {
        matches!(kind, RESET | GOAWAY) || (kind <= HEADERS && flags & END_STREAM != 0)
    })
    .await
}

/// Sends bytes and reads frames, until such a one or until the connection ends.
async fn exchange_until(gateway: SocketAddr, bytes: Vec<u8>, is_last: fn(u8, u8) -> bool) -> Got {
    let tcp = TcpStream::connect(gateway).await.unwrap();
    let (mut read, mut write) = tcp.into_split();
    let sending = tokio::spawn(async move {
        let _ = write.write_all(&bytes).await;
        write
    });
    let mut got = Got::new();
    let reading = async {
        loop {
            let mut head = [0; 9];
            if read.read_exact(&mut head).await.is_err() {
                return;
            }
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            if read.read_exact(&mut payload).await.is_err() {
                return;
            }
            got.push((head[3], payload));
            if is_last(head[3], head[4]) {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, reading).await.expect("nothing came");
    sending.abort();
    got
}

/// How many answers are 200, which is one byte in the static table.
fn successes(got: &Got) -> usize {
    got.iter().filter(|(kind, payload)| *kind == HEADERS && payload.first() == Some(&0x88)).count()
}

/// A gateway whose backend counts the requests that are whole.
async fn counting() -> (SocketAddr, Arc<AtomicUsize>, oneshot::Sender<()>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
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
    let (gateway, stop) = gateway(&format!("http://{address}")).await;
    (gateway, seen, stop)
}

#[tokio::test]
async fn no_header_becomes_a_second_request() {
    let (gateway, seen, _stop) = counting().await;
    let with = |name: &'static str, value: &'static str| {
        let mut all = GET.to_vec();
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some(line) => line.1 = value,
            None => all.push((name, value)),
        }
        all
    };
    let mut bad = vec![
        with(":method", "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
        with(":method", "GET /x"),
        with(":method", ""),
        with(":path", "/ HTTP/1.1\r\nX: y\r\n\r\nGET /x"),
        with(":path", "/ HTTP/1.1"),
        with(":path", "/\r\nX: y"),
        with(":path", "/\0"),
        with(":path", ""),
        with(":path", "x"),
        with(":path", "http://b/"),
        with(":scheme", "ftp"),
        with(":scheme", "http://b/?"),
        with(":authority", "a\r\nX: y"),
        with(":authority", "a b"),
        with(":authority", "a/b"),
        with(":authority", "b@a"),
        with(":authority", "a:99999"),
        with("host", "b"),
        with("x", "y\r\nz: 1"),
        with("x", "y\nz: 1"),
        with("x", "y\rz"),
        with("x", "y\0z"),
        with("x\r\nz", "y"),
        with("x: y\r\nz", "1"),
        with("x:y", "1"),
        with("x y", "1"),
        with("X", "1"),
        with("", "1"),
        with(":x", "1"),
        with(":status", "200"),
        with("connection", "x"),
        with("connection", "upgrade"),
        with("proxy-connection", "x"),
        with("keep-alive", "5"),
        with("upgrade", "websocket"),
        with("transfer-encoding", "chunked"),
        with("te", "gzip"),
        with("content-length", "5"),
        with("content-length", "+0"),
        with("content-length", "0, 5"),
        with(":method", "CONNECT"),
    ];
    bad.push([&GET[..], &GET[3..]].concat());
    bad.push([&GET[..], &[(":path", "/x")]].concat());
    bad.push([&GET[..], &[(":method", "POST")]].concat());
    bad.push([&[("x", "y")], &GET[..]].concat());
    bad.push([&GET[..], &[("content-length", "0"), ("content-length", "5")]].concat());
    bad.extend((0..3).map(|left_out| {
        let mut all = GET.to_vec();
        all.remove(left_out);
        all
    }));
    for all in &bad {
        let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &lines(all.iter().copied()));
        let got = exchange(gateway, [hello(), request].concat()).await;
        assert_eq!(successes(&got), 0, "{all:?} was answered");
        assert_eq!(seen.load(SeqCst), 0, "{all:?} reached the backend");
    }
    // More than was announced, and less.
    for data in [&b"hello"[..], b"h"] {
        let head = lines(with("content-length", "3"));
        let request = [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, END_STREAM, 1, data)].concat();
        let got = exchange(gateway, [hello(), request].concat()).await;
        assert_eq!((successes(&got), seen.load(SeqCst)), (0, 0), "{data:?}");
    }
    // What all these differ from.
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &lines(GET));
    let got = exchange(gateway, [hello(), request].concat()).await;
    assert_eq!((successes(&got), seen.load(SeqCst)), (1, 1));
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_at_once_end_their_connection() {
    let (gateway, seen, _stop) = counting().await;
    let mut flood = hello();
    for number in 0..5_000 {
        flood.extend(frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &lines(GET)));
        flood.extend(frame(RESET, 0, 2 * number + 1, &[0, 0, 0, 8]));
    }
    let got = exchange(gateway, flood).await;
    let calm = got.iter().any(|(kind, payload)| *kind == GOAWAY && payload.get(7) == Some(&CALM));
    assert!(calm, "{got:?}");
    assert!(seen.load(SeqCst) < 1_000, "{} of 5000 reached the backend", seen.load(SeqCst));
}

#[tokio::test]
async fn streams_that_the_gateway_is_made_to_reset_end_their_connection() {
    let (gateway, _, _stop) = counting().await;
    let mut flood = hello();
    for stream in (1..10_000).step_by(2) {
        flood.extend(frame(HEADERS, END_HEADERS, stream, &lines(GET)));
        // A window beyond what there may be is an error of its stream (RFC 9113 section 6.9.1).
        flood.extend(frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes()));
    }
    let got = exchange_until(gateway, flood, |kind, _| kind == GOAWAY).await;
    let resets = got.iter().filter(|(kind, _)| *kind == RESET).count();
    let calm = got.iter().any(|(kind, payload)| *kind == GOAWAY && payload.get(7) == Some(&CALM));
    assert!(calm && resets < 1_000, "{resets} resets of 5000");
}

#[tokio::test]
async fn a_head_that_never_ends_ends_its_connection() {
    let (gateway, seen, _stop) = counting().await;
    let line = lines([("x", &*"y".repeat(100))]);
    for (piece, pieces) in [(line.repeat(100), 100), (Vec::new(), 100_000)] {
        let mut flood = [hello(), frame(HEADERS, END_STREAM, 1, &lines(GET))].concat();
        let more = frame(CONTINUATION, 0, 1, &piece);
        flood.extend(more.repeat(pieces));
        let got = exchange(gateway, flood).await;
        assert!(got.iter().all(|(kind, _)| *kind != HEADERS) || successes(&got) == 0, "{got:?}");
    }
    assert_eq!(seen.load(SeqCst), 0);
}

#[tokio::test]
async fn a_head_that_grows_too_large_only_when_it_is_read_is_refused() {
    let (gateway, seen, _stop) = counting().await;
    // A line that the client asks to be remembered costs one byte each further time (RFC 7541 section 6.1).
    let line = lines([("x", &*"y".repeat(100))]);
    let remembered = [&[0x40], &line[1..]].concat();
    for (times, expected) in [(10, 1), (1_000, 0)] {
        let head = [lines(GET), remembered.clone(), vec![0xbe; times]].concat();
        let bytes = [hello(), frame(HEADERS, END_STREAM | END_HEADERS, 1, &head)].concat();
        let got = exchange(gateway, bytes).await;
        assert_eq!((successes(&got), seen.swap(0, SeqCst)), (expected, expected), "{times} times: {got:?}");
    }
}

#[tokio::test]
async fn a_connection_has_so_many_requests_at_once() {
    let address = backend(|_, mut wire| async move {
        wire.next().await;
        std::future::pending().await
    })
    .await;
    let (gateway, _stop) = gateway(&format!("http://{address}")).await;
    let asked = (0..).map(|number| frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &lines(GET)));
    let limit = usize::try_from(Limits::default().streams).unwrap();
    let got = exchange(gateway, [hello(), asked.take(limit + 1).flatten().collect()].concat()).await;
    // The code is `REFUSED_STREAM`: none of it was looked at, and it may be sent again.
    assert_eq!(got.last(), Some(&(RESET, vec![0, 0, 0, 7])), "{got:?}");
}

#[tokio::test]
async fn a_flood_that_wants_answers_and_takes_none_is_not_kept() {
    let (gateway, _, _stop) = counting().await;
    let mut tcp = TcpStream::connect(gateway).await.unwrap();
    tcp.write_all(&hello()).await.unwrap();
    // Settings are acknowledged each; nobody reads the acknowledgements. What is sent then stands still.
    let settings = frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(10_000);
    let mut taken = 0;
    while let Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(500), tcp.write_all(&settings)).await {
        taken += settings.len();
        assert!(taken < 64 << 20, "the gateway took {taken} bytes of settings in");
    }
}
