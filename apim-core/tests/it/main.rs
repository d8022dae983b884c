//! What the vocabulary promises to those who write handlers, one module per promise.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use apim_core::exchange::Completion;
use apim_core::fault::Rescue;
use apim_core::{
    Answer, Backend, Body, BoxFuture, Context, Exchange, Fault, Link, Peer, Pipeline, RequestId, Timestamp,
};
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body_util::BodyExt as _;

mod allocations;
mod arrows;
mod completion;
mod layers;
mod message;
mod mistakes;
mod order;
mod password;
mod refusals;
mod registry;
mod schema;
mod snapshot;
mod testing;

/// What happened, in order, as words.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<String>>);

impl Diary {
    fn note(&self, word: impl std::fmt::Display) {
        let mut text = self.0.lock().unwrap();
        let gap = if text.is_empty() { "" } else { " " };
        write!(text, "{gap}{word}").unwrap();
    }

    fn read(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// A backend made of a function.
struct Answers<F>(F);

impl<F> Backend for Answers<F>
where
    F: Fn(Exchange) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
{
    fn call(&self, exchange: Exchange) -> impl Future<Output = Answer> + Send {
        (self.0)(exchange)
    }
}

/// One that says `hello` and notes it.
fn hello(diary: &Diary) -> impl Backend + use<> {
    let diary = diary.clone();
    Answers(move |exchange: Exchange| {
        diary.note("backend");
        Box::pin(async move { exchange.answer(Response::new("hello".into())) }) as BoxFuture<'static, Answer>
    })
}

/// One that returns what it is sent, and says of which type.
fn echo() -> impl Backend {
    Answers(|mut exchange: Exchange| {
        Box::pin(async move {
            let (head, body) = exchange.take_request().into_parts();
            let mut response = Response::new(body);
            if let Some(media_type) = head.headers.get(CONTENT_TYPE) {
                response.headers_mut().insert(CONTENT_TYPE, media_type.clone());
            }
            exchange.answer(response)
        }) as BoxFuture<'static, Answer>
    })
}

/// One that never answers, and notes when it is given up.
fn silence(diary: &Diary) -> impl Backend + use<> {
    struct Dropped(Diary);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.note("given-up");
        }
    }
    let diary = diary.clone();
    Answers(move |exchange: Exchange| {
        let guard = Dropped(diary.clone());
        Box::pin(async move {
            let _held = (exchange, guard);
            std::future::pending().await
        }) as BoxFuture<'static, Answer>
    })
}

/// Answers a fault with its number.
struct Number;

impl Rescue for Number {
    fn rescue(&self, fault: &Fault, _: &Context) -> Response<Body> {
        let mut response = Response::new(Body::from(fault.code().number.to_string()));
        *response.status_mut() = fault.status();
        response
    }
}

fn pipeline<B: Backend>(links: impl IntoIterator<Item = Link>, backend: B) -> Pipeline<B> {
    Pipeline::new(links, backend, Arc::new(Number))
}

fn exchange(request: Request<Body>) -> Exchange {
    let (head, body) = request.into_parts();
    let peer = Peer { address: ([127, 0, 0, 1], 4000).into(), tls: false };
    let context = Context::new(RequestId(7), peer, Timestamp::from_secs(1), &head);
    Exchange::new(Request::from_parts(head, body), context)
}

fn get() -> Exchange {
    exchange(Request::new(Body::empty()))
}

/// An exchange whose end the pipeline's handlers learn of.
fn reported<B: Backend>(pipeline: &Pipeline<B>, mut exchange: Exchange) -> Exchange {
    let completion: Arc<dyn Completion> = pipeline.completion();
    exchange.context_mut().on_completion(completion);
    exchange
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

async fn text(answer: Answer) -> String {
    let (response, _) = answer.into_parts();
    let body = response.into_body();
    String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap()
}
