//! Every kind of endpoint and every setting of one does what it says, through sockets.

mod balance;
mod cost;
mod dynamic;
mod failing;
mod health;
mod keys;
mod lambda;
mod mock;
mod retry;
mod security;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst};

use apim_core::event::{Change, Revision};
use apim_core::model::{Api, Endpoint};
use apim_core::testing::ManualClock;
use apim_core::{Body, Peer, Snapshot, Timestamp, Worker};
use apim_gateway::Gateway;
use apim_gateway::deploy::Report;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::bench::{Got, Plan, Running, Wire, backend};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// A backend that answers with its name, until it is told otherwise.
#[derive(Clone)]
struct Named {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    asked: Arc<AtomicUsize>,
}

/// Instead of a status: the connection is closed.
const HANGS_UP: u16 = 0;
/// Instead of a status: nothing is ever answered.
const SILENT: u16 = 1;

impl Named {
    async fn new(name: &'static str) -> Self {
        let (status, asked) = (Arc::new(AtomicU16::new(200)), Arc::new(AtomicUsize::new(0)));
        let (state, count) = (status.clone(), asked.clone());
        let address = backend(move |_, mut wire| {
            let (status, asked) = (state.clone(), count.clone());
            async move {
                while wire.next().await.is_some() {
                    asked.fetch_add(1, SeqCst);
                    match status.load(SeqCst) {
                        HANGS_UP => return,
                        SILENT => {
                            wire.head().await;
                        }
                        status => {
                            let length = name.len();
                            let head =
                                format!("HTTP/1.1 {status} -\r\nContent-Length: {length}\r\n\r\n{name}");
                            wire.send(head).await;
                        }
                    }
                }
            }
        })
        .await;
        Self { address, status, asked }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn answers(&self, status: u16) {
        self.status.store(status, SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

/// Where nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// An endpoint, as it would stand in a file.
fn endpoint(members: &[&str], with: Value) -> Endpoint {
    let members: Vec<_> = members.iter().map(|url| serde_json::json!({"url": url})).collect();
    let mut endpoint = match members.as_slice() {
        [only] => only.clone(),
        _ => serde_json::json!({"members": members}),
    };
    for (name, value) in with.as_object().unwrap() {
        endpoint[name] = value.clone();
    }
    serde_json::from_value(endpoint).unwrap()
}

/// A gateway before one endpoint, whose clock stands still, with one client.
struct Scene {
    clock: Arc<ManualClock>,
    client: Wire,
    _gateway: Running,
}

impl Scene {
    async fn of(endpoint: Endpoint) -> Self {
        let mut plan = Plan::to("");
        plan.endpoint = endpoint;
        Self::with(plan).await
    }

    async fn with(mut plan: Plan) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_700_000_000)));
        plan.clock = clock.clone();
        plan.server.workers = 1;
        let gateway = plan.start();
        Self { clock, client: gateway.connect().await, _gateway: gateway }
    }

    async fn ask(&mut self, request: &str) -> Got {
        self.client.ask(request).await
    }

    /// Sends a request whose body comes when the gateway asks for it, and so is a stream.
    async fn stream(&mut self) -> Got {
        self.client.send(POST.replace("\r\n\r\nhi", "\r\nExpect: 100-continue\r\n\r\n")).await;
        let interim = self.client.head().await.unwrap();
        assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");
        self.client.ask("hi").await
    }

    /// Status and body of a GET.
    async fn get(&mut self) -> (String, String) {
        let got = self.ask(GET).await;
        (got.status().to_owned(), got.text().to_owned())
    }

    /// The bodies of so many GETs, in a row.
    async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.get().await.1);
        }
        texts
    }
}

fn pair(status: &str, text: &str) -> (String, String) {
    (status.to_owned(), text.to_owned())
}

/// A whole gateway before one open API.
struct Whole {
    gateway: Gateway,
}

/// What the whole gateway answered.
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Whole {
    /// Loads an API whose operations, if it names none, are every method on `/*`.
    async fn load(with: Value) -> (Self, Report) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_440_938_160)));
        let gateway = Gateway::builder().clock(clock).build().await.unwrap();
        let report = gateway.load(Snapshot::new(Revision(1), [Self::deployed(with)])).await;
        (Self { gateway }, report)
    }

    fn deployed(with: Value) -> Change {
        let mut api = serde_json::json!({
            "id": "pets", "name": "pets", "version": "1", "context": "/pets",
            "operations": [{"method": "*", "path": "/*", "auth": "none"}],
        });
        for (name, value) in with.as_object().unwrap() {
            api[name] = value.clone();
        }
        let api: Api = serde_json::from_value(api).unwrap();
        Change::ApiDeployed(Arc::new(api))
    }

    /// Another revision of the API.
    async fn deploy(&self, with: Value) {
        let report = self.gateway.change(Self::deployed(with)).await;
        assert!(report.refused.is_empty(), "{:?}", report.refused);
    }

    async fn of(with: Value) -> Self {
        let (whole, report) = Self::load(with).await;
        assert!(report.refused.is_empty(), "{:?}", report.refused);
        whole
    }

    /// Why an API with these endpoints is refused.
    async fn refusal(with: Value) -> String {
        let (_, report) = Self::load(with).await;
        report.refused.first().map(ToString::to_string).unwrap_or_default()
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let peer = Peer { address: ([203, 0, 113, 9], 4711).into(), tls: false };
        let (head, body) = self.gateway.handle(request, peer, Worker(0)).await.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Reply { status: head.status.as_u16(), headers: head.headers, text }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}
