//! Applications: who has which, and what gateways learn of it.

use apim_core::event::Change;
use serde_json::{Value, json};

use crate::place::{Place, Reply};

const OTHER: &str = "ann:apim:subscribe,apim:app_manage";

pub async fn made(place: &Place, name: &str) -> Value {
    let body = json!({ "name": name, "throttlingPolicy": "10PerMin", "description": "d", "tokenType": "" });
    place.devportal().post("/applications", body).await.is(201).json()
}

pub async fn made_id(place: &Place, name: &str) -> String {
    made(place, name).await["applicationId"].as_str().unwrap().to_owned()
}

fn names(reply: &Reply) -> Vec<String> {
    let list = reply.json()["list"].as_array().unwrap().clone();
    list.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_application_is_made_read_changed_and_deleted() {
    for place in Place::each_seeded().await {
        let portal = place.devportal();
        let body = json!({
            "name": "shop", "throttlingPolicy": "10PerMin", "tokenType": "OAUTH",
            "attributes": { "team": "red" }, "groups": ["g"], "owner": "somebody", "status": "REJECTED",
        });
        let reply = portal.post("/applications", body).await.is(201);
        let made = reply.json();
        let path = format!("/applications/{}", made["applicationId"].as_str().unwrap());
        assert_eq!(reply.header("location"), format!("/api/am/devportal/v3{path}"));
        assert_eq!(made["owner"], "dev", "the server owns this");
        assert_eq!(made["status"], "APPROVED");
        assert_eq!(made["tokenType"], "JWT");
        assert_eq!(made["attributes"]["team"], "red");
        assert_eq!(made["groups"], json!([]), "sharing is off");
        assert_eq!(made["subscriptionScopes"], json!([]));

        let read = portal.get(&path).await.is(200);
        assert_eq!(read.json(), made);
        let tag = read.header("etag").to_owned();
        portal.clone().with("if-none-match", &tag).get(&path).await.is(304);
        let changed = json!({ "name": "store", "throttlingPolicy": "Unlimited" });
        let reply = portal.clone().with("if-match", &tag).put(&path, changed.clone()).await.is(200);
        assert_eq!(reply.json()["name"], "store");
        portal.clone().with("if-match", &tag).put(&path, changed).await.refused(412, 412);

        portal.delete(&path).await.is(200);
        portal.get(&path).await.refused(404, 900307);
        portal.delete(&path).await.refused(404, 900307);
    }
}

#[tokio::test]
async fn names_are_unique_for_each_owner() {
    for place in Place::each_seeded().await {
        made(&place, "shop").await;
        let body = json!({ "name": "shop", "throttlingPolicy": "10PerMin" });
        place.devportal().post("/applications", body.clone()).await.refused(409, 409);
        place.devportal().by(OTHER).post("/applications", body.clone()).await.is(201);
        let second = made_id(&place, "second").await;
        place.devportal().put(&format!("/applications/{second}"), body).await.refused(409, 409);
    }
}

#[tokio::test]
async fn bad_names_and_policies_are_refused() {
    let place = Place::each_seeded().await.remove(0);
    let portal = place.devportal();
    for name in ["", " shop", "shop ", "a/b", "<script>", "a\nb", &"x".repeat(101)] {
        let body = json!({ "name": name, "throttlingPolicy": "10PerMin" });
        portal.post("/applications", body).await.refused(400, 400);
    }
    let unknown = json!({ "name": "shop", "throttlingPolicy": "None" });
    portal.post("/applications", unknown).await.refused(400, 900305);
    let plan = json!({ "name": "shop", "throttlingPolicy": "Gold" });
    portal.post("/applications", plan).await.refused(400, 900305);
    let attributes = json!({ "name": "shop", "throttlingPolicy": "10PerMin", "attributes": [] });
    portal.post("/applications", attributes).await.refused(400, 400);
    let no_policy = json!({ "name": "shop" });
    portal.post("/applications", no_policy).await.refused(400, 400);
    portal.by("dev:apim:store_settings").get("/applications").await.refused(401, 900910);
}

#[tokio::test]
async fn the_query_is_an_exact_name_and_lists_are_ordered() {
    for place in Place::each_seeded().await {
        for name in ["beta", "alpha", "default-apictl-app", "default-apictl-app-2"] {
            made(&place, name).await;
        }
        let portal = place.devportal();
        let found = portal.get("/applications?query=default-apictl-app").await.is(200);
        assert_eq!(names(&found), ["default-apictl-app"]);
        assert_eq!(portal.get("/applications?query=default").await.json()["count"], 0);
        let found = portal.get("/applications?limit=2&sortBy=name&sortOrder=desc").await.is(200);
        assert_eq!(names(&found), ["default-apictl-app-2", "default-apictl-app"]);
        assert_eq!(found.json()["pagination"]["total"], 4);
        let other = portal.by(OTHER).get("/applications").await.is(200);
        assert_eq!(other.json()["count"], 0);
    }
}

#[tokio::test]
async fn to_others_an_application_does_not_exist() {
    let place = Place::each_seeded().await.remove(0);
    let path = format!("/applications/{}", made_id(&place, "shop").await);
    let other = place.devportal().by(OTHER);
    let body = json!({ "name": "mine", "throttlingPolicy": "Unlimited" });
    other.get(&path).await.refused(404, 900307);
    other.put(&path, body).await.refused(404, 900307);
    other.delete(&path).await.refused(404, 900307);
    for rest in ["keys", "oauth-keys", "api-keys/PRODUCTION", "keys/PRODUCTION"] {
        other.get(&format!("{path}/{rest}")).await.refused(404, 900307);
    }
    let keys = json!({ "keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"] });
    other.post(&format!("{path}/generate-keys"), keys).await.refused(404, 900307);
    other.post(&format!("{path}/api-keys/PRODUCTION/generate"), json!({})).await.refused(404, 900307);
    assert!(place.keys.ids().is_empty());
}

#[tokio::test]
async fn gateways_learn_of_applications_and_of_their_end() {
    for place in Place::each_seeded().await {
        let id = made_id(&place, "shop").await;
        let path = format!("/applications/{id}");
        let keys = json!({ "keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"] });
        place.devportal().post(&format!("{path}/generate-keys"), keys).await.is(200);
        place.devportal().post(&format!("{path}/api-keys/SANDBOX/generate"), json!({})).await.is(200);
        let known = place.changes().await;
        let application = known.iter().find_map(|change| match change {
            Change::ApplicationSaved(it) => Some(it.clone()),
            _ => None,
        });
        let application = application.unwrap();
        assert_eq!((application.owner.as_str(), application.policy.as_str()), ("dev", "10PerMin"));
        assert!(known.iter().any(|change| matches!(change, Change::KeyMappingSaved(_))));
        assert!(known.iter().any(|change| matches!(change, Change::ApiKeySaved(_))));

        place.devportal().delete(&path).await.is(200);
        let left = place.changes().await;
        assert!(left.iter().all(|change| matches!(change, Change::PolicySaved(_))), "{left:?}");
        assert!(place.keys.ids().is_empty(), "the OAuth client is gone, too");
    }
}

#[tokio::test]
async fn administrators_list_move_and_delete_anybodys_applications() {
    for place in Place::each_seeded().await {
        let id = made_id(&place, "shop").await;
        made(&place, "other").await;
        let keys = json!({ "keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"] });
        let portal = place.devportal();
        portal.post(&format!("/applications/{id}/generate-keys"), keys).await.is(200);
        portal.post(&format!("/applications/{id}/api-keys/SANDBOX/generate"), json!({})).await.is(200);
        let admin = place.admin();
        let found = admin.get("/applications?user=dev&name=shop").await.is(200);
        assert_eq!(found.json()["list"][0]["applicationId"], id);
        assert_eq!(found.json()["count"], 1);
        assert_eq!(admin.get("/applications?user=ann").await.json()["count"], 0);

        let change = |owner: &str| format!("/applications/{id}/change-owner?owner={owner}");
        admin.post(&change("nobody"), json!(null)).await.refused(400, 400);
        admin.post(&format!("/applications/{id}/change-owner"), json!(null)).await.refused(400, 400);
        admin.post(&change("ann"), json!(null)).await.is(200);
        place.devportal().get(&format!("/applications/{id}")).await.refused(404, 900307);
        let new_owner = place.devportal().by(OTHER);
        new_owner.get(&format!("/applications/{id}")).await.is(200);
        let keys = new_owner.get(&format!("/applications/{id}/api-keys/SANDBOX")).await.is(200).json();
        assert_eq!(keys["count"], 1, "the new owner sees the keys, and can revoke them");
        assert_eq!(place.keys.spec("client-1").unwrap().owner.as_str(), "ann");
        made(&place, "shop").await;
        admin.post(&change("dev"), json!(null)).await.refused(409, 409);

        admin.clone().by("dev:apim:subscribe").get("/applications").await.refused(401, 900910);
        admin.delete(&format!("/applications/{id}")).await.is(200);
        admin.delete(&format!("/applications/{id}")).await.refused(404, 900307);
    }
}

/// An application with keys of both types; answers its id and those of its clients.
async fn with_two_keys(place: &Place) -> (String, [String; 2]) {
    let id = made_id(place, "shop").await;
    let mut clients = Vec::new();
    for key_type in ["PRODUCTION", "SANDBOX"] {
        let keys = json!({ "keyType": key_type, "grantTypesToBeSupported": ["client_credentials"] });
        let made = place.devportal().post(&format!("/applications/{id}/generate-keys"), keys).await.is(200);
        clients.push(made.json()["consumerKey"].as_str().unwrap().to_owned());
    }
    (id, clients.try_into().unwrap())
}

#[tokio::test]
async fn an_application_stays_with_its_owner_when_one_of_its_clients_cannot_change_hands() {
    for place in Place::each_seeded().await {
        let (id, [first, second]) = with_two_keys(&place).await;
        let before = place.changes().await.len();
        for stuck in [&first, &second] {
            *place.keys.stuck.lock().unwrap() = Some(stuck.clone());
            let change = format!("/applications/{id}/change-owner?owner=ann");
            place.admin().post(&change, json!(null)).await.refused(500, 900967);
            place.devportal().get(&format!("/applications/{id}")).await.is(200);
            place.devportal().by(OTHER).get(&format!("/applications/{id}")).await.refused(404, 900307);
            assert_eq!((place.keys.owner(&first), place.keys.owner(&second)), ("dev".into(), "dev".into()));
        }
        assert_eq!(place.changes().await.len(), before, "no gateway heard of it");
        *place.keys.stuck.lock().unwrap() = None;
        place.admin().post(&format!("/applications/{id}/change-owner?owner=ann"), json!(null)).await.is(200);
        assert_eq!((place.keys.owner(&first), place.keys.owner(&second)), ("ann".into(), "ann".into()));
    }
}

#[tokio::test]
async fn a_client_that_was_left_with_somebody_else_comes_back_before_it_speaks() {
    for place in Place::each_seeded().await {
        let (id, [client, _]) = with_two_keys(&place).await;
        let path = format!("/applications/{id}/keys/PRODUCTION");
        for (operation, body) in [("regenerate-secret", json!(null)), ("generate-token", json!({}))] {
            place.keys.give(&client, "admin");
            place.devportal().post(&format!("{path}/{operation}"), body).await.is(200);
            assert_eq!(place.keys.owner(&client), "dev", "{operation}");
        }
    }
}
