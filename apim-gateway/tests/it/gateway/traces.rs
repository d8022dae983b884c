//! A call is part of a trace, and a collector is told of its spans.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use apim_core::handler::Route;
use apim_core::{Answer, Backend, Body, BuildError, Exchange, Link, Parts, Provide};
use apim_gateway::builder::Builder;
use apim_gateway::builtin;
use apim_gateway::server::ServerConfig;
use apim_gateway::traces::{Config, TraceParent, Tracer};
use http::Request;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::sockets::Running;
use crate::bench::{Got, LIMIT, OK, Wire, answering, backend, echoing_heads};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A gateway, a collector, and what the collector was told.
struct World {
    running: Running,
    tracer: Arc<Tracer>,
    client: Wire,
    requests: mpsc::UnboundedReceiver<Got>,
    waiting: Vec<Value>,
}

fn config(endpoint: &str, with: Value) -> Config {
    let mut config = json!({ "endpoint": endpoint });
    config.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    serde_json::from_value(config).unwrap()
}

impl World {
    async fn start(to: String, with: Value) -> Self {
        Self::of(json!({"url": to}), with, |builder| builder, |_| {}).await
    }

    /// Of an API with that endpoint.
    async fn to(endpoint: Value) -> Self {
        Self::of(endpoint, json!({}), |builder| builder, |_| {}).await
    }

    async fn of(
        endpoint: Value,
        with: Value,
        adjust: impl FnOnce(Builder) -> Builder,
        listen: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        Self::of_api(json!({"endpoints": {"production": endpoint}}), with, adjust, listen).await
    }

    async fn of_api(
        api: Value,
        with: Value,
        adjust: impl FnOnce(Builder) -> Builder,
        listen: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        let (told, requests) = mpsc::unbounded_channel();
        let collector = backend(move |_, mut wire| {
            let told = told.clone();
            async move {
                while let Some(got) = wire.next().await {
                    let _ = told.send(got);
                    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
                }
            }
        });
        let endpoint = format!("http://{}/v1/traces", collector.await);
        let tracer = Arc::new(Tracer::new(&config(&endpoint, with), None, 2).unwrap());
        let given = tracer.clone();
        let adjust = |builder: Builder| adjust(builder.tracer(given));
        let running = Running::start_on(String::new(), api, adjust, listen).await;
        let client = Wire::connect(running.address).await;
        Self { running, tracer, client, requests, waiting: Vec::new() }
    }

    async fn ask(&mut self, path: &str, headers: &str) -> Got {
        let text = format!("GET /petstore/1.0.0{path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
        self.client.ask(&text).await
    }

    /// The next span that the collector is told of.
    async fn span(&mut self) -> Span {
        while self.waiting.is_empty() {
            let got = tokio::time::timeout(LIMIT, self.requests.recv()).await.unwrap().unwrap();
            let told: Value = serde_json::from_slice(&got.body).unwrap();
            let spans = told["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
            self.waiting.extend(spans.iter().cloned());
        }
        Span(self.waiting.remove(0))
    }

    /// What the collector is told of a call that was sent so many times: of itself, and of each.
    async fn call(&mut self, times: usize) -> (Span, Vec<Span>) {
        let server = self.span().await;
        assert_eq!(server.0["kind"], 2);
        let mut clients = Vec::new();
        for _ in 0..times {
            let client = self.span().await;
            assert_eq!((&client.0["kind"], client.of("parentSpanId")), (&json!(3), server.of("spanId")));
            assert_eq!(client.of("traceId"), server.of("traceId"));
            clients.push(client);
        }
        (server, clients)
    }

    /// Nothing is on its way to the collector: the next span is that of a call that is asked now.
    async fn nothing_told(&mut self) {
        self.ask("/pets?last", &format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n")).await;
        let span = self.span().await;
        assert_eq!(
            (span.attributes().get("url.path"), span.of("parentSpanId")),
            (Some(&json!("/petstore/1.0.0/pets")), PARENT)
        );
    }
}

struct Span(Value);

impl Span {
    fn of(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    fn attributes(&self) -> BTreeMap<&str, Value> {
        let attributes = self.0["attributes"].as_array().unwrap().iter();
        attributes
            .map(|it| {
                let value = it["value"].as_object().unwrap().values().next().unwrap();
                (it["key"].as_str().unwrap(), value.clone())
            })
            .collect()
    }

    fn has(&self, attribute: &str) -> Value {
        self.attributes().remove(attribute).unwrap_or_default()
    }

    fn nanos(&self, field: &str) -> u128 {
        self.of(field).parse().unwrap()
    }

    fn is_error(&self) -> bool {
        self.0["status"]["code"] == 2
    }
}

/// What a backend that echoes saw of a trace.
fn seen(got: &Got) -> (Option<TraceParent>, Option<String>) {
    seen_in(got.text())
}

fn seen_in(head: &str) -> (Option<TraceParent>, Option<String>) {
    let head = head.to_ascii_lowercase();
    let of = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    (of("traceparent: ").and_then(|value| TraceParent::parse(value.as_bytes())), of("tracestate: "))
}

#[tokio::test]
async fn a_call_without_a_trace_begins_one_that_has_the_requests_id() {
    let to = format!("http://{}/base", echoing_heads().await);
    let with = json!({
        "service": "edge", "resource": {"deployment.environment.name": "test"}, "headers": {"x-tenant": "t1"},
    });
    let mut world = World::start(to.clone(), with).await;
    let token = format!("Authorization: Bearer {}\r\nUser-Agent: test/1\r\n", world.running.token);
    let got = world.ask("/pets/7?token=s3cret", &token).await;
    assert_eq!(got.status(), "200");
    let (Some(parent), None) = seen(&got) else { panic!("{}", got.text()) };
    assert!(parent.sampled);

    let asked = tokio::time::timeout(LIMIT, world.requests.recv()).await.unwrap().unwrap();
    assert!(asked.head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{}", asked.head);
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(asked.header("x-tenant"), Some("t1"));
    let told: Value = serde_json::from_slice(&asked.body).unwrap();
    let resource = &told["resourceSpans"][0]["resource"]["attributes"];
    for (key, value) in [("service.name", "edge"), ("deployment.environment.name", "test")] {
        let known = json!({"key": key, "value": {"stringValue": value}});
        assert!(resource.as_array().unwrap().contains(&known), "{resource}");
    }
    let spans = told["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let [server, client] = [0, 1].map(|index| Span(spans[index].clone()));
    assert_eq!(spans.len(), 2);

    assert_eq!((server.of("name"), &server.0["kind"]), ("GET /petstore/1.0.0/pets/{id}", &json!(2)));
    assert_eq!((client.of("name"), &client.0["kind"]), ("GET", &json!(3)));
    assert!(server.0.get("parentSpanId").is_none());
    assert_eq!(client.of("parentSpanId"), server.of("spanId"));
    assert_eq!(client.of("spanId"), format!("{:016x}", parent.span));
    let trace = format!("{:032x}", parent.trace);
    assert_eq!((server.of("traceId"), client.of("traceId")), (&*trace, &*trace));
    assert!(got.text().to_ascii_lowercase().contains(&format!("x-request-id: {trace}\r\n")));

    let attributes = server.attributes();
    let expected = json!({
        "http.request.method": "GET", "http.route": "/petstore/1.0.0/pets/{id}", "url.scheme": "http",
        "url.path": "/petstore/1.0.0/pets/7", "client.address": "127.0.0.1", "user_agent.original": "test/1",
        "http.response.status_code": "200", "apim.api.id": "pets", "apim.api.name": "PetStore",
        "apim.api.version": "1.0.0", "apim.application.name": "shop", "apim.request_id": trace,
    });
    assert_eq!(json!(attributes), expected);
    let port: u16 = to.split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
    let expected = json!({
        "http.request.method": "GET", "url.full": to, "server.address": "127.0.0.1",
        "server.port": port.to_string(), "http.response.status_code": "200",
    });
    assert_eq!(json!(client.attributes()), expected);
    assert!(!server.is_error() && !client.is_error());
    let [begin, end] = ["startTimeUnixNano", "endTimeUnixNano"];
    assert!(server.nanos(begin) <= client.nanos(begin) && client.nanos(begin) < client.nanos(end));
    assert!(client.nanos(end) <= server.nanos(end));
    assert!(!String::from_utf8_lossy(&asked.body).contains("s3cret"));
}

#[tokio::test]
async fn a_trace_is_continued_as_its_beginner_has_decided() {
    // Of traces that begin here none would be recorded.
    let to = format!("http://{}", echoing_heads().await);
    let mut world = World::start(to, json!({"ratio": 0.0})).await;
    let with = |flags: &str| {
        format!(
            "traceparent: 00-{TRACE}-{PARENT}-{flags}\r\ntracestate: rojo=1,\r\nTraceState: congo=t61@x/y\r\n"
        )
    };
    let got = world.ask("/open", &with("01")).await;
    let (Some(parent), state) = seen(&got) else { panic!("{}", got.text()) };
    assert_eq!((format!("{:032x}", parent.trace), parent.sampled), (TRACE.to_owned(), true));
    assert_eq!(state.as_deref(), Some("rojo=1,"));
    assert!(got.text().contains("congo=t61@x/y"), "{}", got.text());
    let (server, client) = (world.span().await, world.span().await);
    assert_eq!((server.of("traceId"), server.of("parentSpanId")), (TRACE, PARENT));
    assert_eq!(client.of("spanId"), format!("{:016x}", parent.span));

    // One that is not recorded goes on as one that is not, through us all the same.
    let got = world.ask("/open", &with("00")).await;
    let (Some(parent), Some(_)) = seen(&got) else { panic!("{}", got.text()) };
    assert_eq!((format!("{:032x}", parent.trace), parent.sampled), (TRACE.to_owned(), false));
    assert_ne!(format!("{:016x}", parent.span), PARENT);
    let got = world.ask("/open", "").await;
    assert!(!seen(&got).0.unwrap().sampled);
    world.nothing_told().await;
}

#[tokio::test]
async fn a_malformed_context_is_never_an_error_but_a_new_trace() {
    let mut world = World::start(format!("http://{}", echoing_heads().await), json!({})).await;
    let good = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    for bad in [
        "tracestate: rojo=1\r\n".to_owned(),
        format!("traceparent: 00-{}-{PARENT}-01\r\ntracestate: rojo=1\r\n", TRACE.to_uppercase()),
        format!("traceparent: 00-{}-{PARENT}-01\r\ntracestate: rojo=1\r\n", "0".repeat(32)),
        "traceparent: \u{e4}\r\ntracestate: rojo=1\r\n".to_owned(),
        format!("{good}{good}tracestate: rojo=1\r\n"),
    ] {
        let got = world.ask("/open", &bad).await;
        assert_eq!(got.status(), "200", "{bad}");
        let (Some(parent), None) = seen(&got) else { panic!("{bad} became {}", got.text()) };
        assert!(parent.sampled && format!("{:032x}", parent.trace) != TRACE);
    }
    // Of a state that is none the trace is not to blame.
    let got = world.ask("/open", &format!("{good}tracestate: rojo=1\r\ntracestate: FOO=1\r\n")).await;
    let (Some(parent), None) = seen(&got) else { panic!("{}", got.text()) };
    assert_eq!(format!("{:032x}", parent.trace), TRACE);
}

#[tokio::test]
async fn what_went_wrong_is_an_error_of_whom_it_went_wrong_for() {
    let mut world = World::start(
        format!("http://{}", answering("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n").await),
        json!({}),
    )
    .await;
    assert_eq!(world.ask("/open", "").await.status(), "404");
    let (server, client) = (world.span().await, world.span().await);
    assert!(!server.is_error() && client.is_error());
    assert_eq!(client.attributes()["error.type"], "404");

    // Nobody has asked the backend of a call that is refused, which is no error of ours.
    assert_eq!(world.ask("/pets", "").await.status(), "401");
    let refused = world.span().await;
    assert_eq!(refused.0["kind"], 2);
    assert!(!refused.is_error());
    assert_eq!(refused.has("http.response.status_code"), "401");
    assert_eq!(
        (refused.has("apim.stage"), refused.has("apim.fault.code")),
        (json!("authentication"), json!("900902"))
    );

    // Nor is a path that nobody declared a name of its own.
    assert_eq!(world.ask("/nothing/4711", "").await.status(), "404");
    assert_eq!(world.span().await.of("name"), "GET");

    let mut away = World::start("http://127.0.0.1:1".to_owned(), json!({})).await;
    assert_eq!(away.ask("/open", "").await.status(), "502");
    let (server, client) = (away.span().await, away.span().await);
    for span in [&server, &client] {
        assert!(span.is_error());
        assert_eq!(span.attributes()["error.type"], "101503");
    }
    assert_eq!(server.attributes()["http.response.status_code"], "502");
    assert_eq!(client.attributes().get("http.response.status_code"), None);
}

/// A backend that answers one request after the other like this, whichever connection it comes by, and hangs up where
/// there is no answer. The last one is for all that follow. Tells of the span that each names.
async fn answering_in_turn(
    answers: &'static [&'static str],
) -> (String, mpsc::UnboundedReceiver<Option<TraceParent>>) {
    let (told, spans) = mpsc::unbounded_channel();
    let asked = Arc::new(AtomicUsize::new(0));
    let address = backend(move |_, mut wire| {
        let (told, asked) = (told.clone(), asked.clone());
        async move {
            while let Some(got) = wire.next().await {
                let _ = told.send(seen_in(&got.head).0);
                match answers[asked.fetch_add(1, Relaxed).min(answers.len() - 1)] {
                    "" => return,
                    answer => wire.send(answer).await,
                }
            }
        }
    });
    (format!("http://{}", address.await), spans)
}

const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";

/// How many times a try is said to be another of the same, and what became of it.
fn said(client: &Span) -> (Value, Value, Value) {
    let [count, status, error] =
        ["http.request.resend_count", "http.response.status_code", "error.type"].map(|it| client.has(it));
    (count, status, error)
}

#[tokio::test]
async fn each_try_is_a_span_of_its_own_and_the_one_that_its_backend_is_told_of() {
    let (to, mut told) = answering_in_turn(&[BUSY, "", OK]).await;
    let mut world = World::to(json!({"url": to, "retry": {"retries": 3}})).await;
    assert_eq!(world.ask("/open", &format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n")).await.status(), "200");
    let (server, clients) = world.call(3).await;
    assert_eq!(server.has("http.response.status_code"), "200");
    let said: Vec<_> = clients.iter().map(said).collect();
    let no = Value::Null;
    assert_eq!(said[0], (no.clone(), json!("503"), json!("503")));
    assert_eq!(said[1], (json!("1"), no.clone(), json!("101505")));
    assert_eq!(said[2], (json!("2"), json!("200"), no));
    for client in &clients {
        let parent = told.recv().await.unwrap().unwrap();
        assert_eq!((format!("{:032x}", parent.trace), parent.sampled), (TRACE.to_owned(), true));
        assert_eq!(client.of("spanId"), format!("{:016x}", parent.span));
        assert_eq!(client.has("server.address"), "127.0.0.1");
    }
    for pair in clients.windows(2) {
        assert!(pair[0].nanos("endTimeUnixNano") <= pair[1].nanos("startTimeUnixNano"));
        assert_ne!(pair[0].of("spanId"), pair[1].of("spanId"));
    }

    // Of a trace that is not recorded the backend is told at each try, and nobody else.
    let (to, mut told) = answering_in_turn(&[BUSY, OK]).await;
    let mut world = World::to(json!({"url": to, "retry": {}})).await;
    assert_eq!(world.ask("/open", &format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n")).await.status(), "200");
    for _ in 0..2 {
        assert!(!told.recv().await.unwrap().unwrap().sampled);
    }
    world.nothing_told().await;
}

#[tokio::test]
async fn what_is_sent_again_without_a_rule_is_a_span_too() {
    // By the connection of the first request, which is closed when the second comes.
    let (to, mut told) = answering_in_turn(&[OK, "", OK]).await;
    let mut world = World::start(to, json!({})).await;
    assert_eq!(world.ask("/open", "").await.status(), "200");
    world.call(1).await;
    assert_eq!(world.ask("/open", "").await.status(), "200");
    let (_, clients) = world.call(2).await;
    assert_eq!(said(&clients[0]), (Value::Null, Value::Null, json!("101505")));
    assert_eq!(said(&clients[1]), (json!("1"), json!("200"), Value::Null));
    told.recv().await;
    for client in clients {
        assert_eq!(client.of("spanId"), format!("{:016x}", told.recv().await.unwrap().unwrap().span));
    }

    // To a backend that wants to know who asks.
    let (to, mut told) = answering_in_turn(&[
        "HTTP/1.1 401 Who\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n",
        OK,
    ])
    .await;
    let security = json!({"type": "digest", "username": "ann", "password": "secret"});
    let mut world = World::to(json!({"url": to, "security": security})).await;
    assert_eq!(world.ask("/open", "").await.status(), "200");
    let (_, clients) = world.call(2).await;
    assert_eq!(said(&clients[0]), (Value::Null, json!("401"), json!("401")));
    assert_eq!(said(&clients[1]), (json!("1"), json!("200"), Value::Null));
    for client in clients {
        assert_eq!(client.of("spanId"), format!("{:016x}", told.recv().await.unwrap().unwrap().span));
    }
}

/// A token server's answer.
macro_rules! answered {
    ($status:literal, $body:literal) => {
        concat!("HTTP/1.1 ", $status, " -\r\nContent-Length: 22\r\n\r\n", $body)
    };
}

#[tokio::test]
async fn waiting_for_a_backends_token_is_a_span_too() {
    const GIVEN: &str = answered!(200, r#"{"access_token":"abc"}"#);
    const DENIED: &str = answered!(401, r#"{"error":"not_that_1"}"#);
    const UNUSABLE: &str = answered!(200, r#"{"token_type":"DPoP" }"#);
    let (issuer, mut asked) = answering_in_turn(&[DENIED, UNUSABLE, "", GIVEN]).await;
    let (to, mut told) =
        answering_in_turn(&[OK, OK, "HTTP/1.1 401 Old\r\nContent-Length: 0\r\n\r\n", OK]).await;
    let security = json!({
        "type": "oauth2", "token_url": format!("{issuer}/token?key=s3cret"), "client_id": "c", "client_secret": "s",
    });
    let mut world = World::to(json!({"url": to, "security": security})).await;
    let no = Value::Null;
    for status in ["503", "503", "503", "200", "200", "200"] {
        assert_eq!(world.ask("/open", "").await.status(), status);
    }

    // Without a token no backend is asked.
    for expected in [
        (no.clone(), json!("401"), json!("401")),
        (no.clone(), json!("200"), json!("303003")),
        (no.clone(), no.clone(), json!("303003")),
    ] {
        let (server, clients) = world.call(1).await;
        assert_eq!(said(&clients[0]), expected);
        assert!(clients[0].is_error() && server.is_error());
    }

    let (server, clients) = world.call(2).await;
    assert_eq!((clients[0].of("name"), clients[0].has("http.request.method")), ("POST", json!("POST")));
    assert_eq!(clients[0].has("url.full"), json!(format!("{issuer}/token")));
    assert_eq!(said(&clients[0]), (no.clone(), json!("200"), no.clone()));
    let [begin, end] = ["startTimeUnixNano", "endTimeUnixNano"];
    assert!(
        server.nanos(begin) <= clients[0].nanos(begin) && clients[0].nanos(begin) < clients[0].nanos(end)
    );
    assert!(clients[0].nanos(end) <= clients[1].nanos(begin));
    // The backend was asked for the first time, and is told of that span.
    assert_eq!(said(&clients[1]), (no.clone(), json!("200"), no.clone()));
    assert_ne!(clients[0].of("spanId"), clients[1].of("spanId"));
    assert_eq!(clients[1].of("spanId"), format!("{:016x}", told.recv().await.unwrap().unwrap().span));

    // Who has a token waits for none, until the backend will not have it any more.
    world.call(1).await;
    let (_, clients) = world.call(3).await;
    assert_eq!(said(&clients[0]), (no.clone(), json!("401"), json!("401")));
    assert_eq!((clients[1].of("name"), said(&clients[1])), ("POST", (no.clone(), json!("200"), no.clone())));
    assert_eq!(said(&clients[2]), (json!("1"), json!("200"), no));
    while let Ok(trace) = asked.try_recv() {
        assert_eq!(trace, None, "a token is for many calls");
    }
}

/// A tower layer that asks twice.
struct Twice;

impl Provide<Link> for Twice {
    const NAME: &'static str = "twice";
    type Config = BTreeMap<String, String>;
    async fn build(_: Self::Config, _: &Parts) -> Result<Link, BuildError> {
        let layer = tower::layer::layer_fn(|route: Route| {
            tower::service_fn(move |request: Request<Body>| {
                let route = route.clone();
                async move {
                    let (head, _) = request.into_parts();
                    let copy = || Request::from_parts(head.clone(), Body::empty());
                    drop(route.call(copy()).await);
                    Ok::<_, apim_core::BoxError>(route.call(copy()).await)
                }
            })
        });
        Ok(Link::layer(layer).named("twice"))
    }
}

#[tokio::test]
async fn each_try_of_a_tower_layer_is_a_span_too() {
    let (to, mut told) = answering_in_turn(&[BUSY, OK]).await;
    let adjust = |builder: Builder| builder.links(builtin::links().with::<Twice>());
    let api = json!({"url": to});
    let mut world = World::of_api(
        json!({"endpoints": {"production": api}, "handlers": [{"use": "twice"}]}),
        json!({}),
        adjust,
        |_| {},
    )
    .await;
    assert_eq!(world.ask("/open", "").await.status(), "200");
    let (_, clients) = world.call(2).await;
    assert_eq!(said(&clients[0]), (Value::Null, json!("503"), json!("503")));
    assert_eq!(said(&clients[1]), (json!("1"), json!("200"), Value::Null));
    for client in clients {
        assert_eq!(client.of("spanId"), format!("{:016x}", told.recv().await.unwrap().unwrap().span));
    }
}

#[tokio::test]
async fn a_call_whose_client_has_gone_is_told_with_what_was_asked() {
    let (told, mut asked) = mpsc::unbounded_channel();
    let silent = backend(move |_, mut wire| {
        let told = told.clone();
        async move {
            wire.next().await;
            let _ = told.send(());
            wire.next().await;
        }
    });
    let mut world = World::start(format!("http://{}", silent.await), json!({})).await;
    world.client.send("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n\r\n").await;
    asked.recv().await.unwrap();
    world.client = Wire::connect(world.running.address).await;
    let (server, clients) = world.call(1).await;
    assert_eq!((server.is_error(), server.has("http.response.status_code")), (false, Value::Null));
    assert_eq!(said(&clients[0]), (Value::Null, Value::Null, json!("_OTHER")));
}

/// A backend in code that has a mistake.
struct Panics;

impl Backend for Panics {
    async fn call(&self, exchange: Exchange) -> Answer {
        panic!("stumbled over {}", exchange.context().request_id)
    }
}

#[tokio::test]
async fn a_call_that_the_backend_in_code_panics_at_is_an_error_of_ours() {
    let adjust = |builder: Builder| builder.backend(Panics);
    let mut world = World::of(json!({"url": "http://127.0.0.1:1"}), json!({}), adjust, |_| {}).await;
    assert_eq!(world.ask("/open", "").await.status(), "500");
    let (server, _) = world.call(0).await;
    assert!(server.is_error());
    assert_eq!(
        (server.has("http.response.status_code"), server.has("error.type")),
        (json!("500"), json!("500"))
    );
}

#[tokio::test]
async fn a_request_that_leads_to_no_api_has_a_span_by_which_it_is_found() {
    let mut world = World::start("http://127.0.0.1:1".to_owned(), json!({})).await;
    let told = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    for (request, status, stage, code) in [
        (format!("PATCH /nowhere HTTP/1.1\r\nHost: a\r\n{told}\r\n"), "404", "router", "404"),
        (format!("BREW /a/..%2fb HTTP/1.1\r\nHost: a\r\n{told}\r\n"), "400", "router", "400"),
        (format!("GET /petstore/1.0.0/open HTTP/1.1\r\n{told}\r\n"), "400", "server", "400"),
        (
            format!(
                "POST /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n{told}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            "400",
            "server",
            "400",
        ),
        (format!("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n{told}\r\n"), "405", "server", "405"),
    ] {
        let mut client = Wire::connect(world.running.address).await;
        let got = client.ask(&request).await;
        assert_eq!(got.status(), status, "{request}");
        let span = world.span().await;
        assert_eq!((span.of("traceId"), span.of("parentSpanId")), (TRACE, PARENT), "{request}");
        assert_eq!(span.has("http.response.status_code"), status, "{request}");
        assert_eq!((span.has("apim.stage"), span.has("apim.fault.code")), (json!(stage), json!(code)));
        assert_eq!(span.has("apim.request_id"), got.header("x-request-id").unwrap());
        assert!(!span.is_error() && span.0["kind"] == 2, "what callers do wrong is no error of ours");
        let sent = request.split(' ').next().unwrap();
        let (method, other) = if sent == "BREW" { ("_OTHER", json!(sent)) } else { (sent, Value::Null) };
        assert_eq!(
            (span.has("http.request.method"), span.has("http.request.method_original")),
            (json!(method), other)
        );
    }

    // Nobody records what its beginner does not, and what is no request has no span.
    let mut client = Wire::connect(world.running.address).await;
    let unrecorded = format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n");
    assert_eq!(
        client.ask(&format!("GET /nowhere HTTP/1.1\r\nHost: a\r\n{unrecorded}\r\n")).await.status(),
        "404"
    );
    assert_eq!(client.ask(&format!("GET /nowhere HTTP/1.1\r\n{unrecorded}\r\n")).await.status(), "400");
    let mut client = Wire::connect(world.running.address).await;
    assert_eq!(client.ask("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n").await.status(), "400");
    world.ask("/pets?last", &told).await;
    assert_eq!(world.span().await.has("url.path"), "/petstore/1.0.0/pets");
}

#[tokio::test]
async fn a_request_that_is_shed_has_a_span_that_says_so() {
    let full = |config: &mut ServerConfig| (config.limits.requests, config.shedding) = (0, None);
    let endpoint = json!({"url": "http://127.0.0.1:1"});
    let mut world = World::of(endpoint, json!({}), |builder| builder, full).await;
    let got = world.ask("/open", &format!("traceparent: 00-{TRACE}-{PARENT}-00\r\n")).await;
    assert_eq!(got.status(), "503");
    let got = world.ask("/open", &format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n")).await;
    assert_eq!(got.status(), "503");
    let span = world.span().await;
    assert_eq!((span.of("traceId"), span.of("parentSpanId")), (TRACE, PARENT));
    assert_eq!(span.has("http.response.status_code"), "503");
    assert_eq!((span.has("apim.stage"), span.has("error.type")), (json!("server"), json!("503")));
    assert!(span.is_error());
}

#[tokio::test]
async fn a_collector_that_is_away_or_refuses_costs_spans_and_nothing_else() {
    let refusing = answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").await;
    for endpoint in ["http://127.0.0.1:1/v1/traces".to_owned(), format!("http://{refusing}/v1/traces")] {
        let tracer = Arc::new(Tracer::new(&config(&endpoint, json!({})), None, 2).unwrap());
        let given = tracer.clone();
        let to = format!("http://{}", echoing_heads().await);
        let running = Running::start_with(to, json!({}), |builder| builder.tracer(given)).await;
        let got = Wire::connect(running.address)
            .await
            .ask("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        assert_eq!(got.status(), "200");
        let until = tokio::time::Instant::now() + LIMIT;
        while tracer.dropped() < 2 {
            assert!(tokio::time::Instant::now() < until);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn many_calls_are_told_in_few_requests_and_none_is_lost() {
    let mut world = World::start(format!("http://{}", echoing_heads().await), json!({})).await;
    for _ in 0..300 {
        assert_eq!(world.ask("/open", "").await.status(), "200");
    }
    let mut spans = 0;
    let mut requests = 0;
    while spans < 600 {
        let got = tokio::time::timeout(LIMIT, world.requests.recv()).await.unwrap().unwrap();
        let told: Value = serde_json::from_slice(&got.body).unwrap();
        spans += told["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len();
        requests += 1;
    }
    assert!(spans == 600 && requests < 100, "{spans} in {requests}");
    assert_eq!(world.tracer.dropped(), 0);
}

#[test]
fn what_cannot_be_done_is_refused_with_its_key() {
    for (endpoint, with, key) in [
        ("http://a/v1/traces", json!({"ratio": 1.5}), "ratio: "),
        ("http://a/v1/traces", json!({"ratio": -0.1}), "ratio: "),
        ("collector", json!({}), "endpoint: "),
        ("https://a/v1/traces", json!({}), "endpoint: "),
        ("http://a/v1/traces", json!({"headers": {"a b": "c"}}), "headers.a b: "),
        ("http://a/v1/traces", json!({"headers": {"a": "b\nc"}}), "headers.a: "),
    ] {
        let wrong = Tracer::new(&config(endpoint, with), None, 1).unwrap_err().to_string();
        assert!(wrong.starts_with(key), "{wrong}");
    }
    let unknown = serde_json::from_value::<Config>(json!({"endpoint": "http://a", "sampler": 1}));
    assert!(unknown.unwrap_err().to_string().contains("sampler"));
}
