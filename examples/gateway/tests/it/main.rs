//! The gateway as a process of its own: joined to a control plane, or serving a folder.
#![allow(clippy::unwrap_used, missing_docs)]

mod certificates;
mod folder;
mod joined;
mod reload;
mod schema;

const BINARY: &str = env!("CARGO_BIN_EXE_gateway");
