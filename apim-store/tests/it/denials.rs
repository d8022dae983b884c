//! Deny policies.

use apim_core::event::Change;
use apim_core::model::DenyCondition;
use serde_json::{Value, json};

use crate::place::Place;

const PATH: &str = "/throttling/deny-policies";

fn deny(kind: &str, value: Value) -> Value {
    json!({ "conditionType": kind, "conditionValue": value, "conditionStatus": true })
}

async fn in_force(place: &Place) -> Vec<DenyCondition> {
    let changes = place.changes().await.into_iter();
    changes
        .filter_map(|it| if let Change::DenySaved(deny) = it { Some(deny.condition.clone()) } else { None })
        .collect()
}

#[tokio::test]
async fn an_address_is_denied_paused_and_let_in_again() {
    for place in Place::each_seeded().await {
        let admin = place.admin();
        let body = deny("IP", json!({ "fixedIp": "10.0.0.1", "invert": false }));
        let made = admin.post(PATH, body.clone()).await.is(201).json();
        assert_eq!(made["conditionValue"]["fixedIp"], "10.0.0.1");
        admin.post(PATH, body).await.refused(409, 900979);
        let mapped = deny("IP", json!({ "fixedIp": "::ffff:10.0.0.1" }));
        admin.post(PATH, mapped).await.refused(409, 900979);
        assert_eq!(in_force(&place).await.len(), 1);

        let one = format!("/throttling/deny-policy/{}", made["conditionId"].as_str().unwrap());
        let patch = |status: bool| json!({ "conditionStatus": status }).to_string().into_bytes();
        let paused = admin.call("PATCH", &one, "application/json", patch(false)).await.is(200).json();
        assert_eq!(paused["conditionStatus"], false);
        assert!(in_force(&place).await.is_empty());
        admin.call("PATCH", &one, "application/json", patch(true)).await.is(200);
        assert_eq!(in_force(&place).await.len(), 1);
        assert_eq!(admin.get(&one).await.is(200).json()["conditionStatus"], true);
        admin.delete(&one).await.is(200);
        assert!(in_force(&place).await.is_empty());
        admin.get(&one).await.refused(404, 900401);
    }
}

#[tokio::test]
async fn users_applications_and_ranges_are_denied() {
    for place in Place::each_seeded().await {
        let admin = place.admin();
        admin.post(PATH, deny("USER", json!("mallory@carbon.super"))).await.is(201);
        admin.post(PATH, deny("USER", json!("mallory"))).await.refused(409, 409);
        let range = json!({ "startingIp": "10.0.0.1", "endingIp": "10.0.0.9", "invert": true });
        admin.post(PATH, deny("IPRANGE", range)).await.is(201);
        admin.post(PATH, deny("APPLICATION", json!("dev:shop"))).await.refused(400, 900978);
        crate::applications::made(&place, "shop").await;
        admin.post(PATH, deny("APPLICATION", json!("dev:shop"))).await.is(201);
        admin.post(PATH, deny("API", json!("/nothing/1.0.0"))).await.refused(400, 900977);
        let mut known = in_force(&place).await;
        known.sort_by_key(|it| format!("{it:?}"));
        assert_eq!(known[0], DenyCondition::Application { owner: "dev".into(), name: "shop".to_owned() });
        assert!(matches!(&known[1], DenyCondition::Ip { invert: true, .. }));
        assert_eq!(known[2], DenyCondition::User { name: "mallory".into() });

        let count = async |query: &str| {
            admin.get(&format!("{PATH}?query={query}")).await.is(200).json()["count"].clone()
        };
        assert_eq!(count("conditionType:USER").await, 1);
        assert_eq!(count("conditionValue:allo").await, 1);
        assert_eq!(count("conditionValue:%22allo%22").await, 0);
        assert_eq!(count("conditionType:USER%26conditionValue:%22mallory%22").await, 1);
        assert_eq!(count("conditionType:API%26conditionValue:mallory").await, 0);
        admin.get(&format!("{PATH}?query=nonsense")).await.refused(400, 400);
    }
}

#[tokio::test]
async fn what_denies_nothing_is_refused() {
    let place = Place::each_seeded().await.remove(0);
    for body in [
        deny("IP", json!({ "fixedIp": "10.0.0" })),
        deny("IP", json!("10.0.0.1")),
        deny("IPRANGE", json!({ "startingIp": "10.0.0.9", "endingIp": "10.0.0.1" })),
        deny("IPRANGE", json!({ "startingIp": "10.0.0.9", "endingIp": "::1" })),
        deny("APPLICATION", json!("shop")),
        deny("USER", json!({ "name": "x" })),
        deny("USER", json!("")),
        deny("WEATHER", json!("rain")),
        json!({ "conditionType": "USER" }),
    ] {
        place.admin().post(PATH, body).await.refused(400, 400);
    }
    place.admin().by("dev:apim:subscribe").get(PATH).await.refused(401, 900910);
}

#[tokio::test]
async fn an_api_with_its_version_inside_its_context_is_denied() {
    for place in Place::each_seeded().await {
        crate::listings::made(&place, "Cats", json!({ "context": "/Zoo/{version}/cats" })).await;
        crate::listings::made(&place, "Dogs", json!({})).await;
        let admin = place.admin();
        admin.post(PATH, deny("API", json!("/Zoo/1.0.0/cats"))).await.is(201);
        admin.post(PATH, deny("API", json!("/dogs/1.0.0"))).await.is(201);
        admin.post(PATH, deny("API", json!("/Zoo/2.0.0/cats"))).await.refused(400, 900977);
    }
}
