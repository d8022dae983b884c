//! Whom an endpoint believes to be its backend, and as whom the gateway calls.

use std::sync::Arc;

use apim_gateway::transport::certificates::{self, Agreement, Certificates};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Scene, endpoint, pair};
use crate::bench::{Identity, Plan};

struct Own {
    pem: String,
    key: String,
}

impl Own {
    fn named(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Self { pem: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    fn server(&self) -> Arc<ServerConfig> {
        let identity = certificates::Identity::from_pem(self.pem.as_bytes(), self.key.as_bytes()).unwrap();
        let certificates = Certificates::new(vec![identity]).unwrap();
        let mut config = (*certificates.server_config(Agreement::default()).unwrap()).clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// A server that demands this client's certificate.
    fn server_for(&self, client: &Own) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(client.pem.as_bytes()).unwrap()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap(),
            )
            .unwrap();
        Arc::new(config)
    }
}

/// Answers each connection once, with the name that was asked for.
async fn serve(config: Arc<ServerConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(config.clone());
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                let name = tls.get_ref().1.server_name().unwrap_or("-").to_owned();
                let mut head = vec![0; 4096];
                if tls.read(&mut head).await.is_ok_and(|count| count > 0) {
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
                    tls.write_all(answer.as_bytes()).await.unwrap();
                    tls.flush().await.unwrap();
                    tls.shutdown().await.ok();
                }
            });
        }
    });
    port
}

async fn ask(url: String, tls: Value) -> (String, String) {
    let mut plan = Plan::to("");
    // The gateway itself trusts somebody else.
    plan.upstream.tls = Some(Arc::new(Identity::new().client()));
    plan.endpoint = endpoint(&[&url], if tls.is_null() { json!({}) } else { json!({"tls": tls}) });
    Scene::with(plan).await.get().await
}

#[tokio::test]
async fn an_endpoint_has_a_trust_store_of_its_own() {
    let backend = Own::named("localhost");
    let url = format!("https://localhost:{}", serve(backend.server()).await);
    assert_eq!(ask(url.clone(), json!({"ca": backend.pem})).await, pair("200", "localhost"));
    assert_eq!(ask(url.clone(), Value::Null).await, pair("502", "101503"));
    assert_eq!(ask(url, json!({"ca": Own::named("localhost").pem})).await, pair("502", "101503"));
}

#[tokio::test]
async fn the_name_is_checked_unless_that_was_turned_off_and_the_authority_always() {
    let backend = Own::named("other.example");
    let url = format!("https://localhost:{}", serve(backend.server()).await);
    assert_eq!(ask(url.clone(), json!({"ca": backend.pem})).await, pair("502", "101503"));
    let unchecked = |ca: &str| json!({"ca": ca, "verify_hostname": false});
    assert_eq!(ask(url.clone(), unchecked(&backend.pem)).await, pair("200", "localhost"));
    assert_eq!(ask(url, unchecked(&Own::named("other.example").pem)).await, pair("502", "101503"));
}

#[tokio::test]
async fn another_name_can_be_asked_for_and_is_what_is_checked() {
    let backend = Own::named("pets.internal");
    let url = format!("https://localhost:{}", serve(backend.server()).await);
    let tls = json!({"ca": backend.pem, "server_name": "pets.internal"});
    assert_eq!(ask(url.clone(), tls).await, pair("200", "pets.internal"));
    let tls = json!({"ca": backend.pem, "server_name": "cats.internal"});
    assert_eq!(ask(url, tls).await, pair("502", "101503"));
}

#[tokio::test]
async fn the_gateway_shows_its_certificate_where_the_backend_demands_one() {
    let (backend, client) = (Own::named("localhost"), Own::named("gateway"));
    let url = format!("https://localhost:{}", serve(backend.server_for(&client)).await);
    let shown = json!({"ca": backend.pem, "certificate": client.pem, "key": client.key});
    assert_eq!(ask(url.clone(), shown).await, pair("200", "localhost"));
    assert_eq!(ask(url, json!({"ca": backend.pem})).await.0, "502");
}
