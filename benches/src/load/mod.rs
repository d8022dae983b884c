//! What the programs under load share: connections that do only what they are told, a backend, and an eye on
//! a process.

pub mod backend;
pub mod connection;
pub mod latency;
pub mod vitals;

pub use backend::Backend;
pub use connection::{Connection, Door, Head};
pub use latency::{Latencies, Quantiles};
pub use vitals::Vitals;
