//! What the gateway promises to whoever calls it, one module per promise.

mod changes;
mod configuration;
mod cost;
mod credentials;
mod events;
mod limits;
mod mutual;
mod panics;
mod routing;
mod sockets;
mod watched;
mod why;
pub(crate) mod world;
