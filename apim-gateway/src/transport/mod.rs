//! What both directions stand on: sockets, TLS, deadlines, tunnels, and headers of one hop only.
//!
//! [`server`](crate::server), [`upstream`](crate::upstream) and [`source`](crate::source) share these parts,
//! so that a certificate is read, a deadline kept and a header dropped in one way everywhere.

pub mod certificates;
pub mod client_certificate;
pub(crate) mod dial;
pub(crate) mod ending;
pub mod frames;
pub mod hop;
pub(crate) mod http1;
pub mod tls;
pub(crate) mod tunnel;
pub(crate) mod upgrade;
pub(crate) mod watch;
