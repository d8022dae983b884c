//! What the control plane promises, one module per promise.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, unreachable_pub)]

mod change;
mod contract;
mod definition;
mod frame;
mod place;
mod stores;
