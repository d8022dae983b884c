//! The program under test: the whole platform, as a process of its own.

use std::path::Path;
use std::sync::Arc;

use benches::load::{Backend, Door};
use driver::{Client, Journey, Keys, Process, free_offset, sibling};
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
        let desk = Arc::new(Desk::open(journey, &backend).await);
        Self { process, desk, ca, backend, _data: data }
    }

    /// What the load has to know, once the gateway serves the API.
    pub(crate) async fn site(&self) -> Site {
        let token = self.desk.token().await;
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
    async fn open(journey: Journey, backend: &Backend) -> Self {
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
        Self { journey, keys, api, revisions: [first, second] }
    }

    /// A fresh token.
    pub(crate) async fn token(&self) -> String {
        self.journey.token(&self.keys, "").await
    }

    /// Deploys one of the two revisions; calls are then answered with its number.
    pub(crate) async fn deploy(&self, revision: usize) -> std::io::Result<()> {
        let place = json!([{"name": "Default", "vhost": "localhost", "displayOnDevportal": true}]);
        let path = format!("/apis/{}/deploy-revision?revisionId={}", self.api, self.revisions[revision]);
        let reply = self.journey.publisher(Method::POST, &path, place).await;
        match reply.status.as_u16() {
            201 => Ok(()),
            status => Err(std::io::Error::other(format!("{status} {}", reply.text()))),
        }
    }
}
