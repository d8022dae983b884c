//! The same through real sockets: our server before the gateway, the upstream behind it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use apim_core::event::{Change, Revision};
use apim_core::testing::ManualClock;
use apim_core::{AnalyticsSink, CallEvent, Clock, Shutdown, Snapshot, SystemClock, Timestamp};
use apim_gateway::Gateway;
use apim_gateway::builder::Builder;
use apim_gateway::config::File;
use apim_gateway::server::{Server, ServerConfig};
use apim_throttle::LocalEngine;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::world::{ISSUER, NOW, jwks, pets, sign, signer, world};
use crate::bench::{LIMIT, Wire, backend, echoing_heads};

struct Events(Mutex<mpsc::UnboundedSender<Value>>);

impl AnalyticsSink for Events {
    fn record(&self, event: &CallEvent<'_>) {
        let _ = self.0.lock().unwrap().send(serde_json::to_value(event).unwrap());
    }
}

pub(super) struct Running {
    pub(super) gateway: Gateway,
    pub(super) address: SocketAddr,
    pub(super) token: String,
    events: mpsc::UnboundedReceiver<Value>,
    stop: Option<oneshot::Sender<()>>,
}

impl Running {
    pub(super) async fn start(backend: String, with: serde_json::Value) -> Self {
        Self::start_with(backend, with, |builder| builder).await
    }

    pub(super) async fn start_with(
        backend: String,
        with: serde_json::Value,
        adjust: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::start_on(backend, with, adjust, |_| {}).await
    }

    pub(super) async fn start_on(
        backend: String,
        with: serde_json::Value,
        adjust: impl FnOnce(Builder) -> Builder,
        listen: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        let signer = signer();
        let now = SystemClock.now().as_secs();
        let claims =
            json!({"iss": ISSUER, "sub": "ann", "azp": "client-1", "exp": now + 600, "iat": now - 1});
        let token = sign(&signer, json!({"alg": "ES256", "kid": "key-1", "typ": "at+jwt"}), claims);
        let mut api = json!({"endpoints": {"production": {"url": backend}}});
        api.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        let mut changes = world(jwks(&signer, "key-1"));
        changes.push(Change::ApiDeployed(Arc::new(pets(api))));

        let (sender, events) = mpsc::unbounded_channel();
        let sink = Arc::new(Events(Mutex::new(sender)));
        let builder = adjust(Gateway::builder().analytics(sink).workers(2));
        let gateway = builder.build().await.unwrap();
        let report = gateway.load(Snapshot::new(Revision(1), changes)).await;
        assert!(report.refused.is_empty(), "{report:?}");

        let mut config = ServerConfig::default();
        config.http = Some(([127, 0, 0, 1], 0).into());
        config.workers = 2;
        listen(&mut config);
        let bound = Server::new(gateway.clone(), config).bind().unwrap();
        let address = bound.http_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(bound.run(Shutdown::new(async { drop(stopped.await) })));
        Self { gateway, address, token, events, stop: Some(stop) }
    }

    /// Drains the server.
    pub(super) fn stop(&mut self) {
        self.stop = None;
    }

    pub(super) async fn event(&mut self) -> Value {
        tokio::time::timeout(LIMIT, self.events.recv()).await.unwrap().unwrap()
    }
}

fn fields<const N: usize>(event: &Value, names: [&str; N]) -> Value {
    names.iter().map(|name| event[name].clone()).collect()
}

#[tokio::test]
async fn a_call_passes_from_socket_to_socket_and_is_counted() {
    let mut gateway = Running::start(format!("http://{}/base", echoing_heads().await), json!({})).await;
    let mut client = Wire::connect(gateway.address).await;
    let request = format!(
        "GET /petstore/1.0.0/pets/7?x=%20y HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer {}\r\n\
         X-Forwarded-For: 6.6.6.6\r\nX-JWT-Assertion: forged\r\nConnection: X-Request-Id\r\n\r\n",
        gateway.token
    );
    for _ in 0..2 {
        let got = client.ask(&request).await;
        assert_eq!(got.status(), "200", "{}", got.text());
        let head = got.text().to_ascii_lowercase();
        assert!(head.starts_with("get /base/pets/7?x=%20y http/1.1\r\n"), "{head}");
        assert!(
            !head.contains("authorization") && !head.contains("forged") && !head.contains("6.6.6.6"),
            "{head}"
        );
        assert!(head.contains("x-forwarded-for: 127.0.0.1\r\n") && head.contains("x-request-id: "), "{head}");
        let event = gateway.event().await;
        assert_eq!(fields(&event, ["proxyResponseCode", "targetResponseCode"]), json!([200, 200]));
        assert_eq!(
            fields(&event, ["apiContext", "apiResourceTemplate"]),
            json!(["/petstore/1.0.0", "/pets/{id}"])
        );
        assert_eq!(fields(&event, ["applicationName", "userName"]), json!(["shop", "ann"]));
        assert_eq!(event["properties"]["responseSize"], got.body.len());
        assert_eq!(event["userIp"], "127.0.0.1");
    }
}

#[tokio::test]
async fn a_client_cannot_take_away_what_a_trusted_proxy_says_about_it() {
    let backend = format!("http://{}", echoing_heads().await);
    let config = File::parse("trusted_proxies: [127.0.0.0/8]").unwrap().resolve().unwrap();
    let mut gateway = Running::start_with(backend, json!({}), |builder| builder.config(config)).await;
    let request = "GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\n\
                   Connection: X-Forwarded-For\r\n\r\n";
    assert_eq!(Wire::connect(gateway.address).await.ask(request).await.status(), "200");
    assert_eq!(gateway.event().await["userIp"], "198.51.100.7");
}

#[tokio::test]
async fn a_refused_call_keeps_its_connection_and_its_number() {
    let mut gateway = Running::start(format!("http://{}", echoing_heads().await), json!({})).await;
    let mut client = Wire::connect(gateway.address).await;
    let got = client.ask("GET /petstore/1.0.0/pets HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(got.status(), "401");
    assert!(got.text().starts_with("{\"code\":\"900902\""), "{}", got.text());
    let event = gateway.event().await;
    assert_eq!(
        fields(&event, ["errorCode", "errorType", "targetResponseCode"]),
        json!([900_902, "AUTH", -1])
    );
    let again = client.ask("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(again.status(), "200");
    // To HEAD there is a head and nothing after it.
    client.send("HEAD /petstore/1.0.0/nothing HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 404"));
    let last = client.ask("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(last.status(), "200");
}

#[tokio::test]
async fn a_backend_that_is_away_is_not_the_callers_fault() {
    let mut gateway = Running::start("http://127.0.0.1:1".to_owned(), json!({})).await;
    let mut client = Wire::connect(gateway.address).await;
    let got = client.ask("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(got.status(), "502");
    assert!(
        got.text()
            .starts_with("{\"code\":\"101503\",\"type\":\"Status report\",\"message\":\"Runtime Error\""),
        "{}",
        got.text()
    );
    assert_eq!(gateway.event().await["errorType"], "TARGET_CONNECTIVITY");
}

#[tokio::test]
async fn a_socket_is_opened_only_for_those_who_may_and_then_passes_bytes() {
    async fn echo(_: usize, mut wire: Wire) {
        let head = wire.head().await.unwrap().to_ascii_lowercase();
        assert!(!head.contains("authorization"), "{head}");
        wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            .await;
        while let Some(bytes) = wire.take(5).await {
            wire.send(bytes).await;
        }
    }
    let chat = json!({"kind": "web_socket", "operations": [{"method": "GET", "path": "/chat"}]});
    let mut gateway = Running::start(format!("ws://{}", backend(echo).await), chat).await;
    let handshake = |credential: &str| {
        format!(
            "GET /petstore/1.0.0/chat HTTP/1.1\r\nHost: a\r\n{credential}Connection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
        )
    };
    let refused = Wire::connect(gateway.address).await.ask(&handshake("")).await;
    assert_eq!(refused.status(), "401");
    assert_eq!(gateway.event().await["proxyResponseCode"], 401);
    let mut client = Wire::connect(gateway.address).await;
    client.send(handshake(&format!("Authorization: Bearer {}\r\n", gateway.token))).await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 101"));
    client.send("hello").await;
    assert_eq!(client.take(5).await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request() {
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let silent = backend(move |_, mut wire| {
        let asked = asked.clone();
        async move {
            wire.next().await;
            asked.send(()).unwrap();
            wire.is_closed().await;
        }
    })
    .await;
    let mut gateway = Running::start(format!("http://{silent}"), json!({})).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::timeout(LIMIT, was_asked.recv()).await.unwrap().unwrap();
    drop(client);
    let event = gateway.event().await;
    assert_eq!(fields(&event, ["proxyResponseCode", "targetResponseCode"]), json!([-1, -1]));
    assert_eq!(event["properties"]["responseSize"], 0);
}

#[tokio::test]
async fn a_refused_grpc_call_is_told_in_trailers_and_a_backend_that_is_away_too() {
    use http_body_util::{BodyExt as _, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let gateway = Running::start("http://127.0.0.1:1".to_owned(), json!({})).await;
    let tcp = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let handshake =
        hyper::client::conn::http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(tcp));
    let (mut client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    for (path, status, message) in [
        ("/petstore/1.0.0/pets", "16", "900902 "),
        ("/petstore/1.0.0/open", "14", "101503 "),
        ("/nowhere", "12", "404 "),
    ] {
        let request = http::Request::get(format!("http://a{path}"))
            .header("content-type", "application/grpc")
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["grpc-status"]),
            (200, &status.parse().unwrap())
        );
        assert_eq!(response.headers()["content-type"], "application/grpc");
        let told = response.headers()["grpc-message"].to_str().unwrap();
        assert!(told.starts_with(message), "{told}");
        assert!(response.headers().contains_key("x-request-id"));
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}

/// Each worker has listeners, connections and memories of its own; a limit they have together.
#[tokio::test]
async fn workers_do_not_split_a_limit_between_them_nor_pass_it_twice() {
    const CONNECTIONS: usize = 32;
    const EACH: usize = 20;
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
    let engine = Arc::new(LocalEngine::new(clock.clone()));
    let backend = format!("http://{}", echoing_heads().await);
    let gateway =
        Running::start_with(backend, json!({}), |builder| builder.clock(clock).throttle(engine)).await;
    let ask = |_| async {
        let mut client = Wire::connect(gateway.address).await;
        let mut passed = 0;
        for _ in 0..EACH {
            let got = client.ask("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n\r\n").await;
            match got.status() {
                "200" => passed += 1,
                status => assert_eq!(status, "429", "{}", got.text()),
            }
        }
        passed
    };
    let passed = futures_util::future::join_all((0..CONNECTIONS).map(ask)).await;
    // What WSO2 ships for calls without a credential, of which there were 640.
    assert_eq!(passed.iter().sum::<usize>(), 500, "{passed:?}");
    // Connections are spread over the workers, so this means that both have let calls through.
    assert!(passed.iter().filter(|passed| **passed > 0).count() > CONNECTIONS / 2, "{passed:?}");
}
