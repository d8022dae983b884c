//! What the data plane promises, through real sockets. One module per promise.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod balancer;
mod bench;
mod bounds;
mod conformance;
mod drain;
mod embedded;
mod endpoints;
mod gateway;
mod grpc;
mod http1;
mod http2;
mod mediation;
mod overload;
mod reconfigured;
mod smuggling;
mod sources;
mod streaming;
mod tls;
mod unreachable;
mod upgrade;
