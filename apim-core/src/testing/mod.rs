//! What tests of handlers and of implementations need: no network, no sleeping.
//!
//! A handler or mediator is built by [`provide`] and run in a [`Chain`]; the clock is a [`ManualClock`]. A store
//! is held against the suite in [`stores`]; [`Memory`] is one of each.

mod chain;
mod clock;
mod memory;
pub mod stores;

pub use chain::{Call, Chain, provide};
pub use clock::ManualClock;
pub use memory::Memory;
