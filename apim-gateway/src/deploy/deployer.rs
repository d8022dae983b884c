//! Brings changes into force, one after the other.

use std::fmt;
use std::sync::Arc;

use apim_core::event::{Change, Event, Revision};
use apim_core::model::{Api, ApiId, KeyManagerConfig};
use apim_core::{BuildError, Clock, Snapshot};
use tokio::sync::{Mutex, watch};

use super::view::{Update, View};
use super::{Current, Deployed, Key, Site};
use crate::auth::KeySet;
use crate::chain::Chain;
use crate::router::Base;

/// The one place where views are made. Requests never wait for it.
pub(crate) struct Deployer {
    chain: Chain,
    clock: Arc<dyn Clock>,
    current: Current,
    /// Former views that some request may still hold. Freeing a large one takes time, which is spent here
    /// and not by a worker.
    retired: Mutex<Vec<Arc<View>>>,
    loaded: watch::Sender<bool>,
}

/// What could not be brought into force. Everything else has been. An API that is refused is served on in its
/// former revision; anything else that is refused in an event leaves in force what was, and in a whole
/// snapshot is missing, since what a snapshot does not vouch for opens nothing.
///
/// An API that is refused because another holds its place is not tried again when that one goes: deploy it
/// anew, or load a snapshot.
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
    pub(crate) fn new(chain: Chain, clock: Arc<dyn Clock>, current: Current) -> Self {
        Self { chain, clock, current, retired: Mutex::default(), loaded: watch::Sender::new(false) }
    }

    /// Whether a snapshot is in force.
    pub(crate) fn loaded(&self) -> watch::Receiver<bool> {
        self.loaded.subscribe()
    }

    /// Brings a whole snapshot into force in place of what was.
    pub(crate) async fn load(&self, snapshot: Snapshot) -> Report {
        let mut retired = self.retired.lock().await;
        let former = self.current.load().clone();
        let mut view = former.emptied();
        let mut report = Report { revision: snapshot.revision(), refused: Vec::new() };
        for (index, change) in snapshot.changes().enumerate() {
            // Building never waits for anything, and whoever shares this thread should not wait for all of it.
            if index % 64 == 63 {
                tokio::task::yield_now().await;
            }
            if let Err(refused) = self.bring(&mut view, &former, change).await {
                report.refuse(refused);
            }
        }
        view.forget_expired(self.clock.now());
        view.stands_at(snapshot.revision());
        self.swap(&mut retired, view);
        self.loaded.send_replace(true);
        report
    }

    /// Brings one event into force. One that is in force already does nothing.
    pub(crate) async fn apply(&self, event: Event) -> Report {
        let mut retired = self.retired.lock().await;
        let former = self.current.load().clone();
        let mut report = Report { revision: former.revision(), refused: Vec::new() };
        if event.revision <= former.revision() {
            return report;
        }
        let mut view = View::clone(&former);
        if let Err(refused) = self.bring(&mut view, &former, &event.change).await {
            report.refuse(refused);
        }
        view.stands_at(event.revision);
        report.revision = event.revision;
        self.swap(&mut retired, view);
        report
    }

    fn swap(&self, retired: &mut Vec<Arc<View>>, view: View) {
        retired.push(self.current.swap(Arc::new(view)));
        retired.retain(|view| Arc::strong_count(view) > 1);
    }

    /// Builds what has to be built and puts it into the view.
    async fn bring(&self, view: &mut View, former: &View, change: &Change) -> Result<(), Refused> {
        let update = match change {
            Change::ApiDeployed(api) => return self.deploy(view, former, api).await,
            Change::ApiKeySaved(key) => {
                Update::Key(Key::new(key).map_err(|error| refused(format!("API key {}", key.id), error))?)
            }
            Change::KeyManagerSaved(config) => {
                let built = key_set(view, config);
                Update::Keys(built.map_err(|error| refused(format!("key manager {}", config.name), error))?)
            }
            other => Update::Other(other.clone()),
        };
        view.update(update);
        Ok(())
    }

    /// Deploys an API. If that is refused, the revision that was served so far is kept.
    async fn deploy(&self, view: &mut View, former: &View, api: &Arc<Api>) -> Result<(), Refused> {
        let before = former.api(&api.id);
        let named = |error| refused(format!("API {}:{} ({})", api.name, api.version, api.id), error);
        // A snapshot mostly brings what is deployed already.
        if let Some(deployed) = before.filter(|deployed| deployed.site().source() == api) {
            return keep(view, deployed).map_err(named);
        }
        match self.build(view, api).await {
            Ok(deployed) => view.update(Update::Deploy(Arc::new(deployed))),
            Err(error) => {
                if let Some(deployed) = before
                    && let Err(taken) = keep(view, deployed)
                {
                    tracing::error!(api = %api.id, error = %taken, "the former revision cannot be kept either");
                }
                return Err(named(error));
            }
        }
        Ok(())
    }

    async fn build(&self, view: &View, api: &Arc<Api>) -> Result<Deployed, BuildError> {
        let site = Site::new(api)?;
        free(view, site.bases(), &api.id)?;
        self.chain.build(Arc::new(site)).await
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
    fn refuse(&mut self, refused: Refused) {
        tracing::error!(subject = %refused.subject, error = %refused.error, "a change was refused");
        self.refused.push(refused);
    }
}
