//! The gateway itself.

/// The data plane as one service.
#[derive(Debug, Clone)]
pub struct Gateway;
