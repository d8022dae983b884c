//! Who calls, and whether he may.
//!
//! Three links in a row: [`Authentication`] finds a credential and learns who it speaks for,
//! [`Subscription`] finds his application's leave to call the API, [`Authorization`] looks at what the token
//! is good for. What a token is worth says a [`TokenVerifier`](apim_core::TokenVerifier), [`JwtVerifier`]
//! unless the gateway was given another.

mod acquainted;
mod authentication;
mod authorization;
mod by_form;
mod claims;
mod credential;
mod jwt;
mod keys;
mod memory;
mod mutual;
mod subscription;
mod verifier;

pub use authentication::{Anonymous, Authentication};
pub use authorization::Authorization;
pub use by_form::ByForm;
pub(crate) use credential::Readers;
pub use jwt::{Decoded, Malformed, Unverified};
pub use keys::KeySet;
pub use mutual::ByCertificate;
pub(crate) use mutual::Mutual;
pub use subscription::Subscription;
pub use verifier::{JwtVerifier, Trust};

#[cfg(test)]
mod tests;
