//! Handlers: what happens to a request before the backend, and to its answer after.
//!
//! A handler is a *phase*: a step before, a step after. What must *surround* the call (a time-out, a
//! retry) is a tower layer; [`Link`] takes either, and [`Pipeline`] runs them in the order of the list.

mod link;
mod pipeline;
mod step;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use http::Response;

pub use link::{Link, Route};
pub use pipeline::{Backend, LinkList, Pipeline};
pub use step::{Step, StepFuture};

use crate::analytics::Outcome;
use crate::body::Body;
use crate::exchange::{Answer, Exchange};
use crate::fault::Fault;

/// Whether a request goes on.
#[derive(Debug)]
pub enum Flow {
    /// To the next handler, or to the backend.
    Continue,
    /// No further: this is the answer.
    Respond(Response<Body>),
}

/// One concern of a gateway, as authentication or counting: a step before the backend and one after.
///
/// One value serves all requests at once, so state of its own sits behind something `Sync`, and state of
/// one request goes into [`Context::slots`](crate::Context::slots).
///
/// * [`request`](Self::request) is called in the order of the list. It may change the exchange, answer with
///   [`Flow::Respond`], or refuse with a [`Fault`].
/// * [`response`](Self::response) is called in reverse order, for each handler that let the request pass,
///   also when a later handler or the backend failed.
/// * [`complete`](Self::complete) is called once per request when the answer's last byte has left or the
///   client has gone, whether the request reached this handler or not.
///
/// If the client goes away, the future of a phase is dropped where it stands, no further phase runs, and
/// `complete` still does. A phase that is left out costs nothing.
///
/// A handler that never waits is better a [`Filter`], whose phases are plain functions: it is not boxed.
///
/// ```
/// use apim_core::{Exchange, Fault, Flow, Handler, fault};
///
/// /// Lets only requests with a tenant pass.
/// struct WantsTenant;
///
/// impl Handler for WantsTenant {
///     async fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
///         if exchange.headers().contains_key("x-tenant") {
///             Ok(Flow::Continue)
///         } else {
///             Err(Fault::new(fault::BAD_REQUEST).because("the header X-Tenant is missing"))
///         }
///     }
/// }
/// ```
///
/// The classic mistake is to hold a lock guard across an await; the compiler then says that the future is
/// not `Send`. Take what is needed out of the guard first, in a block of its own. The other one is to write
/// `#[async_trait]` above the `impl`: plain `async fn` is all it takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Handler`",
    label = "not a `Handler`",
    note = "a `Filter` goes into `Link::filter`, a `Prompt` into `Link::prompt`, a tower layer into `Link::layer`"
)]
pub trait Handler: Send + Sync + 'static {
    /// Before the backend.
    fn request(&self, exchange: &mut Exchange) -> impl Future<Output = Result<Flow, Fault>> + Send {
        let _ = exchange;
        Untouched(std::marker::PhantomData::<fn() -> Flow>)
    }

    /// After the backend.
    fn response(&self, answer: &mut Answer) -> impl Future<Output = Result<(), Fault>> + Send {
        let _ = answer;
        Untouched(std::marker::PhantomData::<fn() -> ()>)
    }

    /// When the request has ended.
    fn complete(&self, outcome: &Outcome<'_>) {
        let _ = outcome;
    }
}

/// A [`Handler`] whose phases never wait.
///
/// ```
/// use apim_core::{Answer, Fault, Filter};
/// use http::HeaderValue;
///
/// /// Tells browsers not to guess media types.
/// struct NoSniff;
///
/// impl Filter for NoSniff {
///     fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
///         answer.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Filter`",
    label = "not a `Filter`",
    note = "a `Handler`, whose phases are `async fn`, goes into `Link::handler`, a `Prompt` into `Link::prompt`, \
            a tower layer into `Link::layer`"
)]
pub trait Filter: Send + Sync + 'static {
    /// Before the backend.
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let _ = exchange;
        Ok(Flow::Continue)
    }

    /// After the backend.
    fn response(&self, answer: &mut Answer) -> Result<(), Fault> {
        let _ = answer;
        Ok(())
    }

    /// When the request has ended.
    fn complete(&self, outcome: &Outcome<'_>) {
        let _ = outcome;
    }
}

/// A [`Handler`] that usually has its result at once, and seldom has to wait.
///
/// It is what authentication and throttling are: a remembered token and a counter in memory cost no box,
/// an introspection does. Handlers that always wait are better a [`Handler`], those that never do a
/// [`Filter`].
///
/// ```
/// use apim_core::handler::{Prompt, Step};
/// use apim_core::{Exchange, Fault, Flow};
///
/// /// Asks somebody about requests that it does not know.
/// struct Known;
///
/// impl Prompt for Known {
///     fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>> {
///         if exchange.headers().contains_key("x-known") {
///             return Step::Done(Ok(Flow::Continue));
///         }
///         Step::wait(async move { /* ask */ Ok(Flow::Continue) })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Prompt`",
    label = "not a `Prompt`",
    note = "a `Handler` goes into `Link::handler`, a `Filter` into `Link::filter`, a tower layer into `Link::layer`"
)]
pub trait Prompt: Send + Sync + 'static {
    /// Before the backend.
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>> {
        let _ = exchange;
        Step::Done(Ok(Flow::Continue))
    }

    /// After the backend.
    fn response<'a>(&'a self, answer: &'a mut Answer) -> Step<'a, Result<(), Fault>> {
        let _ = answer;
        Step::Done(Ok(()))
    }

    /// When the request has ended.
    fn complete(&self, outcome: &Outcome<'_>) {
        let _ = outcome;
    }
}

/// The future of a phase that was left out: ready, and of size zero, by which the engine knows it.
struct Untouched<T>(std::marker::PhantomData<fn() -> T>);

/// What a phase that was left out results in.
trait Nothing {
    fn nothing() -> Self;
}

impl Nothing for Flow {
    fn nothing() -> Self {
        Self::Continue
    }
}

impl Nothing for () {
    fn nothing() -> Self {}
}

impl<T: Nothing> Future for Untouched<T> {
    type Output = Result<T, Fault>;

    fn poll(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(T::nothing()))
    }
}

/// The one object-safe twin of [`Handler`], [`Prompt`] and [`Filter`].
trait Erased: Send + Sync {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>>;
    fn response<'a>(&'a self, answer: &'a mut Answer) -> Step<'a, Result<(), Fault>>;
    fn complete(&self, outcome: &Outcome<'_>);
}

struct Async<H>(H);

impl<H: Handler> Erased for Async<H> {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>> {
        Step::of(self.0.request(exchange))
    }
    fn response<'a>(&'a self, answer: &'a mut Answer) -> Step<'a, Result<(), Fault>> {
        Step::of(self.0.response(answer))
    }
    fn complete(&self, outcome: &Outcome<'_>) {
        self.0.complete(outcome);
    }
}

struct Plain<F>(F);

impl<F: Filter> Erased for Plain<F> {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>> {
        Step::Done(self.0.request(exchange))
    }
    fn response<'a>(&'a self, answer: &'a mut Answer) -> Step<'a, Result<(), Fault>> {
        Step::Done(self.0.response(answer))
    }
    fn complete(&self, outcome: &Outcome<'_>) {
        self.0.complete(outcome);
    }
}

struct Stepwise<P>(P);

impl<P: Prompt> Erased for Stepwise<P> {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>> {
        self.0.request(exchange)
    }
    fn response<'a>(&'a self, answer: &'a mut Answer) -> Step<'a, Result<(), Fault>> {
        self.0.response(answer)
    }
    fn complete(&self, outcome: &Outcome<'_>) {
        self.0.complete(outcome);
    }
}
