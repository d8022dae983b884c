//! The key manager, named in a file, in a gateway between two sockets.
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;

use apim_core::{Change, Clock as _, Registry, Revision, Shutdown, Snapshot, SystemClock};
use apim_gateway::server::{Server, ServerConfig};
use apim_gateway::{Gateway, config};
use aws_lc_rs::hmac;
use axum::Router;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use custom_key_manager::Hmac;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SECRET: &str = "correct horse battery staple, twice";
const FILE: &str = "opaque: { use: hmac, secret: 'correct horse battery staple, twice' }";

/// A gateway that a file has told of the key manager, with an application, its key and its subscription.
async fn gateway(file: &str, backend: SocketAddr) -> SocketAddr {
    let gateway = Gateway::builder()
        .verifiers(Registry::default().with::<Hmac>())
        .config(config::File::parse(file).unwrap().resolve().unwrap())
        .build()
        .await
        .unwrap();
    let changes = json!([
        {"change": "api_deployed", "value": {
            "id": "1", "name": "shop", "version": "1", "context": "/shop",
            "endpoints": {"production": {"url": format!("http://{backend}")}},
        }},
        {"change": "application_saved", "value": {"id": "1", "name": "app", "owner": "ann", "policy": "Unlimited"}},
        {"change": "key_mapping_saved", "value":
            {"application": "1", "key_manager": "hmac", "client": "client-1", "key_type": "PRODUCTION"}},
        {"change": "subscription_saved", "value": {"id": "1", "application": "1", "api": "1", "plan": "Unlimited"}},
    ]);
    let changes: Vec<Change> = serde_json::from_value(changes).unwrap();
    let report = gateway.load(Snapshot::new(Revision(1), changes)).await;
    assert!(report.refused.is_empty(), "{report:?}");
    let mut config = ServerConfig::default();
    config.http = Some(([127, 0, 0, 1], 0).into());
    config.workers = 1;
    let server = Server::new(gateway, config).bind().unwrap();
    let address = server.http_addr().unwrap();
    tokio::spawn(server.run(Shutdown::new(std::future::pending())));
    address
}

/// A server on a socket of its own.
async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Sends one request over a connection of its own and reads all that comes back.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A token as the other side makes it.
fn token(secret: &str, expires_in: i64) -> String {
    let expiry = SystemClock.now().as_secs().saturating_add_signed(expires_in);
    let signed = format!("client-1:{expiry}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}:{signature}")
}

#[tokio::test]
async fn a_good_token_passes_and_others_are_refused_by_wso2s_numbers() {
    let backend = serve(Router::new().fallback(async || "hello")).await;
    let gateway = gateway(FILE, backend).await;
    let forged = token(&SECRET.to_uppercase(), 60);
    for (token, expected) in [
        (token(SECRET, 60), "HTTP/1.1 200"),
        (token(SECRET, -60), "900903"),
        (forged, "900901"),
        ("nonsense".to_owned(), "900901"),
    ] {
        let head = "GET /shop/1/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer ";
        let answer = ask(gateway, &format!("{head}{token}\r\n\r\n")).await;
        assert!(answer.contains(expected), "{token}: {answer}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_installed_and_a_short_secret_are_refused_with_their_place() {
    let unknown = "gateway.opaque.hmca: nothing of that name is installed, only `hmac`; did you mean `hmac`?";
    let short = "gateway.verifier.hmac.secret: shorter than 32 characters";
    for (file, message) in [("opaque: {use: hmca}", unknown), ("verifier: {use: hmac, secret: short}", short)]
    {
        let file = config::File::parse(file).unwrap().resolve().unwrap();
        let builder = Gateway::builder().verifiers(Registry::default().with::<Hmac>()).config(file);
        assert_eq!(builder.build().await.unwrap_err().to_string(), message);
    }
}

#[tokio::test]
async fn a_verifier_from_code_and_another_from_the_file_are_one_too_many() {
    let hmac = apim_core::Entry::new("hmac").with("secret", SECRET);
    let verifiers = Registry::default().with::<Hmac>();
    let given = verifiers.build(&hmac, &apim_core::Parts::default()).await.unwrap();
    let file = config::File::parse(FILE).unwrap().resolve().unwrap();
    let builder = Gateway::builder().opaque(given).verifiers(verifiers).config(file);
    let refused = builder.build().await.unwrap_err();
    assert_eq!(refused.to_string(), "gateway.opaque: this gateway was given another in code");
}
