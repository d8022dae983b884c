//! An extension that panics has failed one request, and nothing else.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use apim_core::analytics::Outcome;
use apim_core::fault::Rescue;
use apim_core::message::{ContentError, ContentHead, Formats, MessageBuilder, MessageFormatter, Payload};
use apim_core::{
    Answer, Backend, Body, BoxError, BuildError, Context, Exchange, Fault, Filter, Flow, Handler, Link,
    Mediator, Parts, Provide, Stage,
};
use apim_gateway::builder::Builder;
use apim_gateway::{builtin, mediation};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;

use super::sockets::Running;
use crate::bench::{LIMIT, Wire, echoing_heads};

/// Panics wherever the header `X-Panic` says.
#[derive(Deserialize, schemars::JsonSchema)]
struct Clumsy {}

/// As [`Clumsy`], after a while.
struct Late;

fn stumble(headers: &http::HeaderMap, place: &str) {
    if headers.get("x-panic").is_some_and(|value| value == place) {
        panic!("stumbled over {place}");
    }
}

impl Filter for Clumsy {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        stumble(exchange.headers(), "request");
        if exchange.headers().get("x-panic").is_some_and(|value| value == "body") {
            return Ok(Flow::Respond(Response::new(Body::new(Breaking::default()))));
        }
        let headers = exchange.headers().clone();
        exchange.context_mut().slots.insert(headers);
        Ok(Flow::Continue)
    }

    fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        let headers: http::HeaderMap = answer.context().slots.get().cloned().unwrap_or_default();
        if headers.get("x-panic").is_some_and(|value| value == "formatter") {
            answer
                .message_mut()
                .set_payload(Payload::Json(json!(1)), HeaderValue::from_static("text/clumsy"));
        }
        stumble(&headers, "response");
        Ok(())
    }

    fn complete(&self, outcome: &Outcome<'_>) {
        stumble(outcome.context.slots.get().unwrap_or(&http::HeaderMap::new()), "complete");
    }
}

impl Handler for Late {
    async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        tokio::task::yield_now().await;
        stumble(exchange.headers(), "later");
        Ok(Flow::Continue)
    }
}

impl Provide<Link> for Clumsy {
    const NAME: &'static str = "clumsy";
    type Config = Clumsy;
    async fn build(config: Clumsy, _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(config))
    }
}

impl Provide<Link> for Late {
    const NAME: &'static str = "late";
    type Config = Clumsy;
    async fn build(_: Clumsy, _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::handler(Self))
    }
}

#[async_trait::async_trait]
impl Mediator for Clumsy {
    async fn mediate(&self, stage: Stage<'_>) -> Result<Flow, Fault> {
        if let Stage::Request(exchange) = stage {
            stumble(exchange.headers(), "mediator");
        }
        Ok(Flow::Continue)
    }
}

impl Provide<Arc<dyn Mediator>> for Clumsy {
    const NAME: &'static str = "clumsy";
    type Config = Clumsy;
    async fn build(config: Clumsy, _: &Parts) -> Result<Arc<dyn Mediator>, BuildError> {
        Ok(Arc::new(config))
    }
}

impl MessageBuilder for Clumsy {
    fn build(&self, _: &ContentHead, _: Bytes) -> Result<Payload, ContentError> {
        panic!("stumbled over the builder")
    }
}

impl MessageFormatter for Clumsy {
    fn format(&self, _: &Payload, _: &mut BytesMut) -> Result<HeaderValue, ContentError> {
        panic!("stumbled over the formatter")
    }
}

/// Sends one piece, waits for it to leave, and panics.
#[derive(Default)]
struct Breaking(usize);

impl http_body::Body for Breaking {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0 += 1;
        match self.0 {
            1 => Poll::Ready(Some(Ok(Frame::data("half".into())))),
            2 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => panic!("stumbled over the body"),
        }
    }
}

async fn running(adjust: impl FnOnce(Builder) -> Builder) -> Running {
    let with = json!({
        "handlers": [{"use": "clumsy"}, {"use": "late"}], "request": [{"use": "clumsy"}],
    });
    let backend = format!("http://{}", echoing_heads().await);
    Running::start_with(backend, with, |builder| {
        adjust(
            builder
                .links(builtin::links().with::<Clumsy>().with::<Late>())
                .mediators(mediation::builtin().with::<Clumsy>())
                .formats(Formats::default().with("text/clumsy", Clumsy {})),
        )
    })
    .await
}

fn request(place: &str) -> String {
    format!("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\nX-Panic: {place}\r\n\r\n")
}

const INTERNAL: &str = r#"{"code":"500","type":"Status report","message":"Internal Server Error","description":"Internal Server Error"}"#;

#[tokio::test]
async fn a_panic_is_a_500_with_the_requests_id_and_the_connection_goes_on() {
    let mut gateway = running(|builder| builder).await;
    let mut client = Wire::connect(gateway.address).await;
    for place in ["request", "later", "mediator", "response", "formatter"] {
        let got = client.ask(&request(place)).await;
        assert_eq!((got.status(), got.text()), ("500", INTERNAL), "{place}");
        assert_eq!(got.header("x-request-id").map(str::len), Some(32), "{place}");
        let event = gateway.event().await;
        assert_eq!((&event["proxyResponseCode"], &event["errorCode"]), (&json!(500), &json!(500)), "{place}");
        assert_eq!(client.ask(&request("nowhere")).await.status(), "200", "after {place}");
        assert_eq!(gateway.event().await["proxyResponseCode"], 200);
    }
}

#[tokio::test]
async fn a_panic_at_a_requests_end_keeps_nobody_else_from_learning_of_it() {
    let mut gateway = running(|builder| builder).await;
    let mut client = Wire::connect(gateway.address).await;
    for _ in 0..2 {
        assert_eq!(client.ask(&request("complete")).await.status(), "200");
        assert_eq!(gateway.event().await["proxyResponseCode"], 200);
    }
}

#[tokio::test]
async fn a_body_that_panics_breaks_off_and_ends_nothing_else() {
    let mut gateway = running(|builder| builder).await;
    let mut client = Wire::connect(gateway.address).await;
    client.send(request("body")).await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(client.take(9).await.unwrap(), b"4\r\nhalf\r\n");
    assert!(client.is_closed().await);
    assert_eq!(gateway.event().await["proxyResponseCode"], 200);
    assert_eq!(Wire::connect(gateway.address).await.ask(&request("nowhere")).await.status(), "200");
}

/// Fails as a backend and as a rescue.
struct Broken;

impl Backend for Broken {
    async fn call(&self, _: Exchange) -> Answer {
        panic!("stumbled over the backend")
    }
}

impl Rescue for Broken {
    fn rescue(&self, _: &Fault, _: &Context) -> Response<Body> {
        panic!("stumbled over the rescue")
    }
}

#[tokio::test]
async fn a_backend_and_a_rescue_that_panic_are_answered_for() {
    let gateway = running(|builder| builder.backend(Broken).rescue(Arc::new(Broken))).await;
    let mut client = Wire::connect(gateway.address).await;
    for place in ["nowhere", "request"] {
        let got = client.ask(&request(place)).await;
        assert_eq!((got.status(), got.text()), ("500", INTERNAL), "{place}");
        assert_eq!(got.header("x-request-id").map(str::len), Some(32), "{place}");
    }
}

#[tokio::test]
async fn the_other_requests_of_an_http2_connection_go_on() {
    let gateway = running(|builder| builder).await;
    let tcp = TcpStream::connect(gateway.address).await.unwrap();
    let handshake = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(tcp));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let call = |place: &'static str| {
        let mut sender = sender.clone();
        async move {
            let request = Request::get("http://a/petstore/1.0.0/open").header("x-panic", place);
            let request = request.body(Full::<Bytes>::default()).unwrap();
            let (head, body) = sender.send_request(request).await.unwrap().into_parts();
            (head, body.collect().await.map(|body| body.to_bytes()))
        }
    };
    let places =
        ["nowhere", "request", "nowhere", "later", "nowhere", "body", "nowhere", "formatter", "nowhere"];
    let calls = futures_util::future::join_all(places.map(call));
    for ((head, body), place) in tokio::time::timeout(LIMIT, calls).await.unwrap().into_iter().zip(places) {
        match place {
            "nowhere" => assert_eq!(head.status, 200),
            "body" => assert!(head.status == 200 && body.is_err()),
            _ => {
                assert_eq!((head.status.as_u16(), &*body.unwrap()), (500, INTERNAL.as_bytes()), "{place}");
                let id: &HeaderValue = &head.headers["x-request-id"];
                assert_eq!(id.len(), 32);
            }
        }
    }
    assert_eq!(call("nowhere").await.0.status, 200);
}
