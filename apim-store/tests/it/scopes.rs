//! Scopes stay registered for as long as anything that gateways serve asks for them.

use apim_core::model::Tenant;
use apim_core::store::UserStore as _;
use serde_json::{Value, json};

use crate::place::Place;
use crate::publish::{act, deployed, id, made, pets};

fn guarded() -> Value {
    let mut document = pets();
    document["scopes"] = json!([{"scope": {"name": "vet", "bindings": ["admin"]}}]);
    document["operations"] = json!([{"target": "/x", "verb": "GET", "scopes": ["vet"]}]);
    document
}

/// Whether a key manager finds out who may have it.
async fn registered(place: &Place, scope: &str) -> bool {
    let bindings = place.store.scope_bindings(&Tenant::default(), &[scope.into()]).await.unwrap();
    !bindings.is_empty()
}

#[tokio::test]
async fn a_scope_that_a_deployed_revision_asks_for_survives_its_removal_from_the_draft() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let api = made(&publisher, guarded()).await;
        let path = format!("/apis/{}", id(&api));
        let revision = deployed(&publisher, id(&api)).await;
        let mut draft = api.clone();
        (draft["scopes"], draft["operations"]) = (json!([]), json!([{"target": "/x", "verb": "GET"}]));
        publisher.put(&path, draft).await.is(200);
        assert!(registered(&place, "vet").await, "gateways still ask for it");

        let targets = json!([{"name": "Default", "vhost": "localhost"}]);
        publisher
            .post(&format!("{path}/undeploy-revision?revisionId={revision}"), targets.clone())
            .await
            .is(201);
        assert!(!registered(&place, "vet").await, "nothing names it any longer");
        publisher.post(&format!("{path}/deploy-revision?revisionId={revision}"), targets).await.is(201);
        assert!(registered(&place, "vet").await, "what is deployed again brings it back");
    }
}

#[tokio::test]
async fn another_version_inherits_a_scope_that_only_its_deployed_revision_asks_for() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let first = made(&publisher, guarded()).await;
        let copy = format!("/apis/copy-api?apiId={}&newVersion=2.0.0", id(&first));
        let second = publisher.post(&copy, Value::Null).await.is(201).json();
        deployed(&publisher, id(&second)).await;
        let mut draft = second.clone();
        (draft["scopes"], draft["operations"]) = (json!([]), json!([{"target": "/x", "verb": "GET"}]));
        publisher.put(&format!("/apis/{}", id(&second)), draft).await.is(200);
        publisher.delete(&format!("/apis/{}", id(&first))).await.is(200);
        assert!(registered(&place, "vet").await);
        act(&publisher, id(&second), "Publish").await;
        act(&publisher, id(&second), "Demote to Created").await;
        assert!(!registered(&place, "vet").await);
    }
}

#[tokio::test]
async fn an_operation_may_not_name_the_local_scope_of_another_api() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        made(&publisher, guarded()).await;
        let mut other = guarded();
        (other["name"], other["context"], other["scopes"]) = ("Other".into(), "/other".into(), json!([]));
        let reply = publisher.post("/apis", other).await.is(400).json();
        assert!(reply["description"].as_str().unwrap().contains("/operations/0/scopes"), "{reply}");
    }
}

#[tokio::test]
async fn a_shared_scope_that_a_deployed_revision_asks_for_cannot_go() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let shared = json!({"name": "vet", "bindings": ["admin"]});
        let scope = publisher.post("/scopes", shared).await.is(201).json();
        let api = made(&publisher, guarded()).await;
        deployed(&publisher, id(&api)).await;
        let mut draft = api.clone();
        (draft["scopes"], draft["operations"]) = (json!([]), json!([{"target": "/x", "verb": "GET"}]));
        publisher.put(&format!("/apis/{}", id(&api)), draft).await.is(200);
        publisher.delete(&format!("/scopes/{}", id(&scope))).await.refused(409, 900985);
    }
}
