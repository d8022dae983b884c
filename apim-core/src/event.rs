//! Change: what happened in the control plane, numbered so that nobody misses any of it.

use std::marker::PhantomData;
use std::pin::Pin;

use futures_core::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::BoxError;
use crate::clock::Timestamp;
use crate::model::{
    Api, ApiId, ApiKey, Application, ApplicationId, ClientId, DenyId, DenyPolicy, KeyId, KeyManagerConfig,
    KeyManagerName, KeyMapping, LogSetting, Policy, PolicyKind, PolicyName, Revocation, Subscription,
    SubscriptionId,
};

/// The number of a change. Numbers are gap-free and rise by one with each event of one control plane.
///
/// It is also the cursor of [`SnapshotSource::changes`](crate::SnapshotSource::changes): *everything after this,
/// please*.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// One change with its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number.
    pub revision: Revision,
    /// When it was committed.
    pub at: Timestamp,
    /// What happened.
    pub change: Change,
}

/// Something that gateways have to know.
///
/// Each carries the whole new state of one thing, never a difference, so applying one twice does no harm,
/// and a [`Snapshot`](crate::Snapshot) is nothing but the changes that lead to the present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// An API's revision is to be served from now on, instead of any earlier one.
    ApiDeployed(Arc<Api>),
    /// An API is no longer served.
    ApiUndeployed(ApiId),
    /// An application exists, or changed.
    ApplicationSaved(Arc<Application>),
    /// An application is gone.
    ApplicationRemoved(ApplicationId),
    /// A subscription exists, or changed.
    SubscriptionSaved(Arc<Subscription>),
    /// A subscription is gone.
    SubscriptionRemoved(SubscriptionId),
    /// An OAuth client speaks for an application.
    KeyMappingSaved(Arc<KeyMapping>),
    /// An OAuth client speaks for no application any more.
    KeyMappingRemoved {
        /// The client's key manager.
        key_manager: KeyManagerName,
        /// The client.
        client: ClientId,
    },
    /// An API key is good.
    ApiKeySaved(Arc<ApiKey>),
    /// An API key is no longer good.
    ApiKeyRemoved(KeyId),
    /// A policy exists, or changed.
    PolicySaved(Arc<Policy>),
    /// A policy is gone.
    PolicyRemoved {
        /// Its kind.
        kind: PolicyKind,
        /// Its name.
        name: PolicyName,
    },
    /// Calls are to be refused.
    DenySaved(Arc<DenyPolicy>),
    /// Calls are no longer to be refused.
    DenyRemoved(DenyId),
    /// Something is to be written of an API's calls, whatever was before.
    LogSaved(Arc<LogSetting>),
    /// Nothing is to be written of an API's calls any more.
    LogRemoved(ApiId),
    /// A key manager's tokens are good; also when its keys changed.
    KeyManagerSaved(Arc<KeyManagerConfig>),
    /// A key manager's tokens are no longer good.
    KeyManagerRemoved(KeyManagerName),
    /// Credentials are no longer good.
    Revoked(Revocation),
}

/// What a change is about: the later of two changes with one key replaces the earlier.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is the kind of thing it names")]
pub enum ChangeKey {
    Policy(u8, PolicyName),
    KeyManager(KeyManagerName),
    Api(ApiId),
    Application(ApplicationId),
    KeyMapping(KeyManagerName, ClientId),
    ApiKey(KeyId),
    Subscription(SubscriptionId),
    Deny(DenyId),
    Log(ApiId),
    RevokedToken(crate::model::TokenId),
    RevokedClient(ClientId),
    RevokedUser(crate::model::UserName),
}

impl Change {
    /// What it is about.
    pub fn key(&self) -> ChangeKey {
        match self {
            Self::ApiDeployed(api) => ChangeKey::Api(api.id.clone()),
            Self::ApiUndeployed(id) => ChangeKey::Api(id.clone()),
            Self::ApplicationSaved(application) => ChangeKey::Application(application.id.clone()),
            Self::ApplicationRemoved(id) => ChangeKey::Application(id.clone()),
            Self::SubscriptionSaved(subscription) => ChangeKey::Subscription(subscription.id.clone()),
            Self::SubscriptionRemoved(id) => ChangeKey::Subscription(id.clone()),
            Self::KeyMappingSaved(m) => ChangeKey::KeyMapping(m.key_manager.clone(), m.client.clone()),
            Self::KeyMappingRemoved { key_manager, client } => {
                ChangeKey::KeyMapping(key_manager.clone(), client.clone())
            }
            Self::ApiKeySaved(key) => ChangeKey::ApiKey(key.id.clone()),
            Self::ApiKeyRemoved(id) => ChangeKey::ApiKey(id.clone()),
            Self::PolicySaved(policy) => ChangeKey::Policy(policy.kind as u8, policy.name.clone()),
            Self::PolicyRemoved { kind, name } => ChangeKey::Policy(*kind as u8, name.clone()),
            Self::DenySaved(deny) => ChangeKey::Deny(deny.id.clone()),
            Self::DenyRemoved(id) => ChangeKey::Deny(id.clone()),
            Self::LogSaved(setting) => ChangeKey::Log(setting.api.clone()),
            Self::LogRemoved(api) => ChangeKey::Log(api.clone()),
            Self::KeyManagerSaved(config) => ChangeKey::KeyManager(config.name.clone()),
            Self::KeyManagerRemoved(name) => ChangeKey::KeyManager(name.clone()),
            Self::Revoked(Revocation::Token { id, .. }) => ChangeKey::RevokedToken(id.clone()),
            Self::Revoked(Revocation::Client { client, .. }) => ChangeKey::RevokedClient(client.clone()),
            Self::Revoked(Revocation::User { user, .. }) => ChangeKey::RevokedUser(user.clone()),
        }
    }

    /// Where it stands among others in a snapshot: by the kind of thing it is about, then by its name. Two of one place
    /// have one [key](Self::key).
    pub(crate) fn place(&self) -> (u8, u8, &str, &str) {
        match self {
            Self::PolicySaved(policy) => (0, policy.kind as u8, &policy.name, ""),
            Self::PolicyRemoved { kind, name } => (0, *kind as u8, name, ""),
            Self::KeyManagerSaved(config) => (1, 0, &config.name, ""),
            Self::KeyManagerRemoved(name) => (1, 0, name, ""),
            Self::ApiDeployed(api) => (2, 0, &api.id, ""),
            Self::ApiUndeployed(id) => (2, 0, id, ""),
            Self::ApplicationSaved(application) => (3, 0, &application.id, ""),
            Self::ApplicationRemoved(id) => (3, 0, id, ""),
            Self::KeyMappingSaved(mapping) => (4, 0, &mapping.key_manager, &mapping.client),
            Self::KeyMappingRemoved { key_manager, client } => (4, 0, key_manager, client),
            Self::ApiKeySaved(key) => (5, 0, &key.id, ""),
            Self::ApiKeyRemoved(id) => (5, 0, id, ""),
            Self::SubscriptionSaved(subscription) => (6, 0, &subscription.id, ""),
            Self::SubscriptionRemoved(id) => (6, 0, id, ""),
            Self::DenySaved(deny) => (7, 0, &deny.id, ""),
            Self::DenyRemoved(id) => (7, 0, id, ""),
            Self::LogSaved(setting) => (8, 0, &setting.api, ""),
            Self::LogRemoved(id) => (8, 0, id, ""),
            Self::Revoked(Revocation::Token { id, .. }) => (9, 0, id, ""),
            Self::Revoked(Revocation::Client { client, .. }) => (10, 0, client, ""),
            Self::Revoked(Revocation::User { user, .. }) => (11, 0, user, ""),
        }
    }

    /// Whether it takes something away, so that a snapshot need not hold it.
    pub fn removes(&self) -> bool {
        matches!(
            self,
            Self::ApiUndeployed(_)
                | Self::ApplicationRemoved(_)
                | Self::SubscriptionRemoved(_)
                | Self::KeyMappingRemoved { .. }
                | Self::ApiKeyRemoved(_)
                | Self::PolicyRemoved { .. }
                | Self::DenyRemoved(_)
                | Self::LogRemoved(_)
                | Self::KeyManagerRemoved(_)
        )
    }
}

/// Why events cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// The cursor is older than what is kept: take a new snapshot.
    #[error("events after revision {} are no longer kept; a new snapshot is needed", .0.0)]
    TooOld(Revision),
    /// The reader was too slow, or a connection broke: subscribe again from the last revision seen.
    #[error("the stream of events broke")]
    Broken(#[source] BoxError),
}

/// Events in order of their numbers. It ends only with the bus, or after an error.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<Event, BusError>> + Send>>;

/// A stream that yields nothing and never ends.
pub fn never() -> EventStream {
    Box::pin(Never(PhantomData))
}

/// A stream that yields nothing and never ends, of whatever would be yielded.
pub(crate) struct Never<T>(pub(crate) PhantomData<fn() -> T>);

impl<T> Stream for Never<T> {
    type Item = T;
    fn poll_next(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<T>> {
        std::task::Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;

    fn change(kind: &str, value: Value) -> Change {
        serde_json::from_value(json!({"change": kind, "value": value})).unwrap()
    }

    /// Of each kind two, what takes one away, and others of the same names.
    fn changes() -> Vec<Change> {
        let both = ["a", "b"].into_iter().flat_map(|id| {
            let token = json!({"type": "token", "id": id, "expires_at": 1});
            let client = json!({"type": "client", "client": id, "before": 1});
            let user = json!({"type": "user", "user": id, "before": 1});
            let mapping =
                |km| json!({"application": "a", "key_manager": km, "client": id, "key_type": "SANDBOX"});
            [
                change("log_removed", json!(id)),
                change("api_deployed", json!({"id": id, "name": "n", "version": "1", "context": "/n"})),
                change("api_undeployed", json!(id)),
                change("application_saved", json!({"id": id, "name": "n", "owner": "o", "policy": "p"})),
                change("application_removed", json!(id)),
                change("subscription_saved", json!({"id": id, "application": "a", "api": "a", "plan": "p"})),
                change("subscription_removed", json!(id)),
                change("key_mapping_saved", mapping("a")),
                change("key_mapping_saved", mapping("b")),
                change("key_mapping_removed", json!({"key_manager": "b", "client": id})),
                change("api_key_saved", json!({"id": id, "hash": "", "application": "a"})),
                change("api_key_removed", json!(id)),
                change("policy_saved", json!({"kind": "advanced", "name": id})),
                change("policy_removed", json!({"kind": "subscription", "name": id})),
                change("deny_saved", json!({"id": id, "condition": {"type": "api", "context": "/n"}})),
                change("deny_removed", json!(id)),
                change("key_manager_saved", json!({"name": id, "issuer": "i", "jwks": {}})),
                change("key_manager_removed", json!(id)),
                change("revoked", token),
                change("revoked", client),
                change("revoked", user),
            ]
        });
        both.collect()
    }

    #[test]
    fn the_place_of_a_change_is_that_of_its_key() {
        let changes = changes();
        for one in &changes {
            for other in &changes {
                let by_key = one.key().cmp(&other.key());
                assert_eq!(one.place().cmp(&other.place()), by_key, "{one:?} and {other:?}");
            }
        }
    }
}
