//! The program under test: the whole platform, as a process of its own.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::{Arc, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use benches::load::{Backend, Door};
use driver::{Client, Journey, Keys, Process, Reply, free_offset, sibling};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::Site;

const DOCUMENT: &str = "
openapi: 3.0.3
info: { title: Soak, version: 1.0.0 }
paths:
  /pets/{id}: { get: { responses: { '200': { description: A pet } } } }
  /uploads/{id}: { post: { responses: { '200': { description: How many bytes there were } } } }
  /reports/{id}: { get: { responses: { '200': { description: Something large } } } }
  /waits/{id}: { get: { responses: { '200': { description: A pet, after a while } } } }
";

/// The process, its data and its backend. They end when this is dropped.
pub(crate) struct Platform {
    process: Process,
    desk: Arc<Desk>,
    ca: String,
    backend: Backend,
    _data: TempDir,
}

/// Where changes are made.
pub(crate) struct Desk {
    journey: Journey,
    ca: String,
    /// The administrator's token, which lives for an hour.
    administrator: RwLock<String>,
    keys: Keys,
    api: String,
    /// Two revisions of the API, which differ in where they lead.
    revisions: [String; 2],
}

impl Platform {
    /// Starts the program; by default the one beside this program.
    pub(crate) async fn start(program: Option<&Path>) -> Self {
        let program = match program {
            Some(program) => program.to_str().unwrap().to_owned(),
            None => sibling(std::env::current_exe().unwrap().to_str().unwrap(), "all-in-one"),
        };
        let data = tempfile::tempdir().unwrap();
        let process = Process::start(&program, data.path(), free_offset(), &[]).await;
        let ca = std::fs::read_to_string(data.path().join("ca.pem")).unwrap();
        let backend = Backend::start();
        let journey = Journey::begin(&process.control(), &ca).await;
        let desk = Arc::new(Desk::open(journey, &ca, &backend).await);
        Self { process, desk, ca, backend, _data: data }
    }

    /// What the load has to know, once the gateway serves the API.
    pub(crate) async fn site(&self) -> Site {
        let token = self.desk.token().await.unwrap();
        let url = format!("{}/soak/1.0.0/pets/1", self.process.gateway_http());
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let reply = self.desk.journey.client.get(&url, &token).await;
            if reply.status == 200 {
                break;
            }
            assert!(std::time::Instant::now() < patience, "the gateway does not serve: {}", reply.text());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let port = |base: u16| ([127, 0, 0, 1], base + self.process.offset).into();
        let doors = [Door::plain(port(8280)), Door::encrypted(port(8243), Client::trusting(&self.ca).tls())];
        Site::new(doors, Door::plain(self.backend.address), token)
    }

    pub(crate) fn desk(&self) -> Arc<Desk> {
        self.desk.clone()
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end; whether it did so in order.
    pub(crate) async fn end(&mut self) -> bool {
        self.process.terminate().await.success()
    }
}

impl Desk {
    async fn open(journey: Journey, ca: &str, backend: &Backend) -> Self {
        let url = |revision: &str| format!("http://{}/{revision}", backend.address);
        let api = journey.import(DOCUMENT, "Soak", "/soak", &url("0")).await;
        let first = journey.deploy(&api).await;
        let path = format!("/apis/{api}");
        let mut document = journey.publisher(Method::GET, &path, Value::Null).await.expect(200).json();
        document["endpointConfig"] =
            json!({"endpoint_type": "http", "production_endpoints": {"url": url("1")}});
        journey.publisher(Method::PUT, &path, document).await.expect(200);
        let second = journey.deploy(&api).await;
        journey.lifecycle(&api, "Publish").await;
        let application = journey.application("soak", "Unlimited").await;
        journey.subscribe(&application, &api).await;
        let keys = journey.keys(&application).await;
        let administrator = RwLock::new(journey.token.clone());
        Self { ca: ca.to_owned(), administrator, journey, keys, api, revisions: [first, second] }
    }

    /// Gets the administrator a new token.
    pub(crate) async fn log_in(&self) {
        let again = Journey::begin(&self.journey.control, &self.ca).await;
        *self.administrator.write().unwrap() = again.token;
    }

    /// A fresh token.
    pub(crate) async fn token(&self) -> io::Result<String> {
        // Not the journey's own steps: they take whatever goes wrong for the end of the test.
        let url = format!("{}/oauth2/token", self.journey.control);
        let credentials = format!("{}:{}", self.keys.consumer_key, self.keys.consumer_secret);
        let basic = format!("Basic {}", STANDARD.encode(credentials));
        let form = "application/x-www-form-urlencoded";
        let headers = [("authorization", basic.as_str()), ("content-type", form)];
        let reply = self.ask(&url, &headers, "grant_type=client_credentials".into()).await?;
        match reply.json()["access_token"].as_str() {
            Some(token) => Ok(token.to_owned()),
            None => Err(unexpected(&reply)),
        }
    }

    /// Deploys one of the two revisions; calls are then answered with its number.
    pub(crate) async fn deploy(&self, revision: usize) -> io::Result<()> {
        let place = json!([{"name": "Default", "vhost": "localhost", "displayOnDevportal": true}]);
        let (api, revision) = (&self.api, &self.revisions[revision]);
        let control = &self.journey.control;
        let url = format!("{control}/api/am/publisher/v4/apis/{api}/deploy-revision?revisionId={revision}");
        let bearer = format!("Bearer {}", self.administrator.read().unwrap());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let reply = self.ask(&url, &headers, place.to_string()).await?;
        if reply.status == 201 { Ok(()) } else { Err(unexpected(&reply)) }
    }

    async fn ask(&self, url: &str, headers: &[(&str, &str)], body: String) -> io::Result<Reply> {
        self.journey.client.try_send(Method::POST, url, headers, body.into()).await.map_err(of_the_wire)
    }
}

/// What befell the connection, where that is the reason: a gateway that leaves may turn whom it has not heard away,
/// and may do nothing else to him.
fn of_the_wire(error: Box<dyn Error + Send + Sync>) -> io::Error {
    let mut kind = None;
    let mut told = String::new();
    let mut next = Some(&*error as &(dyn Error + 'static));
    while let Some(cause) = next {
        let unfinished =
            cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message);
        kind = kind
            .or_else(|| cause.downcast_ref().map(io::Error::kind))
            .or_else(|| unfinished.then_some(io::ErrorKind::UnexpectedEof));
        let joint = if told.is_empty() { "" } else { ": " };
        told = format!("{told}{joint}{cause}");
        next = cause.source();
    }
    io::Error::new(kind.unwrap_or(io::ErrorKind::Other), told)
}

fn unexpected(reply: &Reply) -> io::Error {
    io::Error::other(format!("{} {}", reply.status, reply.text()))
}
