//! What a request costs in allocations, counted.

use allocation_counter::measure;
use apim_core::handler::{Prompt, Step};
use apim_core::{Filter, Flow, Handler, fault};
use futures_util::FutureExt as _;
use tower::layer::util::Identity;

use super::*;

/// Leaves both phases out.
struct Untouched;
impl Handler for Untouched {}

struct Idle;
impl Filter for Idle {}
impl Prompt for Idle {}

/// Does something in each phase, at once.
struct Busy;

impl Filter for Busy {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        exchange.context_mut().sent += 1;
        Ok(Flow::Continue)
    }
    fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        answer.context_mut().sent += 1;
        Ok(())
    }
}

impl Prompt for Busy {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>> {
        Step::Done(Filter::request(self, exchange))
    }
}

struct Waits;

impl Handler for Waits {
    async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        exchange.context_mut().sent += 1;
        Ok(Flow::Continue)
    }
}

/// A backend that answers without a box.
struct Ready;

impl Backend for Ready {
    async fn call(&self, exchange: Exchange) -> Answer {
        exchange.answer(Response::new(Body::empty()))
    }
}

/// How many allocations a call makes beyond those of making the exchange.
fn allocations(links: impl IntoIterator<Item = Link>) -> u64 {
    let pipeline = pipeline(links, Ready);
    let exchange = get();
    // No runtime: entering one allocates as well.
    measure(|| drop(pipeline.call(exchange).now_or_never().unwrap())).count_total
}

#[test]
fn filters_prompt_handlers_and_phases_left_out_allocate_nothing() {
    assert_eq!(allocations([]), 0);
    assert_eq!(allocations((0..9).map(|_| Link::handler(Untouched))), 0);
    assert_eq!(allocations((0..9).map(|_| Link::filter(Idle))), 0);
    assert_eq!(allocations((0..9).map(|_| Link::prompt(Idle))), 0);
    assert_eq!(allocations((0..9).map(|_| Link::filter(Busy))), 0);
    assert_eq!(allocations((0..9).map(|_| Link::prompt(Busy))), 0);
}

#[test]
fn an_async_phase_costs_one_box() {
    assert_eq!(allocations([Link::handler(Waits)]), 1);
    assert_eq!(allocations((0..9).map(|_| Link::handler(Waits))), 9);
}

#[test]
fn a_layer_costs_about_a_dozen() {
    let one = allocations([Link::layer(Identity::new())]);
    assert!((1..=13).contains(&one), "{one} allocations for one layer");
}

#[test]
fn an_exchange_and_its_answer_are_one_allocation() {
    let make = || drop(super::get().answer(Response::default()));
    assert_eq!(measure(make).count_total, 1);
}

#[test]
fn a_refusal_costs_little_since_it_is_what_an_attacker_gets() {
    struct Refuses;
    impl Filter for Refuses {
        fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
            Err(Fault::new(fault::MISSING_CREDENTIALS))
        }
    }
    let refusal = allocations([Link::filter(Refuses)]);
    // The fault, its place in the context, and the answer's text.
    assert!(refusal <= 4, "{refusal} allocations");
}
