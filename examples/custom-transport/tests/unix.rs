//! A gateway in front of a service on a Unix socket.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use apim_core::{Body, Change, Registry, Revision, Snapshot};
use apim_gateway::{Gateway, config};
use custom_transport::Unix;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tower::ServiceExt as _;

/// A service that tells what it was asked; `/slow` takes its time.
fn listen(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(async |request: Request<Incoming>| {
                if request.uri() == "/slow" {
                    std::future::pending::<()>().await;
                }
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
                let seen = json!({
                    "method": head.method.as_str(), "path": head.uri.to_string(),
                    "body": String::from_utf8_lossy(&body),
                    "forwarded": header("x-forwarded-for"), "connection": header("connection"),
                });
                Ok::<_, std::convert::Infallible>(Response::new(seen.to_string()))
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
}

async fn gateway(folder: &Path) -> Gateway {
    let file = json!({
        "handlers": [{"use": "anonymous"}], "transports": [{"use": "unix", "folder": folder}],
    });
    Gateway::builder()
        .transports(Registry::default().with::<Unix>())
        .config(config::File::parse(&file.to_string()).unwrap().resolve().unwrap())
        .build()
        .await
        .unwrap()
}

/// Deploys an API with an endpoint; answers what was refused.
async fn deploy(gateway: &Gateway, endpoint: Value) -> Vec<String> {
    let api = json!({
        "id": "1", "name": "pets", "version": "1", "context": "/pets", "endpoints": {"production": endpoint},
    });
    let api = Arc::new(serde_json::from_value(api).unwrap());
    let report = gateway.load(Snapshot::new(Revision(1), [Change::ApiDeployed(api)])).await;
    report.refused.iter().map(ToString::to_string).collect()
}

async fn ask(gateway: &Gateway, request: Request<Body>) -> (u16, Value) {
    let answer = gateway.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_call_reaches_the_service_on_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("pets.sock");
    listen(&socket);
    let gateway = gateway(folder.path()).await;
    let url = format!("unix:{}", socket.display());
    assert_eq!(deploy(&gateway, json!({"url": url, "timeout_ms": 200})).await, [""; 0]);

    let request = Request::post("http://a/pets/1/dogs?name=rex")
        .header("connection", "close")
        .header("x-forwarded-for", "6.6.6.6")
        .body(Body::from("woof"));
    let (status, seen) = ask(&gateway, request.unwrap()).await;
    let expected = json!({
        "method": "POST", "path": "/dogs?name=rex", "body": "woof", "forwarded": "0.0.0.0", "connection": null,
    });
    assert_eq!((status, seen), (200, expected));

    let slow = Request::get("/pets/1/slow").body(Body::empty()).unwrap();
    let (status, refusal) = tokio::time::timeout(Duration::from_secs(10), ask(&gateway, slow)).await.unwrap();
    assert_eq!((status, &refusal["code"]), (504, &json!("101504")));

    std::fs::remove_file(&socket).unwrap();
    let (status, refusal) = ask(&gateway, Request::get("/pets/1/").body(Body::empty()).unwrap()).await;
    assert_eq!((status, &refusal["code"]), (502, &json!("101503")));
}

#[tokio::test]
async fn an_endpoint_that_can_never_work_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let inside = |rest: &str| format!("unix:{}{rest}", folder.path().display());
    let gateway = gateway(folder.path()).await;
    for url in ["unix:/run/docker.sock".to_owned(), inside("/../docker.sock"), inside(""), "unix:".to_owned()]
    {
        let refused = deploy(&gateway, json!({ "url": url })).await;
        let place = "API pets:1 (1): endpoints.production.url: ";
        assert!(refused.len() == 1 && refused[0].starts_with(place), "{url}: {refused:?}");
    }
    // What nobody would enforce.
    let refused = deploy(&gateway, json!({"url": inside("/pets.sock"), "http2": true})).await;
    assert!(refused[0].contains("endpoints.production: "), "{refused:?}");
    // A scheme that no transport serves.
    let plain = Gateway::builder().build().await.unwrap();
    assert!(
        deploy(&plain, json!({"url": inside("/pets.sock")})).await[0].contains("endpoints.production.url")
    );
}

#[tokio::test]
async fn a_mistake_in_the_file_names_its_place() {
    let file = "transports:\n  - use: unix\n    folder: run\n";
    let config = config::File::parse(file).unwrap().resolve().unwrap();
    let builder = Gateway::builder().transports(Registry::default().with::<Unix>());
    let refused = builder.config(config).build().await.unwrap_err();
    assert_eq!(refused.to_string(), "gateway.transports[0].unix.folder: it must begin with a slash");
}
