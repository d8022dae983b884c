//! A fault becomes an answer where it happens, so that everybody outside sees an ordinary one.

use apim_core::{Filter, fault};
use http::StatusCode;
use tower::layer::util::Identity;

use super::order::{Notes, Stops};
use super::*;

#[test]
fn a_fault_is_an_answer_to_the_handlers_before_it() {
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        Link::filter(Stops::Fails).named("auth"),
        Link::filter(Notes("b", diary.clone())),
    ];
    let answer = run(pipeline(links, hello(&diary)).call(get()));
    assert_eq!(diary.read(), ">a <a");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.context().answered_by, Some("auth"));
    let fault = answer.context().fault.clone().unwrap();
    assert_eq!(fault.code().number, fault::MISSING_CREDENTIALS.number);
    assert_eq!(run(text(answer)), fault::MISSING_CREDENTIALS.number.to_string());
}

#[test]
fn a_fault_on_the_way_back_replaces_the_answer_and_the_way_goes_on() {
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        Link::filter(Stops::FailsOnTheWayBack).named("broken"),
        Link::filter(Notes("b", diary.clone())),
    ];
    let answer = run(pipeline(links, hello(&diary)).call(get()));
    assert_eq!(diary.read(), ">a >b backend <b <a");
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.context().answered_by, Some("broken"));
}

#[test]
fn a_fault_behind_a_layer_is_known_in_front_of_it() {
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        Link::layer(Identity::new()),
        Link::filter(Stops::Fails).named("auth"),
    ];
    let answer = run(pipeline(links, hello(&diary)).call(get()));
    assert_eq!(diary.read(), ">a <a");
    assert_eq!(answer.context().answered_by, Some("auth"));
    assert_eq!(answer.context().fault.as_ref().unwrap().code().number, fault::MISSING_CREDENTIALS.number);
}

#[test]
fn a_handler_before_may_mend_the_answer_to_a_fault() {
    struct Mends;
    impl Filter for Mends {
        fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
            assert!(answer.context().fault.is_some());
            answer.head_mut().status = StatusCode::OK;
            answer.message_mut().set_body("never mind");
            Ok(())
        }
    }
    let links = [Link::filter(Mends), Link::filter(Stops::Fails)];
    let answer = run(pipeline(links, hello(&Diary::default())).call(get()));
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(run(text(answer)), "never mind");
}
