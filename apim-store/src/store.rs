//! The open database and what belongs to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use apim_core::event::Revision;
use apim_core::model::Tenant;
use apim_core::store::ScopeBinding;
use apim_core::{Clock, SnapshotSource, SystemClock, Timestamp};
use tokio::sync::watch;

use crate::bus::gateways::Gateways;
use crate::bus::local::Source;
use crate::bus::questions::Questions;
use crate::db::seal::Sealer;
use crate::db::sql::Db;
use crate::db::{self, Desk};
use crate::error::{Failure, Result};
use crate::principal::Principal;
use crate::service::password::Passwords;

/// What a [`Store`] is opened with.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// `sqlite:PATH`, relative to the data folder, or `postgres://user:password@host/database`.
    pub url: String,
    /// The folder of the database file and of the key that seals secrets. Made if it is missing.
    pub data: PathBuf,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
}

impl Settings {
    /// A database and a folder, on the system's clock.
    pub fn new(url: impl Into<String>, data: impl Into<PathBuf>) -> Self {
        Self { url: url.into(), data: data.into(), clock: Arc::new(SystemClock) }
    }

    /// On another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

/// An open database. Cheap to clone; all clones are one.
///
/// It implements the store traits of [`apim_core::store`], so that a key manager can live on it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    db: Db,
    clock: Arc<dyn Clock>,
    sealer: Sealer,
    head: watch::Sender<Revision>,
    gateways: Arc<Gateways>,
    questions: Questions,
    passwords: Passwords,
}

impl Store {
    /// Opens the database, makes it if need be, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// When the folder or the database cannot be used; the message says which and why.
    pub async fn open(settings: Settings) -> Result<Self> {
        let Settings { url, data, clock } = settings;
        prepare(&data)?;
        let sealer = Sealer::open(&data)?;
        let db = Db::open(&url, &data).await.map_err(|error| {
            // The URL may hold a password.
            Failure::new(format!("the database cannot be opened in {}: {error}", data.display()))
        })?;
        db::migrate(&db, clock.now()).await?;
        let (head, _) = watch::channel(Revision::default());
        let store = Self(Arc::new(Inner {
            db,
            clock,
            sealer,
            head,
            gateways: Arc::default(),
            questions: Questions::default(),
            passwords: Passwords::default(),
        }));
        let at = db::outbox::head(&store).await?;
        store.nudge(at.revision);
        Ok(store)
    }

    /// Closes it in good order. What was committed is safe without this, too.
    pub async fn close(&self) {
        self.0.db.close().await;
    }

    /// Where a gateway in this process learns what to serve. Each call is another gateway, which a
    /// deployment waits for as soon as it reads changes.
    pub fn source(&self) -> Arc<dyn SnapshotSource> {
        Arc::new(Source::new(self.clone()))
    }

    /// Registers a scope that belongs to no API: who must have which role to get it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn register_scope(&self, tenant: &Tenant, binding: ScopeBinding) -> Result<()> {
        let mut write = self.platform(tenant).write().await?;
        db::scopes::put(&mut write, &binding.into()).await?;
        write.commit().await?;
        Ok(())
    }

    /// A desk for a duty of the platform itself, which no caller asked for.
    pub fn platform(&self, tenant: &Tenant) -> Desk {
        Desk::new(self.clone(), Arc::new(Principal::platform(tenant.clone())))
    }

    /// The last change this process knows to be committed.
    pub fn head(&self) -> Revision {
        *self.0.head.borrow()
    }

    /// The gateways that are known, and how far each has come.
    pub(crate) fn gateways(&self) -> &Arc<Gateways> {
        &self.0.gateways
    }

    /// Questions to those gateways.
    pub(crate) fn questions(&self) -> &Questions {
        &self.0.questions
    }

    /// Hashes and checks passwords.
    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Wakes those who wait for changes.
    pub(crate) fn nudge(&self, revision: Revision) {
        self.0.head.send_if_modified(|head| {
            let later = revision > *head;
            *head = revision.max(*head);
            later
        });
    }

    /// Follows the last known change.
    pub(crate) fn watch(&self) -> watch::Receiver<Revision> {
        self.0.head.subscribe()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("head", &self.head()).finish_non_exhaustive()
    }
}

/// Makes the folder for its owner only: it holds hashes of passwords, and the key that seals secrets. One
/// that exists keeps the permissions its owner gave it.
fn prepare(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())).into())
}
