//! What is no longer good, although it looks so.

use apim_core::model::{ClientId, Revocation, TokenId, UserName};
use apim_core::{Claims, Timestamp};

use super::Shards;

/// Revoked tokens, and clients and users whose tokens were revoked up to a moment.
#[derive(Debug, Clone, Default)]
pub struct Revocations {
    tokens: Shards<TokenId, Timestamp>,
    clients: Shards<ClientId, Timestamp>,
    users: Shards<UserName, Timestamp>,
}

impl Revocations {
    /// Whether a token must be refused although its signature holds.
    ///
    /// A token that does not say when it was issued counts as issued before any moment.
    pub fn cover(&self, claims: &Claims) -> bool {
        let issued = claims.issued_at.unwrap_or_default();
        claims.id.as_ref().is_some_and(|id| self.tokens.get(id).is_some())
            || self.clients.get(&claims.client).is_some_and(|before| issued < *before)
            || self.users.get(&claims.subject).is_some_and(|before| issued < *before)
    }

    pub(super) fn add(&mut self, revocation: Revocation) {
        match revocation {
            Revocation::Token { id, expires_at } => {
                self.tokens.insert(id, expires_at);
            }
            Revocation::Client { client, before } => {
                let latest = self.clients.get(&client).map_or(before, |other| before.max(*other));
                self.clients.insert(client, latest);
            }
            Revocation::User { user, before } => {
                let latest = self.users.get(&user).map_or(before, |other| before.max(*other));
                self.users.insert(user, latest);
            }
        }
    }

    /// Forgets tokens that have expired by now, which their expiry refuses.
    pub(super) fn forget_expired(&mut self, now: Timestamp) {
        let expired =
            self.tokens.iter().filter(|(_, at)| **at < now).map(|(id, _)| id.clone()).collect::<Vec<_>>();
        for id in expired {
            self.tokens.remove(&id);
        }
    }
}
