//! A control plane through its doors: a real process, real sockets, a real data folder.
#![allow(clippy::unwrap_used, missing_docs)]

mod joining;
mod passwords;

const BINARY: &str = env!("CARGO_BIN_EXE_control-plane");
