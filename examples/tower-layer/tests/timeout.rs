//! The layer between handlers: what is outside it still sees the answer.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use any_tower_layer::{AtOnce, Timeout};
use apim_core::{Answer, Backend, Body, Change, Exchange, Revision, Snapshot};
use apim_gateway::{Gateway, builtin, config};
use http::{Request, Response};
use tower::ServiceExt as _;

/// Never answers `/slow`.
struct Moody;

impl Backend for Moody {
    async fn call(&self, exchange: Exchange) -> Answer {
        if exchange.uri().path() == "/slow" {
            std::future::pending::<()>().await;
        }
        exchange.answer(Response::new(Body::from("quick")))
    }
}

async fn gateway(milliseconds: u64) -> Result<Gateway, apim_core::BuildError> {
    let file = format!(
        "handlers:\n  - use: cors\n  - use: at-once\n    calls: 1\n  - use: timeout\n    milliseconds: {milliseconds}\n  \
           - use: anonymous\n"
    );
    let gateway = Gateway::builder()
        .links(builtin::links().with::<Timeout>().with::<AtOnce>())
        .config(config::File::parse(&file).unwrap().resolve().unwrap())
        .backend(Moody)
        .build()
        .await?;
    let api = serde_json::from_value(
        serde_json::json!({"id": "1", "name": "moody", "version": "1", "context": "/moody"}),
    );
    gateway.load(Snapshot::new(Revision(1), [Change::ApiDeployed(Arc::new(api.unwrap()))])).await;
    Ok(gateway)
}

async fn call(gateway: &Gateway, path: &str) -> Response<apim_gateway::gateway::Sent> {
    let request = Request::get(path).header("host", "localhost").header("origin", "https://shop.example");
    gateway.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_slow_backend_is_answered_for_and_the_outer_handler_sees_it() {
    let gateway = gateway(50).await.unwrap();
    let slow = call(&gateway, "/moody/1/slow").await;
    assert_eq!(slow.status(), 504);
    assert_eq!(slow.headers()["access-control-allow-origin"], "*");
    assert_eq!(call(&gateway, "/moody/1/quick").await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn layers_compose_and_what_one_refuses_is_a_fault_like_any_other() {
    let gateway = gateway(50).await.unwrap();
    let mut slow = std::pin::pin!(call(&gateway, "/moody/1/slow"));
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut slow).await.is_err(), "it is under way");
    let refused = call(&gateway, "/moody/1/quick").await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
    let fault = refused.body().context().fault.clone().unwrap();
    assert_eq!((fault.code().number, fault.description()), (503, "Too many calls"));
    drop(refused);

    assert_eq!(slow.await.status(), 504);
    assert_eq!(call(&gateway, "/moody/1/quick").await.status(), 200);
}

#[tokio::test]
async fn a_timeout_of_nothing_is_refused_with_its_place() {
    let refused = gateway(0).await.unwrap_err();
    assert!(refused.to_string().starts_with("gateway.handlers[2].timeout.milliseconds: "), "{refused}");
}
