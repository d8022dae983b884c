//! APIs as developers see them.

use apim_core::model::{ApiId, PolicyName};
use serde_json::{Value, json};

use crate::db::Read;
use crate::error::{Result, code};

/// An API that the caller may see.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) id: ApiId,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) context: String,
    pub(crate) provider: String,
    /// In capitals: `PUBLISHED`.
    pub(crate) state: String,
    /// The publisher's document of it.
    pub(crate) doc: Value,
}

impl Listed {
    /// The plans it offers.
    pub(crate) fn plans(&self) -> impl Iterator<Item = &str> {
        self.doc["policies"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }

    /// Its scopes, as the developers' contract lists them.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = Value> {
        let list = self.doc["scopes"].as_array().into_iter().flatten();
        list.map(|it| it.get("scope").unwrap_or(it)).map(|scope| {
            json!({
                "key": scope["name"],
                "name": scope["displayName"].as_str().or_else(|| scope["name"].as_str()),
                "roles": scope["bindings"].as_array().cloned().unwrap_or_default(),
                "description": scope["description"].as_str().unwrap_or_default(),
            })
        })
    }
}

/// One API that the caller may see.
pub(crate) async fn get(_cx: &mut Read, id: &str) -> Result<Listed> {
    Err(code::NO_SUCH_API.because(format!("There is no API {id}")).into())
}

/// Refuses new subscriptions to an API whose state takes none.
pub(crate) fn refuse_unless_open(api: &Listed) -> Result<()> {
    match api.state.as_str() {
        "PUBLISHED" | "PROTOTYPED" => Ok(()),
        state => {
            let text = format!("{} {} is {state} and takes no new subscriptions", api.name, api.version);
            Err(code::FORBIDDEN.because(text).into())
        }
    }
}

/// Whether an API stands at a versioned context.
pub(crate) async fn context_exists(_cx: &mut Read, _context: &str) -> Result<bool> {
    Ok(false)
}

/// Whether any API uses an advanced policy.
pub(crate) async fn uses_policy(_cx: &mut Read, _policy: &PolicyName) -> Result<bool> {
    Ok(false)
}
