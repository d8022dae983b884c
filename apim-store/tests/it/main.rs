//! What the control plane promises, one module per promise.
#![allow(clippy::unwrap_used, missing_docs)]

mod definition;
