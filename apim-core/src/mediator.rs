//! Mediators: the API author's own logic, step by step.

use async_trait::async_trait;

use crate::exchange::{Answer, Exchange};
use crate::fault::Fault;
use crate::handler::Flow;

/// One step of a policy, as *set a header* or *build this body*.
///
/// A handler is infrastructure, ordered by the operator; a mediator is API logic, ordered by the API's
/// author, and named in the API's `request`, `response` or `fault` list. One value serves one entry of one
/// such list and all its requests at once.
///
/// It may wait. If the client goes away its future is dropped where it stands. [`Flow::Respond`] in the
/// request stage answers without the backend; in the other stages it replaces the answer. A fault in the
/// fault stage ends that stage.
///
/// ```
/// use apim_core::{Fault, Flow, Mediator, mediator::Stage};
/// use http::HeaderValue;
///
/// /// Marks what passes.
/// struct Mark(HeaderValue);
///
/// #[apim_core::async_trait]
/// impl Mediator for Mark {
///     async fn mediate(&self, stage: Stage<'_>) -> Result<Flow, Fault> {
///         let headers = match stage {
///             Stage::Request(exchange) => exchange.headers_mut(),
///             Stage::Response(answer) | Stage::Fault(answer) => answer.headers_mut(),
///         };
///         headers.insert("x-mark", self.0.clone());
///         Ok(Flow::Continue)
///     }
/// }
/// ```
///
/// An API names it once a program has put it into the gateway's registry of mediators, by
/// [`Provide`](crate::Provide)`<Arc<dyn Mediator>>`. The classic mistake is to leave out
/// `#[apim_core::async_trait]`: the compiler then complains about lifetimes that do not match.
#[async_trait]
pub trait Mediator: Send + Sync + 'static {
    /// Does its step.
    // The compiler shows the next line to whoever forgets the attribute.
    async fn mediate(&self, stage: Stage<'_>) -> Result<Flow, Fault>; // under #[apim_core::async_trait]
}

/// Where in its life a message meets a mediator.
#[derive(Debug)]
pub enum Stage<'a> {
    /// On the way to the backend.
    Request(&'a mut Exchange),
    /// On the way back.
    Response(&'a mut Answer),
    /// On the way back, after something failed.
    Fault(&'a mut Answer),
}
