//! Publisher v4: what an API's publisher does.

mod absent;
mod apis;
mod client_certificates;
mod lifecycle;
mod policies;
mod revisions;
mod scopes;
mod settings;
mod subscriptions;

use super::contract::{Contract, Noun};

/// The whole contract.
pub(crate) fn contract() -> Contract {
    let nouns = vec![
        apis::noun(),
        client_certificates::noun(),
        lifecycle::noun(),
        revisions::noun(),
        policies::noun(),
        scopes::noun(),
        subscriptions::noun(),
        settings::noun(),
        Noun { operations: absent::operations(), description: "" },
    ];
    Contract::new("Publisher", "/api/am/publisher/v4", nouns)
}
