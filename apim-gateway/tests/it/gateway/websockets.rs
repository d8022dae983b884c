//! WebSockets end when they must: each with a close frame that says why, over HTTP/1.1 and over HTTP/2.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apim_core::event::{Change, Event, Revision};
use apim_core::testing::ManualClock;
use apim_core::{Clock as _, SystemClock};
use apim_gateway::config::File;
use apim_gateway::deploy::KeyDigest;
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::sockets::Running;
use super::world::{change, pets, subscription};
use crate::bench::{LIMIT, Wire, agree, backend};

/// A text frame.
const HELLO: &[u8] = b"\x81\x05hello";

/// The two ways to open one.
#[derive(Debug, Clone, Copy)]
enum Over {
    Http1,
    Http2,
}

/// An open WebSocket.
struct Socket(Box<dyn Pipe>);

trait Pipe: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Pipe for T {}

impl Socket {
    async fn open(gateway: &Running, over: Over, credential: (&str, &str)) -> Self {
        let mut socket = match over {
            Over::Http1 => Self::over_http1(gateway, credential).await,
            Over::Http2 => Self::over_http2(gateway, credential).await,
        };
        socket.echoes().await;
        socket
    }

    async fn over_http1(gateway: &Running, (name, value): (&str, &str)) -> Self {
        let mut wire = Wire::connect(gateway.address).await;
        wire.send(format!(
            "GET /petstore/1.0.0/pets HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Key: eA==\r\n{name}: {value}\r\n\r\n"
        ))
        .await;
        let head = wire.head().await.unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        Self(Box::new(wire.tcp))
    }

    async fn over_http2(gateway: &Running, (name, value): (&str, &str)) -> Self {
        let tcp = TcpStream::connect(gateway.address).await.unwrap();
        let handshake =
            hyper::client::conn::http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(tcp));
        let (mut client, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        // Extended CONNECT may be sent once the server has said that it takes it.
        let first = http::Request::get("http://a/").body(Empty::<bytes::Bytes>::new()).unwrap();
        client.send_request(first).await.unwrap();
        let request = http::Request::connect("http://a/petstore/1.0.0/pets")
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header(name, value)
            .body(Empty::new())
            .unwrap();
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        Self(Box::new(TokioIo::new(hyper::upgrade::on(response).await.unwrap())))
    }

    async fn echoes(&mut self) {
        self.0.write_all(HELLO).await.unwrap();
        let mut got = [0; HELLO.len()];
        tokio::time::timeout(LIMIT, self.0.read_exact(&mut got)).await.expect("no echo").unwrap();
        assert_eq!(got, HELLO);
    }

    /// What still comes until the other side closes.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(LIMIT, self.0.read_to_end(&mut rest)).await;
        // A stream that is reset says nothing less than one that ends.
        let _ = read.expect("it was not closed");
        rest
    }

    /// The code with which it is closed, with nothing before and nothing after.
    async fn code(&mut self) -> u16 {
        let rest = self.rest().await;
        assert!(rest.len() >= 4 && rest[0] == 0x88 && usize::from(rest[1]) == rest.len() - 2, "{rest:?}");
        u16::from_be_bytes([rest[2], rest[3]])
    }
}

struct Scene {
    running: Running,
    clock: Arc<ManualClock>,
    revision: u64,
}

impl Scene {
    async fn start(settings: &str) -> Self {
        let backend = backend(|_, mut wire| async move {
            let head = wire.head().await.unwrap();
            wire.send(agree(&head)).await;
            while let Some(bytes) = wire.take(1).await {
                wire.send(bytes).await;
            }
        })
        .await;
        Self::before(&format!("ws://{backend}"), settings).await
    }

    async fn before(backend: &str, settings: &str) -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let config = File::parse(settings).unwrap().resolve().unwrap();
        let running = Running::start_with(backend.to_owned(), json!({}), |builder| {
            builder.clock(clock.clone()).config(config)
        })
        .await;
        Self { running, clock, revision: 1 }
    }

    async fn open(&self, over: Over) -> Socket {
        let token = format!("Bearer {}", self.running.token);
        Socket::open(&self.running, over, ("authorization", &token)).await
    }

    async fn apply(&mut self, change: Change) {
        self.revision += 1;
        let revision = Revision(self.revision);
        let report = self.running.gateway.apply(Event { revision, at: self.clock.now(), change }).await;
        assert!(report.refused.is_empty(), "{report:?}");
    }
}

fn revoked(client: &str, before: u64) -> Change {
    change("Revoked", json!({"type": "client", "client": client, "before": before}))
}

fn deny(condition: Value) -> Change {
    change("DenySaved", json!({"id": "deny-1", "tenant": "carbon.super", "condition": condition}))
}

/// Opens one each way, does something, and sees both closed with this code.
async fn is_closed_by(code: u16, cause: impl AsyncFnOnce(&mut Scene)) {
    let mut scene = Scene::start("").await;
    let (mut one, mut two) = (scene.open(Over::Http1).await, scene.open(Over::Http2).await);
    let began = Instant::now();
    cause(&mut scene).await;
    assert_eq!((one.code().await, two.code().await), (code, code));
    // A second is what is promised; a machine with much else to do is given another.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_websocket_ends_when_its_token_is_revoked() {
    is_closed_by(1008, async |scene| scene.apply(revoked("client-1", u64::MAX >> 16)).await).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_token_expires() {
    is_closed_by(1008, async |scene| scene.clock.advance(Duration::from_secs(606))).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_key_manager_is_removed() {
    is_closed_by(1008, async |scene| scene.apply(change("KeyManagerRemoved", json!("km"))).await).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_api_is_undeployed() {
    is_closed_by(1001, async |scene| scene.apply(change("ApiUndeployed", json!("pets"))).await).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_api_is_blocked() {
    let blocked = Change::ApiDeployed(Arc::new(pets(json!({"state": "blocked"}))));
    is_closed_by(1001, async |scene| scene.apply(blocked).await).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_application_is_removed() {
    is_closed_by(1008, async |scene| scene.apply(change("ApplicationRemoved", json!("app-1"))).await).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_application_is_denied() {
    let denied = deny(json!({"type": "application", "owner": "ann", "name": "shop"}));
    is_closed_by(1008, async |scene| scene.apply(denied).await).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_address_is_denied() {
    let denied = deny(json!({"type": "ip", "first": "127.0.0.1", "last": "127.0.0.1"}));
    is_closed_by(1008, async |scene| scene.apply(denied).await).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_subscription_is_removed() {
    is_closed_by(1008, async |scene| scene.apply(change("SubscriptionRemoved", json!("sub-1"))).await).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_subscription_is_blocked() {
    is_closed_by(1008, async |scene| scene.apply(subscription("BLOCKED")).await).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_client_is_another_applications_or_nobodys() {
    let removed = change("KeyMappingRemoved", json!({"key_manager": "km", "client": "client-1"}));
    is_closed_by(1008, async |scene| scene.apply(removed).await).await;
}

#[tokio::test]
async fn a_websocket_ends_when_the_gateway_is_given_another_world() {
    let nothing = apim_core::Snapshot::new(Revision(9), Vec::new());
    is_closed_by(1001, async |scene| drop(scene.running.gateway.load(nothing).await)).await;
}

#[tokio::test]
async fn a_websocket_ends_when_its_server_drains() {
    is_closed_by(1001, async |scene| scene.running.stop()).await;
}

#[tokio::test]
async fn a_websocket_ends_with_the_api_key_that_opened_it() {
    for over in [Over::Http1, Over::Http2] {
        for removed in [true, false] {
            let mut scene = Scene::start("").await;
            let mut api = json!({"schemes": {"oauth2": false, "api_key": true}});
            api["endpoints"] =
                json!(scene.running.gateway.current().load().api(&"pets".into()).unwrap().api().endpoints);
            scene.apply(Change::ApiDeployed(Arc::new(pets(api)))).await;
            let expires = scene.clock.now().plus(Duration::from_secs(60)).as_millis();
            let hash = digest(b"key");
            let key = json!({"id": "key-1", "hash": hash, "application": "app-1", "expires_at": expires});
            scene.apply(change("ApiKeySaved", key)).await;
            let mut socket = Socket::open(&scene.running, over, ("apikey", "key")).await;
            match removed {
                true => scene.apply(change("ApiKeyRemoved", json!("key-1"))).await,
                false => scene.clock.advance(Duration::from_secs(61)),
            }
            assert_eq!(socket.code().await, 1008);
        }
    }
}

fn digest(key: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key);
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_ne!(KeyDigest::of(key), KeyDigest::of(b""));
    hex
}

#[tokio::test]
async fn what_does_not_concern_a_websocket_does_not_end_it() {
    let mut scene = Scene::start("").await;
    let (mut one, mut two) = (scene.open(Over::Http1).await, scene.open(Over::Http2).await);
    let endpoints =
        json!(scene.running.gateway.current().load().api(&"pets".into()).unwrap().api().endpoints);
    scene
        .apply(Change::ApiDeployed(Arc::new(pets(
            json!({"endpoints": endpoints, "schemes": {"oauth2": true}}),
        ))))
        .await;
    scene.apply(Change::ApiDeployed(Arc::new(pets(json!({"id": "more", "context": "/more"}))))).await;
    scene.apply(change("ApiUndeployed", json!("more"))).await;
    scene.apply(revoked("client-2", u64::MAX >> 16)).await;
    scene.apply(deny(json!({"type": "user", "name": "eve"}))).await;
    scene.clock.advance(Duration::from_secs(500));
    // That it ends afterwards shows that all this had been looked at.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        one.echoes().await;
        two.echoes().await;
    }
    scene.apply(change("ApiUndeployed", json!("pets"))).await;
    assert_eq!((one.code().await, two.code().await), (1001, 1001));
}

#[tokio::test]
async fn websockets_outlive_their_tokens_where_that_is_wanted() {
    let mut scene = Scene::start("websockets_outlive_credentials: true").await;
    let (mut one, mut two) = (scene.open(Over::Http1).await, scene.open(Over::Http2).await);
    scene.apply(revoked("client-1", u64::MAX >> 16)).await;
    scene.clock.advance(Duration::from_secs(3600));
    tokio::time::sleep(Duration::from_millis(700)).await;
    one.echoes().await;
    two.echoes().await;
    // But not their subscriptions.
    scene.apply(subscription("BLOCKED")).await;
    assert_eq!((one.code().await, two.code().await), (1008, 1008));
}

/// Sends the beginning of a frame once the WebSocket is open, and the rest when it is asked for anything.
async fn slow(_: usize, mut wire: Wire) {
    let head = wire.head().await.unwrap();
    wire.send(agree(&head)).await;
    let first = wire.take(HELLO.len()).await.unwrap();
    wire.send(&first).await;
    wire.send(b"\x82\x7e\x01\x00begun").await;
    if wire.take(1).await == Some(b"!".to_vec()) {
        // More than what belongs to the frame.
        wire.send([&[b'.'; 251][..], HELLO].concat()).await;
    }
    let _ = wire.take(1).await;
}

#[tokio::test]
async fn a_frame_that_has_begun_ends_before_the_close_frame() {
    for over in [Over::Http1, Over::Http2] {
        let mut scene = Scene::before(&format!("ws://{}", backend(slow).await), "").await;
        let mut socket = scene.open(over).await;
        let mut begun = [0; 9];
        socket.0.read_exact(&mut begun).await.unwrap();
        assert_eq!(&begun, b"\x82\x7e\x01\x00begun");
        scene.apply(change("ApiUndeployed", json!("pets"))).await;
        // Until the gateway waits for the end of the frame: the backend would have more to say after it.
        tokio::time::sleep(Duration::from_millis(350)).await;
        socket.0.write_all(b"!").await.unwrap();
        let rest = socket.rest().await;
        let (frame, close) = rest.split_at(251.min(rest.len()));
        assert_eq!(frame, [b'.'; 251]);
        assert_eq!(close.get(..4), Some(&b"\x88\x20\x03\xe9"[..]), "{close:?}");
        assert_eq!(close.len(), 34);
    }
}

#[tokio::test]
async fn a_frame_that_does_not_end_is_cut_off() {
    for over in [Over::Http1, Over::Http2] {
        let mut scene = Scene::before(&format!("ws://{}", backend(slow).await), "").await;
        let mut socket = scene.open(over).await;
        let mut begun = [0; 9];
        socket.0.read_exact(&mut begun).await.unwrap();
        scene.apply(change("ApiUndeployed", json!("pets"))).await;
        assert_eq!(socket.rest().await, b"");
    }
}

#[tokio::test]
async fn the_backend_is_told_too_that_its_client_leaves() {
    for over in [Over::Http1, Over::Http2] {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let backend = backend(move |_, mut wire| {
            let tell = tell.clone();
            async move {
                let head = wire.head().await.unwrap();
                wire.send(agree(&head)).await;
                let first = wire.take(HELLO.len()).await.unwrap();
                wire.send(&first).await;
                let mut rest = Vec::new();
                while let Some(bytes) = wire.take(1).await {
                    rest.extend(bytes);
                }
                tell.send(rest).unwrap();
            }
        })
        .await;
        let mut scene = Scene::before(&format!("ws://{backend}"), "").await;
        let mut socket = scene.open(over).await;
        scene.apply(revoked("client-1", u64::MAX >> 16)).await;
        assert_eq!(socket.code().await, 1008);
        let frame = tokio::time::timeout(LIMIT, told.recv()).await.expect("it was not told").unwrap();
        let (head, payload) = frame.split_at(6);
        assert_eq!(head[..2], [0x88, 0x80 | u8::try_from(payload.len()).unwrap()], "{frame:?}");
        let payload: Vec<_> =
            payload.iter().zip(head[2..].iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        assert_eq!(payload[..2], 1001_u16.to_be_bytes());
        assert_eq!(&payload[2..], b"the credential is not good any more");
    }
}
