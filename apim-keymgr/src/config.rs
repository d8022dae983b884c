//! What can be set.

use std::time::Duration;

use apim_core::model::{Role, Tenant};

use crate::attempts::Limits;
use crate::password::Cost;

/// How an authorization server behaves. [`Default`] is what WSO2's does, where that is safe.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whose clients and users it serves.
    pub tenant: Tenant,
    /// How long access tokens are good, unless their client says otherwise. Default: one hour.
    pub access_token: Duration,
    /// The longest that a client may ask for. Retired keys stay published that long. Default: 30 days.
    pub longest_access_token: Duration,
    /// How long refresh tokens are good. Default: one day.
    pub refresh_token: Duration,
    /// How long authorization codes are good. Default: 5 minutes.
    pub code: Duration,
    /// How far clocks may differ when tokens are verified. Default: 5 seconds.
    pub leeway: Duration,
    /// How long a new signing key is published before it signs, so that gateways know it by then. Default:
    /// 5 seconds.
    pub key_lead: Duration,
    /// How old a signing key becomes before the next one is made. Default: 90 days.
    pub key_age: Duration,
    /// What hashing a password costs.
    pub password_cost: Cost,
    /// How many passwords are hashed at a time; each takes memory and a core. Default: 2.
    pub password_hashers: usize,
    /// How many wrong passwords are too many.
    pub attempts: Limits,
    /// Who may introspect foreign tokens and register clients for others. Default: `admin`.
    pub admin_role: Role,
    /// Scopes beginning so are granted only if they are registered and the roles allow them. Default:
    /// `apim:` and `service_catalog:`, which open the platform's own REST APIs.
    pub reserved_scopes: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tenant: Tenant::default(),
            access_token: Duration::from_secs(3600),
            longest_access_token: Duration::from_secs(30 * 24 * 3600),
            refresh_token: Duration::from_secs(24 * 3600),
            code: Duration::from_secs(300),
            leeway: Duration::from_secs(5),
            key_lead: Duration::from_secs(5),
            key_age: Duration::from_secs(90 * 24 * 3600),
            password_cost: Cost::default(),
            password_hashers: 2,
            attempts: Limits::default(),
            admin_role: Role::from("admin"),
            reserved_scopes: vec!["apim:".to_owned(), "service_catalog:".to_owned()],
        }
    }
}
