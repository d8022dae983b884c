//! What the gateway promises to whoever calls it, one module per promise.

mod api_log;
mod changes;
mod configuration;
mod cost;
mod credentials;
mod deployment;
mod doors;
mod events;
mod footprint;
mod limits;
mod mutual;
pub(crate) mod page;
mod panics;
mod reconfigured;
mod redeployed;
mod routing;
mod sockets;
#[cfg(feature = "otel")]
mod traces;
mod watched;
mod websockets;
mod why;
pub(crate) mod world;
