//! The promises of the key manager, one module each, all through the service itself.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod authorize;
mod client_auth;
mod discovery;
mod hostile;
mod introspect;
mod keys;
mod login;
mod races;
mod refresh;
mod register;
mod resident;
mod revoke;
mod scopes;
mod token_endpoint;
mod tokens;
mod users;
mod world;
