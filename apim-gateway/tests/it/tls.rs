//! Many certificates on one port: the name a client asks for says which it is shown, and binds it to that host.

use std::net::SocketAddr;
use std::sync::Arc;

use apim_gateway::transport::certificates::{Agreement, Certificates, Identity};
use apim_gateway::transport::tls;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::bench::{OK, Plan, Running, answering};

/// A certificate for some names, and the PEM text that a client trusts it by.
fn made(names: &[&str]) -> (Identity, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    (Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap(), chain)
}

async fn serving(certificates: &Certificates, agreement: Agreement) -> Running {
    let mut plan = Plan::to(format!("http://{}", answering(OK).await));
    plan.server.https = Some(([127, 0, 0, 1], 0).into());
    plan.server.tls = Some(certificates.server_config(agreement).unwrap());
    plan.server.certificates = Some(certificates.clone());
    plan.start()
}

/// Connects for a name, trusting one certificate only.
async fn connect(
    address: SocketAddr,
    name: &str,
    trusted: &str,
    version: &'static rustls::SupportedProtocolVersion,
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(tls::roots(trusted.as_bytes()).unwrap())
        .with_no_client_auth();
    let tcp = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(name.to_owned().try_into().unwrap(), tcp).await
}

async fn status(stream: &mut TlsStream<TcpStream>, host: &str) -> String {
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut got = vec![0; 4096];
    let count = stream.read(&mut got).await.unwrap();
    String::from_utf8_lossy(&got[9..12.min(count)]).into_owned()
}

#[tokio::test]
async fn each_host_shows_its_own_certificate_and_answers_for_no_other() {
    let (first, first_pem) = made(&["first.example"]);
    let (shop, shop_pem) = made(&["shop.example", "*.shop.example"]);
    let certificates = Certificates::new(vec![first, shop]).unwrap();
    let gateway = serving(&certificates, Agreement::default()).await;
    for (name, pem, host, expected) in [
        ("first.example", &first_pem, "first.example", "200"),
        ("shop.example", &shop_pem, "shop.example", "200"),
        ("a.shop.example", &shop_pem, "A.Shop.Example:443", "200"),
        // One certificate is for both, so a client that was shown it may ask for either.
        ("a.shop.example", &shop_pem, "shop.example", "200"),
        ("shop.example", &shop_pem, "first.example", "421"),
        ("first.example", &first_pem, "shop.example", "421"),
        // No certificate is for this host but the first, which was not shown.
        ("shop.example", &shop_pem, "nobody.example", "421"),
        ("first.example", &first_pem, "nobody.example", "200"),
    ] {
        let mut stream = connect(gateway.https(), name, pem, &TLS13).await.unwrap();
        assert_eq!(status(&mut stream, host).await, expected, "{host} over a connection for {name}");
    }
    assert!(connect(gateway.https(), "shop.example", &first_pem, &TLS13).await.is_err());
}

#[tokio::test]
async fn certificates_are_replaced_for_new_connections_and_kept_for_old_ones() {
    let ((old, old_pem), (new, new_pem)) = (made(&["a.example"]), made(&["a.example"]));
    let certificates = Certificates::new(vec![old]).unwrap();
    let gateway = serving(&certificates, Agreement::default()).await;
    let mut before = connect(gateway.https(), "a.example", &old_pem, &TLS13).await.unwrap();
    certificates.replace(vec![new]).unwrap();
    connect(gateway.https(), "a.example", &new_pem, &TLS13).await.unwrap();
    assert!(connect(gateway.https(), "a.example", &old_pem, &TLS13).await.is_err());
    assert_eq!(status(&mut before, "a.example").await, "200");
}

#[tokio::test]
async fn version_1_2_is_served_unless_it_is_refused() {
    let (identity, pem) = made(&["a.example"]);
    let certificates = Certificates::new(vec![identity]).unwrap();
    let both = serving(&certificates, Agreement::default()).await;
    let mut stream = connect(both.https(), "a.example", &pem, &TLS12).await.unwrap();
    assert_eq!(status(&mut stream, "a.example").await, "200");
    let mut agreement = Agreement::default();
    agreement.only_tls13 = true;
    let newest = serving(&certificates, agreement).await;
    assert!(connect(newest.https(), "a.example", &pem, &TLS12).await.is_err());
    assert!(connect(newest.https(), "a.example", &pem, &TLS13).await.is_ok());
}
