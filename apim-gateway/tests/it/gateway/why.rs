//! Whoever was refused gets an id, and whoever has the id learns why.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use allocation_counter::measure;
use apim_core::explanation::{Question, QuestionStream};
use apim_core::{
    Body, BusError, EventStream, Exchange, Explanation, Fault, Filter, Flow, Link, Peer, RequestId, Revision,
    Shutdown, Snapshot, SnapshotSource, Worker, event, fault,
};
use apim_gateway::Gateway;
use apim_gateway::config::File;
use apim_gateway::server::health::Health;
use futures_util::{FutureExt as _, StreamExt as _};
use http::Request;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::sockets::Running;
use super::world::{Bench, NOW, Reply, policy};
use crate::bench::{Wire, echoing_heads};

/// The operator's door of a gateway.
async fn door(gateway: &Gateway) -> SocketAddr {
    let knows = gateway.clone();
    let health = Health::new(|| Ok(())).with_why(move |request| knows.why(request));
    let bound = health.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = bound.address();
    tokio::spawn(bound.run(Shutdown::new(std::future::pending())));
    address
}

fn why(bench: &Bench, reply: &Reply) -> Explanation {
    let id = reply.headers["x-request-id"].to_str().unwrap();
    bench.gateway.why(id.parse().unwrap()).expect("the gateway knows")
}

#[tokio::test]
async fn a_refusals_id_leads_through_the_operators_door_to_its_rule() {
    let running = Running::start(format!("http://{}", echoing_heads().await), json!({})).await;
    let door = door(&running.gateway).await;
    let request = format!(
        "POST /petstore/1.0.0/pets?secret=hunter2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\
         Authorization: Bearer {}\r\n\r\n",
        running.token
    );
    let refused = Wire::connect(running.address).await.ask(&request).await;
    assert_eq!(refused.status(), "403");
    let id = refused.header("x-request-id").expect("a refusal has an id").to_owned();

    let ask = |accept: &str| format!("GET /why/{id} HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\n\r\n");
    let got = Wire::connect(door).await.ask(&ask("application/json")).await;
    assert_eq!(got.header("content-type"), Some("application/json"));
    let told: Value = serde_json::from_str(got.text()).unwrap();
    assert_eq!(
        (&told["requestId"], &told["stage"], &told["rule"], &told["wanted"], &told["found"]),
        (
            &json!(id),
            &json!("authorization"),
            &json!("operation.scopes"),
            &json!(["pets:write", "pets:admin"]),
            &json!([])
        )
    );
    assert_eq!(
        (&told["status"], &told["code"], &told["revision"], &told["api"], &told["operation"], &told["path"]),
        (
            &json!(403),
            &json!(900_910),
            &json!(1),
            &json!("PetStore:1.0.0"),
            &json!("/pets"),
            &json!("/petstore/1.0.0/pets")
        )
    );
    let text = Wire::connect(door).await.ask(&ask("*/*")).await.text().to_owned();
    assert!(
        text.contains("rule        operation.scopes\nwanted      [\"pets:write\",\"pets:admin\"]"),
        "{text}"
    );
    for told in [got.text(), &text] {
        assert!(!told.contains("hunter2") && !told.contains(&running.token), "{told}");
    }

    for (path, status) in [("0".repeat(32), "404"), ("nobody".to_owned(), "400"), ("+".repeat(32), "400")] {
        let ask = format!("GET /why/{path} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(Wire::connect(door).await.ask(&ask).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn every_stage_says_which_rule_it_followed() {
    let bench = Bench::new().await;
    let stage = |reply: &Reply| {
        let told = why(&bench, reply);
        (told.stage, told.rule.unwrap_or_default())
    };
    let named = |stage: &str, rule: &str| (stage.to_owned(), rule.to_owned());
    let get = |path: &'static str| bench.get(path, &[]);
    assert_eq!(stage(&get("/elsewhere").await), named("router", "bases"));
    assert_eq!(stage(&get("/petstore/1.0.0/%2e%2e%2fx").await), named("router", "canonical-form"));
    assert_eq!(stage(&get("/petstore/1.0.0/nothing/here").await), named("resource", "api.operations"));
    assert_eq!(stage(&get("/petstore/1.0.0/pets").await), named("authentication", "api.schemes"));
    let expired = bench.with_token(&bench.token(json!({"exp": NOW - 60}))).await;
    assert_eq!(stage(&expired), named("authentication", "token.exp"));
    assert_eq!(why(&bench, &expired).found, Some(json!("2023-11-14T22:12:20.000Z")));
    let stranger = bench.with_token(&bench.token(json!({"azp": "stranger"}))).await;
    assert_eq!(stage(&stranger), named("subscription", "api.subscriptions"));
    assert_eq!(why(&bench, &stranger).found, Some(json!("stranger")));

    let gold = json!({"kind": "subscription", "name": "Gold", "quota": {"requests": 1, "window_ms": 60_000}});
    bench.apply(policy(gold)).await;
    let token = bench.token(json!({}));
    assert_eq!(bench.with_token(&token).await.status, 200);
    let throttled = bench.with_token(&token).await;
    assert_eq!(stage(&throttled), named("throttle", "subscription.plan"));
    let told = why(&bench, &throttled);
    assert_eq!((told.wanted, told.revision), (Some(json!("1 in 60s")), bench.gateway.revision().0));
}

#[tokio::test]
async fn a_backends_failure_and_a_request_that_cannot_be_framed_are_told_of_as_well() {
    let running = Running::start("http://127.0.0.1:1".to_owned(), json!({})).await;
    let mut client = Wire::connect(running.address).await;
    let told = |id: &str| running.gateway.why(id.parse().unwrap()).expect("it is known");

    let failed = client.ask("GET /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(failed.status(), "502");
    let why = told(failed.header("x-request-id").unwrap());
    assert_eq!((why.stage.as_str(), why.code), ("upstream", Some(101_503)));
    assert!(why.detail.unwrap().starts_with("http://127.0.0.1:1: "));

    let ambiguous = "POST /petstore/1.0.0/open HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\
                     Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let refused = Wire::connect(running.address).await.ask(ambiguous).await;
    assert_eq!(refused.status(), "400");
    let why = told(refused.header("x-request-id").unwrap());
    assert_eq!((why.stage.as_str(), why.rule.as_deref()), ("server", Some("framing")));
}

/// A handler of somebody else's, which knows nothing of records.
struct Moody;

impl Filter for Moody {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let token = exchange.headers().get("x-careless").map(|value| value.to_str().unwrap().to_owned());
        Err(Fault::new(fault::FORBIDDEN)
            .because("not today")
            .rule("mood")
            .wanted("good")
            .found(7u64)
            .detail(token.unwrap_or_default()))
    }
}

impl apim_core::Provide<Link> for Moody {
    const NAME: &'static str = "moody";
    type Config = Value;
    async fn build(_: Value, _: &apim_core::Parts) -> Result<Link, apim_core::BuildError> {
        Ok(Link::filter(Self))
    }
}

#[tokio::test]
async fn a_strangers_handler_is_told_of_by_its_own_words_and_what_slips_into_them_is_concealed() {
    let config = File::parse("handlers: [{use: moody}]").unwrap().resolve().unwrap();
    let links = apim_gateway::builtin::links().with::<Moody>();
    let bench = Bench::with(|builder| builder.links(links).config(config)).await;
    let token = bench.token(json!({}));
    let reply = bench.get("/petstore/1.0.0/open", &[("x-careless", &token)]).await;
    let told = why(&bench, &reply);
    assert_eq!((told.stage.as_str(), told.rule.as_deref()), ("moody", Some("mood")));
    assert_eq!((told.wanted, told.found), (Some(json!("good")), Some(json!(7))));
    assert_eq!(told.detail.as_deref(), Some("[concealed]"));
}

#[tokio::test]
async fn only_the_last_are_remembered_and_failures_apart_from_refusals() {
    let config = File::parse("explanations: 3").unwrap().resolve().unwrap();
    let bench = Bench::with(|builder| builder.config(config)).await;
    let failed = bench.get("/petstore/1.0.0/open", &[]).await;
    assert_eq!(failed.status, 200);
    let mut ids = Vec::new();
    for _ in 0..5 {
        let reply = bench.get("/elsewhere", &[]).await;
        ids.push(reply.headers["x-request-id"].to_str().unwrap().parse::<RequestId>().unwrap());
    }
    let known: Vec<_> = ids.iter().map(|id| bench.gateway.why(*id).is_some()).collect();
    assert_eq!(known, [false, false, true, true, true]);
}

/// What a refusal costs, beside what it costs to be refused.
#[tokio::test]
async fn remembering_a_refusal_allocates_nothing() {
    let cost = async |explanations: &str| {
        let config = File::parse(explanations).unwrap().resolve().unwrap();
        let bench = Bench::with(|builder| builder.config(config)).await;
        let peer = Peer { address: ([203, 0, 113, 9], 4711).into(), tls: false };
        let mut counted = Vec::new();
        for _ in 0..50 {
            let mut request = Some(Request::get("/petstore/1.0.0/pets").body(Body::empty()).unwrap());
            let cost = measure(|| {
                let handled = bench.gateway.handle(request.take().unwrap(), peer, Worker(1)).now_or_never();
                assert_eq!(handled.unwrap().status(), 401);
            });
            counted.push(cost.count_total);
        }
        counted[20..].iter().min().copied().unwrap()
    };
    assert_eq!(cost("explanations: 10").await, cost("explanations: 0").await);
}

/// A control plane that has a question.
struct Curious {
    question: Question,
    answers: mpsc::UnboundedSender<(u64, Option<Explanation>)>,
    asked: Mutex<bool>,
}

#[async_trait::async_trait]
impl SnapshotSource for Curious {
    async fn snapshot(&self) -> Result<Snapshot, BusError> {
        Ok(Snapshot::default())
    }
    async fn changes(&self, _: Revision) -> Result<EventStream, BusError> {
        Ok(event::never())
    }
    async fn questions(&self) -> Result<QuestionStream, BusError> {
        let first = !std::mem::replace(&mut *self.asked.lock().unwrap(), true);
        let questions = first.then_some(Ok(self.question));
        Ok(futures_util::stream::iter(questions).chain(futures_util::stream::pending()).boxed())
    }
    async fn answer(&self, question: u64, found: Option<Explanation>) {
        let _ = self.answers.send((question, found));
    }
}

#[tokio::test]
async fn a_gateway_answers_the_questions_of_its_control_plane() {
    let bench = Bench::new().await;
    let reply = bench.get("/elsewhere", &[]).await;
    let request: RequestId = reply.headers["x-request-id"].to_str().unwrap().parse().unwrap();
    let (answers, mut heard) = mpsc::unbounded_channel();
    let question = Question { number: 42, request };
    let source = Arc::new(Curious { question, answers, asked: Mutex::default() });
    let gateway = bench.gateway.clone();
    let following =
        tokio::spawn(async move { gateway.follow(source, Shutdown::new(std::future::pending())).await });
    let (number, found) = tokio::time::timeout(crate::bench::LIMIT, heard.recv()).await.unwrap().unwrap();
    assert_eq!((number, found.unwrap().rule.as_deref()), (42, Some("bases")));
    following.abort();
}
