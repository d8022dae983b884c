//! `/api/am/devops/v0`: what those do who keep the platform running. As with the original, they may show their name and
//! password (spec: apictl-contract, section 12), or a token.
//!
//! Asking why a request was refused is a row of our own: the original has only its logs to tell.

mod logs;
mod why;

use super::contract::{Contract, Noun};

/// The contract.
pub fn contract() -> Contract {
    let nouns = vec![
        Noun { operations: logs::operations(), description: include_str!("logs.yaml") },
        Noun { operations: why::operations(), description: include_str!("why.yaml") },
    ];
    Contract::with_passwords("DevOps", "/api/am/devops/v0", nouns)
}
