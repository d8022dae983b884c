//! Phases run in the order of the list, and back again.

use apim_core::analytics::Outcome;
use apim_core::handler::{Prompt, Step};
use apim_core::{Filter, Flow, Handler, fault};
use tower::layer::util::Identity;

use super::*;

/// Notes its phases; waits in each if it is asked to.
pub(super) struct Notes(pub(super) &'static str, pub(super) Diary);

impl Filter for Notes {
    fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
        self.1.note(format_args!(">{}", self.0));
        Ok(Flow::Continue)
    }
    fn response(&self, _: &mut Answer) -> Result<(), Fault> {
        self.1.note(format_args!("<{}", self.0));
        Ok(())
    }
    fn complete(&self, _: &Outcome<'_>) {
        self.1.note(format_args!("={}", self.0));
    }
}

struct Waits(&'static str, Diary);

impl Handler for Waits {
    async fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
        tokio::task::yield_now().await;
        self.1.note(format_args!(">{}", self.0));
        Ok(Flow::Continue)
    }
    async fn response(&self, _: &mut Answer) -> Result<(), Fault> {
        tokio::task::yield_now().await;
        self.1.note(format_args!("<{}", self.0));
        Ok(())
    }
}

struct Seldom(&'static str, Diary);

impl Prompt for Seldom {
    fn request<'a>(&'a self, _: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>> {
        Step::wait(async {
            tokio::task::yield_now().await;
            self.1.note(format_args!(">{}", self.0));
            Ok(Flow::Continue)
        })
    }
    fn response<'a>(&'a self, _: &'a mut Answer) -> Step<'a, Result<(), Fault>> {
        self.1.note(format_args!("<{}", self.0));
        Step::Done(Ok(()))
    }
}

/// Answers, or fails, instead of the backend.
pub(super) enum Stops {
    Answers(&'static str),
    Fails,
    FailsOnTheWayBack,
}

impl Filter for Stops {
    fn request(&self, _: &mut Exchange) -> Result<Flow, Fault> {
        match self {
            Self::Answers(text) => Ok(Flow::Respond(Response::new((*text).into()))),
            Self::Fails => Err(Fault::new(fault::MISSING_CREDENTIALS)),
            Self::FailsOnTheWayBack => Ok(Flow::Continue),
        }
    }
    fn response(&self, _: &mut Answer) -> Result<(), Fault> {
        match self {
            Self::FailsOnTheWayBack => Err(Fault::new(fault::INTERNAL)),
            Self::Answers(_) | Self::Fails => {
                panic!("the response phase of a handler that stopped the request")
            }
        }
    }
}

#[test]
fn requests_go_down_the_list_and_responses_come_back_up() {
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        Link::handler(Waits("b", diary.clone())),
        Link::prompt(Seldom("c", diary.clone())),
        Link::filter(Notes("d", diary.clone())),
    ];
    let answer = run(pipeline(links, hello(&diary)).call(get()));
    assert_eq!(diary.read(), ">a >b >c >d backend <d <c <b <a");
    assert_eq!(run(text(answer)), "hello");
}

#[test]
fn the_order_is_the_same_across_layers() {
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        Link::layer(Identity::new()),
        Link::filter(Notes("b", diary.clone())),
        Link::layer(Identity::new()),
        Link::layer(Identity::new()),
        Link::handler(Waits("c", diary.clone())),
    ];
    run(pipeline(links, hello(&diary)).call(get()));
    assert_eq!(diary.read(), ">a >b >c backend <c <b <a");
}

#[test]
fn an_empty_list_is_the_backend_itself() {
    let diary = Diary::default();
    assert_eq!(run(async { text(pipeline([], hello(&diary)).call(get()).await).await }), "hello");
}

#[test]
fn who_answers_spares_those_behind_and_shows_its_answer_to_those_before() {
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        Link::filter(Notes("b", diary.clone())),
        Link::filter(Stops::Answers("cached")).named("cache"),
        Link::filter(Notes("c", diary.clone())),
    ];
    let answer = run(pipeline(links, hello(&diary)).call(get()));
    assert_eq!(diary.read(), ">a >b <b <a");
    assert_eq!(answer.context().answered_by, Some("cache"));
    assert_eq!(run(text(answer)), "cached");
}

#[test]
fn pipelines_of_the_very_same_links_walk_one_list_and_others_their_own() {
    let diary = Diary::default();
    let note = |name| Link::filter(Notes(name, diary.clone())).shared();
    let (a, b) = (note("a"), note("b"));
    let first = pipeline([a.clone(), b.clone()], hello(&diary));
    let list = first.list().unwrap();
    for links in [vec![a.clone(), b.clone()], vec![b, a.clone()], vec![a.clone()], vec![a, note("b")]] {
        let names = links.iter().map(Link::name).collect::<Vec<_>>();
        let pipeline = pipeline(links, hello(&diary)).sharing(&list);
        drop(run(pipeline.call(reported(&pipeline, get()))));
        diary.note(format_args!("{}.", names.len()));
    }
    let walked = ">a >b backend <b <a =a =b 2. >b >a backend <a <b =b =a 2. >a backend <a =a 1. >a >b backend <b <a =a =b 2.";
    assert_eq!(diary.read(), walked);
    let layered = pipeline([Link::layer(Identity::new()).shared()], hello(&diary));
    assert!(layered.list().is_none(), "what a layer wraps is another for each pipeline");
}
