//! An administrator asks the control plane why, and the gateways that follow it answer.

use std::time::Duration;

use apim_core::Secret;
use apim_core::explanation::Explanation;
use axum::body::{Body, BodyDataStream};
use axum::{Router, extract::Request};
use futures_util::StreamExt as _;
use http::StatusCode;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::place::{Door, Place};

const ID: &str = "00000000000000000000000000000007";

fn request(method: &str, path: &str, body: Body) -> Request {
    Request::builder()
        .method(method)
        .uri(format!("/internal/gateway/v1{path}"))
        .header("authorization", "Bearer secret")
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

/// A gateway's end of its stream of questions.
async fn listen(routes: &Router, name: &str) -> BodyDataStream {
    let path = format!("/questions?gateway={name}");
    let response = routes.clone().oneshot(request("GET", &path, Body::empty())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().into_data_stream()
}

async fn heard(questions: &mut BodyDataStream) -> Value {
    let line = tokio::time::timeout(Duration::from_secs(10), questions.next()).await.unwrap();
    serde_json::from_slice(&line.unwrap().unwrap()).unwrap()
}

async fn answer(routes: &Router, name: &str, question: &Value, found: Value) {
    let body = json!({"question": question["question"], "gateway": name, "found": found}).to_string();
    let response = routes.clone().oneshot(request("POST", "/answers", body.into())).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
}

fn explanation() -> Value {
    json!({
        "requestId": ID, "at": "2026-01-01T00:00:00.000Z", "status": 403, "stage": "authorization",
        "rule": "operation.scopes", "wanted": ["a"], "revision": 3, "method": "GET", "path": "/pets",
        "client": "127.0.0.1", "worker": 0,
    })
}

fn devops(place: &Place) -> Door<'_> {
    place.admin().at("/api/am/devops/v0")
}

#[tokio::test]
async fn the_gateway_that_knows_answers_for_all() {
    let place = Place::each().await.remove(0);
    let routes = apim_store::bus::http::routes(place.store.clone(), Secret::new("secret"));
    let (mut one, mut two) = (listen(&routes, "one").await, listen(&routes, "two").await);
    let gateways = async {
        let question = heard(&mut one).await;
        assert_eq!(question["request"], ID);
        answer(&routes, "one", &question, Value::Null).await;
        let question = heard(&mut two).await;
        answer(&routes, "two", &question, explanation()).await;
    };
    let path = format!("/why/{ID}");
    let caller = devops(&place);
    let (reply, ()) = tokio::join!(caller.get(&path), gateways);
    let found: Explanation = serde_json::from_value(reply.is(200).json()).unwrap();
    assert_eq!((found.rule.as_deref(), found.gateway.as_deref()), (Some("operation.scopes"), Some("two")));
}

#[tokio::test]
async fn what_no_gateway_knows_is_said_at_once_and_strangers_learn_nothing() {
    let place = Place::each().await.remove(0);
    let path = format!("/why/{ID}");
    let nobody = devops(&place).get(&path).await.is(404).json();
    assert_eq!(nobody["description"], "No gateway follows this control plane");

    let routes = apim_store::bus::http::routes(place.store.clone(), Secret::new("secret"));
    let mut one = listen(&routes, "one").await;
    let gateway = async {
        let question = heard(&mut one).await;
        answer(&routes, "one", &question, Value::Null).await;
        // Whoever answers a question that nobody asked does no harm.
        answer(&routes, "one", &json!({"question": 999}), explanation()).await;
    };
    let caller = devops(&place);
    let (reply, ()) = tokio::join!(caller.get(&path), gateway);
    assert!(reply.is(404).json()["description"].as_str().unwrap().starts_with("None of the 1 gateways"));

    devops(&place).get("/why/nonsense").await.is(400);
    place.publisher().at("/api/am/devops/v0").get(&path).await.is(401);
}
