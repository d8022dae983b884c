//! Another configuration comes into force while requests are served, and nothing is lost by it.

use std::sync::Arc;

use apim_core::event::{Change, Event, Revision};
use apim_core::{Answer, Backend, Body, BuildError, Exchange, Timestamp};
use apim_gateway::Reconfiguration;
use apim_gateway::config::File;
use apim_gateway::upstream::UpstreamConfig;
use http::{Request, Response};
use serde_json::json;
use tokio::sync::Semaphore;

use super::sockets::Running;
use super::world::{Bench, pets, policy};
use crate::bench::Wire;

async fn reconfigure(bench: &Bench, text: &str) -> Result<(), BuildError> {
    let config = File::parse(text).unwrap().resolve().unwrap();
    bench.gateway.reconfigure(Reconfiguration::to(config)).await
}

const OPEN: &str = "handlers: [{use: resource}, {use: anonymous}]";

#[tokio::test]
async fn another_chain_serves_the_next_request_of_every_api() {
    let bench = Bench::new().await;
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"id": "two", "context": "/two"}))))).await;
    let both = async |expected: u16| {
        for target in ["/petstore/1.0.0/pets", "/two/1.0.0/pets"] {
            assert_eq!(bench.get(target, &[]).await.verdict().0, expected, "{target}");
        }
    };
    both(401).await;
    reconfigure(&bench, OPEN).await.unwrap();
    both(200).await;
    // And those that are deployed from now on.
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"id": "three", "context": "/three"}))))).await;
    assert_eq!(bench.get("/three/1.0.0/pets", &[]).await.verdict().0, 200);
    reconfigure(&bench, "").await.unwrap();
    both(401).await;
    assert_eq!(bench.get("/three/1.0.0/pets", &[]).await.verdict().0, 401);
}

#[tokio::test]
async fn proxies_and_the_correlation_header_change() {
    let bench = Bench::new().await;
    let headers = [("x-trace", "abc"), ("activityid", "def")];
    let reply = bench.get("/petstore/1.0.0/open", &headers).await;
    assert_eq!((reply.headers.get("x-trace"), &reply.headers["activityid"]), (None, &"def".parse().unwrap()));
    reconfigure(&bench, "correlation_header: x-trace\ntrusted_proxies: [203.0.113.0/24]").await.unwrap();
    let denied = super::world::change(
        "DenySaved",
        json!({"id": "d", "tenant": "carbon.super", "condition": {"type": "ip", "first": "198.51.100.7", "last": "198.51.100.7"}}),
    );
    bench.apply(denied).await;
    let reply = bench.get("/petstore/1.0.0/open", &headers).await;
    assert_eq!((reply.headers.get("activityid"), &reply.headers["x-trace"]), (None, &"abc".parse().unwrap()));
    let claimed = [("x-forwarded-for", "198.51.100.7")];
    assert_eq!(bench.get("/petstore/1.0.0/open", &claimed).await.verdict().0, 403);
    reconfigure(&bench, "").await.unwrap();
    assert_eq!(bench.get("/petstore/1.0.0/open", &claimed).await.verdict().0, 200);
}

#[tokio::test]
async fn a_mistake_is_refused_with_its_place_and_everything_stays() {
    let bench = Bench::new().await;
    reconfigure(&bench, OPEN).await.unwrap();
    for (text, place) in [
        ("handlers: [{use: resource}, {use: anonymos}]", "gateway.handlers[1].anonymos"),
        ("handlers: [{use: authentication, keep: true}]", "gateway.handlers[0].authentication"),
        ("verifier: {use: nobody}", "gateway.verifier.nobody"),
        ("transports: [{use: pigeon}]", "gateway.transports[0].pigeon"),
    ] {
        let error = reconfigure(&bench, text).await.unwrap_err().to_string();
        assert!(error.starts_with(place), "{error}");
        assert_eq!(bench.get("/petstore/1.0.0/pets", &[]).await.verdict().0, 200);
    }
}

#[tokio::test]
async fn what_was_counted_verified_and_recorded_is_kept() {
    let bench = Bench::new().await;
    let two =
        json!({"kind": "subscription", "name": "Gold", "quota": {"requests": 2, "window_ms": 3_600_000}});
    bench.apply(policy(two)).await;
    let token = bench.token(json!({}));
    let refused = bench.get("/petstore/1.0.0/pets", &[]).await;
    let id = refused.headers["x-request-id"].to_str().unwrap().parse().unwrap();
    assert_eq!(bench.with_token(&token).await.verdict().0, 200);
    reconfigure(&bench, "correlation_header: x-trace").await.unwrap();
    assert_eq!(bench.with_token(&token).await.verdict().0, 200);
    reconfigure(&bench, "leeway_seconds: 7").await.unwrap();
    assert_eq!(bench.with_token(&token).await.verdict().0, 429);
    assert!(bench.gateway.why(id).is_some());
}

/// Answers when it may.
struct Gate(Arc<Semaphore>);

impl Backend for Gate {
    async fn call(&self, exchange: Exchange) -> Answer {
        self.0.acquire().await.unwrap().forget();
        exchange.answer(Response::new(Body::from("pong")))
    }
}

#[tokio::test]
async fn a_request_in_flight_keeps_the_configuration_it_began_with() {
    let gate = Arc::new(Semaphore::new(0));
    let bench = Bench::with(|builder| builder.backend(Gate(gate.clone()))).await;
    let request = || {
        let request = Request::get("/petstore/1.0.0/open").header("activityid", "a").header("x-trace", "b");
        bench.send(request.body(Body::empty()).unwrap())
    };
    let mut before = std::pin::pin!(request());
    let first =
        std::future::poll_fn(|cx| std::task::Poll::Ready(before.as_mut().poll(cx).is_pending())).await;
    assert!(first, "it waits at the gate");
    reconfigure(&bench, "correlation_header: x-trace").await.unwrap();
    gate.add_permits(2);
    let (before, after) = (before.await, request().await);
    assert!(before.headers.contains_key("activityid") && !before.headers.contains_key("x-trace"));
    assert!(after.headers.contains_key("x-trace") && !after.headers.contains_key("activityid"));
}

#[tokio::test]
async fn what_is_known_of_backends_is_kept() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gateway = Running::start(format!("http://{nobody}"), json!({})).await;
    let suspended = json!({"production": {"url": format!("http://{nobody}"), "suspension": {}}});
    let change = Change::ApiDeployed(Arc::new(pets(json!({"endpoints": suspended}))));
    let event = Event { revision: Revision(2), at: Timestamp::default(), change };
    let report = gateway.gateway.apply(event).await;
    assert!(report.refused.is_empty(), "{report:?}");
    let mut client = Wire::connect(gateway.address).await;
    let mut codes = async || {
        let got = client.ask("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let body: serde_json::Value = serde_json::from_str(got.text()).unwrap();
        (got.status().to_owned(), body["code"].to_string())
    };
    assert_eq!(codes().await, ("502".to_owned(), "\"101503\"".to_owned()));
    for text in ["", "leeway_seconds: 7", OPEN] {
        let config = File::parse(text).unwrap().resolve().unwrap();
        gateway.gateway.reconfigure(Reconfiguration::to(config)).await.unwrap();
        assert_eq!(codes().await, ("503".to_owned(), "\"303001\"".to_owned()), "after {text:?}");
    }
    // Who talks to backends in another way may find that another answers.
    let config = File::parse("").unwrap().resolve().unwrap();
    let anew = Reconfiguration::to(config).upstream(UpstreamConfig::default());
    gateway.gateway.reconfigure(anew).await.unwrap();
    assert_eq!(codes().await.0, "502");
}
