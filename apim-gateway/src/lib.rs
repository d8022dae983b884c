//! The data plane of apim: an API gateway that is a tower service.
//!
//! ```
//! use apim_core::event::{Change, Revision};
//! use apim_core::{Body, Snapshot};
//! use apim_gateway::Gateway;
//! use http::Request;
//! use tower::ServiceExt as _;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let gateway = Gateway::builder().build().await.unwrap();
//! let pets = serde_json::from_value(serde_json::json!({
//!     "id": "pets", "name": "PetStore", "version": "1.0.0", "context": "/petstore",
//!     "endpoints": {"production": {"url": "http://127.0.0.1:8080"}},
//! })).unwrap();
//! gateway.load(Snapshot::new(Revision(1), [Change::ApiDeployed(pets)])).await;
//!
//! let request = Request::get("/petstore/1.0.0/pets").body(Body::empty()).unwrap();
//! let response = gateway.oneshot(request).await.unwrap();
//! assert_eq!(response.status(), 401); // nobody calls without a credential
//! # });
//! ```
//!
//! # The life of a request
//!
//! A [`server`], ours or any other that speaks tower, gives it to [`Gateway::handle`]. The [`router`]
//! computes the one canonical view of it, refuses what is ambiguous, and finds the API and the operation in
//! the present [`View`](deploy::View), which the request keeps until it ends. The API's pipeline runs
//! ([`chain`] says in which order): [`cors`], [`resource`], [`status`], [`deny`], [`auth`], [`throttle`],
//! [`headers`], then the API's own handlers and the [`mediation`] of its policies. The [`upstream`] gets the
//! answer. What any of them refuses, the [`rescue`] turns into the body that clients of the original expect.
//! When the last byte has left, or the client has, [`analytics`] learns of it.
//!
//! # The life of a change
//!
//! A [`source`] has it: files, a control plane, or what was saved of one. [`Gateway::follow`] reads the
//! source and [`deploy`] brings each event into force, at the cost of what changed; the revision is
//! reported when it is in force. What cannot be built is refused with its place, and nothing that was served
//! stops being served for it.
//!
//! # Extending it
//!
//! [`builtin`] is the registry of every link that configuration can name; add your own to it. A link is
//! built once for each API, with that API's [`Site`](deploy::Site) among its parts.

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
mod journal;
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
