//! The suites that every implementation of the key manager's stores must pass.
//!
//! Each is an async function that panics at the first broken promise. Give each its own empty store (or,
//! on a shared database, a store that holds nothing of the tenants `one.example` and `two.example`):
//!
//! ```
//! # use apim_core::{store::ScopeBinding, testing::{Memory, stores}};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! stores::clients(&Memory::default()).await;
//! stores::users(&Memory::default()).await;
//!
//! let store = Memory::default();
//! for (scope, roles) in stores::BINDINGS {
//!     let roles = roles.iter().map(|role| (*role).into()).collect();
//!     store.bind_scope(&"one.example".into(), ScopeBinding { scope: scope.into(), roles });
//! }
//! stores::scope_bindings(&store).await;
//!
//! let store = Memory::default();
//! stores::grants(&store, &store).await;
//! stores::signing_keys(&Memory::default()).await;
//! stores::revocations(&Memory::default()).await;
//! # });
//! ```
//!
//! Names of owners and users in these suites belong to nobody: a store must not insist that a client's
//! owner, or the user of a grant, exists. Clients of grants do exist.

mod clients;
mod grants;
mod keys;
mod users;

pub use clients::clients;
pub use grants::grants;
pub use keys::{revocations, signing_keys};
pub use users::{BINDINGS, scope_bindings, users};

use crate::clock::Timestamp;
use crate::model::{ClientId, Tenant};
use crate::store::{Client, ClientSecret};

fn one() -> Tenant {
    "one.example".into()
}

fn two() -> Tenant {
    "two.example".into()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

/// A client that uses every field.
fn a_client(id: &str, name: &str) -> Client {
    Client {
        id: ClientId::from(id),
        tenant: one(),
        name: name.to_owned(),
        owner: "ann@example.com".into(),
        secrets: vec![
            ClientSecret { id: "s1".to_owned(), hash: "aa".to_owned(), created_at: at(1) },
            ClientSecret { id: "s2".to_owned(), hash: "bb".to_owned(), created_at: at(2) },
        ],
        grant_types: vec!["password".to_owned(), "refresh_token".to_owned()],
        redirect_uris: vec!["https://app.example/cb?a=b".to_owned()],
        public: false,
        token_lifetime: Some(std::time::Duration::from_secs(60)),
        created_at: Timestamp::from_millis(1_700_000_000_123),
        additional: [("küche".to_owned(), "\"quoted\"\n".to_owned())].into(),
    }
}
