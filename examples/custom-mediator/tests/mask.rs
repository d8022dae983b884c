//! The mediator by itself, and then named by an API in a gateway between two sockets.
#![allow(clippy::unwrap_used, missing_docs)]

use std::net::SocketAddr;
use std::sync::Arc;

use apim_core::testing::{Chain, provide};
use apim_core::{Change, Mediator, Parts, Revision, Shutdown, Snapshot};
use apim_gateway::server::{Server, ServerConfig};
use apim_gateway::{Gateway, config, format, mediation};
use axum::Router;
use custom_mediator::Mask;
use http::{Request, Response};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A gateway with the mediator, and an API that names it for its answers.
async fn gateway(file: &str, backend: SocketAddr) -> SocketAddr {
    let gateway = Gateway::builder()
        .mediators(mediation::builtin().with::<Mask>())
        .config(config::File::parse(file).unwrap().resolve().unwrap())
        .build()
        .await
        .unwrap();
    let api = serde_json::from_value(json!({
        "id": "1", "name": "shop", "version": "1", "context": "/shop",
        "operations": [{"method": "GET", "path": "/*", "auth": "none"}],
        "endpoints": {"production": {"url": format!("http://{backend}")}},
        "response": [{"use": "mask", "members": ["card"], "keep": 4}],
    }));
    let changes = [Change::ApiDeployed(api.unwrap())];
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

#[tokio::test]
async fn a_card_number_does_not_leave_the_gateway() {
    let orders =
        async || ([("content-type", "application/json")], r#"{"cards":[{"card":"4000123412341234"}]}"#);
    let backend = serve(Router::new().fallback(orders)).await;
    let gateway = gateway("", backend).await;
    let request = "GET /shop/1/orders HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = ask(gateway, request).await;
    assert!(answer.contains(r#"{"cards":[{"card":"************1234"}]}"#), "{answer}");
}

#[tokio::test]
async fn requests_and_answers_are_masked_and_other_bodies_are_left_alone() {
    let config = json!({"members": ["pin"]});
    let mask = provide::<Arc<dyn Mediator>, Mask>(config, &Parts::default()).await.unwrap();
    let chain = Chain::mediators([mask]).formats(format::all()).answering(|_| Response::new("pin".into()));
    let request = Request::post("/").header("content-type", "application/json");
    let call = chain.call(request.body(r#"{"pin":"äbc","a":1}"#.into()).unwrap()).await;
    assert_eq!(call.received[0].body(), r#"{"pin":"***","a":1}"#);
    assert_eq!(call.text(), "pin");
}

#[tokio::test]
async fn masking_nothing_is_a_mistake_with_a_place() {
    let nothing = provide::<Arc<dyn Mediator>, Mask>(json!({"members": []}), &Parts::default()).await;
    assert_eq!(nothing.err().unwrap().to_string(), "mask.members: name at least one");
}
