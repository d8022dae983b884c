//! Who calls: applications, their subscriptions, keys, and what has been denied or revoked.

use std::net::IpAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ApiId, ApplicationId, ClientId, DenyId, KeyId, KeyManagerName, PolicyName, SubscriptionId, Tenant,
    TokenId, UserName,
};
use crate::clock::Timestamp;

/// An application of a developer: what subscribes, and what its keys stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Identifies it.
    pub id: ApplicationId,
    /// The tenant of its owner.
    #[serde(default)]
    pub tenant: Tenant,
    /// Unique for its owner.
    pub name: String,
    /// The developer; WSO2 calls it the subscriber.
    pub owner: UserName,
    /// The application policy that limits each of its users.
    pub policy: PolicyName,
}

/// An application's leave to call an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// Identifies it.
    pub id: SubscriptionId,
    /// Who may call.
    pub application: ApplicationId,
    /// What may be called.
    pub api: ApiId,
    /// The business plan that was chosen.
    pub plan: PolicyName,
    /// Whether it is in force.
    #[serde(default)]
    pub state: SubscriptionState,
}

/// Whether a subscription is in force (spec: gateway-security, "Subscription validation").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubscriptionState {
    /// In force.
    #[default]
    Unblocked,
    /// Refused for every key: 401 / 900907.
    Blocked,
    /// Refused for production keys: 401 / 900907.
    ProdOnlyBlocked,
    /// Waits for approval: 401 / 900909.
    OnHold,
    /// Was not approved: 401 / 900909.
    Rejected,
}

/// Which endpoint a key's calls go to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyType {
    /// The real one.
    #[default]
    Production,
    /// The one to try things on.
    Sandbox,
}

impl KeyType {
    /// As on the wire: `PRODUCTION` or `SANDBOX`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "PRODUCTION",
            Self::Sandbox => "SANDBOX",
        }
    }
}

/// Says which application an OAuth client of a key manager speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyMapping {
    /// The application.
    pub application: ApplicationId,
    /// The key manager that issues the client's tokens.
    pub key_manager: KeyManagerName,
    /// The OAuth client; WSO2's consumer key.
    pub client: ClientId,
    /// Which endpoint its tokens lead to.
    pub key_type: KeyType,
}

/// An opaque API key, known by its hash only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Identifies the key without being it.
    pub id: KeyId,
    /// SHA-256 of the key, 64 lower-case hexadecimal digits.
    pub hash: String,
    /// The application it speaks for.
    pub application: ApplicationId,
    /// The one API it opens; none: every API the application has subscribed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiId>,
    /// Which endpoint its calls go to.
    #[serde(default)]
    pub key_type: KeyType,
    /// When it stops being good; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Addresses and networks (CIDR) it may be used from. Empty: any.
    #[serde(default)]
    pub permitted_ips: Vec<String>,
    /// Patterns of `Referer`, `*` matching any run without spaces. Empty: any.
    #[serde(default)]
    pub permitted_referers: Vec<String>,
}

/// Refuses calls by who or what they are (spec: throttling, section 8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenyPolicy {
    /// Identifies it.
    pub id: DenyId,
    /// The tenant whose traffic it concerns.
    #[serde(default)]
    pub tenant: Tenant,
    /// What is refused.
    pub condition: DenyCondition,
}

/// What a deny policy matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum DenyCondition {
    /// All calls of one API version, by its versioned context.
    Api {
        /// As `/petstore/1.0.0`.
        context: String,
    },
    /// All calls of one application.
    Application {
        /// Its owner.
        owner: UserName,
        /// Its name.
        name: String,
    },
    /// All calls on behalf of one user.
    User {
        /// The user.
        name: UserName,
    },
    /// All calls from the addresses `first` to `last`, both included; or, inverted, from all others.
    Ip {
        /// The lowest address.
        first: IpAddr,
        /// The highest address, of the same family.
        last: IpAddr,
        /// Whether to refuse the others instead.
        #[serde(default)]
        invert: bool,
    },
}

/// A key manager whose tokens a gateway accepts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyManagerConfig {
    /// Its name, as key mappings use it.
    pub name: KeyManagerName,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// Its public keys: a JSON Web Key Set (RFC 7517 section 5).
    pub jwks: serde_json::Value,
    /// The claim that names the OAuth client. Default `azp`.
    #[serde(default = "KeyManagerConfig::usual_client_claim")]
    pub client_claim: String,
    /// The claim that lists the scopes, as text or as a list. Default `scope`.
    #[serde(default = "KeyManagerConfig::usual_scopes_claim")]
    pub scopes_claim: String,
}

impl KeyManagerConfig {
    /// The claim that names the OAuth client, where nothing else is said.
    pub fn usual_client_claim() -> String {
        "azp".to_owned()
    }

    /// The claim that lists scopes, where nothing else is said.
    pub fn usual_scopes_claim() -> String {
        "scope".to_owned()
    }
}

/// Credentials that are no longer good, although they look so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Revocation {
    /// One token.
    Token {
        /// Its `jti`.
        id: TokenId,
        /// When it would have expired; the revocation can be forgotten then.
        expires_at: Timestamp,
    },
    /// All tokens of an OAuth client that were issued before a moment.
    Client {
        /// The client.
        client: ClientId,
        /// Tokens issued earlier are refused.
        before: Timestamp,
    },
    /// All tokens of a user that were issued before a moment: password changed, account locked or deleted.
    User {
        /// The user.
        user: UserName,
        /// Tokens issued earlier are refused.
        before: Timestamp,
    },
}

impl Revocation {
    /// No token, and no grant that tokens come of, may be good for longer: after this time nothing is left
    /// that a revocation of all of a client's or user's tokens could refuse.
    pub const LONGEST_GRANT: Duration = Duration::from_secs(31 * 24 * 3600);

    /// When it stops mattering by itself.
    pub fn moot_at(&self) -> Timestamp {
        match self {
            Self::Token { expires_at, .. } => *expires_at,
            Self::Client { before, .. } | Self::User { before, .. } => before.plus(Self::LONGEST_GRANT),
        }
    }
}
