//! The handler in a gateway that was configured by a file; the clock is the test's own.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use apim_core::testing::ManualClock;
use apim_core::{Answer, Backend, Body, Change, Exchange, Revision, Snapshot, Timestamp};
use apim_gateway::{Gateway, builtin, config};
use custom_handler::Sunset;
use http::{Request, Response};
use tower::ServiceExt as _;

/// A backend in the same process, so that the test needs no network.
struct Hello;

impl Backend for Hello {
    async fn call(&self, exchange: Exchange) -> Answer {
        exchange.answer(Response::new(Body::from("hello")))
    }
}

async fn gateway(clock: Arc<ManualClock>) -> Gateway {
    let file = "
handlers:
  - use: sunset
    date: Thu, 01 Jan 2026 00:00:00 GMT
    link: https://example.com/migrate
  - use: anonymous
";
    let gateway = Gateway::builder()
        .clock(clock)
        .links(builtin::links().with::<Sunset>())
        .config(config::File::parse(file).unwrap().resolve().unwrap())
        .backend(Hello)
        .build()
        .await
        .unwrap();
    let api = serde_json::from_value(
        serde_json::json!({"id": "1", "name": "greeter", "version": "1", "context": "/greet"}),
    );
    gateway.load(Snapshot::new(Revision(1), [Change::ApiDeployed(Arc::new(api.unwrap()))])).await;
    gateway
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "localhost").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn the_end_is_announced_and_then_comes() {
    let end = Timestamp::from_secs(1_767_225_600);
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(end.as_secs() - 1)));
    let gateway = gateway(clock.clone()).await;

    let before = gateway.clone().oneshot(get("/greet/1/")).await.unwrap();
    assert_eq!(before.status(), 200);
    assert_eq!(before.headers()["sunset"], "Thu, 01 Jan 2026 00:00:00 GMT");
    assert_eq!(before.headers()["link"], "<https://example.com/migrate>; rel=\"sunset\"");

    clock.advance(Duration::from_secs(1));
    assert_eq!(gateway.oneshot(get("/greet/1/")).await.unwrap().status(), 410);
}

#[tokio::test]
async fn a_mistake_in_the_file_names_its_place() {
    let file = "handlers:\n  - use: sunset\n    date: tomorrow\n";
    let config = config::File::parse(file).unwrap().resolve().unwrap();
    let refused = Gateway::builder().links(builtin::links().with::<Sunset>()).config(config).build().await;
    assert!(refused.unwrap_err().to_string().starts_with("gateway.handlers[0].sunset.date: "));
}
