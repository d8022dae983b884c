//! What gateways write of calls is set while everything runs, and every gateway learns of it.

use apim_core::event::Change;
use apim_core::model::{LogLevel, LogSetting, OperationLog};
use serde_json::{Value, json};

use crate::listings::made;
use crate::place::{Door, Place};

const ALL: &str = "/tenant-logs/carbon.super/apis";

fn devops(place: &Place) -> Door<'_> {
    place.admin().at("/api/am/devops/v0")
}

/// What a gateway that starts now is told.
async fn in_force(place: &Place) -> Vec<LogSetting> {
    let changes = place.changes().await.into_iter();
    changes.filter_map(|it| if let Change::LogSaved(it) = it { Some((*it).clone()) } else { None }).collect()
}

fn level(level: &str) -> Value {
    json!({ "logLevel": level })
}

#[tokio::test]
async fn an_apis_level_is_set_shown_and_told_to_gateways() {
    for place in Place::each_seeded().await {
        let cats = made(&place, "Cats", json!({ "context": "/zoo/{version}/cats" })).await;
        let dogs = made(&place, "Dogs", json!({})).await;
        let entry = |id: &str, context: &str, level: &str| json!({ "apiId": id, "context": context, "logLevel": level });
        let listed = devops(&place).get(ALL).await.is(200).json();
        assert_eq!(
            listed,
            json!({ "apis": [entry(&dogs, "/dogs/1.0.0", "OFF"), entry(&cats, "/zoo/1.0.0/cats", "OFF")] })
        );

        let one = format!("{ALL}/{cats}");
        let set = devops(&place).put(&one, level("standard")).await.is(200).json();
        let expected = json!({ "apis": [entry(&cats, "/zoo/1.0.0/cats", "STANDARD")] });
        assert_eq!(set, expected);
        assert_eq!(devops(&place).get(&one).await.is(200).json(), expected);
        let chosen = devops(&place).get(&format!("{ALL}?log-level=STANDARD")).await.is(200).json();
        assert_eq!(chosen, expected);
        let setting =
            LogSetting { api: cats.as_str().into(), level: LogLevel::Standard, operations: Vec::new() };
        assert_eq!(in_force(&place).await, [setting]);

        devops(&place).put(&one, level("OFF")).await.is(200);
        assert_eq!(in_force(&place).await, []);
        assert_eq!(devops(&place).get(ALL).await.is(200).json(), listed);
    }
}

#[tokio::test]
async fn an_operation_has_a_level_of_its_own() {
    for place in Place::each_seeded().await {
        let operations =
            json!([{ "verb": "GET", "target": "/menu" }, { "verb": "GET", "target": "/order/{id}" }]);
        let id = made(&place, "Pizza", json!({ "operations": operations })).await;
        let one = format!("{ALL}/{id}");
        let of = |method: &str, path: &str, level: &str| json!({ "logLevel": level, "resourceMethod": method, "resourcePath": path });
        devops(&place).put(&one, of("GET", "/order/{id}", "FULL")).await.is(200);
        devops(&place).put(&one, level("BASIC")).await.is(200);
        let shown = devops(&place).put(&one, of("GET", "/menu", "OFF")).await.is(200).json();
        let levels: Vec<_> = shown["apis"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (&it["resourcePath"], &it["logLevel"]))
            .collect();
        assert_eq!(
            levels,
            [
                (&Value::Null, &json!("BASIC")),
                (&json!("/menu"), &json!("OFF")),
                (&json!("/order/{id}"), &json!("FULL")),
            ]
        );
        let log = |path: &str, level| OperationLog { method: "GET".to_owned(), path: path.to_owned(), level };
        let operations = vec![log("/menu", LogLevel::Off), log("/order/{id}", LogLevel::Full)];
        let setting = LogSetting { api: id.as_str().into(), level: LogLevel::Basic, operations };
        assert_eq!(in_force(&place).await, [setting]);

        // When none says anything any more, all are forgotten.
        devops(&place).put(&one, of("GET", "/order/{id}", "OFF")).await.is(200);
        devops(&place).put(&one, level("OFF")).await.is(200);
        let shown = devops(&place).get(&one).await.is(200).json();
        assert_eq!(shown["apis"].as_array().unwrap().len(), 1);
        assert_eq!(in_force(&place).await, []);

        devops(&place).put(&one, of("POST", "/menu", "FULL")).await.refused(404, 901_403);
        devops(&place)
            .put(&one, json!({ "logLevel": "FULL", "resourcePath": "/menu" }))
            .await
            .refused(400, 901_402);
    }
}

#[tokio::test]
async fn a_level_goes_with_its_api() {
    for place in Place::each_seeded().await {
        let id = made(&place, "Cats", json!({})).await;
        devops(&place).put(&format!("{ALL}/{id}"), level("FULL")).await.is(200);
        assert_eq!(in_force(&place).await.len(), 1);
        place.publisher().delete(&format!("/apis/{id}")).await.is(200);
        assert_eq!(in_force(&place).await, []);
        devops(&place).get(&format!("{ALL}/{id}")).await.refused(404, 901_400);
    }
}

#[tokio::test]
async fn what_is_no_level_and_who_is_no_administrator_is_refused() {
    let place = Place::each_seeded().await.remove(0);
    let id = made(&place, "Cats", json!({})).await;
    let one = format!("{ALL}/{id}");
    devops(&place).put(&one, level("LOUD")).await.refused(400, 901_401);
    devops(&place).put(&one, json!({})).await.refused(400, 901_402);
    devops(&place).get(&format!("{ALL}?log-level=LOUD")).await.refused(400, 901_401);
    devops(&place).put(&format!("{ALL}/nothing"), level("FULL")).await.refused(404, 901_400);
    devops(&place).get("/tenant-logs/acme.com/apis").await.is(404);
    place.publisher().at("/api/am/devops/v0").put(&one, level("FULL")).await.is(401);
    assert_eq!(in_force(&place).await, []);
}
