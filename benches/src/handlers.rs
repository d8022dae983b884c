//! The gateway's own handlers, one after the other, on a call that passes them all.

use std::sync::Arc;

use apim_core::analytics::CallEvent;
use apim_core::{
    AnalyticsSink, Body, BuildError, Entry, Exchange, Fault, Filter, Flow, Link, Parts, Peer, Provide, Worker,
};
use apim_gateway::Gateway;
use apim_gateway::chain::USUAL;
use apim_throttle::LocalEngine;
use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::{Request, Response};

use crate::Subject;
use crate::end_to_end::{Scenario, snapshot};
use crate::issuer::Issuer;

/// A call through the first handlers of the usual list, answered behind them: behind none, one, two, up to
/// all. The difference between two neighbours is what a handler costs.
pub fn subjects() -> Vec<Subject> {
    (0..=USUAL.len()).map(first).collect()
}

fn first(count: usize) -> Subject {
    let issuer = Issuer::default();
    let mut config = apim_gateway::config::Gateway::default();
    config.handlers.truncate(count);
    config.handlers.push(Entry::new(Stop::NAME));
    let builder = Gateway::builder()
        .config(config)
        .throttle(Arc::new(LocalEngine::new(Arc::new(apim_core::SystemClock))))
        .analytics(Arc::new(Nobody))
        .links(apim_gateway::builtin::links().with::<Stop>());
    let nowhere = ([127, 0, 0, 1], 1).into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gateway = runtime.block_on(async {
        let gateway = builder.build().await.unwrap();
        gateway.load(snapshot(Scenario::Guarded, nowhere, &issuer)).await;
        gateway
    });
    let (head, ()) = Request::get("/petstore/1.0.0/pets/17")
        .header(HOST, "gw.example")
        .header(USER_AGENT, "bench")
        .header(AUTHORIZATION, format!("Bearer {}", issuer.token("client", 1)))
        .body(())
        .unwrap()
        .into_parts();
    let peer = Peer { address: ([127, 0, 0, 1], 4000).into(), tls: false };
    let name = if count == 0 { "routed only".to_owned() } else { format!("+ {}", USUAL[count - 1]) };
    Subject::new(name, move || {
        let request = Request::from_parts(head.clone(), Body::empty());
        let response = gateway.handle(request, peer, Worker(0)).now_or_never().unwrap();
        assert_eq!(response.status(), 200);
    })
}

/// Answers instead of whatever stands behind it.
struct Stop;

impl Filter for Stop {
    fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
        Ok(Flow::Respond(Response::new(Body::empty())))
    }
}

impl Provide<Link> for Stop {
    const NAME: &'static str = "stop";
    type Config = ();

    async fn build((): (), _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self))
    }
}

struct Nobody;

impl AnalyticsSink for Nobody {
    fn record(&self, event: &CallEvent<'_>) {
        std::hint::black_box(event);
    }
}
