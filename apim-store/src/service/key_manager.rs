//! The key manager, as the contracts list it. There is one; more come with the admin contract's.

use apim_core::model::KeyManagerName;
use serde_json::{Value, json};

use crate::error::{Refusal, code};

/// Grants that applications may choose from.
pub(crate) const GRANTS: [&str; 4] =
    ["authorization_code", "client_credentials", "password", "refresh_token"];

/// As developers and administrators see it. Its name is its id.
pub(crate) fn listed(name: &KeyManagerName) -> Value {
    json!({
        "id": name,
        "name": name,
        "type": "default",
        "displayName": name,
        "description": "The key manager of this control plane",
        "enabled": true,
        "availableGrantTypes": GRANTS,
        "tokenEndpoint": "/oauth2/token",
        "revokeEndpoint": "/oauth2/revoke",
        "enableTokenGeneration": true,
        "enableOAuthAppCreation": true,
        "enableMapOAuthConsumerApps": true,
        "applicationConfiguration": [],
        "additionalProperties": {},
        "tokenType": "DIRECT",
    })
}

/// It, by id.
pub(crate) fn get(name: &KeyManagerName, id: &str) -> Result<Value, Refusal> {
    match id == name.as_str() {
        true => Ok(listed(name)),
        false => Err(code::NOT_FOUND.because(format!("There is no key manager {id}"))),
    }
}
