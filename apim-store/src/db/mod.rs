//! Persistence: one file per aggregate, over one SQL for two databases.
//!
//! [`sql`] knows SQLite and PostgreSQL; [`desk`] gives callers transactions bound to their tenant;
//! [`outbox`] numbers what gateways must learn of; everything else is SQL of one aggregate.

pub(crate) mod api_search;
pub(crate) mod apis;
mod clients;
pub(crate) mod desk;
mod grants;
mod keys;
mod migrate;
pub(crate) mod outbox;
pub(crate) mod scopes;
pub(crate) mod seal;
pub(crate) mod sql;
mod users;

use apim_core::Timestamp;

pub use apis::StoredApi;
pub use desk::{Desk, Read, Write};
pub(crate) use users::roles_of;

/// Brings the schema up to date.
pub(crate) async fn migrate(db: &sql::Db, now: Timestamp) -> crate::error::Result<()> {
    migrate::run(db, now).await
}
