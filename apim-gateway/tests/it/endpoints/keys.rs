//! The caller's key decides between production and sandbox.

use std::sync::Arc;

use apim_core::event::{Change, Revision};
use apim_core::{Clock, Snapshot, SystemClock};
use apim_gateway::Gateway;
use serde_json::{Value, json};

use super::{Named, Whole};
use crate::gateway::world::{ISSUER, change, jwks, pets, sign, signer, world};

/// What a production and a sandbox key get from an API with these endpoints.
async fn both(endpoints: Value, path: &str) -> [(u16, String); 2] {
    let signer = signer();
    let mut changes = world(jwks(&signer, "key-1"));
    changes.push(change(
        "KeyMappingSaved",
        json!({"application": "app-1", "key_manager": "km", "client": "client-2", "key_type": "SANDBOX"}),
    ));
    changes.push(Change::ApiDeployed(Arc::new(pets(json!({"endpoints": endpoints})))));
    let gateway = Gateway::builder().build().await.unwrap();
    let report = gateway.load(Snapshot::new(Revision(1), changes)).await;
    assert!(report.refused.is_empty(), "{:?}", report.refused);
    let whole = Whole { gateway };
    let now = SystemClock.now().as_secs();
    let mut replies = Vec::new();
    for client in ["client-1", "client-2"] {
        let claims = json!({"iss": ISSUER, "sub": "ann", "azp": client, "jti": client, "exp": now + 600, "iat": now - 1});
        let token = sign(&signer, json!({"alg": "ES256", "kid": "key-1", "typ": "at+jwt"}), claims);
        let reply = whole.get(path, &[("authorization", &format!("Bearer {token}"))]).await;
        replies.push((reply.status, reply.text));
    }
    replies.try_into().unwrap()
}

const PETS: &str = "/petstore/1.0.0/pets";

#[tokio::test]
async fn each_key_leads_to_its_own_endpoint() {
    let (live, trial) = (Named::new("live").await, Named::new("trial").await);
    let endpoints = json!({"production": {"url": live.url()}, "sandbox": {"url": trial.url()}});
    assert_eq!(both(endpoints, PETS).await, [(200, "live".to_owned()), (200, "trial".to_owned())]);
}

#[tokio::test]
async fn a_key_without_an_endpoint_is_refused_with_the_reason() {
    let a = Named::new("a").await;
    let [production, sandbox] = both(json!({"production": {"url": a.url()}}), PETS).await;
    assert_eq!(production, (200, "a".to_owned()));
    assert_eq!(sandbox.0, 403);
    assert!(sandbox.1.contains("900901") && sandbox.1.contains("no sandbox endpoint"), "{}", sandbox.1);
    let [production, sandbox] = both(json!({"sandbox": {"url": a.url()}}), PETS).await;
    assert_eq!((production.0, sandbox), (403, (200, "a".to_owned())));
    assert!(
        production.1.contains("900901") && production.1.contains("no production endpoint"),
        "{}",
        production.1
    );
    assert_eq!(a.asked(), 2);
}

#[tokio::test]
async fn what_needs_no_key_takes_the_endpoint_that_is_there() {
    let a = Named::new("a").await;
    let [open, _] = both(json!({"sandbox": {"url": a.url()}}), "/petstore/1.0.0/open").await;
    assert_eq!(open, (200, "a".to_owned()));
}
