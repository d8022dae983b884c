//! Change for gateways in other processes.
//!
//! | Request | Answer |
//! |---|---|
//! | `GET /internal/gateway/v1/snapshot` | the [`Snapshot`](apim_core::Snapshot) as JSON |
//! | `GET /internal/gateway/v1/events?after=N[&gateway=NAME]` | one [`Event`] as JSON in each line, as they happen; an empty line every five seconds; 410 when `N` is too old |
//! | `POST /internal/gateway/v1/applied` `{"revision": N, "gateway": NAME}` | 204; the gateway has everything up to `N` in force |
//! | `GET /internal/gateway/v1/questions[?gateway=NAME]` | one question in each line, `{"question": NUMBER, "request": ID}`: why was this request answered as it was? Empty lines as above |
//! | `POST /internal/gateway/v1/answers` `{"question": NUMBER, "gateway": NAME, "found": EXPLANATION}` | 204; `found` is an [`Explanation`], or null if the gateway knows nothing of the request |
//!
//! Each needs the bearer token that only gateways have. `NAME` tells gateways apart when a deployment counts
//! who has it; those that give none count as one.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use apim_core::event::{BusError, Event, Revision};
use apim_core::{Explanation, Secret, SnapshotSource};
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use super::local::Source;
use crate::store::Store;

/// How often an idle stream shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The routes that gateways use. Mount them where only gateways come, or on the control plane's own door:
/// nobody without the token gets in.
pub fn routes(store: Store, token: Secret) -> Router {
    let token = Arc::new(token);
    Router::new()
        .route("/internal/gateway/v1/snapshot", get(snapshot))
        .route("/internal/gateway/v1/events", get(events))
        .route("/internal/gateway/v1/applied", post(applied))
        .route("/internal/gateway/v1/questions", get(questions))
        .route("/internal/gateway/v1/answers", post(answers))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let token = token.clone();
            async move {
                if !authorised(&request, &token) {
                    return StatusCode::UNAUTHORIZED.into_response();
                }
                next.run(request).await
            }
        }))
        .with_state(store)
}

fn authorised(request: &Request, token: &Secret) -> bool {
    let given = request.headers().get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes);
    let given = given.and_then(|value| value.strip_prefix(b"Bearer "));
    // Compared in constant time, so that an answer's delay says nothing about how much of a guess is right.
    // An empty token opens nothing, whatever the configuration says.
    given.is_some_and(|given| !given.is_empty() && given.ct_eq(token.expose().as_bytes()).into())
}

#[derive(Deserialize)]
struct Cursor {
    after: u64,
    gateway: Option<String>,
}

#[derive(Deserialize)]
struct Applied {
    revision: u64,
    gateway: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    gateway: Option<String>,
}

#[derive(Deserialize)]
struct Answered {
    question: u64,
    gateway: Option<String>,
    found: Option<Explanation>,
}

fn source(store: Store, gateway: Option<String>) -> Source {
    Source::named(store, gateway.as_deref().unwrap_or("gateway").into())
}

async fn snapshot(State(store): State<Store>) -> Response {
    match source(store, None).snapshot().await {
        Ok(snapshot) => Json(snapshot).into_response(),
        Err(error) => refused(&error),
    }
}

async fn events(State(store): State<Store>, Query(cursor): Query<Cursor>) -> Response {
    match source(store, cursor.gateway).changes(Revision(cursor.after)).await {
        Ok(events) => lines(events, Event::clone),
        Err(error) => refused(&error),
    }
}

async fn questions(State(store): State<Store>, Query(named): Query<Named>) -> Response {
    match source(store, named.gateway).questions().await {
        Ok(questions) => lines(
            questions,
            |question| json!({"question": question.number, "request": question.request.to_string()}),
        ),
        Err(error) => refused(&error),
    }
}

async fn answers(State(store): State<Store>, Json(answered): Json<Answered>) -> StatusCode {
    source(store, answered.gateway).answer(answered.question, answered.found).await;
    StatusCode::NO_CONTENT
}

/// A stream as lines of JSON, with an empty line whenever nothing else has come for a while.
fn lines<T, W>(items: Items<T>, write: fn(&T) -> W) -> Response
where
    T: Send + 'static,
    W: Serialize + 'static,
{
    let lines =
        stream::unfold(items, move |mut items| async move { Some((line(&mut items, write).await?, items)) });
    let body = Body::from_stream(lines.map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// What gateways are told, one after the other.
type Items<T> = Pin<Box<dyn Stream<Item = Result<T, BusError>> + Send>>;

/// The next line; none ends the stream, and the gateway comes back, with its cursor where there is one.
async fn line<T, W: Serialize>(items: &mut Items<T>, write: fn(&T) -> W) -> Option<Bytes> {
    match tokio::time::timeout(HEARTBEAT, items.next()).await {
        Err(_) => Some(Bytes::from_static(b"\n")),
        Ok(Some(Ok(item))) => written(&write(&item)),
        Ok(Some(Err(error))) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a gateway's stream ends");
            None
        }
        Ok(None) => None,
    }
}

fn written(item: &impl Serialize) -> Option<Bytes> {
    let mut line = serde_json::to_vec(item).ok()?;
    line.push(b'\n');
    Some(line.into())
}

async fn applied(State(store): State<Store>, Json(applied): Json<Applied>) -> StatusCode {
    source(store, applied.gateway).applied(Revision(applied.revision)).await;
    StatusCode::NO_CONTENT
}

fn refused(error: &BusError) -> Response {
    if let BusError::TooOld(_) = error {
        return StatusCode::GONE.into_response();
    }
    tracing::error!(error = error as &dyn std::error::Error, "a gateway could not be served");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
