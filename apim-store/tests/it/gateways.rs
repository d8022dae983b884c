//! Gateways of other processes follow over HTTP, and deployments wait for them.

use std::time::Duration;

use apim_core::event::{Event, Revision};
use apim_core::model::Tenant;
use apim_core::{Secret, Snapshot};
use apim_store::Store;
use axum::body::{Body, BodyDataStream};
use axum::{Router, extract::Request};
use futures_util::StreamExt as _;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use crate::change::application;
use crate::place::{Place, databases};

fn request(method: &str, path: &str, token: &str, body: Body) -> Request {
    Request::builder()
        .method(method)
        .uri(format!("/internal/gateway/v1{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

async fn get(routes: &Router, path: &str) -> axum::response::Response {
    routes.clone().oneshot(request("GET", path, "secret", Body::empty())).await.unwrap()
}

async fn follow(routes: &Router, after: u64, name: &str) -> BodyDataStream {
    let response = get(routes, &format!("/events?after={after}&gateway={name}")).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().into_data_stream()
}

async fn event(stream: &mut BodyDataStream) -> Event {
    let line = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.unwrap().unwrap().unwrap();
    serde_json::from_slice(&line).unwrap()
}

async fn applied(routes: &Router, name: &str, revision: u64) {
    let body = json!({"revision": revision, "gateway": name}).to_string();
    let response = routes.clone().oneshot(request("POST", "/applied", "secret", body.into())).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

async fn tell(store: &Store, id: &str) {
    let mut write = store.platform(&Tenant::default()).write().await.unwrap();
    write.tell(application(id));
    write.commit().await.unwrap();
}

#[tokio::test]
async fn a_gateway_takes_a_snapshot_and_follows_from_there() {
    let database = databases().await.remove(0);
    let store = database.open().await;
    let routes = apim_store::bus::http::routes(store.clone(), Secret::new("secret"));
    tell(&store, "one").await;
    let body = get(&routes, "/snapshot").await.into_body().collect().await.unwrap().to_bytes();
    let snapshot: Snapshot = serde_json::from_slice(&body).unwrap();
    assert_eq!((snapshot.revision(), snapshot.changes().count()), (Revision(1), 1));

    let mut events = follow(&routes, 1, "g").await;
    tell(&store, "two").await;
    tell(&store, "three").await;
    assert_eq!(event(&mut events).await.revision, Revision(2));
    assert_eq!(event(&mut events).await.revision, Revision(3));
    assert_eq!(get(&routes, "/events?after=99").await.status(), StatusCode::GONE);
}

#[tokio::test]
async fn nobody_without_the_token_learns_anything() {
    let database = databases().await.remove(0);
    let store = database.open().await;
    let routes = apim_store::bus::http::routes(store.clone(), Secret::new("secret"));
    for path in ["/snapshot", "/events?after=0"] {
        for token in ["", "secre", "secrets", "Secret"] {
            let response = routes.clone().oneshot(request("GET", path, token, Body::empty())).await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        }
    }
    let open = apim_store::bus::http::routes(store, Secret::new(""));
    let response = open.oneshot(request("GET", "/snapshot", "", Body::empty())).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_deployment_answers_when_the_gateways_that_follow_have_it() {
    let place = Place::each_seeded().await.remove(0);
    let routes = apim_store::bus::http::routes(place.store.clone(), Secret::new("secret"));
    let publisher = place.publisher();
    let api =
        publisher.post("/apis", json!({"name": "A", "context": "/a", "version": "1"})).await.is(201).json();
    let api = api["id"].as_str().unwrap().to_owned();
    let revision = publisher.post(&format!("/apis/{api}/revisions"), json!({})).await.is(201).json();
    let revision = revision["id"].as_str().unwrap().to_owned();

    let mut events = follow(&routes, place.store.head().0, "g").await;
    let gateway = async {
        let deployed = event(&mut events).await;
        applied(&routes, "g", deployed.revision.0).await;
    };
    let path = format!("/apis/{api}/deploy-revision?revisionId={revision}");
    let deploy = publisher.post(&path, json!([{"name": "Default"}]));
    let (reply, ()) = tokio::join!(deploy, gateway);
    let deployment = reply.is(201).json()[0].clone();
    assert_eq!(deployment["liveGatewayCount"], 1);
    assert_eq!(deployment["deployedGatewayCount"], 1);
}

#[tokio::test]
async fn a_gateway_that_says_nothing_is_counted_as_not_having_it() {
    let place = Place::each_seeded().await.remove(0);
    let routes = apim_store::bus::http::routes(place.store.clone(), Secret::new("secret"));
    let publisher = place.publisher();
    let api =
        publisher.post("/apis", json!({"name": "A", "context": "/a", "version": "1"})).await.is(201).json();
    let api = api["id"].as_str().unwrap().to_owned();
    let revision = publisher.post(&format!("/apis/{api}/revisions"), json!({})).await.is(201).json();
    let path = format!("/apis/{api}/deploy-revision?revisionId={}", revision["id"].as_str().unwrap());
    let _silent = follow(&routes, place.store.head().0, "g").await;
    let deployment = publisher.post(&path, json!([{"name": "Default"}])).await.is(201).json()[0].clone();
    assert_eq!(deployment["liveGatewayCount"], 1);
    assert_eq!(deployment["deployedGatewayCount"], 0);
}
