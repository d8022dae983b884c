//! Rate-limit policies and business plans.

use apim_core::event::Change;
use apim_core::model::{Policy, PolicyKind, Quota};
use serde_json::{Value, json};

use crate::place::Place;

async fn known(place: &Place, kind: PolicyKind, name: &str) -> Option<Policy> {
    place.changes().await.into_iter().find_map(|change| match change {
        Change::PolicySaved(it) if it.kind == kind && it.name.as_str() == name => Some((*it).clone()),
        _ => None,
    })
}

fn plan(name: &str, count: i64) -> Value {
    json!({
        "policyName": name,
        "defaultLimit": {
            "type": "REQUESTCOUNTLIMIT",
            "requestCount": { "timeUnit": "min", "unitTime": 1, "requestCount": count },
        },
    })
}

#[tokio::test]
async fn a_fresh_installation_has_the_usual_policies_and_keeps_what_is_done_to_them() {
    for place in Place::each_seeded().await {
        let portal = place.devportal().by("");
        let plans = portal.get("/throttling-policies/subscription").await.is(200).json();
        let names: Vec<_> = plans["list"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
        for name in ["Bronze", "Silver", "Gold", "Unlimited", "DefaultSubscriptionless"] {
            assert!(names.contains(&json!(name)), "{names:?}");
        }
        let gold = portal.get("/throttling-policies/subscription/Gold").await.is(200).json();
        assert_eq!((&gold["requestCount"], &gold["unitTime"]), (&json!(5000), &json!(1)));
        let applications = portal.get("/throttling-policies/application").await.is(200).json();
        assert_eq!(applications["list"][0]["name"], "10PerMin");
        portal.get("/throttling-policies/advanced").await.refused(400, 400);
        portal.get("/throttling-policies/subscription/Diamond").await.refused(404, 900961);
        let gold = known(&place, PolicyKind::Subscription, "Gold").await.unwrap();
        assert_eq!(gold.quota, Some(Quota::per_minute(5000)));
        let unlimited = known(&place, PolicyKind::Application, "Unlimited").await.unwrap();
        assert_eq!(unlimited.quota, None);

        let bronze =
            place.admin().get("/throttling/policies/search?query=name:Bronze%20type:sub").await.json();
        let id = bronze["list"][0]["uuid"].as_str().unwrap();
        place.admin().delete(&format!("/throttling/policies/subscription/{id}")).await.is(200);
        apim_store::service::seed::seed(&place.store, "admin", "other").await.unwrap();
        assert!(known(&place, PolicyKind::Subscription, "Bronze").await.is_none());
    }
}

#[tokio::test]
async fn a_plan_is_made_read_changed_and_deleted() {
    for place in Place::each_seeded().await {
        let admin = place.admin();
        let mut body = plan("Diamond", 7);
        body["rateLimitCount"] = json!(3);
        body["rateLimitTimeUnit"] = json!("sec");
        body["stopOnQuotaReach"] = json!(false);
        let made = admin.post("/throttling/policies/subscription", body.clone()).await.is(201).json();
        let keys: Vec<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys[..2], ["policyId", "policyName"], "a client names files after the second member");
        let deployed = known(&place, PolicyKind::Subscription, "Diamond").await.unwrap();
        assert_eq!(deployed.burst, Some(Quota { requests: 3, window_ms: 1000 }));
        assert!(!deployed.stop_on_quota_reach);
        admin.post("/throttling/policies/subscription", body.clone()).await.refused(409, 409);

        let path = format!("/throttling/policies/subscription/{}", made["policyId"].as_str().unwrap());
        assert_eq!(admin.get(&path).await.is(200).json(), made);
        admin.put(&path, plan("Diamond", 8)).await.is(200);
        let deployed = known(&place, PolicyKind::Subscription, "Diamond").await.unwrap();
        assert_eq!(deployed.quota, Some(Quota::per_minute(8)));
        admin.put(&path, plan("Ruby", 8)).await.refused(400, 400);
        let elsewhere = path.replace("subscription", "application");
        admin.get(&elsewhere).await.refused(404, 900961);
        admin.delete(&path).await.is(200);
        admin.get(&path).await.refused(404, 900961);
        assert!(known(&place, PolicyKind::Subscription, "Diamond").await.is_none());
    }
}

#[tokio::test]
async fn a_limit_that_cannot_be_kept_is_refused() {
    let place = Place::each_seeded().await.remove(0);
    let admin = place.admin();
    let path = "/throttling/policies/advanced";
    for (count, units, unit) in [
        (-1, 1, "min"),
        (1, 0, "min"),
        (1, -1, "min"),
        (1, 1, "fortnight"),
        (1, i64::MAX, "year"),
        (i64::MAX, 1, "min"),
    ] {
        let mut body = plan("Odd", count);
        body["defaultLimit"]["requestCount"]["unitTime"] = json!(units);
        body["defaultLimit"]["requestCount"]["timeUnit"] = json!(unit);
        admin.post(path, body).await.refused(400, 400);
    }
    let mut bandwidth = plan("Odd", 1);
    bandwidth["defaultLimit"]["type"] = json!("BANDWIDTHLIMIT");
    admin.post(path, bandwidth).await.refused(501, 501);
    let mut conditional = plan("Odd", 1);
    conditional["conditionalGroups"] = json!([{ "conditions": [] }]);
    admin.post(path, conditional).await.refused(501, 501);
    admin.post(path, json!({ "policyName": "Odd" })).await.refused(400, 400);
    admin.post("/throttling/policies/custom", json!({})).await.refused(501, 501);
    assert_eq!(admin.get("/throttling/policies/custom").await.is(200).json()["count"], 0);
}

#[tokio::test]
async fn a_policy_in_use_stays() {
    let place = Place::each_seeded().await.remove(0);
    crate::applications::made(&place, "shop").await;
    let found = place.admin().get("/throttling/policies/search?query=type:app%20name:10PerMin").await.json();
    let id = found["list"][0]["uuid"].as_str().unwrap();
    place.admin().delete(&format!("/throttling/policies/application/{id}")).await.refused(403, 900900);
}

#[tokio::test]
async fn developers_do_not_write_policies() {
    let place = Place::each_seeded().await.remove(0);
    let developer = place.admin().by(crate::place::DEVELOPER);
    developer.post("/throttling/policies/subscription", plan("Free", 9)).await.refused(401, 900910);
    developer.get("/throttling/policies/search").await.refused(401, 900910);
}

#[tokio::test]
async fn a_policy_is_searched_and_exported_by_name() {
    let place = Place::each_seeded().await.remove(0);
    let admin = place.admin();
    let all = admin.get("/throttling/policies/search").await.is(200).json();
    assert_eq!(all["count"], 14);
    let found = admin.get("/throttling/policies/search?query=name:Unlimited%20type:api").await.is(200).json();
    assert_eq!((&found["count"], &found["list"][0]["type"]), (&json!(1), &json!("AdvancedThrottlePolicy")));
    let file = admin.get("/throttling/policies/export?name=Gold&type=sub").await.is(200).json();
    assert_eq!(file["type"], "throttling policy");
    assert_eq!(file["subtype"], "subscription policy");
    assert_eq!(file["data"].as_object().unwrap().keys().nth(1).unwrap(), "policyName");
    admin.get("/throttling/policies/export?name=Nothing&type=sub").await.refused(404, 900961);
}

#[tokio::test]
async fn an_exported_policy_can_be_imported_elsewhere() {
    for place in Place::each_seeded().await {
        let admin = place.admin();
        let mut file = admin.get("/throttling/policies/export?name=Gold&type=sub").await.is(200).json();
        let import = async |file: &str, query: &str| {
            admin.form("POST", &format!("/throttling/policies/import{query}"), &[("file@", file)]).await
        };
        import(&file.to_string(), "").await.refused(409, 409);
        file["data"]["defaultLimit"]["requestCount"]["requestCount"] = json!(9);
        import(&file.to_string(), "?overwrite=true").await.is(200);
        let gold = known(&place, PolicyKind::Subscription, "Gold").await.unwrap();
        assert_eq!(gold.quota, Some(Quota::per_minute(9)));
        let yaml = "type: throttling policy\nsubtype: application policy\nversion: v4.7.0\ndata:\n  \
            policyName: 5PerDay\n  defaultLimit:\n    type: REQUESTCOUNTLIMIT\n    \
            requestCount: {timeUnit: days, unitTime: 1, requestCount: 5}\n";
        import(yaml, "?overwrite=false").await.is(201);
        assert!(known(&place, PolicyKind::Application, "5PerDay").await.is_some());
        for bad in [
            "",
            "a: &a [*a]",
            "type: other",
            &yaml.replace("application", "custom"),
            &yaml.replace("days", "eons").replace("5PerDay", "Odd"),
        ] {
            import(bad, "").await.refused(400, 400);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_change_the_same_version_one_does() {
    for place in Place::each_seeded().await {
        let made = place.admin().post("/throttling/policies/subscription", plan("Race", 7)).await.is(201);
        let (tag, made) = (made.header("etag").to_owned(), made.json());
        let path = format!("/throttling/policies/subscription/{}", made["policyId"].as_str().unwrap());
        let changes = (0..8).map(|n| {
            let door = place.admin().with("if-match", tag.clone());
            let path = path.clone();
            async move { door.put(&path, plan("Race", 10 + n)).await.status.as_u16() }
        });
        let mut answers = futures_util::future::join_all(changes).await;
        answers.sort_unstable();
        assert_eq!(answers, [200, 412, 412, 412, 412, 412, 412, 412]);
    }
}
