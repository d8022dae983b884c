//! What the platform manages, in the field's words: APIs and their operations, applications,
//! subscriptions, policies, keys.
//!
//! These are the *deployed* forms: typed, complete and small, because every gateway holds all of them in
//! memory. The control plane keeps the publishers' documents, which are larger and freer, and builds these
//! from them in one place, at deployment.

mod api;
mod application;
mod backend;
mod endpoint;
mod id;
mod log;
mod policy;
mod resilience;

pub use api::{
    Api, ApiKind, AuthType, ClientCertificates, Cors, Example, Function, LifecycleState, Operation,
    PinnedCertificate, Schemes, Transports,
};
pub use application::{
    ApiKey, Application, DenyCondition, DenyPolicy, KeyManagerConfig, KeyMapping, KeyType, Revocation,
    Subscription, SubscriptionState,
};
pub use backend::{BackendSecret, BackendTls, Dynamic, EndpointSecurity, KeyPlace, Lambda, TokenGrant};
pub use endpoint::{Balance, Endpoint, Endpoints, Member};
pub use id::{
    ApiId, ApplicationId, Audience, ClientId, DenyId, KeyId, KeyManagerName, PolicyName, Role, Scope,
    SubscriptionId, Tenant, TokenId, UserName,
};
pub use log::{InvalidLogLevel, LogLevel, LogSetting, OperationLog};
pub use policy::{Policy, PolicyKind, Quota};
pub use resilience::{Breaker, Ejection, HealthCheck, Retry, Suspension};
