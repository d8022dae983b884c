//! A tower layer surrounds what stands behind it, and the context finds its way through.

use std::time::Duration;

use apim_core::{Filter, Flow, fault};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{Method, StatusCode};
use tower::util::MapRequestLayer;
use tower::{Layer, Service, ServiceExt as _, service_fn};
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;

use super::order::{Notes, Stops};
use super::*;

/// Set far off, or, for a backend that is never going to answer, at once.
fn timeout(after: Duration) -> Link {
    Link::layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, after)).named("timeout")
}

/// Keeps a word in the context.
struct Keeps(&'static str);

#[derive(Clone, PartialEq, Debug)]
struct Word(&'static str);

impl Filter for Keeps {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        exchange.context_mut().slots.insert(Word(self.0));
        Ok(Flow::Continue)
    }
}

#[test]
fn a_timeout_gives_up_what_is_behind_it_and_the_way_back_goes_on_before_it() {
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        timeout(Duration::from_millis(1)),
        Link::filter(Notes("b", diary.clone())),
    ];
    let answer = run(pipeline(links, silence(&diary)).call(get()));
    assert_eq!(diary.read(), ">a >b given-up <a");
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(answer.context().answered_by, Some("timeout"));
}

#[test]
fn a_timeout_that_is_not_reached_changes_nothing() {
    let diary = Diary::default();
    let links = [timeout(Duration::from_secs(60)), Link::filter(Notes("a", diary.clone()))];
    let answer = run(pipeline(links, hello(&diary)).call(get()));
    assert_eq!(answer.context().answered_by, None);
    assert_eq!(run(text(answer)), "hello");
}

#[test]
fn what_is_learned_behind_a_layer_is_known_in_front_of_it() {
    let links = [Link::filter(Keeps("early")), timeout(Duration::from_secs(60)), Link::filter(Keeps("late"))];
    let answer = run(pipeline(links, hello(&Diary::default())).call(get()));
    assert_eq!(answer.context().slots.get::<Word>(), Some(&Word("late")));
}

#[test]
fn when_a_layer_gives_up_the_context_is_as_it_was_in_front_of_it() {
    let links =
        [Link::filter(Keeps("early")), timeout(Duration::from_millis(1)), Link::filter(Keeps("late"))];
    let answer = run(pipeline(links, silence(&Diary::default())).call(get()));
    assert_eq!(answer.context().slots.get::<Word>(), Some(&Word("early")));
}

#[test]
fn a_cors_layer_answers_a_preflight_by_itself() {
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        Link::layer(CorsLayer::permissive()).named("cors"),
        Link::filter(Stops::Fails),
    ];
    let preflight = Request::builder()
        .method(Method::OPTIONS)
        .header(ORIGIN, "https://shop.example")
        .header(ACCESS_CONTROL_REQUEST_METHOD, "GET")
        .body(Body::empty())
        .unwrap();
    let answer = run(pipeline(links, hello(&diary)).call(exchange(preflight)));
    assert_eq!((answer.status(), diary.read().as_str()), (StatusCode::OK, ">a <a"));
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(answer.context().answered_by, Some("cors"));
}

#[test]
fn a_cors_layer_adds_its_headers_to_a_fault_from_behind_it() {
    let links = [Link::layer(CorsLayer::permissive()), Link::filter(Stops::Fails)];
    let request = Request::builder().header(ORIGIN, "https://shop.example").body(Body::empty()).unwrap();
    let answer = run(pipeline(links, hello(&Diary::default())).call(exchange(request)));
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

#[test]
fn a_layer_that_fails_is_answered_like_a_handler_that_fails() {
    #[derive(Clone)]
    struct Broken;
    impl<S> Layer<S> for Broken {
        type Service = tower::util::BoxCloneSyncService<Request<Body>, Response<Body>, apim_core::BoxError>;
        fn layer(&self, _: S) -> Self::Service {
            let fail = |_| async { Err::<Response<Body>, _>("out of order".into()) };
            tower::util::BoxCloneSyncService::new(service_fn(fail))
        }
    }
    let diary = Diary::default();
    let links = [Link::filter(Notes("a", diary.clone())), Link::layer(Broken)];
    let answer = run(pipeline(links, hello(&diary)).call(get()));
    assert_eq!(diary.read(), ">a <a");
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let fault = answer.context().fault.clone().unwrap();
    assert_eq!(fault.code().number, fault::INTERNAL.number);
    assert_eq!(std::error::Error::source(&*fault).unwrap().to_string(), "out of order");
}

#[test]
fn a_request_that_lost_its_context_is_refused_and_not_served() {
    let strip = MapRequestLayer::new(|mut request: Request<Body>| {
        request.extensions_mut().clear();
        request
    });
    let diary = Diary::default();
    let links = [Link::layer(strip), Link::filter(Notes("inside", diary.clone()))];
    let answer = run(pipeline(links, hello(&diary)).call(get()));
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(diary.read(), "");
}

#[test]
fn a_layer_may_ask_twice() {
    #[derive(Clone)]
    struct Twice<S>(S);
    impl<S> Service<Request<Body>> for Twice<S>
    where
        S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Send,
    {
        type Response = Response<Body>;
        type Error = S::Error;
        type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, request: Request<Body>) -> Self::Future {
            let (head, _) = request.into_parts();
            let service = self.0.clone();
            Box::pin(async move {
                let first = Request::from_parts(head.clone(), Body::empty());
                drop(service.clone().oneshot(first).await?);
                service.oneshot(Request::from_parts(head, Body::empty())).await
            })
        }
    }
    let diary = Diary::default();
    let links = [
        Link::filter(Notes("a", diary.clone())),
        Link::layer(tower::layer::layer_fn(Twice)),
        Link::filter(Notes("b", diary.clone())),
    ];
    let pipeline = pipeline(links, hello(&diary));
    let exchange = reported(&pipeline, get());
    drop(run(pipeline.call(exchange)));
    assert_eq!(diary.read(), ">a >b backend <b >b backend <b <a =a =b", "asked twice, ended once");
}
