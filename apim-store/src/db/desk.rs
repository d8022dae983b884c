//! Transactions, as use cases see them.
//!
//! A [`Desk`] belongs to one caller and opens [`Read`]s and [`Write`]s. They carry the caller, put the
//! caller's tenant into every statement as `$1`, and are all that aggregates get: there is no way to run SQL
//! on behalf of nobody. What has to cross tenants (snapshots, token lookups) uses [`System`].

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use apim_core::event::{Change, Revision};
use apim_core::model::Tenant;
use apim_core::{Secret, Timestamp};

use super::outbox;
use super::sql::{Arg, Assembled, Conn, Query, Row};
use crate::error::Result;
use crate::principal::Principal;
use crate::store::Store;

/// Opens transactions for one caller. Work that waits on a network holds this, never a transaction.
#[derive(Clone)]
pub struct Desk {
    store: Store,
    who: Arc<Principal>,
}

impl Desk {
    /// Opens transactions of a store for a caller.
    pub fn new(store: Store, who: Arc<Principal>) -> Self {
        Self { store, who }
    }

    /// Who calls.
    pub fn who(&self) -> &Principal {
        &self.who
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A transaction that sees one state and cannot write.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached.
    pub async fn read(&self) -> Result<Read> {
        let conn = self.store.db().read().await?;
        Ok(Read { conn, who: self.who.clone(), store: self.store.clone() })
    }

    /// A transaction that may write.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached.
    pub async fn write(&self) -> Result<Write> {
        let conn = self.store.db().write().await?;
        let read = Read { conn, who: self.who.clone(), store: self.store.clone() };
        Ok(Write { read, changes: Vec::new() })
    }
}

/// A transaction that reads.
pub struct Read {
    conn: Conn,
    who: Arc<Principal>,
    store: Store,
}

impl Read {
    /// Who calls.
    pub fn who(&self) -> &Principal {
        &self.who
    }

    /// The caller's tenant.
    pub fn tenant(&self) -> &Tenant {
        &self.who.tenant
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.store.now()
    }

    /// The store, for what is not in the database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Seals a secret for keeping.
    pub(crate) fn seal(&self, purpose: &str, secret: &Secret) -> Result<Vec<u8>> {
        self.store.sealer().seal(purpose, secret)
    }

    /// Opens what was sealed for this purpose.
    pub(crate) fn unseal(&self, purpose: &str, sealed: &[u8]) -> Result<Secret> {
        self.store.sealer().unseal(purpose, sealed)
    }

    /// All rows. The text's `$1` is the tenant; `args` begin at `$2`.
    pub(in crate::db) async fn rows<const N: usize>(
        &mut self,
        sql: &'static str,
        args: [Arg<'_>; N],
    ) -> Result<Vec<Row>> {
        let (args, conn) = scoped(&self.who, sql, args, &mut self.conn);
        Ok(conn.all(Query::Fixed(sql, &args)).await?)
    }

    /// The first row. The text's `$1` is the tenant; `args` begin at `$2`.
    pub(in crate::db) async fn row<const N: usize>(
        &mut self,
        sql: &'static str,
        args: [Arg<'_>; N],
    ) -> Result<Option<Row>> {
        let (args, conn) = scoped(&self.who, sql, args, &mut self.conn);
        Ok(conn.one(Query::Fixed(sql, &args)).await?)
    }

    /// Starts a text of chosen pieces, of which `$1` is the tenant.
    pub(in crate::db) fn assemble<'a>(&self, sql: &'static str) -> Assembled<'a> {
        debug_assert!(names_the_tenant(sql), "no tenant in {sql}");
        Assembled::new(sql, [Arg::from(self.who.tenant.as_str().to_owned())])
    }

    /// All rows of an assembled text.
    pub(in crate::db) async fn found(&mut self, query: &Assembled<'_>) -> Result<Vec<Row>> {
        Ok(self.conn.all(Query::Assembled(query)).await?)
    }
}

/// A transaction that writes, and the changes that gateways will learn of when it commits. Dropped, it
/// rolls back.
pub struct Write {
    read: Read,
    changes: Vec<Change>,
}

impl Write {
    /// Runs a statement and says how many rows it changed. `$1` is the tenant; `args` begin at `$2`.
    pub(in crate::db) async fn change<const N: usize>(
        &mut self,
        sql: &'static str,
        args: [Arg<'_>; N],
    ) -> Result<u64> {
        let (args, conn) = scoped(&self.read.who, sql, args, &mut self.read.conn);
        Ok(conn.run(Query::Fixed(sql, &args)).await?)
    }

    /// Lets gateways know, once this commits.
    pub fn tell(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Makes it last, and numbers its changes. Answers the number of the last one, or of the last one
    /// before it if it has none.
    ///
    /// # Errors
    ///
    /// When the database did not take it; nothing of it is kept then, save when the connection broke
    /// during the commit itself.
    pub async fn commit(self) -> Result<Revision> {
        let Read { mut conn, store, .. } = self.read;
        if self.changes.is_empty() {
            conn.commit().await?;
            return Ok(store.head());
        }
        let revision = outbox::stamp(&mut conn, store.sealer(), store.now(), &self.changes).await?;
        conn.commit().await?;
        store.nudge(revision);
        Ok(revision)
    }
}

impl Deref for Write {
    type Target = Read;
    fn deref(&self) -> &Read {
        &self.read
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Read {
        &mut self.read
    }
}

/// A transaction that crosses tenants, for the platform's own duties. No caller's request gets one.
pub(crate) struct System {
    conn: Conn,
}

impl System {
    pub(crate) async fn read(store: &Store) -> Result<Self> {
        Ok(Self { conn: store.db().read().await? })
    }

    pub(crate) async fn write(store: &Store) -> Result<Self> {
        Ok(Self { conn: store.db().write().await? })
    }

    pub(in crate::db) async fn rows<const N: usize>(
        &mut self,
        sql: &'static str,
        args: [Arg<'_>; N],
    ) -> Result<Vec<Row>> {
        Ok(self.conn.all(Query::Fixed(sql, &args)).await?)
    }

    pub(in crate::db) async fn row<const N: usize>(
        &mut self,
        sql: &'static str,
        args: [Arg<'_>; N],
    ) -> Result<Option<Row>> {
        Ok(self.conn.one(Query::Fixed(sql, &args)).await?)
    }

    pub(in crate::db) async fn change<const N: usize>(
        &mut self,
        sql: &'static str,
        args: [Arg<'_>; N],
    ) -> Result<u64> {
        Ok(self.conn.run(Query::Fixed(sql, &args)).await?)
    }

    pub(crate) async fn commit(self) -> Result<()> {
        Ok(self.conn.commit().await?)
    }
}

fn scoped<'a, 'c>(
    who: &'a Principal,
    sql: &str,
    args: impl IntoIterator<Item = Arg<'a>>,
    conn: &'c mut Conn,
) -> (Vec<Arg<'a>>, &'c mut Conn) {
    debug_assert!(names_the_tenant(sql), "no tenant in {sql}");
    (std::iter::once(Arg::from(&who.tenant)).chain(args).collect(), conn)
}

/// Whether a text confines itself to the tenant: `tenant = $1`, or an insert whose first column it is.
fn names_the_tenant(sql: &str) -> bool {
    sql.contains("tenant = $1") || (sql.contains("(tenant,") && sql.contains("($1,"))
}
