//! Another settings file comes into force while requests are served.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use driver::{Client, Petstore, Process, Reply, free_offset};
use http::Method;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::BINARY;

struct Scene {
    process: Process,
    settings: PathBuf,
    data: TempDir,
    _folders: (TempDir, Petstore),
}

impl Scene {
    /// A gateway before the pet store, which is open to all at `/a`.
    async fn start(settings: &str) -> Self {
        let (data, apis, petstore) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Petstore::start().await);
        let api = format!(
            "name: A\nversion: '1'\ncontext: /a\nendpoints: {{production: {{url: '{}'}}}}\n\
             operations: [{{method: GET, path: /pet, auth: none}}, {{method: POST, path: /pet, auth: none}}]\n",
            petstore.url
        );
        std::fs::write(apis.path().join("a.yaml"), api).unwrap();
        let path = apis.path().with_extension("settings.yaml");
        std::fs::write(&path, settings).unwrap();
        let arguments = ["--apis", apis.path().to_str().unwrap(), "--config", path.to_str().unwrap()];
        let process = Process::start(BINARY, data.path(), free_offset(), &arguments).await;
        Self { process, settings: path, data, _folders: (apis, petstore) }
    }

    async fn reload(&self, settings: &str) -> Reply {
        std::fs::write(&self.settings, settings).unwrap();
        let url = format!("http://127.0.0.1:{}/reload", 9090 + self.process.offset);
        Client::trusting_nobody().send(Method::POST, &url, &[], "").await
    }

    async fn get(&self) -> Reply {
        let url = format!("{}/a/1/pet", self.process.gateway_http());
        let headers = [("x-trace", "traced"), ("activityid", "acted")];
        Client::trusting_nobody().send(Method::GET, &url, &headers, "").await
    }

    async fn post(&self, body: &str) -> Reply {
        let url = format!("{}/a/1/pet", self.process.gateway_http());
        Client::trusting_nobody().send(Method::POST, &url, &[], body.to_owned()).await
    }
}

/// Waits until it is so.
async fn until(mut so: impl AsyncFnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !so().await {
        assert!(Instant::now() < patience, "it has not come");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn chain_limits_and_shedding_change_without_a_restart() {
    let scene = Scene::start("").await;
    assert_eq!(scene.get().await.expect(200).header("activityid"), Some("acted"));
    scene.post("0123456789").await.expect(200);
    let told = scene
        .reload(
            "gateway: {correlation_header: x-trace}\nlisteners: {limits: {body_bytes: 4}}\n\
             shedding: {enabled: false}\naccess_log: {to: access.jsonl}\n",
        )
        .await
        .expect(200)
        .text();
    for name in ["gateway", "listeners", "shedding", "access_log"] {
        assert!(told.contains(name), "{told}");
    }
    let reply = scene.get().await.expect(200);
    assert_eq!((reply.header("activityid"), reply.header("x-trace")), (None, Some("traced")));
    until(async || scene.post("0123456789").await.status == 413).await;
    let log = scene.data.path().join("access.jsonl");
    until(async || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("/a/1/pet"))).await;

    // The chain itself, by a signal.
    std::fs::write(&scene.settings, "gateway: {handlers: [{use: resource}]}\n").unwrap();
    let id = scene.process.id().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    until(async || scene.get().await.status == 500).await;
    let told = scene.reload("").await.expect(200).text();
    assert!(told.contains("gateway") && !told.contains("listeners"), "{told}");
    scene.get().await.expect(200);
    let told = scene.reload("").await.expect(200).text();
    assert!(told.contains("no setting has changed"), "{told}");
}

#[tokio::test]
async fn a_mistake_is_told_with_its_place_and_the_old_settings_stay() {
    let scene = Scene::start("gateway: {correlation_header: x-trace}\n").await;
    let missing = Path::new("/no/such.pem").display();
    for (mistake, place) in [
        ("gateway: {handlers: [{use: resource}, {use: anonymos}]}", "gateway.handlers[1].anonymos"),
        ("gateway: {handlers: [{use: throttle, limit: 7}]}", "gateway.handlers[0].throttle"),
        ("gateway: {trusted_proxies: [moon]}", "trusted_proxies[0]"),
        ("gateway: {hendlers: []}", "hendlers"),
        ("listeners: {limits: {headers: 0}}", "headers"),
        ("listeners: {https_balancers: [moon]}", "listeners.https_balancers"),
        (
            &format!("listeners: {{certificates: [{{certificate: {missing}, key: {missing}}}]}}"),
            "/no/such.pem",
        ),
        (&format!("backend_authorities: {missing}"), "/no/such.pem"),
        (&format!("tls: {{certificate: {missing}, key: {missing}}}"), "/no/such.pem"),
        ("shedding: {delay_ms: 0}", "shedding.delay_ms"),
        ("access_log: {to: no/folder/access.jsonl}", "no/folder"),
        ("[", "settings"),
        // What needs a restart is refused by name.
        ("workers: 7", "workers: cannot change without a restart"),
        ("metrics_apis: 7", "metrics_apis: cannot change without a restart"),
        ("api_log: {to: other.jsonl}", "api_log: cannot change without a restart"),
    ] {
        // Without the mistake it would be a file that no longer names the header.
        let reply = scene.reload(&format!("{mistake}\n")).await.expect(500);
        assert!(reply.text().contains(place), "{mistake}: {}", reply.text());
        let reply = scene.get().await.expect(200);
        assert_eq!(
            (reply.header("activityid"), reply.header("x-trace")),
            (None, Some("traced")),
            "{mistake}"
        );
    }
    // A good gateway beside a mistake elsewhere is not brought into force.
    scene
        .reload("gateway: {correlation_header: activityid}\nlisteners: {limits: {headers: 0}}\n")
        .await
        .expect(500);
    assert_eq!(scene.get().await.expect(200).header("x-trace"), Some("traced"));
}

/// Asks again and again on one connection, and on another when it is told to.
async fn load(address: String, stop: Arc<AtomicBool>, answers: Arc<AtomicUsize>) {
    let mut connection = None;
    while !stop.load(Relaxed) {
        let mut tcp = match connection.take() {
            Some(tcp) => tcp,
            None => TcpStream::connect(&address).await.unwrap(),
        };
        let request = "GET /a/1/pet HTTP/1.1\r\nHost: a\r\nactivityid: x\r\nx-trace: x\r\n\r\n";
        tcp.write_all(request.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        let (head, left) = loop {
            let mut piece = [0; 4096];
            let count = tcp.read(&mut piece).await.unwrap();
            assert!(count > 0, "cut off after {got:?}");
            got.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&got).to_ascii_lowercase();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                break (head.to_owned(), length.parse::<usize>().unwrap().saturating_sub(body.len()));
            }
        };
        assert!(head.starts_with("http/1.1 200"), "{head}");
        tcp.read_exact(&mut vec![0; left]).await.unwrap();
        answers.fetch_add(1, Relaxed);
        connection = (!head.contains("connection: close")).then_some(tcp);
    }
}

#[tokio::test]
async fn twenty_reloads_under_load_fail_no_request() {
    let scene = Scene::start("gateway: {handlers: [{use: resource}, {use: anonymous}]}\n").await;
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let address = format!("127.0.0.1:{}", 8280 + scene.process.offset);
    let clients: Vec<_> =
        (0..8).map(|_| tokio::spawn(load(address.clone(), stop.clone(), answers.clone()))).collect();
    for round in 0..20 {
        let header = ["x-trace", "activityid"][round % 2];
        // Neither counts calls, of which callers without a credential have few.
        let handlers = ["analytics}, {use: resource", "resource}, {use: cors"][round / 2 % 2];
        let headers = 50 + round;
        let text = format!(
            "gateway: {{correlation_header: {header}, handlers: [{{use: {handlers}}}, {{use: anonymous}}]}}\n\
             listeners: {{limits: {{headers: {headers}}}}}\n"
        );
        scene.reload(&text).await.expect(200);
        assert!(scene.get().await.expect(200).header(header).is_some());
        let before = answers.load(Relaxed);
        until(async || answers.load(Relaxed) >= before + 16).await;
    }
    stop.store(true, Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}
