//! The vocabulary of apim: a request's life, and every trait that an extension can implement.
//!
//! This crate is what extension authors depend on. It speaks `http` and `tower`; it knows no runtime, no
//! server, no database.
//!
//! # The life of a request
//!
//! The gateway computes one canonical view of it, finds the [`Api`](model::Api) and the
//! [`Operation`](model::Operation), and makes an [`Exchange`]: the [`Message`] and its [`Context`].
//! A [`Pipeline`] of [`Link`]s takes the exchange. Each [`Handler`] or [`Filter`] sees it in turn and may
//! edit it, answer, or refuse it with a [`Fault`]: one asks a [`TokenVerifier`] what the token is worth,
//! one asks a [`ThrottleEngine`] whether it is within its limits, one runs the API's [`Mediator`]s. Should
//! anyone ask for the body, a [`MessageBuilder`] makes a [`Payload`] of it. The backend answers, by HTTP or by
//! a [`Transport`]; the same handlers see the [`Answer`] in reverse order; a [`MessageFormatter`] writes what was changed. When the
//! last byte has left, each handler learns the [`Outcome`], and an [`AnalyticsSink`] keeps the event.
//!
//! # The life of a change
//!
//! A write in the control plane commits together with an [`Event`], numbered without gaps. A gateway reads it
//! from its [`SnapshotSource`], applies it to what it serves, and reports the [`Revision`]. A [`Snapshot`] is
//! the same thing in bulk: the changes that lead to the present.
//!
//! # Plugging in
//!
//! **[`guide`] is the page to read**: from an empty crate to a name in a file, with a test and the classic mistakes.
//!
//! [`Provide`] names an extension and types its configuration; a [`Registry`] holds what is installed; an
//! [`Entry`] in a file or in a database says what is used. A handler in full:
//!
//! ```
//! use apim_core::{AtKey, BuildError, Exchange, Fault, Filter, Flow, Link, Parts, Provide, fault};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! /// Refuses requests without a certain header.
//! struct Requires(http::HeaderName);
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// The header's name.
//!     header: String,
//! }
//!
//! impl Filter for Requires {
//!     fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
//!         if exchange.headers().contains_key(&self.0) {
//!             return Ok(Flow::Continue);
//!         }
//!         Err(Fault::new(fault::BAD_REQUEST).because(format!("the header {} is missing", self.0)))
//!     }
//! }
//!
//! impl Provide<Link> for Requires {
//!     const NAME: &'static str = "requires";
//!     type Config = Config;
//!     async fn build(config: Config, _: &Parts) -> Result<Link, BuildError> {
//!         let header = config.header.parse().at_key("header")?;
//!         Ok(Link::filter(Requires(header)))
//!     }
//! }
//! ```

use std::pin::Pin;

/// For implementations of the traits that are used as `dyn`: [`Mediator`], [`KeyManager`],
/// [`SnapshotSource`] and the stores.
pub use async_trait::async_trait;

pub mod analytics;
pub mod body;
pub mod civil;
mod claims_set;
pub mod clock;
pub mod event;
pub mod exchange;
pub mod explanation;
pub mod fact;
pub mod fault;
#[doc(alias = "extension")]
pub mod guide;
pub mod handler;
pub mod key_manager;
pub mod mediator;
pub mod message;
pub mod model;
#[cfg(feature = "password")]
pub mod password;
pub mod registry;
pub mod secret;
pub mod snapshot;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod throttle;
pub mod transport;
pub mod unwind;
pub mod worker;

pub use analytics::{AnalyticsSink, CallEvent, CallFault, CallGateway, CallSite, CorrelationId, Outcome};
pub use body::Body;
pub use clock::{Clock, SystemClock, Timestamp};
pub use event::{BusError, Change, Event, EventStream, Revision};
pub use exchange::{Answer, Context, Exchange, Peer, Principal, RequestId};
pub use explanation::Explanation;
pub use fact::Fact;
pub use fault::{Fault, OrFault};
pub use handler::{Backend, Filter, Flow, Handler, Link, Pipeline, Prompt, Route, Step};
pub use key_manager::{Claims, KeyManager, TokenVerifier};
pub use mediator::{Mediator, Stage};
pub use message::{Format, Message, MessageBuilder, MessageFormatter, Payload};
pub use registry::{AtKey, BuildError, Entry, Parts, Provide, Registry};
pub use secret::Secret;
pub use snapshot::{Snapshot, SnapshotSource};
pub use throttle::ThrottleEngine;
pub use transport::{Shutdown, Transport};
pub use worker::{PerWorker, Worker};

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
