//! Drives the example servers from their tests: starts a real process, speaks real HTTP to it, and goes the
//! journey from an OpenAPI document to a throttled call.
//!
//! Whatever fails panics with what was asked and what came back, since that is what a test wants.

mod client;
mod journey;
mod process;

pub use client::{Client, Reply};
pub use journey::{Journey, Keys, Published};
pub use process::{Petstore, Process, free_offset, sibling};
