//! `/api/am/admin/v4`: what administrators do.
//!
//! Users and roles are rows of our own: the original keeps them behind another product's SOAP services.

mod absent;
mod accounts;
mod applications;
mod denials;
mod policies;
mod settings;

use super::contract::{Contract, Noun};

/// The contract.
pub fn contract() -> Contract {
    let nouns = vec![
        Noun { operations: policies::operations(), description: include_str!("policies.yaml") },
        Noun { operations: denials::operations(), description: include_str!("denials.yaml") },
        Noun { operations: applications::operations(), description: include_str!("applications.yaml") },
        Noun { operations: settings::operations(), description: include_str!("settings.yaml") },
        Noun { operations: accounts::operations(), description: include_str!("accounts.yaml") },
        Noun { operations: absent::operations(), description: "" },
    ];
    Contract::new("Admin", "/api/am/admin/v4", nouns)
}
