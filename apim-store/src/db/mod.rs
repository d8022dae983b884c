//! Persistence: one file per aggregate, over one SQL for two databases.
//!
//! `sql` knows SQLite and PostgreSQL; `desk` gives callers transactions bound to their tenant;
//! `outbox` numbers what gateways must learn of; everything else is SQL of one aggregate.

pub(crate) mod api_keys;
pub(crate) mod api_search;
pub(crate) mod apis;
pub(crate) mod applications;
pub(crate) mod client_certificates;
mod clients;
pub(crate) mod denials;
pub(crate) mod desk;
mod grants;
pub(crate) mod key_mappings;
mod keys;
pub(crate) mod listings;
pub(crate) mod log_levels;
mod migrate;
pub(crate) mod outbox;
pub(crate) mod policies;
pub(crate) mod revisions;
pub(crate) mod revocations;
pub(crate) mod roles;
pub(crate) mod scopes;
pub(crate) mod seal;
pub(crate) mod sql;
pub(crate) mod subscriptions;
pub(crate) mod users;

use apim_core::Timestamp;

pub use apis::StoredApi;
pub use desk::{Desk, Read, Write};
pub(crate) use users::roles_of;

/// Brings the schema up to date.
pub(crate) async fn migrate(db: &sql::Db, now: Timestamp) -> crate::error::Result<()> {
    migrate::run(db, now).await
}
