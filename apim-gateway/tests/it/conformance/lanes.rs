//! Gateways with a backend that counts, through which many streams of bytes are sent side by side.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apim_core::event::{Change, Revision};
use apim_core::{Shutdown, Snapshot};
use apim_gateway::Gateway;
use apim_gateway::config::File;
use apim_gateway::server::{Server, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::bench::{LIMIT, Wire, backend};

/// How many gateways there are, each with streams of its own, one after the other.
const LANES: usize = 16;

/// How long the gateway waits for the rest of a message that never comes.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of one stream of bytes.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The statuses the client got, interim ones left out.
    pub(super) statuses: Vec<u16>,
    /// The numbers of the backend's answers, as the client got them.
    pub(super) answered: Vec<usize>,
    /// The numbers the backend gave, with the request lines it saw.
    pub(super) seen: Vec<(usize, String)>,
}

impl Outcome {
    /// Whether each request the backend saw has an answer that the client got, and no other.
    pub(super) fn is_exact(&self) -> bool {
        self.answered.iter().eq(self.seen.iter().map(|(number, _)| number))
    }
}

/// Sends all streams, and tells what came of each, in their order.
pub(super) async fn run(streams: Vec<Vec<u8>>, in_pieces: bool) -> Vec<Outcome> {
    let count = streams.len();
    let todo: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(streams.into_iter().enumerate().collect()));
    let lanes = (0..LANES.min(count)).map(|_| {
        let todo = todo.clone();
        tokio::spawn(async move {
            let lane = Lane::open().await;
            let mut done = Vec::new();
            loop {
                let next = todo.lock().unwrap().pop_front();
                let Some((index, bytes)) = next else { return done };
                done.push((index, lane.send(&bytes, in_pieces).await));
            }
        })
    });
    let lanes = futures_util::future::join_all(lanes.collect::<Vec<_>>()).await;
    let mut outcomes: Vec<_> = lanes.into_iter().flat_map(Result::unwrap).collect();
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

struct Lane {
    gateway: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    _stop: oneshot::Sender<()>,
}

impl Lane {
    async fn open() -> Self {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let counted = seen.clone();
        // A request is counted when its last byte has come; one that breaks off is none.
        let address = backend(move |_, mut wire: Wire| {
            let counted = counted.clone();
            async move {
                while let Some(got) = wire.next().await {
                    assert!(
                        got.header("content-length").is_none() || got.header("transfer-encoding").is_none(),
                        "the backend was sent a request that ends in two ways: {}",
                        got.head
                    );
                    let number = {
                        let mut seen = counted.lock().unwrap();
                        seen.push(got.head.lines().next().unwrap_or_default().to_owned());
                        seen.len() - 1
                    };
                    let answer =
                        format!("HTTP/1.1 200 OK\r\nX-Number: {number}\r\nContent-Length: 0\r\n\r\n");
                    wire.send(answer).await;
                }
            }
        })
        .await;
        let (gateway, stop) = gateway(&format!("http://{address}")).await;
        Self { gateway, seen, _stop: stop }
    }

    async fn send(&self, bytes: &[u8], in_pieces: bool) -> Outcome {
        let before = self.seen.lock().unwrap().len();
        let got = exchange(self.gateway, bytes, in_pieces).await;
        let mut outcome = parse(&got);
        // What went to the backend before this request is there when this request is answered.
        let last = exchange(self.gateway, SENTINEL, false).await;
        assert_eq!(parse(&last).statuses, [200], "{}", String::from_utf8_lossy(&last));
        let mut seen = self.seen.lock().unwrap();
        assert_eq!(seen.pop().as_deref(), Some("GET /sentinel HTTP/1.1"));
        outcome.seen = seen.iter().cloned().enumerate().skip(before).collect();
        outcome
    }
}

const SENTINEL: &[u8] = b"GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// A gateway with one API that takes every path and asks nobody who he is.
pub(super) async fn gateway(backend: &str) -> (SocketAddr, oneshot::Sender<()>) {
    let api = json!({
        "id": "all", "name": "All", "version": "1", "context": "/{version}", "default_version": true,
        "endpoints": {"production": {"url": backend}},
    });
    let config =
        File::parse("handlers: [{use: cors}, {use: resource}, {use: anonymous}]").unwrap().resolve().unwrap();
    let gateway = Gateway::builder().config(config).build().await.unwrap();
    let api = Arc::new(serde_json::from_value(api).unwrap());
    let report = gateway.load(Snapshot::new(Revision(1), vec![Change::ApiDeployed(api)])).await;
    assert!(report.refused.is_empty(), "{report:?}");
    let mut config = ServerConfig::default();
    config.http = Some(([127, 0, 0, 1], 0).into());
    config.workers = 1;
    config.limits.head_timeout = PATIENCE;
    config.limits.body_timeout = PATIENCE;
    config.limits.keep_alive = PATIENCE;
    let bound = Server::new(gateway, config).bind().unwrap();
    let address = bound.http_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(bound.run(Shutdown::new(async { drop(stopped.await) })));
    (address, stop)
}

/// Sends bytes, and reads until the gateway closes the connection, as it does at the latest when it has
/// waited long enough for more.
async fn exchange(gateway: SocketAddr, bytes: &[u8], in_pieces: bool) -> Vec<u8> {
    let tcp = TcpStream::connect(gateway).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let (mut read, mut write) = tcp.into_split();
    let sending = async move {
        for piece in bytes.chunks(if in_pieces { 7 } else { usize::MAX }) {
            // The gateway may have refused what came before.
            if write.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        write
    };
    let reading = async {
        let mut got = Vec::new();
        // A reset takes away nothing that has been read.
        while read.read_buf(&mut got).await.is_ok_and(|count| count > 0) {}
        got
    };
    let (_write, got) =
        tokio::time::timeout(LIMIT, async { tokio::join!(sending, reading) }).await.expect("nothing came");
    got
}

/// Reads what the client got as answers.
fn parse(mut got: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    while let Some(end) = memchr::memmem::find(got, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&got[..end]).into_owned();
        got = &got[end + 4..];
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        if status < 200 {
            continue;
        }
        outcome.statuses.push(status);
        outcome.answered.extend(header("x-number").map(|number| number.parse::<usize>().unwrap()));
        let length = header("content-length").map_or(0, |length| length.parse::<usize>().unwrap());
        // The answer to HEAD tells a length and has no body.
        if !got.starts_with(b"HTTP/1.1 ") {
            got = &got[length.min(got.len())..];
        }
    }
    outcome
}
