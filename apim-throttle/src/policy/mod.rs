//! Policies: the tiers that WSO2 ships, and its documents for limits.

mod parse;
mod tier;

pub use parse::{Limit, LimitError, RequestCount};
pub use tier::defaults;
