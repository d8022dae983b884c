//! A balancer that is trusted says whose connection it passes on; nobody else can.

use std::net::SocketAddr;

use crate::bench::{Identity, Plan, Wire, echoing_heads};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const HEADER: &str = "PROXY TCP4 198.51.100.7 10.0.0.1 4711 443\r\n";

async fn trusting(network: &str) -> Plan {
    let mut plan = Plan::to(format!("http://{}", echoing_heads().await));
    plan.server.http_balancers = vec![network.parse().unwrap()];
    plan.server.limits.handshake_timeout = std::time::Duration::from_millis(300);
    plan
}

async fn ask(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Option<String> {
    let mut client = Wire::connect(address).await;
    client.send(bytes).await;
    let got = client.next().await?;
    Some(format!("{} {}", got.status(), got.text().to_ascii_lowercase()))
}

#[tokio::test]
async fn the_client_is_whom_a_trusted_balancer_names() {
    let gateway = trusting("127.0.0.0/8").await.start();
    let seen = ask(gateway.http(), format!("{HEADER}{GET}")).await.unwrap();
    assert!(seen.starts_with("200") && seen.contains("x-forwarded-for: 198.51.100.7\r\n"), "{seen}");
    let second = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f"[..],
        &[198, 51, 100, 8, 10, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb],
        b"\x04\0\0",
        GET.as_bytes(),
    ];
    let seen = ask(gateway.http(), second.concat()).await.unwrap();
    assert!(seen.contains("x-forwarded-for: 198.51.100.8\r\n"), "{seen}");
    // A balancer that looks whether we live speaks for itself.
    let seen = ask(gateway.http(), format!("PROXY UNKNOWN\r\n{GET}")).await.unwrap();
    assert!(seen.contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");
}

#[tokio::test]
async fn a_trusted_balancer_that_says_nothing_or_nonsense_is_not_served() {
    let gateway = trusting("127.0.0.1/32").await.start();
    for bytes in [
        GET.to_owned(),
        format!("PROXY TCP4 moon\r\n{GET}"),
        "PROXY TCP4 1".to_owned(),
        HEADER[..9].to_owned(),
    ] {
        assert_eq!(ask(gateway.http(), &bytes).await, None, "{bytes:?}");
    }
}

#[tokio::test]
async fn nobody_else_can_say_whose_connection_it_is() {
    let gateway = trusting("10.0.0.0/8").await.start();
    let seen = ask(gateway.http(), format!("{HEADER}{GET}")).await.unwrap_or_default();
    assert!(!seen.starts_with('2') && !seen.contains("198.51.100.7"), "{seen}");
    let seen = ask(gateway.http(), GET).await.unwrap();
    assert!(seen.contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");
}

#[tokio::test]
async fn the_word_of_a_balancer_comes_before_tls() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let identity = Identity::new();
    let mut plan = trusting("10.0.0.0/8").await;
    plan.server.https = Some(([127, 0, 0, 1], 0).into());
    plan.server.https_balancers = vec!["127.0.0.1/32".parse().unwrap()];
    plan.server.tls = Some(identity.server());
    let gateway = plan.start();
    let mut tcp = tokio::net::TcpStream::connect(gateway.https()).await.unwrap();
    tcp.write_all(HEADER.as_bytes()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(identity.client()));
    let mut stream = connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let _ = stream.read_to_string(&mut seen).await;
    assert!(seen.contains("x-forwarded-for: 198.51.100.7\r\n"), "{seen}");
}
