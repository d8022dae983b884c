//! A list of links, folded into one service.

use std::fmt;
use std::sync::Arc;

use http::{Request, Response};

use super::link::Kind;
use super::{Erased, Flow, Link, Route, Step};
use crate::analytics::Outcome;
use crate::body::Body;
use crate::exchange::{Answer, Completion, Context, Exchange};
use crate::fault::{Fault, Rescue};
use crate::unwind;

/// The inner end of a pipeline: whoever gets the answer.
///
/// It answers in any case; a failure is a [`Fault`](crate::Fault) turned into a response by the pipeline's
/// own [`Rescue`], with [`Answer::fail`].
pub trait Backend: Send + Sync + 'static {
    /// Gets the answer.
    fn call(&self, exchange: Exchange) -> impl Future<Output = Answer> + Send;
}

/// A list of links in front of a backend.
///
/// The list is folded from the backend outwards. Neighbouring handlers and filters become one flat segment,
/// walked forth and back by a loop; a layer wraps everything behind it as a [`Route`]. Without layers
/// nothing is boxed but what a handler itself awaits.
///
/// A handler or layer that panics has failed, as one that returns a fault has ([`unwind`]).
///
/// At a layer the context travels as a copy in the extensions of request and response, and the original
/// waits outside: layers may clone requests, drop them, or answer on their own.
pub struct Pipeline<B> {
    outer: Segment,
    inner: Inner<B>,
    all: Arc<All>,
    rescue: Arc<dyn Rescue>,
}

#[derive(Clone)]
struct Segment(Arc<[(&'static str, Arc<dyn Erased>)]>);

impl Segment {
    /// Whether both are the same links, not only equal ones.
    fn is(&self, other: &Self) -> bool {
        let same =
            |(one, other): (&(_, Arc<_>), &(_, Arc<_>))| one.0 == other.0 && Arc::ptr_eq(&one.1, &other.1);
        self.0.len() == other.0.len() && self.0.iter().zip(&*other.0).all(same)
    }
}

/// The links of a pipeline, for others to [walk](Pipeline::sharing): what many pipelines walk stays in the
/// processor's caches.
pub struct LinkList {
    outer: Segment,
    all: Arc<All>,
}

impl fmt::Debug for LinkList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.outer.0.iter().map(|(name, _)| name)).finish()
    }
}

enum Inner<B> {
    Backend(B),
    /// A layer, by its name, with everything behind it.
    Layer(&'static str, Route),
}

/// Everybody who wants to know of a request's end.
struct All(Box<[Arc<dyn Erased>]>);

impl Completion for All {
    fn complete(&self, outcome: &Outcome<'_>) {
        for step in &self.0 {
            // One that panics keeps nobody else from learning of the end. The panic hook has told of it.
            let _ = unwind::call(|| step.complete(outcome));
        }
    }
}

impl<B: Backend> Pipeline<B> {
    /// Folds the links around the backend. Faults become answers through `rescue`.
    pub fn new(links: impl IntoIterator<Item = Link>, backend: B, rescue: Arc<dyn Rescue>) -> Self {
        let mut all = Vec::new();
        let mut outer = Vec::new();
        // Layers seen so far, from the outside, each with the segment that stands before it.
        let mut layers = Vec::new();
        for link in links {
            match link.kind {
                Kind::Phase(step) => {
                    all.push(step.clone());
                    outer.push((link.name, step));
                }
                Kind::Layer(wrap) => {
                    layers.push((Segment(std::mem::take(&mut outer).into()), link.name, wrap))
                }
            }
        }
        let mut segment = Segment(outer.into());
        let mut inner = Inner::Backend(backend);
        while let Some((before, name, wrap)) = layers.pop() {
            inner = Inner::Layer(name, wrap(enclose(segment, inner, rescue.clone()), rescue.clone()));
            segment = before;
        }
        Self { outer: segment, inner, all: Arc::new(All(all.into())), rescue }
    }

    /// Its list of links; none if there are layers, which wrap what stands behind them.
    pub fn list(&self) -> Option<LinkList> {
        let list = || LinkList { outer: self.outer.clone(), all: self.all.clone() };
        matches!(self.inner, Inner::Backend(_)).then(list)
    }

    /// Walks another pipeline's list in place of its own, if that is a list of the very same links.
    #[must_use]
    pub fn sharing(mut self, list: &LinkList) -> Self {
        if matches!(self.inner, Inner::Backend(_)) && self.outer.is(&list.outer) {
            (self.outer, self.all) = (list.outer.clone(), list.all.clone());
        }
        self
    }

    /// The backend; none if there are layers, which wrap what stands behind them.
    pub fn backend(&self) -> Option<&B> {
        match &self.inner {
            Inner::Backend(backend) => Some(backend),
            Inner::Layer(..) => None,
        }
    }

    /// Runs an exchange through all of it.
    // Inlined, so that what is returned is made where it stays, and not moved there: it is large.
    #[inline(always)]
    pub fn call(&self, exchange: Exchange) -> impl Future<Output = Answer> + Send {
        self.outer.run(&self.inner, &*self.rescue, exchange)
    }

    /// Tells everybody who wants to know of a request's end.
    pub fn complete(&self, outcome: &Outcome<'_>) {
        self.all.complete(outcome);
    }

    /// Who is to be told of a request's end; the server gives it to the context.
    pub fn completion(&self) -> Arc<dyn Completion> {
        self.all.clone()
    }
}

impl<B> fmt::Debug for Pipeline<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.outer.0.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Segment {
    #[allow(
        clippy::manual_async_fn,
        reason = "an async fn has room for an argument twice: as it came, and as it is used"
    )]
    #[inline(always)]
    fn run<B: Backend>(
        &self,
        inner: &Inner<B>,
        rescue: &dyn Rescue,
        mut exchange: Exchange,
    ) -> impl Future<Output = Answer> + Send {
        async move {
            let mut passed = 0;
            let stopped = unwind::wait(self.forth(&mut exchange, &mut passed)).await;
            let stopped = stopped.unwrap_or_else(|panicked| Some(Err(panicked.fault(self.0[passed].0))));
            if stopped.is_some() {
                exchange.context_mut().answered_by = Some(self.0[passed].0);
            }
            let mut answer = match stopped {
                None => match inner {
                    Inner::Backend(backend) => backend.call(exchange).await,
                    Inner::Layer(name, route) => route.pass(exchange, name, rescue).await,
                },
                Some(Ok(response)) => exchange.answer(response),
                Some(Err(fault)) => exchange.fail(fault, rescue),
            };
            while passed > 0 {
                if let Err(panicked) = unwind::wait(self.back(&mut answer, &mut passed, rescue)).await {
                    let name = self.0[passed].0;
                    answer.context_mut().answered_by = Some(name);
                    answer.fail(panicked.fault(name), rescue);
                }
            }
            answer
        }
    }

    /// Counts up to the step that answers or fails, if one does.
    async fn forth(
        &self,
        exchange: &mut Exchange,
        passed: &mut usize,
    ) -> Option<Result<Response<Body>, Fault>> {
        for (_, step) in &*self.0 {
            // Not `step.await`: what is there already need not move through a future, and a response is large.
            let flow = match step.request(exchange) {
                // What nearly all say, and as an arm of its own nothing is moved for it.
                Step::Done(Ok(Flow::Continue)) => {
                    *passed += 1;
                    continue;
                }
                Step::Done(flow) => flow,
                Step::Wait(future) => future.await,
            };
            match flow {
                Ok(Flow::Continue) => *passed += 1,
                Ok(Flow::Respond(response)) => return Some(Ok(response)),
                Err(fault) => return Some(Err(fault)),
            }
        }
        None
    }

    /// Counts down.
    async fn back(&self, answer: &mut Answer, passed: &mut usize, rescue: &dyn Rescue) {
        while let Some(index) = passed.checked_sub(1) {
            *passed = index;
            let (name, step) = &self.0[index];
            let result = match step.response(answer) {
                Step::Done(result) => result,
                Step::Wait(future) => future.await,
            };
            if let Err(fault) = result {
                answer.context_mut().answered_by = Some(name);
                answer.fail(fault, rescue);
            }
        }
    }
}

/// What stands behind a layer, as the service that the layer wraps.
fn enclose<B: Backend>(segment: Segment, inner: Inner<B>, rescue: Arc<dyn Rescue>) -> Route {
    let enclosed = Arc::new((segment, inner, rescue));
    Route::new(move |mut request: Request<Body>| {
        let enclosed = enclosed.clone();
        async move {
            let (segment, inner, rescue) = &*enclosed;
            let Some(context) = request.extensions_mut().remove::<Box<Context>>() else {
                // Without its context a request has lost its identity, and with it all that was checked.
                let mut response = Response::new(Body::empty());
                *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                return response;
            };
            let answer = segment.run(inner, &**rescue, Exchange::new(request, *context)).await;
            let (mut response, context) = answer.into_parts();
            response.extensions_mut().insert(Box::new(context));
            response
        }
    })
}
