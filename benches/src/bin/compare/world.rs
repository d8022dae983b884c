//! What the gateway serves in a comparison.

use std::net::SocketAddr;
use std::sync::Arc;

use apim_core::model::{Api, Application, KeyManagerConfig, KeyMapping, Policy, Subscription};
use apim_core::{Change, Revision, Snapshot};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// OAuth clients that call.
pub(crate) const CLIENTS: usize = 100;

/// Each application's subscriptions, where there are many.
const EACH: usize = 5;

/// The name of a client.
pub(crate) fn client(number: usize) -> String {
    format!("client-{number}")
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct World {
    /// Whether calls need a token, a scope and a subscription, and are under three limits.
    #[arg(long)]
    pub(crate) secured: bool,
    /// How many APIs.
    #[arg(long, default_value_t = 1)]
    pub(crate) apis: usize,
    /// How many applications, each of which has subscribed to five APIs.
    #[arg(long, default_value_t = CLIENTS)]
    pub(crate) applications: usize,
}

fn read<T: DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).unwrap())
}

/// One API. All lead to the same backend, below a base path of its own, so that paths are rewritten.
pub(crate) fn api(world: World, number: usize, revision: u32, backend: SocketAddr) -> Arc<Api> {
    let auth = if world.secured { "any" } else { "none" };
    let scopes = if world.secured { json!(["pets:read"]) } else { json!([]) };
    let operation =
        |method: &str| json!({"method": method, "path": "/items/{id}", "auth": auth, "scopes": scopes});
    let mut api = json!({
        "id": number.to_string(), "name": format!("api-{number}"), "version": "1.0.0",
        "context": format!("/api-{number}"), "revision": revision, "subscriptions": world.secured,
        "operations": [operation("GET"), operation("POST")],
        "endpoints": {"production": {"url": format!("http://{backend}/v2")}},
    });
    if world.secured {
        api["policy"] = "Plenty".into();
    }
    read(api)
}

/// All of it.
pub(crate) fn snapshot(world: World, backend: SocketAddr, jwks: Option<Value>) -> Snapshot {
    let policy = |kind: &str, name: &str| {
        let quota = json!({"requests": 1_000_000_000, "window_ms": 60_000});
        Change::PolicySaved(read::<Policy>(json!({"kind": kind, "name": name, "quota": quota})))
    };
    // The tier of calls without a credential, which WSO2 ships with 500 per minute.
    let mut changes = vec![policy("subscription", "Unauthenticated")];
    changes.extend((0..world.apis).map(|number| Change::ApiDeployed(api(world, number, 1, backend))));
    if let Some(jwks) = jwks {
        let issuer = benches::issuer::ISSUER;
        let manager = json!({"name": "Resident Key Manager", "issuer": issuer, "jwks": jwks});
        changes.push(Change::KeyManagerSaved(read::<KeyManagerConfig>(manager)));
    }
    if world.secured {
        changes.extend(["advanced", "subscription", "application"].map(|kind| policy(kind, "Plenty")));
        changes.extend((0..world.applications).flat_map(|number| application(world, number)));
    }
    Snapshot::new(Revision(1), changes)
}

/// An application with its client and its subscriptions, the first of which is the API that is called.
fn application(world: World, number: usize) -> Vec<Change> {
    let id = format!("app-{number}");
    let mut changes = vec![
        Change::ApplicationSaved(read::<Application>(
            json!({"id": id, "name": format!("shop {number}"), "owner": "ann", "policy": "Plenty"}),
        )),
        Change::KeyMappingSaved(read::<KeyMapping>(json!({
            "application": id, "key_manager": "Resident Key Manager", "client": client(number),
            "key_type": "PRODUCTION",
        }))),
    ];
    for turn in 0..EACH.min(world.apis) {
        let api = if turn == 0 { 0 } else { (number * EACH + turn) % world.apis };
        changes.push(Change::SubscriptionSaved(read::<Subscription>(json!({
            "id": format!("{number}-{turn}"), "application": id, "api": api.to_string(), "plan": "Plenty",
        }))));
    }
    changes
}
