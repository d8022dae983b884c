//! Client certificates: who has shown one that the API accepts is let in, and nobody else by it.

use std::net::SocketAddr;
use std::sync::Arc;

use apim_core::event::{Change, Event, Revision};
use apim_core::{Clock as _, Shutdown, Snapshot, SystemClock};
use apim_gateway::Gateway;
use apim_gateway::config::File;
use apim_gateway::server::{Server, ServerConfig};
use apim_gateway::transport::certificates::Agreement;
use apim_throttle::LocalEngine;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::world::{ISSUER, jwks, pets, policy, sign, signer, world};
use crate::bench::{Identity, LIMIT, agree, backend, echoing_heads};

/// A client's certificates, its own first, and its key.
#[derive(Clone)]
struct Held {
    pem: String,
    key: String,
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn own(name: &str) -> Held {
    signed_by_itself(params(name))
}

fn signed_by_itself(params: CertificateParams) -> Held {
    let key = KeyPair::generate().unwrap();
    Held { pem: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// An authority, and what it signs.
fn authority() -> (Held, Issuer<'static, KeyPair>) {
    let mut params = params("authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let held = Held { pem: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() };
    (held, Issuer::new(params, key))
}

fn signed(name: &str, issuer: &Issuer<'_, KeyPair>) -> Held {
    let key = KeyPair::generate().unwrap();
    Held { pem: params(name).signed_by(&key, issuer).unwrap().pem(), key: key.serialize_pem() }
}

struct Scene {
    gateway: Gateway,
    https: SocketAddr,
    http: SocketAddr,
    server: Identity,
    token: String,
    _stop: oneshot::Sender<()>,
}

impl Scene {
    /// With APIs that are the pet store at `/{name}/1`, each with something replaced.
    async fn start(apis: &[(&str, Value)]) -> Self {
        Self::configured("", apis).await
    }

    async fn configured(settings: &str, apis: &[(&str, Value)]) -> Self {
        let signer = signer();
        let now = SystemClock.now().as_secs();
        let claims =
            json!({"iss": ISSUER, "sub": "ann", "azp": "client-1", "exp": now + 600, "iat": now - 1});
        let token = sign(&signer, json!({"alg": "ES256", "kid": "key-1", "typ": "at+jwt"}), claims);
        let mut changes = world(jwks(&signer, "key-1"));
        changes.push(policy(
            json!({"kind": "subscription", "name": "Two", "quota": {"requests": 2, "window_ms": 3_600_000}}),
        ));
        let backend = format!("http://{}", echoing_heads().await);
        for (name, with) in apis {
            let mut api = json!({
                "id": name, "name": name, "version": "1", "context": format!("/{name}"), "subscriptions": false,
                "endpoints": {"production": {"url": backend}},
            });
            api.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
            changes.push(Change::ApiDeployed(Arc::new(pets(api))));
        }
        let engine = Arc::new(LocalEngine::new(Arc::new(SystemClock)));
        let config = File::parse(settings).unwrap().resolve().unwrap();
        let gateway = Gateway::builder().throttle(engine).config(config).build().await.unwrap();
        let report = gateway.load(Snapshot::new(Revision(1), changes)).await;
        assert!(report.refused.is_empty(), "{report:?}");
        let server = Identity::new();
        let mut agreement = Agreement::default();
        agreement.client_certificates = true;
        let mut config = ServerConfig::default();
        config.http = Some(([127, 0, 0, 1], 0).into());
        config.https = Some(([127, 0, 0, 1], 0).into());
        config.tls = Some(server.certificates.server_config(agreement).unwrap());
        config.workers = 1;
        let bound = Server::new(gateway.clone(), config).bind().unwrap();
        let (http, https) = (bound.http_addr().unwrap(), bound.https_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(bound.run(Shutdown::new(async { drop(stopped.await) })));
        Self { gateway, https, http, server, token, _stop: stop }
    }

    async fn connect(&self, held: Option<&Held>) -> TlsStream<TcpStream> {
        let builder = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(apim_gateway::transport::tls::roots(self.server.pem.as_bytes()).unwrap());
        let config = match held {
            None => builder.with_no_client_auth(),
            Some(Held { pem, key }) => {
                let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let tcp = TcpStream::connect(self.https).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap()
    }

    /// Status and code of one call; of a good one what the backend saw.
    async fn call(&self, api: &str, held: Option<&Held>, token: Option<&str>) -> (String, String) {
        ask(&mut self.connect(held).await, api, token).await
    }
}

async fn ask(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    api: &str,
    token: Option<&str>,
) -> (String, String) {
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "GET /{api}/1/pets HTTP/1.1\r\nHost: localhost\r\nX-WSO2-CLIENT-CERTIFICATE: forged\r\n{token}\r\n"
    );
    io.write_all(request.as_bytes()).await.unwrap();
    let mut got = vec![0; 16 << 10];
    let count = tokio::time::timeout(LIMIT, io.read(&mut got)).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&got[..count]).into_owned();
    let code = text.split_once("{\"code\":\"").and_then(|(_, rest)| rest.split_once('"'));
    (text[9..12].to_owned(), code.map_or(String::new(), |(code, _)| code.to_owned()))
}

fn ok() -> (String, String) {
    ("200".to_owned(), String::new())
}

fn refused(code: &str) -> (String, String) {
    ("401".to_owned(), code.to_owned())
}

fn pin(held: &Held) -> Value {
    json!([{"alias": "partner", "certificate": held.pem}])
}

#[tokio::test]
async fn a_pinned_certificate_lets_in_as_the_api_says() {
    let (good, other) = (own("partner"), own("partner"));
    let mutual = |oauth2: bool, more: Value| {
        let mut accepted = json!({"pinned": pin(&good)});
        accepted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"schemes": {"oauth2": oauth2, "mutual_tls": true}, "client_certificates": accepted})
    };
    let scoped = |mut api: Value| {
        api["operations"] = json!([{"method": "GET", "path": "/pets", "scopes": ["pets:read"]}]);
        api
    };
    let scene = Scene::start(&[
        ("only", mutual(false, json!({}))),
        ("either", mutual(true, json!({}))),
        ("must", mutual(true, json!({"mandatory": true}))),
        ("both", mutual(true, json!({"mandatory": true, "credential_mandatory": true}))),
        ("plain", json!({})),
        ("scoped", scoped(mutual(true, json!({})))),
        ("unscoped", scoped(mutual(false, json!({})))),
    ])
    .await;
    let token = Some(&*scene.token);
    for (api, held, token, expected) in [
        ("only", Some(&good), None, ok()),
        ("only", Some(&good), token, ok()),
        ("only", None, token, refused("900901")),
        ("only", Some(&other), token, refused("900901")),
        ("only", None, None, refused("900901")),
        ("either", Some(&good), None, ok()),
        ("either", None, token, ok()),
        ("either", Some(&other), token, ok()),
        ("either", Some(&good), token, ok()),
        ("either", Some(&good), Some("bad.token.x"), refused("900901")),
        ("either", Some(&other), None, refused("900902")),
        ("either", None, None, refused("900902")),
        ("must", Some(&good), None, ok()),
        ("must", None, token, refused("900901")),
        ("both", Some(&good), token, ok()),
        ("both", Some(&good), None, refused("900902")),
        ("both", None, token, refused("900901")),
        ("both", None, None, refused("900901")),
        // Who is asked for a certificate and called for none is served like anybody.
        ("plain", Some(&good), None, refused("900902")),
        ("plain", Some(&other), token, ok()),
        // A certificate has no scopes. Where a token could have brought them it is not enough.
        ("scoped", Some(&good), None, ("403".to_owned(), "900910".to_owned())),
        ("unscoped", Some(&good), None, ok()),
    ] {
        let brings = (held.is_some(), token.is_some());
        assert_eq!(scene.call(api, held, token).await, expected, "{api} with {brings:?}");
    }
    // In the clear nobody can show one, whatever a header says.
    let mut tcp = TcpStream::connect(scene.http).await.unwrap();
    assert_eq!(ask(&mut tcp, "only", token).await, refused("900901"));
}

#[tokio::test]
async fn a_certificate_that_an_authority_of_the_api_has_signed_is_as_good() {
    let ((root, issuer), (_, stranger)) = (authority(), authority());
    let scene = Scene::start(&[(
        "signed",
        json!({"schemes": {"mutual_tls": true}, "client_certificates": {"authorities": [root.pem]}}),
    )])
    .await;
    let good = signed("device-7", &issuer);
    let mut connection = scene.connect(Some(&good)).await;
    for _ in 0..3 {
        assert_eq!(ask(&mut connection, "signed", None).await, ok());
    }
    for held in [signed("device-7", &stranger), own("device-7"), root] {
        assert_eq!(scene.call("signed", Some(&held), None).await, refused("900901"));
    }
}

#[tokio::test]
async fn a_certificate_beyond_its_time_is_not_good_even_if_it_is_pinned() {
    let mut past = params("partner");
    past.not_before = rcgen::date_time_ymd(2019, 1, 1);
    past.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let mut future = params("partner");
    future.not_before = rcgen::date_time_ymd(2090, 1, 1);
    for held in [past, future].map(signed_by_itself) {
        let api = json!({"schemes": {"mutual_tls": true}, "client_certificates": {"pinned": pin(&held)}});
        let scene = Scene::start(&[("only", api)]).await;
        assert_eq!(scene.call("only", Some(&held), None).await, refused("900901"));
    }
}

#[tokio::test]
async fn calls_by_a_certificate_are_counted_against_its_tier() {
    let (two, more) = (own("two"), own("more"));
    let pinned = json!([
        {"alias": "two", "certificate": two.pem, "tier": "Two"},
        {"alias": "more", "certificate": more.pem},
    ]);
    let api = json!({"schemes": {"mutual_tls": true}, "client_certificates": {"pinned": pinned}});
    let scene = Scene::start(&[("only", api)]).await;
    for expected in ["200", "200", "429", "429"] {
        assert_eq!(scene.call("only", Some(&two), None).await.0, expected);
        assert_eq!(scene.call("only", Some(&more), None).await.0, "200");
    }
}

#[tokio::test]
async fn what_cannot_be_enforced_is_not_deployed() {
    let gateway = Gateway::builder().build().await.unwrap();
    let good = own("partner");
    for (with, place) in [
        (json!({"schemes": {"mutual_tls": true}}), "client_certificates"),
        (json!({"schemes": {"mutual_tls": true}, "client_certificates": {}}), "client_certificates"),
        (json!({"client_certificates": {"pinned": pin(&good)}}), "schemes.mutual_tls"),
        (
            json!({"schemes": {"mutual_tls": true}, "client_certificates": {"credential_mandatory": true, "pinned": pin(&good)}}),
            "client_certificates.credential_mandatory",
        ),
        (
            json!({"schemes": {"mutual_tls": true}, "client_certificates": {"pinned": [{"alias": "a", "certificate": "moon"}]}}),
            "client_certificates.pinned[0]",
        ),
        (
            json!({"schemes": {"mutual_tls": true}, "client_certificates": {"authorities": ["moon"]}}),
            "client_certificates.authorities[0]",
        ),
    ] {
        let change = Change::ApiDeployed(Arc::new(pets(with.clone())));
        let report = gateway.load(Snapshot::new(Revision(1), vec![change])).await;
        let refused = report.refused.first().map(|refused| refused.error.to_string()).unwrap_or_default();
        assert!(refused.contains(place), "{with}: {refused:?}");
    }
}

#[tokio::test]
async fn a_websocket_ends_when_the_api_takes_its_certificate_no_longer() {
    let (good, other) = (own("partner"), own("partner"));
    let address = backend(|_, mut wire| async move {
        let head = wire.head().await.unwrap();
        wire.send(agree(&head)).await;
        let _ = wire.take(1).await;
    })
    .await;
    let chat = |held: &Held| {
        json!({
            "endpoints": {"production": {"url": format!("ws://{address}")}},
            "schemes": {"oauth2": false, "mutual_tls": true}, "client_certificates": {"pinned": pin(held)},
        })
    };
    let scene = Scene::start(&[("chat", chat(&good))]).await;
    let mut io = scene.connect(Some(&good)).await;
    let request = "GET /chat/1/pets HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\r\n";
    io.write_all(request.as_bytes()).await.unwrap();
    let mut got = [0; 1024];
    let count = tokio::time::timeout(LIMIT, io.read(&mut got)).await.unwrap().unwrap();
    assert!(got[..count].starts_with(b"HTTP/1.1 101"));
    let mut api =
        json!({"id": "chat", "name": "chat", "version": "1", "context": "/chat", "subscriptions": false});
    api.as_object_mut().unwrap().extend(chat(&other).as_object().unwrap().clone());
    let change = Change::ApiDeployed(Arc::new(pets(api)));
    scene.gateway.apply(Event { revision: Revision(2), at: SystemClock.now(), change }).await;
    let count = tokio::time::timeout(LIMIT, io.read(&mut got)).await.unwrap().unwrap();
    assert_eq!((got[0], &got[2..4]), (0x88, &1008_u16.to_be_bytes()[..]), "{:?}", &got[..count]);
}

/// The status of a call with more header lines, and of a good one what the backend saw.
async fn told(io: &mut (impl AsyncRead + AsyncWrite + Unpin), api: &str, lines: &str) -> (String, String) {
    let request = format!("GET /{api}/1/pets HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    let mut got = vec![0; 32 << 10];
    let count = tokio::time::timeout(LIMIT, io.read(&mut got)).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&got[..count]).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].to_owned(), body.to_ascii_lowercase())
}

fn in_base64(held: &Held) -> String {
    STANDARD.encode(CertificateDer::from_pem_slice(held.pem.as_bytes()).unwrap())
}

fn only(held: &Held) -> Value {
    json!({"schemes": {"oauth2": false, "mutual_tls": true}, "client_certificates": {"pinned": pin(held)}})
}

#[tokio::test]
async fn a_balancer_that_is_believed_tells_of_the_clients_certificate() {
    let (good, other) = (own("partner"), own("partner"));
    let (ca, issuer) = authority();
    let signed_one = signed("partner", &issuer);
    let by_authority = json!({"schemes": {"oauth2": false, "mutual_tls": true}, "client_certificates": {"authorities": [ca.pem]}});
    let apis = [("only", only(&good)), ("signed", by_authority)];
    let scene = Scene::configured("client_certificate_header: {balancers: [127.0.0.0/8]}", &apis).await;
    let one_line = good.pem.replace('\n', " ");
    for (value, api, expected) in [
        (in_base64(&good), "only", "200"),
        (one_line.clone(), "only", "200"),
        (good.pem.replace('\n', ""), "only", "200"),
        (in_base64(&other), "only", "401"),
        (in_base64(&signed_one), "only", "401"),
        (in_base64(&signed_one), "signed", "200"),
        (in_base64(&good), "signed", "401"),
        ("forged".to_owned(), "only", "401"),
        (String::new(), "only", "401"),
        // Two that differ say nothing.
        (format!("{}\r\nX-WSO2-CLIENT-CERTIFICATE: {}", in_base64(&good), in_base64(&other)), "only", "401"),
    ] {
        let mut tcp = TcpStream::connect(scene.http).await.unwrap();
        // What was read once is remembered, and told apart from the next.
        for _ in 0..2 {
            let got = told(&mut tcp, api, &format!("X-WSO2-CLIENT-CERTIFICATE: {value}\r\n")).await;
            assert_eq!(got.0, expected, "{value}");
            assert!(!got.1.contains("client-certificate"), "{}", got.1);
        }
    }
    // What the connection itself has shown wins.
    let mut io = scene.connect(Some(&other)).await;
    let line = format!("X-WSO2-CLIENT-CERTIFICATE: {}\r\n", in_base64(&good));
    assert_eq!(told(&mut io, "only", &line).await.0, "401");
    let mut io = scene.connect(Some(&good)).await;
    let line = format!("X-WSO2-CLIENT-CERTIFICATE: {}\r\n", in_base64(&other));
    assert_eq!(told(&mut io, "only", &line).await.0, "200");
}

#[tokio::test]
async fn a_certificate_may_be_percent_encoded_and_stand_in_another_header() {
    let good = own("partner");
    let settings = "client_certificate_header: {name: Client-Cert, url_encoded: true, balancers: [127.0.0.1], to_backends: true}";
    let scene = Scene::configured(settings, &[("only", only(&good))]).await;
    let escaped: String = good.pem.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let mut tcp = TcpStream::connect(scene.http).await.unwrap();
    let got = told(&mut tcp, "only", &format!("Client-Cert: {escaped}\r\n")).await;
    assert_eq!(got.0, "200");
    let line = format!("client-cert: :{}:\r\n", in_base64(&good).to_ascii_lowercase());
    assert!(got.1.contains(&line), "{}", got.1);
}

#[tokio::test]
async fn a_certificates_header_of_another_name_reaches_no_backend_in_any_spelling() {
    let settings = "client_certificate_header: {name: Client-Cert, balancers: [192.0.2.1]}";
    let scene = Scene::configured(settings, &[("plain", json!({}))]).await;
    let mut tcp = TcpStream::connect(scene.http).await.unwrap();
    for name in ["Client-Cert", "client_cert"] {
        let lines = format!("Authorization: Bearer {}\r\n{name}: forged\r\n", scene.token);
        let got = told(&mut tcp, "plain", &lines).await;
        assert_eq!((got.0.as_str(), got.1.contains("forged")), ("200", false), "{name}: {}", got.1);
    }
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let good = own("partner");
    let told_by = |balancers: &str| format!("client_certificate_header: {{balancers: [{balancers}]}}");
    for settings in [
        String::new(),
        told_by("10.0.0.0/8, 192.0.2.1"),
        "client_certificate_header: {to_backends: true}".to_owned(),
    ] {
        let scene = Scene::configured(&settings, &[("only", only(&good)), ("plain", json!({}))]).await;
        let line = format!("X-WSO2-CLIENT-CERTIFICATE: {}\r\n", in_base64(&good));
        let mut tcp = TcpStream::connect(scene.http).await.unwrap();
        assert_eq!(told(&mut tcp, "only", &line).await.0, "401", "{settings}");
        let alias = line.replace('-', "_");
        let token = format!("Authorization: Bearer {}\r\n{line}{alias}", scene.token);
        let got = told(&mut tcp, "plain", &token).await;
        assert_eq!(got.0, "200");
        assert!(!got.1.contains("wso2"), "{settings}: {}", got.1);
    }
}

#[tokio::test]
async fn a_backend_is_told_of_certificates_that_the_api_accepts_and_of_no_others() {
    let (good, other) = (own("partner"), own("partner"));
    let both = json!({
        "schemes": {"oauth2": true, "mutual_tls": true},
        "client_certificates": {"pinned": pin(&good), "credential_mandatory": true},
    });
    let apis = [("only", only(&good)), ("both", both), ("plain", json!({}))];
    let scene = Scene::configured("client_certificate_header: {to_backends: true}", &apis).await;
    let expected = format!("x-wso2-client-certificate: {}\r\n", in_base64(&good).to_ascii_lowercase());
    let token = format!("Authorization: Bearer {}\r\nX-WSO2-Client-Certificate: forged\r\n", scene.token);
    for (api, held, lines, is_told) in [
        ("only", &good, "", true),
        ("both", &good, &*token, true),
        ("both", &other, &*token, false),
        ("plain", &good, &*token, false),
    ] {
        let mut io = scene.connect(Some(held)).await;
        for _ in 0..2 {
            let got = told(&mut io, api, lines).await;
            assert_eq!((got.0.as_str(), got.1.contains(&expected)), ("200", is_told), "{api}: {}", got.1);
            assert_eq!(got.1.contains("wso2"), is_told, "{api}: {}", got.1);
        }
    }
    let silent = Scene::start(&apis).await;
    let mut io = silent.connect(Some(&good)).await;
    assert!(!told(&mut io, "only", "").await.1.contains("wso2"));
}
