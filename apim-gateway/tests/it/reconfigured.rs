//! A server that runs takes other settings: new connections at once, those that there are with their next answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use apim_gateway::server::ServerError;
use apim_gateway::transport::certificates::Agreement;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::bench::{Identity, LIMIT, OK, Plan, Running, Wire, agree, answering, backend};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn upload(wire: &mut Wire) -> String {
    let got = wire.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    got.status().to_owned()
}

async fn started() -> Running {
    Plan::to(format!("http://{}", answering(OK).await)).start()
}

#[tokio::test]
async fn new_limits_hold_for_new_connections_and_old_ones_go_with_their_next_answer() {
    let gateway = started().await;
    let (mut idle, mut used) = (gateway.connect().await, gateway.connect().await);
    assert_eq!((upload(&mut idle).await.as_str(), upload(&mut used).await.as_str()), ("200", "200"));
    let mut config = gateway.control.config();
    config.limits.body_bytes = 4;
    gateway.control.reconfigure(config).unwrap();
    let refused = async {
        while upload(&mut gateway.connect().await).await != "413" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, refused).await.unwrap();
    // What is on its way is answered by the old limits, and nothing was lost.
    let got = used.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!((got.status(), got.header("connection")), ("200", Some("close")));
    assert!(used.is_closed().await);
    // One that nobody uses has not been closed under the client's hands.
    let got = idle.ask(GET).await;
    assert_eq!((got.status(), got.header("connection")), ("200", Some("close")));
}

#[tokio::test]
async fn connections_that_the_new_settings_do_not_concern_stay() {
    let gateway = started().await;
    let mut client = gateway.connect().await;
    assert_eq!(client.ask(GET).await.status(), "200");
    let mut config = gateway.control.config();
    (config.limits.connections, config.limits.drain_timeout) = (7, Duration::from_secs(9));
    config.limits.connections_per_client = Some(7);
    gateway.control.reconfigure(config).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..3 {
        assert_eq!(client.ask(GET).await.header("connection"), None);
    }
}

#[tokio::test]
async fn a_connection_of_http2_is_told_to_go_and_finishes_what_it_has() {
    let held = Arc::new(AtomicBool::new(true));
    let address = backend({
        let held = held.clone();
        move |_, mut wire| {
            let held = held.clone();
            async move {
                while wire.next().await.is_some() {
                    while held.load(Relaxed) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    wire.send(OK).await;
                }
            }
        }
    })
    .await;
    let gateway = Plan::to(format!("http://{address}")).start();
    let tcp = TcpStream::connect(gateway.http()).await.unwrap();
    let handshake =
        hyper::client::conn::http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(tcp));
    let (mut client, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let request = || http::Request::get("http://a/").body(Empty::<bytes::Bytes>::new()).unwrap();
    let answer = tokio::spawn(client.send_request(request()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut config = gateway.control.config();
    config.limits.streams = 7;
    gateway.control.reconfigure(config).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    held.store(false, Relaxed);
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    tokio::time::timeout(LIMIT, connection).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_websocket_stays_and_is_told_when_the_server_drains_at_last() {
    let address = backend(|_, mut wire| async move {
        let head = wire.head().await.unwrap();
        wire.send(agree(&head)).await;
        while let Some(bytes) = wire.take(1).await {
            wire.send(bytes).await;
        }
    })
    .await;
    let gateway = Plan::to(format!("ws://{address}")).start();
    let mut client = gateway.connect().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n")
        .await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 101"));
    let mut config = gateway.control.config();
    config.limits.body_bytes = 4;
    gateway.control.reconfigure(config).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    client.send(b"\x81\x02hi").await;
    assert_eq!(client.take(4).await.unwrap(), b"\x81\x02hi");
    gateway.stop.send(()).unwrap();
    assert_eq!(client.take(4).await.unwrap()[2..], 1001_u16.to_be_bytes());
    drop(client);
    tokio::time::timeout(LIMIT, gateway.ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn shedding_and_the_number_of_requests_change() {
    let gateway = started().await;
    let mut config = gateway.control.config();
    (config.limits.requests, config.shedding) = (0, None);
    gateway.control.reconfigure(config.clone()).unwrap();
    let full = async {
        while gateway.connect().await.ask(GET).await.status() != "503" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, full).await.unwrap();
    config.limits.requests = 10;
    gateway.control.reconfigure(config).unwrap();
    let free = async {
        while gateway.connect().await.ask(GET).await.status() != "200" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, free).await.unwrap();
}

#[tokio::test]
async fn how_tls_is_agreed_on_changes() {
    let identity = Identity::new();
    let mut plan = Plan::to(format!("http://{}", answering(OK).await));
    plan.server.https = Some(([127, 0, 0, 1], 0).into());
    plan.server.tls = Some(identity.server());
    let gateway = plan.start();
    let mut client = identity.client();
    client.alpn_protocols.clear();
    let versions = &[&rustls::version::TLS12];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = apim_gateway::transport::tls::roots(identity.pem.as_bytes()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let old = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
    let connector = tokio_rustls::TlsConnector::from(Arc::new(old.with_no_client_auth()));
    let agrees = async || {
        let tcp = TcpStream::connect(gateway.https()).await.unwrap();
        connector.connect("localhost".try_into().unwrap(), tcp).await.is_ok()
    };
    assert!(agrees().await);
    let mut agreement = Agreement::default();
    agreement.only_tls13 = true;
    let mut config = gateway.control.config();
    config.tls = Some(identity.certificates.server_config(agreement).unwrap());
    gateway.control.reconfigure(config).unwrap();
    let refused = async {
        while agrees().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, refused).await.unwrap();
}

#[tokio::test]
async fn what_a_server_has_for_life_is_refused_by_name() {
    let gateway = started().await;
    let config = gateway.control.config();
    for (name, change) in [
        (
            "http",
            (|config| config.http = Some(([127, 0, 0, 1], 1).into()))
                as fn(&mut apim_gateway::server::ServerConfig),
        ),
        ("https", |config| config.https = Some(([127, 0, 0, 1], 1).into())),
        ("workers", |config| config.workers += 1),
    ] {
        let mut other = config.clone();
        change(&mut other);
        other.limits.body_bytes = 0;
        let error = gateway.control.reconfigure(other).unwrap_err();
        assert!(matches!(error, ServerError::Fixed(named) if named == name), "{error}");
        assert!(error.to_string().starts_with(name), "{error}");
    }
    assert_eq!(upload(&mut gateway.connect().await).await, "200");
}

#[tokio::test]
async fn the_limit_on_connections_is_one_for_all_workers() {
    let mut plan = Plan::to(format!("http://{}", answering(OK).await));
    (plan.server.workers, plan.server.limits.connections) = (2, 6);
    let gateway = plan.start();
    let mut clients = Vec::new();
    // However the system spreads them over the workers, six are served, and no seventh.
    for _ in 0..10 {
        let mut client = gateway.connect().await;
        client.send(GET).await;
        clients.push(client);
    }
    let served = AtomicUsize::new(0);
    let answered = async |client: &mut Wire| {
        if tokio::time::timeout(Duration::from_millis(500), client.next()).await.is_ok() {
            served.fetch_add(1, Relaxed);
        }
    };
    futures_util::future::join_all(clients.iter_mut().map(answered)).await;
    assert_eq!(served.load(Relaxed), 6);
    // Each that goes makes room for one that waits, on whichever worker that is.
    clients.clear();
    for _ in 0..6 {
        assert_eq!(gateway.connect().await.ask(GET).await.status(), "200");
    }
}

#[tokio::test]
async fn under_load_nothing_fails_while_settings_change_twenty_times() {
    let gateway = started().await;
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients = (0..4).map(|_| {
        let (stop, calls, address) = (stop.clone(), calls.clone(), gateway.http());
        tokio::spawn(async move {
            let mut wire = Wire::connect(address).await;
            while !stop.load(Relaxed) {
                let got = wire.ask(GET).await;
                assert_eq!(got.status(), "200");
                calls.fetch_add(1, Relaxed);
                if got.header("connection") == Some("close") {
                    wire = Wire::connect(address).await;
                }
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    for round in 1..=20 {
        let before = calls.load(Relaxed);
        let mut config = gateway.control.config();
        config.limits.headers = 50 + round;
        gateway.control.reconfigure(config).unwrap();
        let on = async {
            while calls.load(Relaxed) < before + 20 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(LIMIT, on).await.unwrap();
    }
    stop.store(true, Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}
