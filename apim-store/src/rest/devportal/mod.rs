//! `/api/am/devportal/v3`: what developers do.

mod absent;
mod api_keys;
mod apis;
mod applications;
mod keys;
mod me;
pub(crate) mod policies;
mod settings;
mod subscriptions;

use super::contract::{Contract, Noun};

/// The contract.
pub fn contract() -> Contract {
    let nouns = vec![
        Noun { operations: applications::operations(), description: include_str!("applications.yaml") },
        Noun { operations: apis::operations(), description: include_str!("apis.yaml") },
        Noun { operations: subscriptions::operations(), description: include_str!("subscriptions.yaml") },
        Noun { operations: keys::operations(), description: include_str!("keys.yaml") },
        Noun { operations: api_keys::operations(), description: include_str!("api_keys.yaml") },
        Noun { operations: policies::operations(), description: include_str!("policies.yaml") },
        Noun { operations: settings::operations(), description: include_str!("settings.yaml") },
        Noun { operations: me::operations(), description: include_str!("me.yaml") },
        Noun { operations: absent::operations(), description: "" },
    ];
    Contract::new("Devportal", "/api/am/devportal/v3", nouns)
}
