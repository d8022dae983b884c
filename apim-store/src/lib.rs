//! The control plane: persistence, use cases, and WSO2's REST contracts as two doors to them.
//!
//! # The life of a write
//!
//! A request reaches [`rest`]'s frame, the only door. It authenticates the caller, looks for a scope that
//! the operation's row names, reads and validates the body against our OpenAPI description, and opens a
//! transaction bound to the caller's tenant. The handler calls a use case in [`service`], which knows no
//! HTTP and no SQL; the use case calls an aggregate in `db`, which knows nothing else. What gateways must
//! learn goes into the same transaction as a [`Change`](apim_core::Change); the commit numbers it. A nudge
//! then wakes whoever reads [`Store::source`], in this process or through [`bus::http`].
//!
//! # Putting it together
//!
//! ```no_run
//! # async fn example(verifier: std::sync::Arc<dyn apim_core::TokenVerifier>,
//! #     key_manager: std::sync::Arc<dyn apim_core::KeyManager>) -> Result<(), apim_store::Error> {
//! use apim_store::{ControlPlane, GatewayUrls, Settings, Store};
//!
//! let store = Store::open(Settings::new("sqlite:apim.db", "./data")).await?;
//! let plane = ControlPlane::builder(store.clone())
//!     .verifier(verifier)
//!     .key_manager(key_manager)
//!     .urls(GatewayUrls { http: "http://localhost:8280".into(), https: "https://localhost:8243".into() })
//!     .build()?;
//! let rest: axum::Router = plane.router();
//! let gateways: axum::Router = apim_store::bus::http::routes(store.clone(), "a secret".into());
//! let in_process = store.source();
//! # Ok(())
//! # }
//! ```

pub mod bus;
pub mod db;
pub mod definition;
pub mod error;
pub mod plane;
pub mod principal;
pub mod rest;
pub mod service;
pub mod store;
mod strict;

pub use error::{Error, Refusal, Result};
pub use plane::{ControlPlane, GatewayUrls};
pub use principal::Principal;
pub use store::{Settings, Store};
