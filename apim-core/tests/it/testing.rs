//! What the tools for tests of extensions promise.

use apim_core::testing::{Chain, ManualClock};
use apim_core::{Filter, Flow, Handler, Mediator, Outcome, fault, mediator::Stage};

use super::*;

/// Notes how each call ended.
struct Ends(Diary);

impl Filter for Ends {
    fn complete(&self, outcome: &Outcome<'_>) {
        let context = outcome.context;
        self.0.note(format!("{} {} {}", context.status.unwrap().as_u16(), context.sent, context.finished));
    }
}

/// Doubles the body.
struct Twice;

impl Handler for Twice {
    async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let body = exchange.bytes().await?.clone();
        exchange.message_mut().set_body([&body[..], &body[..]].concat());
        Ok(Flow::Continue)
    }
}

fn post(body: &'static str) -> Request<Body> {
    Request::post("/a").body(body.into()).unwrap()
}

#[test]
fn the_backend_records_what_reached_it_and_only_of_this_call() {
    let chain = Chain::new([Link::handler(Twice)])
        .answering(|request| Response::new(request.body().len().to_string().into()));
    for (sent, came, answer) in [("ab", "abab", "4"), ("c", "cc", "2")] {
        let call = run(chain.call(post(sent)));
        assert_eq!(call.text(), answer);
        assert_eq!(call.received.len(), 1);
        assert_eq!(call.received[0].body(), came);
    }
}

#[test]
fn completions_have_run_when_a_call_returns() {
    let diary = Diary::default();
    let chain = Chain::new([Link::filter(Ends(diary.clone()))]).answering(|_| Response::new("hello".into()));
    run(chain.call(post("")));
    assert_eq!(diary.read(), "200 5 true");
}

#[test]
fn a_broken_answer_is_one_that_did_not_finish() {
    struct Breaks;
    impl Backend for Breaks {
        async fn call(&self, exchange: Exchange) -> Answer {
            let broken = http_body_util::StreamBody::new(futures_util::stream::once(async {
                Err::<http_body::Frame<bytes::Bytes>, _>(std::io::Error::other("gone"))
            }));
            exchange.answer(Response::new(Body::new(broken)))
        }
    }
    let call = run(Chain::new([]).backend(Breaks).call(post("")));
    assert!(!call.context.finished);
}

#[test]
fn what_is_known_beforehand_is_in_the_context() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(9)));
    let chain = Chain::new([]).clock(clock).given(|context| context.destination = Some("here".into()));
    let context = run(chain.call(post(""))).context;
    assert_eq!(
        (context.received_at, context.destination.as_deref()),
        (Timestamp::from_secs(9), Some("here"))
    );
}

#[test]
fn a_mediator_meets_the_request_and_then_the_answer_or_the_fault() {
    struct Stages(Diary);
    #[apim_core::async_trait]
    impl Mediator for Stages {
        async fn mediate(&self, stage: Stage<'_>) -> Result<Flow, Fault> {
            match stage {
                Stage::Request(exchange) => {
                    self.0.note("request");
                    if exchange.method() == "DELETE" {
                        return Err(Fault::new(fault::FORBIDDEN));
                    }
                }
                Stage::Response(_) => self.0.note("response"),
                Stage::Fault(_) => {
                    self.0.note("fault");
                    return Ok(Flow::Respond(Response::new("instead".into())));
                }
            }
            Ok(Flow::Continue)
        }
    }
    let diary = Diary::default();
    let [first, second] = [(); 2].map(|()| Arc::new(Stages(diary.clone())) as Arc<dyn Mediator>);
    let chain = Chain::mediators([first, second]);
    run(chain.call(post("")));
    assert_eq!(diary.read(), "request request response response");
    // The first refuses, so only what stands before it would see the fault.
    let call = run(chain.call(Request::delete("/").body("".into()).unwrap()));
    assert_eq!((call.fault().unwrap().code(), call.received.len()), (fault::FORBIDDEN, 0));
}
