//! The key manager of apim: an OAuth 2.0 authorization server as a tower service.
//!
//! # The life of a token
//!
//! A client comes to `/oauth2/token` and proves who it is. A grant says what the request is worth: on whose
//! behalf, for which scopes. The scopes are cut down to what that somebody's roles allow. A signing key
//! signs the access token; a refresh token is kept as a hash. Whoever gets the access token asks a
//! [`TokenVerifier`](apim_core::TokenVerifier), here [`Server::verifier`], or checks the signature with what
//! `/oauth2/jwks` publishes. A revocation goes into the store, which tells the gateways.
//!
//! # Standing it up
//!
//! ```
//! use apim_core::testing::Memory;
//! use apim_keymgr::{Config, Server, Stores};
//! use std::sync::Arc;
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder(Stores::all(Arc::new(Memory::default())))
//!     .issuer("https://apis.example:9443/oauth2/token")
//!     .config(Config::default())
//!     .build()
//!     .await?;
//! server.users().ensure_administrator(&"admin".into(), &"a good password".into(), &[]).await?;
//!
//! let request = http::Request::get("/oauth2/jwks").body(apim_core::Body::empty())?;
//! assert_eq!(server.oneshot(request).await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! `endpoint` holds the doors, one file each; `grant` what can be traded for tokens; `token` how tokens are
//! made and `verify` what they are worth; `keys` who signs. [`Resident`] is the same server as a
//! [`KeyManager`](apim_core::KeyManager), for the control plane; [`Users`] changes users and ends their
//! tokens when it must.
//!
//! Several processes may serve one set of stores.

mod attempts;
mod call;
mod client;
mod client_auth;
mod config;
mod endpoint;
mod error;
mod form;
mod grant;
mod keys;
mod login;
mod opaque;
pub mod password;
mod reply;
mod resident;
mod revoke;
mod scope;
mod server;
mod token;
mod users;
mod verify;

pub use attempts::Limits;
pub use config::Config;
pub use resident::Resident;
pub use server::{BuildError, Builder, Server, Stores};
pub use users::{UserError, Users};

/// The name that key mappings and gateways know this key manager by.
pub const RESIDENT: &str = "Resident Key Manager";

/// What follows the origin in the issuer that WSO2's clients expect.
pub const ISSUER_PATH: &str = "/oauth2/token";
