//! The whole way, through sockets: client, our server with one worker, backend.
//!
//! Client and backend are loops over fixed buffers that allocate nothing per request, so what the process
//! allocates is the gateway's; and its processor time is that of its worker's thread. All three share the
//! machine, so requests per second are a lower bound of what the gateway can do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apim_core::model::{Api, Application, KeyMapping, Policy, Subscription};
use apim_core::{Body, Change, Peer, Revision, Shutdown, Snapshot, Worker};
use apim_gateway::Gateway;
use apim_gateway::analytics::Lines;
use apim_gateway::server::{Serve, Server, ServerConfig};
use apim_throttle::LocalEngine;
use aws_lc_rs::digest::{SHA256, digest};
use http::Request;
use serde_json::{Value, json};
use stats_alloc::Region;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::issuer::Issuer;
use crate::report::{Cost, Heap};

const CONNECTIONS: usize = 32;
const WARM: usize = 2_000;
const REQUESTS: usize = 40_000;

/// What a run showed.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Per request: processor time of the gateway's worker, and allocations of the whole process.
    pub cost: Cost,
    /// Requests per second.
    pub each_second: f64,
    /// Half of the requests took less.
    pub median: Duration,
    /// Ninety-nine of a hundred requests took less.
    pub p99: Duration,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// A GET of 1 KiB on an API that everybody may call, with one limit, by client address.
    Open,
    /// The same with an RS256 token, one of a thousand in turn, a scope, a subscription, and three limits.
    Guarded,
}

/// Runs a scenario. `heap` is the process's allocator.
pub fn run(scenario: Scenario, heap: &Heap) -> Run {
    let backend = Backend::start();
    let issuer = Issuer::default();
    let gateway = Running::start(snapshot(scenario, backend.address, &issuer), |_| {});
    let requests: Vec<_> = match scenario {
        Scenario::Open => vec![request("")],
        Scenario::Guarded => (0..1_000)
            .map(|number| request(&format!("Authorization: Bearer {}\r\n", issuer.token("client", number))))
            .collect(),
    };
    let client = Client { gateway: gateway.address, requests: requests.into() };
    let runtime = single();
    let mut connections = runtime.block_on(client.connect());
    runtime.block_on(client.send(&mut connections, WARM));

    let (before, region, started) = (worker_time(), Region::new(heap), Instant::now());
    let mut latencies = runtime.block_on(client.send(&mut connections, REQUESTS));
    let (elapsed, heap, worked) = (started.elapsed(), region.change(), worker_time() - before);

    let done = latencies.len() as f64;
    latencies.sort_unstable();
    Run {
        cost: Cost {
            nanoseconds: worked.as_nanos() as f64 / done,
            allocations: (heap.allocations + heap.reallocations) as f64 / done,
            bytes: heap.bytes_allocated as f64 / done,
        },
        each_second: done / elapsed.as_secs_f64(),
        median: latencies[latencies.len() / 2],
        p99: latencies[latencies.len() * 99 / 100],
    }
}

fn single() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).unwrap())
}

/// One API, and for the guarded scenario all that its check asks for.
pub fn snapshot(scenario: Scenario, backend: SocketAddr, issuer: &Issuer) -> Snapshot {
    let guarded = scenario == Scenario::Guarded;
    let policy = |kind: &str, name: &str| {
        let quota = json!({"requests": 1_000_000_000, "window_ms": 60_000});
        Change::PolicySaved(read::<Policy>(json!({"kind": kind, "name": name, "quota": quota})))
    };
    let operation = json!({
        "method": "GET",
        "path": "/pets/{id}",
        "auth": if guarded { "any" } else { "none" },
        "scopes": if guarded { json!(["pets:read"]) } else { json!([]) },
    });
    let mut api = json!({
        "id": "1", "name": "pets", "version": "1.0.0", "context": "/petstore",
        "subscriptions": guarded,
        "operations": [operation],
        "endpoints": {"production": {"url": format!("http://{backend}/v2")}},
    });
    if guarded {
        api["policy"] = "Plenty".into();
    }
    // The tier of calls without a credential, which WSO2 ships with 500 per minute.
    let mut changes = vec![policy("subscription", "Unauthenticated"), Change::ApiDeployed(read::<Api>(api))];
    if guarded {
        changes.extend([
            Change::KeyManagerSaved(issuer.config()),
            policy("advanced", "Plenty"),
            policy("subscription", "Plenty"),
            policy("application", "Plenty"),
            Change::ApplicationSaved(read::<Application>(
                json!({"id": "7", "name": "shop", "owner": "ann", "policy": "Plenty"}),
            )),
            Change::SubscriptionSaved(read::<Subscription>(
                json!({"id": "9", "application": "7", "api": "1", "plan": "Plenty"}),
            )),
            Change::KeyMappingSaved(read::<KeyMapping>(json!({
                "application": "7", "key_manager": "Resident Key Manager", "client": "client",
                "key_type": "PRODUCTION",
            }))),
        ]);
    }
    Snapshot::new(Revision(1), changes)
}

/// A gateway that listens, until it is dropped.
#[derive(Debug)]
pub struct Running {
    /// Where.
    pub address: SocketAddr,
    /// What is in force there.
    pub gateway: Gateway,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    /// Starts one with a single worker, after a change to its settings.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(snapshot: Snapshot, change: impl FnOnce(&mut ServerConfig) + Send + 'static) -> Self {
        Self::start_with(snapshot, 0, change)
    }

    /// The same, where each call takes as much work as a digest of so many KiB besides.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_with(
        snapshot: Snapshot,
        work: usize,
        change: impl FnOnce(&mut ServerConfig) + Send + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            single().block_on(async {
                let engine = Arc::new(LocalEngine::new(Arc::new(apim_core::SystemClock)));
                let folder = tempfile::tempdir().unwrap();
                let calls = Lines::append(folder.path().join("calls"), 64 << 20, 1).unwrap();
                let builder = Gateway::builder().workers(1).throttle(engine).analytics(Arc::new(calls));
                let gateway = builder.build().await.unwrap();
                gateway.load(snapshot).await;
                let mut config = ServerConfig::default();
                config.http = Some(([127, 0, 0, 1], 0).into());
                config.workers = 1;
                change(&mut config);
                let served = Working { gateway: gateway.clone(), work: vec![0; work << 10].into() };
                let bound = Server::new(served, config).bind().unwrap();
                tell.send((bound.http_addr().unwrap(), gateway)).unwrap();
                let shutdown = Shutdown::new(async { drop(stopped.await) });
                bound.run(shutdown).await.unwrap();
            });
        });
        let (address, gateway) = told.recv().unwrap();
        Self { address, gateway, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.thread.take().map(std::thread::JoinHandle::join));
    }
}

/// A gateway of which calls are dear.
#[derive(Clone)]
struct Working {
    gateway: Gateway,
    /// What is digested for each call.
    work: Arc<[u8]>,
}

impl Serve for Working {
    type Reply = <Gateway as Serve>::Reply;

    async fn serve(&self, request: &mut Request<Body>, peer: Peer, worker: Worker) -> Self::Reply {
        if !self.work.is_empty() {
            std::hint::black_box(digest(&SHA256, &self.work));
        }
        self.gateway.serve(request, peer, worker).await
    }
}

/// A backend that answers each request with the same kilobyte.
#[derive(Debug)]
pub struct Backend {
    /// Where.
    pub address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Backend {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// If there is no port for it.
    pub fn start() -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            single().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let serve = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(answer(stream));
                    }
                };
                tokio::select! { () = serve => {}, _ = stopped => {} }
            });
        });
        Self { address: told.recv().unwrap(), _stop: stop }
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(1_013));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n";
    let response = format!("{head}{body}");
    let (mut buffer, mut filled) = ([0; 8192], 0);
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        filled += read;
        if read == 0 {
            return Ok(());
        }
        // Requests here have no body, so each ends with its head.
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            stream.write_all(response.as_bytes()).await?;
        }
    }
}

/// A request of the scenarios, with more headers.
pub fn request(headers: &str) -> String {
    format!("GET /petstore/1.0.0/pets/17 HTTP/1.1\r\nHost: gw.example\r\nUser-Agent: bench\r\n{headers}\r\n")
}

/// Sends requests on many connections, one at a time on each.
struct Client {
    gateway: SocketAddr,
    requests: Arc<[String]>,
}

impl Client {
    async fn connect(&self) -> Vec<TcpStream> {
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let stream = TcpStream::connect(self.gateway).await.unwrap();
            stream.set_nodelay(true).unwrap();
            connections.push(stream);
        }
        connections
    }

    /// Sends so many, and says how long each took.
    async fn send(&self, connections: &mut Vec<TcpStream>, requests: usize) -> Vec<Duration> {
        let each = requests / connections.len();
        let tasks: Vec<_> = connections
            .drain(..)
            .enumerate()
            .map(|(number, stream)| tokio::spawn(ask(stream, self.requests.clone(), number * each, each)))
            .collect();
        let mut all = Vec::with_capacity(requests);
        for task in tasks {
            let (stream, latencies) = task.await.unwrap();
            connections.push(stream);
            all.extend(latencies);
        }
        all
    }
}

async fn ask(
    mut stream: TcpStream,
    requests: Arc<[String]>,
    first: usize,
    times: usize,
) -> (TcpStream, Vec<Duration>) {
    let mut latencies = Vec::with_capacity(times);
    let mut buffer = [0; 8192];
    for turn in first..first + times {
        let started = Instant::now();
        stream.write_all(requests[turn % requests.len()].as_bytes()).await.unwrap();
        let mut filled = 0;
        loop {
            let read = stream.read(&mut buffer[filled..]).await.unwrap();
            assert_ne!(read, 0, "the gateway closed the connection");
            filled += read;
            if whole(&buffer[..filled]) {
                break;
            }
        }
        latencies.push(started.elapsed());
    }
    (stream, latencies)
}

/// Whether a response is all there; panics at any that is not the backend's.
fn whole(response: &[u8]) -> bool {
    let status = &response[..response.len().min(12)];
    assert!(b"HTTP/1.1 200".starts_with(status), "{}", String::from_utf8_lossy(response));
    let end = response.windows(4).position(|four| four == b"\r\n\r\n");
    end.is_some_and(|end| response.len() >= end + 4 + 1024)
}

/// Processor time that the gateway's workers in this process have used (`/proc/…/schedstat`, proc(5)).
///
/// # Panics
///
/// Where there is no `/proc`.
pub fn worker_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let time = |task: std::path::PathBuf| {
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        let stat = std::fs::read_to_string(task.join("schedstat")).ok()?;
        let nanoseconds = stat.split(' ').next()?.parse().ok()?;
        (name.trim_end() == "gateway-worker").then(|| Duration::from_nanos(nanoseconds))
    };
    tasks.filter_map(|task| time(task.ok()?.path())).sum()
}
