//! Brings changes into force, one after the other.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use apim_core::event::{Change, Event, Revision};
use apim_core::model::{Api, ApiId, KeyManagerConfig};
use apim_core::{BuildError, Clock, Snapshot, Timestamp};
use tokio::sync::{Mutex, watch};

use super::view::{Update, View};
use super::{Current, Deployed, Key, Site};
use crate::auth::KeySet;
use crate::chain::Chain;
use crate::gateway::Settings;
use crate::router::Base;

/// The one place where views are made. Requests never wait for it.
pub(crate) struct Deployer {
    clock: Arc<dyn Clock>,
    current: Current,
    memory: Mutex<Memory>,
    loaded: watch::Sender<bool>,
    /// When the last change came into force, in milliseconds since the epoch; 0 before the first.
    changed_at: AtomicU64,
}

/// What is remembered from one change to the next.
struct Memory {
    /// How pipelines are built.
    chain: Chain,
    /// Former views that some request may still hold. Freeing a large one takes time, which is spent here
    /// and not by a worker.
    retired: Vec<Arc<View>>,
    /// APIs whose place another one holds, in the order in which they were refused it.
    waiting: Vec<Arc<Site>>,
}

/// What could not be brought into force. Everything else has been. An API that is refused is served on in its
/// former revision; anything else that is refused in an event leaves in force what was, and in a whole
/// snapshot is missing, since what a snapshot does not vouch for opens nothing.
///
/// An API that is refused because another holds its place gets it when that one goes, if nothing newer has been
/// said about it by then.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The revision that is in force now.
    pub revision: Revision,
    /// What was refused, and why.
    pub refused: Vec<Refused>,
}

/// A change that was refused.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused {
    /// What it was about.
    pub subject: String,
    /// The place and the rule.
    pub error: BuildError,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.error)
    }
}

impl std::error::Error for Refused {}

impl Deployer {
    pub(crate) fn new(chain: Chain, settings: Settings, clock: Arc<dyn Clock>, current: Current) -> Self {
        current.swap(Arc::new(View::with(settings)));
        Self {
            clock,
            current,
            memory: Mutex::new(Memory { chain, retired: Vec::new(), waiting: Vec::new() }),
            loaded: watch::Sender::new(false),
            changed_at: AtomicU64::new(0),
        }
    }

    /// Whether a snapshot is in force.
    pub(crate) fn loaded(&self) -> watch::Receiver<bool> {
        self.loaded.subscribe()
    }

    /// When the last change came into force.
    pub(crate) fn changed_at(&self) -> Option<Timestamp> {
        let millis = self.changed_at.load(Relaxed);
        (millis > 0).then_some(Timestamp::from_millis(millis))
    }

    /// Brings a whole snapshot into force in place of what was.
    pub(crate) async fn load(&self, snapshot: Snapshot) -> Report {
        let memory = &mut *self.memory.lock().await;
        memory.waiting.clear();
        let former = self.current.load().clone();
        let mut view = former.emptied();
        let revision = snapshot.revision();
        let mut report = Report { revision, refused: Vec::new() };
        for (index, change) in snapshot.into_changes().enumerate() {
            // Building never waits for anything, and whoever shares this thread should not wait for all of it.
            if index % 64 == 63 {
                tokio::task::yield_now().await;
            }
            if let Err(refused) = memory.bring(&mut view, &former, change).await {
                report.refuse(refused);
            }
        }
        view.forget_expired(self.clock.now());
        view.stands_at(revision);
        self.swap(&mut memory.retired, view);
        self.loaded.send_replace(true);
        report
    }

    /// Brings one event into force. One that is in force already does nothing.
    pub(crate) async fn apply(&self, event: Event) -> Report {
        self.advance(Some(event.revision), event.change).await
    }

    /// Brings a change into force that nobody has numbered.
    pub(crate) async fn change(&self, change: Change) -> Report {
        self.advance(None, change).await
    }

    /// Brings a change into force as this revision, or as the next.
    async fn advance(&self, revision: Option<Revision>, change: Change) -> Report {
        let memory = &mut *self.memory.lock().await;
        let former = self.current.load().clone();
        let revision = revision.unwrap_or_else(|| former.revision().next());
        let mut report = Report { revision: former.revision(), refused: Vec::new() };
        if revision <= former.revision() {
            return report;
        }
        let mut view = View::clone(&former);
        let of_apis = matches!(change, Change::ApiDeployed(_) | Change::ApiUndeployed(_));
        if let Err(refused) = memory.bring(&mut view, &former, change).await {
            report.refuse(refused);
        }
        if of_apis {
            memory.let_in(&mut view, &mut report).await;
        }
        view.stands_at(revision);
        report.revision = revision;
        self.swap(&mut memory.retired, view);
        report
    }

    /// Builds the pipelines of all APIs anew, and brings them into force together with other settings.
    ///
    /// # Errors
    ///
    /// If one of them cannot be built by this chain; everything stays as it was.
    pub(crate) async fn rebuild(&self, chain: Chain, settings: Settings) -> Result<(), BuildError> {
        let memory = &mut *self.memory.lock().await;
        let mut view = View::clone(&self.current.load());
        let deployed: Vec<_> = view.apis.iter().map(|(_, deployed)| deployed.site().clone()).collect();
        for (index, site) in deployed.into_iter().enumerate() {
            // As in `load`.
            if index % 64 == 63 {
                tokio::task::yield_now().await;
            }
            let subject = subject(&site.api);
            let built = chain.build(site).await.map_err(|error| error.within(&subject))?;
            view.update(Update::Deploy(Arc::new(built)));
        }
        view.settings = Arc::new(settings);
        memory.chain = chain;
        self.swap(&mut memory.retired, view);
        Ok(())
    }

    fn swap(&self, retired: &mut Vec<Arc<View>>, view: View) {
        self.changed_at.store(self.clock.now().as_millis(), Relaxed);
        retired.push(self.current.swap(Arc::new(view)));
        retired.retain(|view| Arc::strong_count(view) > 1);
    }
}

impl Memory {
    /// Builds what has to be built and puts it into the view.
    async fn bring(&mut self, view: &mut View, former: &View, change: Change) -> Result<(), Refused> {
        let update = match change {
            Change::ApiDeployed(api) => {
                self.waiting.retain(|site| site.api.id != api.id);
                return self.deploy(view, former, &api).await;
            }
            Change::ApiUndeployed(id) => {
                self.waiting.retain(|site| site.api.id != id);
                Update::Other(Change::ApiUndeployed(id))
            }
            Change::ApiKeySaved(key) => {
                Update::Key(Key::new(&key).map_err(|error| refused(format!("API key {}", key.id), error))?)
            }
            Change::KeyManagerSaved(config) => {
                let built = key_set(view, &config);
                Update::Keys(built.map_err(|error| refused(format!("key manager {}", config.name), error))?)
            }
            other => Update::Other(other),
        };
        view.update(update);
        Ok(())
    }

    /// Deploys an API. If that is refused, the revision that was served so far is kept.
    async fn deploy(&mut self, view: &mut View, former: &View, api: &Arc<Api>) -> Result<(), Refused> {
        let before = former.api(&api.id);
        // A snapshot mostly brings what is deployed already.
        if let Some(deployed) = before.filter(|deployed| deployed.site().source() == api) {
            return keep(view, deployed).map_err(|taken| {
                self.waiting.push(deployed.site().clone());
                refused(subject(api), taken)
            });
        }
        match self.build(view, api, before).await {
            Ok(deployed) => view.update(Update::Deploy(Arc::new(deployed))),
            Err(error) => {
                if let Some(deployed) = before
                    && let Err(taken) = keep(view, deployed)
                {
                    tracing::error!(api = %api.id, error = %taken, "the former revision cannot be kept either");
                }
                return Err(refused(subject(api), error));
            }
        }
        Ok(())
    }

    async fn build(
        &mut self,
        view: &View,
        api: &Arc<Api>,
        before: Option<&Arc<Deployed>>,
    ) -> Result<Deployed, BuildError> {
        let site = Site::new(api)?;
        let site = Arc::new(match before {
            Some(before) => site.after(before.site()),
            None => site,
        });
        free(view, site.bases(), &api.id).inspect_err(|_| self.waiting.push(site.clone()))?;
        self.chain.build(site).await
    }

    /// Deploys those who waited for a place that is free now. Who moves there may leave a place to another.
    async fn let_in(&mut self, view: &mut View, report: &mut Report) {
        let is_free = |view: &View, site: &Site| view.taken(site.bases(), &site.api.id).is_none();
        while let Some(first) = self.waiting.iter().position(|site| is_free(view, site)) {
            let site = self.waiting.remove(first);
            let subject = subject(&site.api);
            match self.chain.build(site).await {
                Ok(deployed) => {
                    tracing::info!(subject, "its place has become free: it is deployed");
                    view.update(Update::Deploy(Arc::new(deployed)));
                }
                Err(error) => report.refuse(refused(subject, error)),
            }
        }
    }
}

/// Puts an API that was deployed before into a view that lacks it, if nobody has taken its place meanwhile.
fn keep(view: &mut View, deployed: &Arc<Deployed>) -> Result<(), BuildError> {
    let id = &deployed.api().id;
    if view.api(id).is_none() {
        free(view, deployed.bases(), id)?;
        view.update(Update::Deploy(deployed.clone()));
    }
    Ok(())
}

fn free(view: &View, bases: &[Base], api: &ApiId) -> Result<(), BuildError> {
    view.taken(bases, api).map_or(Ok(()), |taken| Err(BuildError::at("context", taken)))
}

fn subject(api: &Api) -> String {
    match api.id.is_empty() {
        true => format!("API {}:{}", api.name, api.version),
        false => format!("API {}:{} ({})", api.name, api.version, api.id),
    }
}

fn key_set(view: &View, config: &KeyManagerConfig) -> Result<KeySet, BuildError> {
    let keys = KeySet::parse(config).map_err(|error| BuildError::at("", error))?;
    match view.key_managers().rival(&keys) {
        Some(rival) => Err(BuildError::at("issuer", format!("the key manager {rival} has it already"))),
        None => Ok(keys),
    }
}

fn refused(subject: String, error: BuildError) -> Refused {
    Refused { subject, error }
}

impl Report {
    /// The revision that is in force, if nothing was refused.
    ///
    /// # Errors
    ///
    /// The first of what was refused.
    pub fn into_result(self) -> Result<Revision, Refused> {
        match self.refused.into_iter().next() {
            None => Ok(self.revision),
            Some(refused) => Err(refused),
        }
    }

    fn refuse(&mut self, refused: Refused) {
        tracing::error!(subject = %refused.subject, error = %refused.error, "a change was refused");
        self.refused.push(refused);
    }
}
