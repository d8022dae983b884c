//! What tests of handlers and of implementations need: no network, no sleeping.

mod clock;
mod memory;
pub mod stores;

pub use clock::ManualClock;
pub use memory::Memory;
