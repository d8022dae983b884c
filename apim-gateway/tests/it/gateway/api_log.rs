//! What passes through an API is written while its operator wants to know, and not a byte of it otherwise.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use apim_core::event::{Change, Event, Revision};
use apim_core::{Snapshot, Timestamp};
use apim_gateway::log::Log;
use serde_json::{Value, json};

use super::sockets::Running;
use super::watched::lines;
use super::world::{change, pets};
use crate::bench::{Got, Wire, backend};

struct Watched {
    running: Running,
    client: Wire,
    path: PathBuf,
    revision: u64,
    /// Lines that were looked at.
    read: usize,
    _folder: tempfile::TempDir,
}

impl Watched {
    /// A gateway before a backend that answers `{"said": …}` with what it was sent, in two pieces.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.jsonl");
        let log = Log::append(&path, u64::MAX, 2).unwrap().redacting(["x-tracking".to_owned()]);
        let backend = backend(|_, mut wire| async move {
            while let Some(got) = wire.next().await {
                wire.send(format!(
                    "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nSet-Cookie: id=s3cret\r\n\
                     X-Seen: {}\r\n\r\n9\r\n{{\"said\": \r\n{:x}\r\n{}\r\n1\r\n}}\r\n0\r\n\r\n",
                    got.body.len(),
                    got.body.len(),
                    got.text()
                ))
                .await;
            }
        });
        let backend = format!("http://{}/base", backend.await);
        let running = Running::start_with(backend, json!({}), |builder| builder.api_log(Arc::new(log))).await;
        let client = Wire::connect(running.address).await;
        Self { running, client, path, revision: 1, read: 0, _folder: folder }
    }

    async fn apply(&mut self, change: Change) {
        self.revision += 1;
        let revision = Revision(self.revision);
        let report = self.running.gateway.apply(Event { revision, at: Timestamp::default(), change }).await;
        assert!(report.refused.is_empty(), "{report:?}");
    }

    async fn level(&mut self, level: &str) {
        self.apply(change("LogSaved", json!({"api": "pets", "level": level}))).await;
    }

    async fn get(&mut self, path: &str) -> Got {
        let text = format!(
            "GET /petstore/1.0.0{path} HTTP/1.1\r\nHost: a\r\nactivityid: order-1\r\nAccept: text/plain\r\n\
             X-Tracking: s3cret\r\nCookie: s3cret\r\nAuthorization: Bearer {}\r\n\r\n",
            self.running.token
        );
        self.client.ask(&text).await
    }

    async fn post(&mut self, path: &str, body: &str) -> Got {
        let head =
            format!("POST /petstore/1.0.0{path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}", body.len());
        let text = format!("{head}\r\nAuthorization: Bearer {}\r\n\r\n{body}", self.running.token);
        self.client.ask(&text).await
    }

    /// The next lines, by flow.
    async fn written(&mut self, flows: &[&str]) -> Vec<Value> {
        let all = lines(&self.path, self.read + flows.len()).await;
        let new = all[self.read..].to_vec();
        self.read = all.len();
        // Workers write their own pages, but one connection belongs to one worker.
        let told: Vec<_> = new.iter().map(|line| line["flow"].as_str().unwrap()).collect();
        assert_eq!(told, flows, "{new:#?}");
        new
    }

    /// Nothing was written of what was asked before: the lines of a call that is asked now are the next.
    async fn nothing_written(&mut self) {
        self.level("BASIC").await;
        self.get("/open").await;
        self.written(&ALL).await;
        self.apply(Change::LogRemoved("pets".into())).await;
    }
}

const ALL: [&str; 4] = ["REQUEST_IN", "REQUEST_OUT", "RESPONSE_IN", "RESPONSE_OUT"];

fn keys(line: &Value) -> BTreeSet<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

fn has(line: &Value, header: &str) -> bool {
    line["headers"].as_array().unwrap().iter().any(|known| known == header)
}

#[tokio::test]
async fn each_level_says_more_and_no_secret() {
    let mut watched = Watched::start().await;
    assert_eq!(watched.get("/pets/1?token=s3cret").await.status(), "201");

    watched.level("BASIC").await;
    assert_eq!(watched.get("/pets/1?token=s3cret&page=2").await.status(), "201");
    let told = watched.written(&ALL).await;
    let common = ["time", "flow", "correlationId", "requestId", "apiId", "api", "verb", "apiTo"];
    let more: [&[&str]; 4] =
        [&["sourceIP"], &["sourceIP", "target"], &["backend", "statusCode"], &["statusCode"]];
    for (line, more) in told.iter().zip(more) {
        assert_eq!(keys(line), common.iter().chain(more).copied().collect());
        let expected = json!({
            "correlationId": "order-1", "apiId": "pets", "api": "PetStore:1.0.0", "verb": "GET",
            "apiTo": "/petstore/1.0.0/pets/1?token=[redacted]&page=2", "requestId": told[0]["requestId"],
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&line[field], value, "{field}");
        }
    }
    assert_eq!((&told[0]["sourceIP"], &told[3]["statusCode"]), (&json!("127.0.0.1"), &json!(201)));
    assert_eq!(told[1]["target"], "/pets/1?token=[redacted]&page=2");
    assert!(told[2]["backend"].as_str().unwrap().ends_with("/base"));

    watched.level("STANDARD").await;
    watched.get("/pets/1").await;
    let told = watched.written(&ALL).await;
    assert!(told.iter().all(|line| line.get("payload").is_none()));
    for header in
        ["accept=text/plain", "authorization=[redacted]", "cookie=[redacted]", "x-tracking=[redacted]"]
    {
        assert!(has(&told[0], header), "{header}: {}", told[0]);
    }
    // The backend gets no token, and learns the request's id.
    assert!(has(&told[1], &format!("x-request-id={}", told[0]["requestId"].as_str().unwrap())));
    assert!(!told[1]["headers"].to_string().contains("authorization"), "{}", told[1]);
    assert!(has(&told[2], "set-cookie=[redacted]") && has(&told[2], "x-seen=0"), "{}", told[2]);
    assert!(has(&told[3], "set-cookie=[redacted]"));

    let text = std::fs::read_to_string(&watched.path).unwrap();
    assert!(!text.contains("s3cret") && !text.contains(&watched.running.token), "{text}");

    watched.apply(Change::LogRemoved("pets".into())).await;
    watched.get("/pets/1").await;
    watched.nothing_written().await;
}

#[tokio::test]
async fn payloads_are_written_as_they_pass_and_no_more_of_them_than_a_few_kilobytes() {
    let mut watched = Watched::start().await;
    let operations =
        json!([{"method": "POST", "path": "/pets"}, {"method": "GET", "path": "/open", "auth": "none"}]);
    watched
        .apply(Change::ApiDeployed(Arc::new(again(&watched.running, json!({"operations": operations})))))
        .await;
    watched.level("FULL").await;

    let got = watched.post("/pets", "[\"zoë\"]").await;
    assert_eq!((got.status(), got.text()), ("201", "{\"said\": [\"zoë\"]}"));
    let told = watched.written(&ALL).await;
    for (line, payload) in told.iter().zip(["[\"zoë\"]", "[\"zoë\"]", got.text(), got.text()]) {
        assert_eq!((&line["payload"], &line["payloadBytes"]), (&json!(payload), &json!(payload.len())));
        assert!(line.get("payloadCut").is_none());
    }

    // It passes whole, whatever is written of it.
    let long = "x".repeat(100_000);
    let got = watched.post("/pets", &long).await;
    assert_eq!(got.body.len(), long.len() + 10);
    for line in watched.written(&ALL).await {
        assert_eq!((line["payload"].as_str().unwrap().len(), &line["payloadCut"]), (8192, &json!(true)));
        assert!(line["payloadBytes"].as_u64().unwrap() > 8192);
    }

    watched.get("/open").await;
    let told = watched.written(&ALL).await;
    assert_eq!((&told[0]["payload"], &told[0]["payloadBytes"]), (&json!(""), &json!(0)));
}

/// The API once more, with the backend that it has.
fn again(running: &Running, with: Value) -> apim_core::model::Api {
    let current = running.gateway.current().load();
    let deployed = current.api(&"pets".into()).unwrap().api();
    let mut api = pets(with);
    api.endpoints = deployed.endpoints.clone();
    api.revision = deployed.revision + 1;
    api
}

#[tokio::test]
async fn an_operation_may_have_a_level_of_its_own() {
    let mut watched = Watched::start().await;
    let setting = json!({
        "api": "pets", "level": "BASIC",
        "operations": [
            {"method": "GET", "path": "/open", "level": "OFF"},
            {"method": "GET", "path": "/pets/{id}", "level": "STANDARD"},
        ],
    });
    watched.apply(change("LogSaved", setting)).await;
    watched.get("/open").await;
    watched.get("/pets/1").await;
    let told = watched.written(&ALL).await;
    assert!(told[0].get("headers").is_some());
    watched.get("/pets").await;
    let told = watched.written(&ALL).await;
    assert!(told[0].get("headers").is_none());
}

#[tokio::test]
async fn what_is_refused_was_asked_and_answered_but_never_sent_on() {
    let mut watched = Watched::start().await;
    watched.level("FULL").await;
    let got = watched.client.ask("GET /petstore/1.0.0/pets HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(got.status(), "401");
    let told = watched.written(&["REQUEST_IN", "RESPONSE_OUT"]).await;
    assert_eq!((&told[1]["statusCode"], &told[1]["payload"]), (&json!(401), &json!(got.text())));
    assert_eq!(told[1]["requestId"], got.header("x-request-id").unwrap());

    // An endpoint that is away has answered nothing.
    let mut gone = again(&watched.running, json!({}));
    gone.endpoints = pets(json!({"endpoints": {"production": {"url": "http://127.0.0.1:1"}}})).endpoints;
    watched.apply(Change::ApiDeployed(Arc::new(gone))).await;
    assert_eq!(watched.get("/open").await.status(), "502");
    watched.written(&["REQUEST_IN", "REQUEST_OUT", "RESPONSE_OUT"]).await;
}

#[tokio::test]
async fn a_level_outlives_the_revision_that_it_was_set_on_but_no_snapshot_that_lacks_it() {
    let mut watched = Watched::start().await;
    watched.level("BASIC").await;
    let next = again(&watched.running, json!({}));
    watched.apply(Change::ApiDeployed(Arc::new(next.clone()))).await;
    watched.get("/open").await;
    watched.written(&ALL).await;

    // It may be known before the API is.
    watched.apply(Change::ApiUndeployed("pets".into())).await;
    watched.apply(Change::ApiDeployed(Arc::new(next.clone()))).await;
    watched.get("/open").await;
    watched.written(&ALL).await;

    watched.revision += 1;
    let snapshot = Snapshot::new(Revision(watched.revision), [Change::ApiDeployed(Arc::new(next))]);
    watched.running.gateway.load(snapshot).await;
    watched.get("/open").await;
    watched.nothing_written().await;
}
