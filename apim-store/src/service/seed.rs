//! What exists without being made: an administrator, the usual roles, the usual policies.
//!
//! Everything else a fresh installation needs is in the program: the tenant `carbon.super`, the scopes of
//! the REST contracts with their roles ([`roles`](super::roles)), the environment `Default`.

use apim_core::model::{PolicyKind, Role, Tenant, UserName};
use apim_core::store::User;
use serde_json::{Value, json};

use super::policy::{self, UNLIMITED};
use super::roles::DEFAULT;
use crate::db::{Write, policies, roles, users};
use crate::error::Result;
use crate::principal::Principal;
use crate::store::Store;

/// Kind, name, and requests per minute, as the product ships them (spec: lifecycle-and-artifacts,
/// section 11).
const POLICIES: &[(PolicyKind, &str, i64)] = &[
    (PolicyKind::Subscription, "Bronze", 1000),
    (PolicyKind::Subscription, "Silver", 2000),
    (PolicyKind::Subscription, "Gold", 5000),
    (PolicyKind::Subscription, "Unlimited", UNLIMITED),
    (PolicyKind::Subscription, "DefaultSubscriptionless", 10_000),
    (PolicyKind::Subscription, "AsyncUnlimited", UNLIMITED),
    (PolicyKind::Application, "10PerMin", 10),
    (PolicyKind::Application, "20PerMin", 20),
    (PolicyKind::Application, "50PerMin", 50),
    (PolicyKind::Application, "Unlimited", UNLIMITED),
    (PolicyKind::Advanced, "10KPerMin", 10_000),
    (PolicyKind::Advanced, "20KPerMin", 20_000),
    (PolicyKind::Advanced, "50KPerMin", 50_000),
    (PolicyKind::Advanced, "Unlimited", UNLIMITED),
];

/// Makes what a fresh installation needs, and nothing of it twice: an administrator's password, roles and
/// policies stay as they were changed since. `admin_password_hash` is in PHC form.
///
/// # Errors
///
/// When the database cannot be written.
pub async fn seed(store: &Store, admin_name: &str, admin_password_hash: &str) -> Result<()> {
    let mut cx = store.platform(&Tenant::default()).write().await?;
    for role in std::iter::once(Principal::ADMIN).chain(DEFAULT.iter().copied()) {
        roles::insert(&mut cx, &Role::from(role)).await?;
    }
    let admin = User {
        tenant: Tenant::default(),
        name: UserName::from(admin_name),
        password: admin_password_hash.to_owned(),
        roles: vec![Role::from(Principal::ADMIN)],
        locked: false,
        created_at: cx.now(),
    };
    users::insert(&mut cx, &admin).await?;
    seed_policies(&mut cx).await?;
    cx.commit().await?;
    Ok(())
}

/// All or none: a policy that an administrator has deleted does not come back at the next start.
async fn seed_policies(cx: &mut Write) -> Result<()> {
    for kind in [PolicyKind::Subscription, PolicyKind::Application, PolicyKind::Advanced] {
        if !policies::of_kind(cx, kind).await?.is_empty() {
            return Ok(());
        }
    }
    for (kind, name, count) in POLICIES {
        policy::create(cx, *kind, &document(*kind, name, *count)).await?;
    }
    Ok(())
}

fn document(kind: PolicyKind, name: &str, count: i64) -> Value {
    let description = match count {
        UNLIMITED => "Allows unlimited requests".to_owned(),
        count => format!("Allows {count} requests per minute"),
    };
    let request_count = json!({ "timeUnit": "min", "unitTime": 1, "requestCount": count });
    let mut document = json!({
        "policyName": name,
        "displayName": name,
        "description": description,
        "defaultLimit": { "type": "REQUESTCOUNTLIMIT", "requestCount": request_count },
    });
    if kind == PolicyKind::Subscription {
        document["rateLimitCount"] = json!(0);
        document["stopOnQuotaReach"] = json!(true);
        document["billingPlan"] = json!("FREE");
    }
    document
}
