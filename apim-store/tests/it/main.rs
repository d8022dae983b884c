//! What the control plane promises, one module per promise.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, unreachable_pub)]

mod accounts;
mod api_keys;
mod applications;
mod backends;
mod bounds;
mod change;
mod client_certificates;
mod contract;
mod definition;
mod denials;
mod frame;
mod gateways;
mod keys;
mod listings;
mod log_levels;
mod oauth_keys;
mod place;
mod policies;
mod publish;
mod scopes;
mod settings;
mod stores;
mod subscribers;
mod subscriptions;
mod versions;
mod why;
