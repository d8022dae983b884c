//! The pipeline: what a chain of links costs beside what they do.

use std::sync::Arc;

use apim_core::fault::{self, Rescue};
use apim_core::handler::Prompt;
use apim_core::{
    Answer, Backend, Body, Context, Exchange, Fault, Filter, Flow, Handler, Link, Peer, Pipeline, RequestId,
    Timestamp,
};
use futures_util::FutureExt as _;
use http::{Request, Response};
use tower::layer::util::Identity;

use crate::Subject;

/// Links in a chain that is not empty.
pub const LINKS: usize = 9;

/// Chains of nothing, of each kind of link, and one that refuses.
pub fn subjects() -> Vec<Subject> {
    vec![
        call("no links", std::iter::empty()),
        call("9 filters", (0..LINKS).map(|_| Link::filter(Looks))),
        call("9 prompt handlers", (0..LINKS).map(|_| Link::prompt(Looks))),
        call("9 handlers that leave both phases out", (0..LINKS).map(|_| Link::handler(Nothing))),
        call("9 async handlers, request phase", (0..LINKS).map(|_| Link::handler(Request1))),
        call("9 async handlers, both phases", (0..LINKS).map(|_| Link::handler(Both))),
        call("1 tower layer", [Link::layer(Identity::new())].into_iter()),
        call("2 tower layers", [Link::layer(Identity::new()), Link::layer(Identity::new())].into_iter()),
        call("a filter that refuses", [Link::filter(Refuses)].into_iter()),
    ]
}

fn call(name: &str, links: impl Iterator<Item = Link>) -> Subject {
    let pipeline = Pipeline::new(links, Ready, Arc::new(Plain));
    Subject::new(name, move || {
        let answer = pipeline.call(exchange()).now_or_never();
        drop(std::hint::black_box(answer));
    })
}

fn exchange() -> Exchange {
    let (head, body) = Request::new(Body::empty()).into_parts();
    let peer = Peer { address: ([127, 0, 0, 1], 4000).into(), tls: false };
    let context = Context::new(RequestId(1), peer, Timestamp::from_secs(1), &head);
    Exchange::new(Request::from_parts(head, body), context)
}

struct Ready;

impl Backend for Ready {
    async fn call(&self, exchange: Exchange) -> Answer {
        exchange.answer(Response::new(Body::empty()))
    }
}

struct Plain;

impl Rescue for Plain {
    fn rescue(&self, fault: &Fault, _: &Context) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = fault.status();
        response
    }
}

/// Looks at something of the context and goes on.
struct Looks;

impl Filter for Looks {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        std::hint::black_box(exchange.context().worker);
        Ok(Flow::Continue)
    }
    fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        std::hint::black_box(answer.context().worker);
        Ok(())
    }
}

impl Prompt for Looks {}

struct Nothing;
impl Handler for Nothing {}

struct Request1;

impl Handler for Request1 {
    async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        std::hint::black_box(exchange.context().worker);
        Ok(Flow::Continue)
    }
}

struct Both;

impl Handler for Both {
    async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        std::hint::black_box(exchange.context().worker);
        Ok(Flow::Continue)
    }
    async fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        std::hint::black_box(answer.context().worker);
        Ok(())
    }
}

struct Refuses;

impl Filter for Refuses {
    fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
        Err(Fault::new(fault::MISSING_CREDENTIALS))
    }
}
