//! Every handler learns of a request's end, once, whatever end it was.

use std::time::Duration;

use http::StatusCode;
use tower_http::timeout::TimeoutLayer;

use super::order::{Notes, Stops};
use super::*;

fn timeout(after: Duration) -> Link {
    Link::layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, after))
}

#[test]
fn it_comes_when_the_answer_is_dropped_and_not_before() {
    let diary = Diary::default();
    let pipeline = pipeline([Link::filter(Notes("a", diary.clone()))], hello(&diary));
    let answer = run(pipeline.call(reported(&pipeline, get())));
    assert_eq!(diary.read(), ">a backend <a");
    drop(answer);
    assert_eq!(diary.read(), ">a backend <a =a");
}

#[test]
fn it_reaches_handlers_that_the_request_did_not() {
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        Link::filter(Stops::Fails),
        Link::filter(Notes("b", diary.clone())),
    ];
    let pipeline = pipeline(links, hello(&diary));
    drop(run(pipeline.call(reported(&pipeline, get()))));
    assert_eq!(diary.read(), ">a <a =a =b");
}

#[test]
fn it_comes_once_when_a_layer_drops_what_is_behind_it() {
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        timeout(Duration::from_millis(1)),
        Link::filter(Notes("b", diary.clone())),
    ];
    let pipeline = pipeline(links, silence(&diary));
    drop(run(pipeline.call(reported(&pipeline, get()))));
    assert_eq!(diary.read(), ">a >b given-up <a =a =b");
}

#[test]
fn it_comes_once_when_the_client_goes_away_in_the_middle() {
    for layers in 0..3 {
        let diary = Diary::default();
        let links = (0..layers)
            .map(|_| timeout(Duration::from_secs(60)))
            .chain([Link::filter(Notes("a", diary.clone()))]);
        let pipeline = pipeline(links, silence(&diary));
        let exchange = reported(&pipeline, get());
        run(async {
            tokio::select! {
                biased;
                _ = pipeline.call(exchange) => panic!("silence never answers"),
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        });
        let mut words: Vec<_> = diary.read().split(' ').map(str::to_owned).collect();
        words.sort();
        assert_eq!(words, ["=a", ">a", "given-up"], "with {layers} layers");
    }
}

#[test]
fn it_comes_once_when_the_request_is_never_run() {
    let diary = Diary::default();
    let pipeline = pipeline([Link::filter(Notes("a", diary.clone()))], hello(&diary));
    drop(pipeline.call(reported(&pipeline, get())));
    assert_eq!(diary.read(), "=a");
}

#[test]
fn copies_of_the_context_report_nothing() {
    let diary = Diary::default();
    let pipeline = pipeline([Link::filter(Notes("a", diary.clone()))], hello(&diary));
    let exchange = reported(&pipeline, get());
    drop(exchange.context().clone());
    assert_eq!(diary.read(), "");
    drop(exchange);
    assert_eq!(diary.read(), "=a");
}

#[test]
fn a_copy_knows_who_the_request_reports_to_and_reports_nothing_itself() {
    struct Tells(Diary);
    impl Completion for Tells {
        fn complete(&self, outcome: &apim_core::Outcome<'_>) {
            let known = outcome.context.reports_to::<Self>().is_some();
            self.0.note(format_args!("ended, known: {known}"));
        }
    }
    let diary = Diary::default();
    let mut exchange = get();
    assert!(exchange.context().reports_to::<Tells>().is_none());
    exchange.context_mut().on_completion(Arc::new(Tells(diary.clone())));
    let copy = exchange.context().clone();
    assert!(copy.reports_to::<Tells>().is_some());
    drop(copy);
    assert_eq!(diary.read(), "");
    drop(exchange);
    assert_eq!(diary.read(), "ended, known: true");
}
