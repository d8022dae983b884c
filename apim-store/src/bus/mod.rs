//! How change travels from the outbox to gateways.
//!
//! The outbox table is the truth. A commit nudges the readers of this process; each reads what is new from
//! the table. [`http`] lets gateways of other processes read the same stream. `gateways` remembers who
//! reads, and how far each has come, so that a deployment can wait for them. `questions` go the same way, and
//! the gateways' answers come back to whoever asked.

pub(crate) mod gateways;
pub mod http;
pub(crate) mod local;
pub(crate) mod questions;
