//! The data plane of apim: an API gateway that is a tower service.
//!
//! # The life of a request
//!
//! `Gateway::handle` takes a request from any HTTP server. The [`router`] computes one canonical view of
//! it, refuses what is ambiguous, and finds the API and the operation in the current
//! view, which the request keeps until it ends. The API's pipeline runs: the gateway's own
//! links first ([`cors`], [`deploy`]'s deny policies, [`auth`], [`throttle`], [`headers`], [`analytics`]),
//! then the API's handlers and mediators. The [`upstream`] gets the answer. What any of them refuses, the
//! [`rescue`] turns into the body that clients of the original expect.
//!
//! # The life of a change
//!
//! `Gateway::follow` reads a [`SnapshotSource`](apim_core::SnapshotSource), applies each event to the view
//! at the cost of what changed, and reports the revision that is in force.
//!
//! [`builtin`] lists every link that a configuration can name.

pub mod analytics;
pub mod auth;
pub mod builder;
pub mod builtin;
pub mod chain;
pub mod config;
pub mod cors;
pub mod deny;
pub mod deploy;
pub mod format;
pub mod gateway;
pub mod headers;
pub mod mediation;
pub mod rescue;
pub mod resource;
pub mod router;
pub mod server;
pub mod source;
pub mod status;
pub mod throttle;
pub mod transport;
pub mod upstream;

pub use gateway::Gateway;
