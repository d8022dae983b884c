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
//! gateway.load(Snapshot::new(Revision(1), [Change::ApiDeployed(pets)])).await.into_result().unwrap();
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
//! answer. What any of them refuses, the [`rescue`] turns into the body that clients of the original expect, and
//! the operator learns by its id [`why`].
//! When the last byte has left, or the client has, [`analytics`], [`metrics`] and the [`access_log`] learn of
//! it. What passes meanwhile is in the [`api_log`], for APIs whose operator has asked for that.
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
//! [`apim_core::guide`] says how an extension is written. Here it is installed, so that files can name it: links
//! beside those of [`builtin`], mediators beside those of [`mediation`], formats in front of those of [`format`](mod@format),
//! verifiers of tokens. A link is built once for each API, with that [`Api`](apim_core::model::Api) among its parts.
//!
//! ```
//! # use apim_core::{BuildError, Filter, Link, Parts, Provide};
//! # struct Stamp;
//! # impl Filter for Stamp {}
//! # #[derive(serde::Deserialize, schemars::JsonSchema)]
//! # struct Config { text: String }
//! # impl Provide<Link> for Stamp {
//! #     const NAME: &'static str = "stamp";
//! #     type Config = Config;
//! #     async fn build(_: Config, _: &Parts) -> Result<Link, BuildError> { Ok(Link::filter(Stamp)) }
//! # }
//! use apim_gateway::{Gateway, builtin, config};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let file = config::File::parse("handlers: [{use: anonymous}, {use: stamp, text: hi}]").unwrap();
//! let links = builtin::links().with::<Stamp>();
//! let gateway = Gateway::builder().links(links).config(file.resolve().unwrap()).build().await.unwrap();
//! # drop(gateway);
//!
//! let file = config::File::parse("handlers: [{use: stmap, text: hi}]").unwrap();
//! let links = builtin::links().with::<Stamp>();
//! let refused = Gateway::builder().links(links).config(file.resolve().unwrap()).build().await.unwrap_err();
//! assert!(refused.to_string().starts_with("gateway.handlers[0].stmap: "));
//! assert!(refused.to_string().ends_with("did you mean `stamp`?"));
//! # });
//! ```
//!
//! # Embedding it
//!
//! A [`Gateway`] is a tower service over any body, so that axum, hyper or anything else can serve it. Whoever accepts the
//! connection puts an [`apim_core::Peer`] among each request's extensions; without one the caller's address is unknown, to
//! logs, deny policies and the backend, and all callers seem to be one. [`server`] does so, and bounds what clients may do;
//! another server has to see to that. In axum, beside routes of its own:
//!
//! ```ignore
//! use tower::ServiceExt as _;
//!
//! let gateway = gateway.map_request(|mut request: Request| {
//!     if let Some(&ConnectInfo(address)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
//!         request.extensions_mut().insert(Peer { address, tls: false });
//!     }
//!     request
//! });
//! let app = Router::new().route("/health", get(|| async { "well" })).route_service("/api/{*rest}", gateway);
//! axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
//! ```
//!
//! `route_service` keeps the path, so the contexts of APIs begin with `/api`; `nest_service` takes `/api` off.
//!
//! What is served can change while it is: [`Gateway::change`] deploys an API, or takes one away, from any clone of the
//! gateway, as a route of the service's own may hold one.

pub mod access_log;
mod address;
pub mod analytics;
pub mod api_log;
pub mod auth;
pub mod builder;
pub mod builtin;
pub mod chain;
pub mod config;
pub mod correlation;
pub mod cors;
pub mod deny;
pub mod deploy;
mod fetch;
pub mod format;
pub mod gateway;
pub mod headers;
mod journal;
pub mod log;
pub mod mediation;
pub mod metrics;
mod observer;
mod recipe;
pub mod rescue;
pub mod resource;
pub mod router;
pub mod server;
pub mod source;
pub mod status;
mod text;
pub mod throttle;
#[cfg(feature = "otel")]
pub mod traces;
pub mod transport;
mod tries;
pub mod upstream;
pub mod why;

pub use gateway::Gateway;
pub use recipe::Reconfiguration;
