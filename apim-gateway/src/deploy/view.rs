//! All that one request may have to look up, as it stood at one revision.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use apim_core::event::{Change, Revision};
use apim_core::model::{
    ApiId, Application, ApplicationId, ClientId, KeyId, KeyManagerName, KeyMapping, LogSetting, Subscription,
    SubscriptionId,
};
use apim_core::{Context, Timestamp};

use super::index::{By, Index};
use super::{Denies, Deployed, Key, KeyDigest, KeyManagers, Policies, Revocations, Shards};
use crate::auth::KeySet;
use crate::gateway::Settings;
use crate::router::{Base, Bases, Taken};

/// An immutable index over everything that routing and authorising need.
///
/// A request keeps the view it began with, so no change can take an API from under it. Cloning a view and
/// applying one change costs what the change touches, since [`Shards`] share the rest.
#[derive(Debug, Clone, Default)]
pub struct View {
    number: ViewNumber,
    /// None before anything was brought into force.
    revision: Option<Revision>,
    pub(super) bases: Bases<Arc<Deployed>>,
    pub(super) apis: Shards<ApiId, Arc<Deployed>>,
    applications: Index<Arc<Application>, ById>,
    /// By what they let whom call.
    leaves: Index<Arc<Subscription>, ByLeave>,
    subscriptions: Index<Arc<Subscription>, ById>,
    mappings: Index<Arc<KeyMapping>, ByClient>,
    keys: Shards<KeyDigest, Arc<Key>>,
    key_digests: Shards<KeyId, KeyDigest>,
    policies: Policies,
    denies: Arc<Denies>,
    logs: Shards<ApiId, Arc<LogSetting>>,
    key_managers: KeyManagers,
    revocations: Revocations,
    pub(crate) settings: Arc<Settings>,
}

/// Which of a process's views one is. Two of the same number say the same of who may call what; those of number 0 nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ViewNumber(pub(crate) u64);

impl ViewNumber {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Relaxed) + 1)
    }
}

/// By its id.
struct ById;

/// By the application, and the API that it may call.
struct ByLeave;

/// By the OAuth client, and its key manager.
struct ByClient;

impl By<Arc<Application>> for ById {
    fn key(application: &Arc<Application>) -> [&str; 2] {
        [&application.id, ""]
    }
}

impl By<Arc<Subscription>> for ById {
    fn key(subscription: &Arc<Subscription>) -> [&str; 2] {
        [&subscription.id, ""]
    }
}

impl By<Arc<Subscription>> for ByLeave {
    fn key(subscription: &Arc<Subscription>) -> [&str; 2] {
        [&subscription.application, &subscription.api]
    }
}

impl By<Arc<KeyMapping>> for ByClient {
    fn key(mapping: &Arc<KeyMapping>) -> [&str; 2] {
        [&mapping.client, &mapping.key_manager]
    }
}

/// A change that the gateway has understood: what had to be built has been built.
#[derive(Debug)]
pub(super) enum Update {
    Deploy(Arc<Deployed>),
    Key(Key),
    Keys(KeySet),
    Other(Change),
}

impl View {
    pub(crate) fn number(&self) -> ViewNumber {
        self.number
    }

    /// The revision it stands at.
    pub fn revision(&self) -> Revision {
        self.revision.unwrap_or_default()
    }

    /// Whether anything was ever brought into force, be it an empty snapshot.
    pub fn is_loaded(&self) -> bool {
        self.revision.is_some()
    }

    /// Who serves a canonical path on a host, and how long the base path is.
    pub fn route(&self, host: Option<&str>, path: &str) -> Option<(&Arc<Deployed>, usize)> {
        self.bases.find(host, path)
    }

    /// A deployed API.
    pub fn api(&self, id: &ApiId) -> Option<&Arc<Deployed>> {
        self.apis.get(id)
    }

    /// How many APIs are deployed.
    pub fn len(&self) -> usize {
        self.apis.len()
    }

    /// Whether nothing is deployed.
    pub fn is_empty(&self) -> bool {
        self.apis.is_empty()
    }

    /// An application.
    pub fn application(&self, id: &ApplicationId) -> Option<&Arc<Application>> {
        self.applications.get([id, ""])
    }

    /// An application's leave to call an API; of several, which no control plane gives, the one that was saved last.
    pub fn subscription(&self, application: &ApplicationId, api: &ApiId) -> Option<&Arc<Subscription>> {
        self.leaves.get([application, api])
    }

    /// Which application an OAuth client speaks for.
    pub fn mapping(&self, key_manager: &KeyManagerName, client: &ClientId) -> Option<&Arc<KeyMapping>> {
        self.mappings.get([client, key_manager])
    }

    /// The API key with this digest.
    pub fn key(&self, digest: &KeyDigest) -> Option<&Arc<Key>> {
        self.keys.get(digest)
    }

    /// The throttling policies.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The deny policies.
    pub fn denies(&self) -> &Denies {
        &self.denies
    }

    /// The key managers, with their keys.
    pub fn key_managers(&self) -> &KeyManagers {
        &self.key_managers
    }

    /// What was revoked.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// The view a request began with.
    pub fn of(context: &Context) -> Option<&Self> {
        context.pinned::<Pinned>().map(|pinned| &*pinned.0)
    }

    /// Nothing yet.
    pub(super) fn with(settings: Settings) -> Self {
        Self { settings: Arc::new(settings), ..Self::default() }
    }

    /// Nothing yet, for a view that is to replace this one.
    pub(super) fn emptied(&self) -> Self {
        Self { key_managers: self.key_managers.after(), settings: self.settings.clone(), ..Self::default() }
    }

    /// Who holds one of these base paths already.
    pub(super) fn taken(&self, bases: &[Base], api: &ApiId) -> Option<Taken> {
        bases.iter().find_map(|base| self.bases.taken(base, api))
    }

    pub(super) fn stands_at(&mut self, revision: Revision) {
        self.revision = Some(revision);
    }

    pub(super) fn forget_expired(&mut self, now: Timestamp) {
        self.revocations.forget_expired(now);
    }

    pub(super) fn update(&mut self, update: Update) {
        self.number = ViewNumber::next();
        match update {
            Update::Deploy(deployed) => self.deploy(deployed),
            Update::Key(key) => self.save_key(key),
            Update::Keys(keys) => self.key_managers.save(keys),
            Update::Other(change) => self.change(change),
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::ApiUndeployed(id) => self.undeploy(&id),
            Change::ApplicationSaved(application) => {
                self.applications.insert(application);
            }
            Change::ApplicationRemoved(id) => {
                self.applications.remove([&id, ""]);
            }
            Change::SubscriptionSaved(subscription) => self.save_subscription(subscription),
            Change::SubscriptionRemoved(id) => self.remove_subscription(&id),
            Change::KeyMappingSaved(mapping) => {
                self.mappings.insert(mapping);
            }
            Change::KeyMappingRemoved { key_manager, client } => {
                self.mappings.remove([&client, &key_manager]);
            }
            Change::ApiKeyRemoved(id) => self.remove_key(&id),
            Change::PolicySaved(policy) => self.policies.save((*policy).clone()),
            Change::PolicyRemoved { kind, name } => self.policies.remove(kind, &name),
            Change::DenySaved(deny) => self.denies = Arc::new(self.denies.with(deny)),
            Change::DenyRemoved(id) => self.denies = Arc::new(self.denies.without(&id)),
            Change::LogSaved(setting) => {
                let api = setting.api.clone();
                self.logs.insert(api.clone(), setting);
                self.set_log(&api);
            }
            Change::LogRemoved(api) => {
                self.logs.remove(&api);
                self.set_log(&api);
            }
            Change::KeyManagerRemoved(name) => self.key_managers.remove(&name),
            Change::Revoked(revocation) => self.revocations.add(revocation),
            // What has to be built first never comes this way, so this is a kind that is newer than this code.
            unknown => tracing::error!(key = ?unknown.key(), "a change of an unknown kind is not in force"),
        }
    }

    fn deploy(&mut self, deployed: Arc<Deployed>) {
        let id = deployed.api().id.clone();
        self.undeploy(&id);
        for base in deployed.bases() {
            self.bases.claim(base, id.clone(), deployed.clone());
        }
        self.apis.insert(id.clone(), deployed);
        self.set_log(&id);
    }

    /// Requests see it at once, be it by a former view: what is written changes nothing of what is answered.
    fn set_log(&self, id: &ApiId) {
        if let Some(deployed) = self.apis.get(id) {
            deployed.site().log.set(self.logs.get(id).cloned());
        }
    }

    fn undeploy(&mut self, id: &ApiId) {
        let Some(deployed) = self.apis.remove(id) else { return };
        for base in deployed.bases() {
            self.bases.release(base, id);
        }
    }

    fn save_subscription(&mut self, subscription: Arc<Subscription>) {
        // It may have been about another API before.
        self.remove_subscription(&subscription.id);
        self.leaves.insert(subscription.clone());
        self.subscriptions.insert(subscription);
    }

    fn remove_subscription(&mut self, id: &SubscriptionId) {
        let Some(subscription) = self.subscriptions.remove([id, ""]) else { return };
        let leave = [&*subscription.application, &*subscription.api];
        if self.leaves.get(leave).is_some_and(|leave| leave.id == *id) {
            self.leaves.remove(leave);
        }
    }

    fn save_key(&mut self, key: Key) {
        self.remove_key(&key.id);
        self.key_digests.insert(key.id.clone(), key.digest);
        self.keys.insert(key.digest, Arc::new(key));
    }

    fn remove_key(&mut self, id: &KeyId) {
        if let Some(digest) = self.key_digests.remove(id) {
            self.keys.remove(&digest);
        }
    }
}

/// A view as requests hold it. Each worker wraps the view in one of its own, so that holding it does not
/// count on a counter that all workers share.
#[derive(Debug)]
pub(crate) struct Pinned(pub(crate) Arc<View>);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn saved(id: &str, application: &str, api: &str) -> Update {
        let subscription = json!({"id": id, "application": application, "api": api, "plan": "Gold"});
        let subscription = serde_json::from_value(subscription).expect("a subscription");
        Update::Other(Change::SubscriptionSaved(Arc::new(subscription)))
    }

    fn removed(id: &str) -> Update {
        Update::Other(Change::SubscriptionRemoved(id.into()))
    }

    fn leave(view: &View, application: &str, api: &str) -> Option<String> {
        let leave = view.subscription(&application.into(), &api.into());
        leave.map(|leave| leave.id.to_string())
    }

    #[test]
    fn a_subscription_is_found_by_what_it_is_about_now() {
        let mut view = View::default();
        view.update(saved("1", "shop", "pets"));
        view.update(saved("2", "shop", "cars"));
        assert_eq!(leave(&view, "shop", "pets").as_deref(), Some("1"));
        let before = view.clone();
        view.update(saved("1", "shop", "boats"));
        assert_eq!((leave(&view, "shop", "pets"), leave(&view, "shop", "boats")), (None, Some("1".into())));
        view.update(removed("1"));
        assert_eq!((leave(&view, "shop", "boats"), leave(&view, "shop", "cars")), (None, Some("2".into())));
        assert_eq!(leave(&before, "shop", "pets").as_deref(), Some("1"));
    }

    #[test]
    fn removing_a_former_subscription_leaves_the_later_one_in_force() {
        let mut view = View::default();
        view.update(saved("1", "shop", "pets"));
        view.update(saved("2", "shop", "pets"));
        view.update(removed("1"));
        assert_eq!(leave(&view, "shop", "pets").as_deref(), Some("2"));
    }
}
