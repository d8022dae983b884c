//! Subscriptions of applications to APIs.

use apim_core::event::Change;
use apim_core::model::{Subscription, SubscriptionState};
use serde_json::{Value, json};

use crate::applications::made_id;
use crate::listings::{act, made, published};
use crate::place::Place;

const OTHER: &str = "ann:apim:subscribe,apim:sub_manage";

fn wanted(application: &str, api: &str, plan: &str) -> Value {
    json!({ "applicationId": application, "apiId": api, "throttlingPolicy": plan })
}

async fn known(place: &Place) -> Vec<Subscription> {
    let changes = place.changes().await.into_iter();
    changes
        .filter_map(|it| if let Change::SubscriptionSaved(it) = it { Some((*it).clone()) } else { None })
        .collect()
}

#[tokio::test]
async fn an_application_subscribes_changes_its_plan_and_leaves() {
    for place in Place::each_seeded().await {
        let (shop, cats) = (made_id(&place, "shop").await, published(&place, "Cats", json!({})).await);
        let portal = place.devportal();
        let made = portal.post("/subscriptions", wanted(&shop, &cats, "Gold")).await.is(201).json();
        assert_eq!((&made["status"], &made["throttlingPolicy"]), (&json!("UNBLOCKED"), &json!("Gold")));
        assert_eq!(
            (&made["apiInfo"]["name"], &made["applicationInfo"]["name"]),
            (&json!("Cats"), &json!("shop"))
        );
        let subscription = known(&place).await.remove(0);
        assert_eq!((subscription.plan.as_str(), subscription.api.as_str()), ("Gold", cats.as_str()));
        assert_eq!(subscription.state, SubscriptionState::Unblocked);

        let path = format!("/subscriptions/{}", made["subscriptionId"].as_str().unwrap());
        assert_eq!(portal.get(&path).await.is(200).json(), made);
        let mut change = wanted(&shop, &cats, "Gold");
        change["status"] = json!("UNBLOCKED");
        change["requestedThrottlingPolicy"] = json!("Unlimited");
        let changed = portal.put(&path, change.clone()).await.is(200).json();
        assert_eq!(changed["throttlingPolicy"], "Unlimited");
        assert_eq!(known(&place).await[0].plan.as_str(), "Unlimited");
        change["requestedThrottlingPolicy"] = json!("Bronze");
        portal.put(&path, change.clone()).await.refused(403, 900900);
        for status in ["BLOCKED", "ON_HOLD", "REJECTED"] {
            change["status"] = json!(status);
            portal.put(&path, change.clone()).await.refused(400, 400);
        }
        assert_eq!(portal.get(&format!("/applications/{shop}")).await.json()["subscriptionCount"], 1);

        portal.delete(&path).await.is(200);
        portal.get(&path).await.refused(404, 900310);
        portal.delete(&path).await.refused(404, 900310);
        assert!(known(&place).await.is_empty());
    }
}

#[tokio::test]
async fn one_subscribes_once_to_a_plan_that_is_offered() {
    for place in Place::each_seeded().await {
        let (shop, cats) = (made_id(&place, "shop").await, published(&place, "Cats", json!({})).await);
        let portal = place.devportal();
        portal.post("/subscriptions", wanted(&shop, &cats, "Bronze")).await.refused(403, 900900);
        portal.post("/subscriptions", wanted(&shop, &cats, "Nothing")).await.refused(403, 900900);
        portal.post("/subscriptions", wanted(&shop, &cats, "Gold")).await.is(201);
        portal.post("/subscriptions", wanted(&shop, &cats, "Gold")).await.refused(409, 900336);
        portal.post("/subscriptions", wanted("none", &cats, "Gold")).await.refused(404, 900307);
        portal.post("/subscriptions", wanted(&shop, "none", "Gold")).await.refused(404, 900308);
        portal.post("/subscriptions", json!({ "apiId": cats })).await.refused(400, 400);
        portal.by("dev:apim:store_settings").get("/subscriptions").await.refused(401, 900910);
    }
}

#[tokio::test]
async fn only_what_is_out_takes_subscriptions() {
    for place in Place::each_seeded().await {
        let shop = made_id(&place, "shop").await;
        let portal = place.devportal();
        let draft = made(&place, "Drafts", json!({})).await;
        portal.post("/subscriptions", wanted(&shop, &draft, "Gold")).await.refused(403, 900340);
        act(&place, &draft, "Deploy as a Prototype").await;
        portal.post("/subscriptions", wanted(&shop, &draft, "Gold")).await.is(201);
        let old = published(&place, "Old", json!({})).await;
        act(&place, &old, "Deprecate").await;
        portal.post("/subscriptions", wanted(&shop, &old, "Gold")).await.refused(403, 900900);
    }
}

#[tokio::test]
async fn subscriptions_are_listed_by_application_and_by_api() {
    for place in Place::each_seeded().await {
        let (shop, till) = (made_id(&place, "shop").await, made_id(&place, "till").await);
        let cats = published(&place, "Cats", json!({})).await;
        let dogs = published(&place, "Dogs", json!({})).await;
        let portal = place.devportal();
        let several = json!([wanted(&shop, &cats, "Gold"), wanted(&shop, &dogs, "Gold")]);
        assert_eq!(portal.post("/subscriptions/multiple", several).await.is(200).json()[1]["apiId"], *dogs);
        portal.post("/subscriptions", wanted(&till, &cats, "Unlimited")).await.is(201);
        let count = async |query: &str| {
            portal.get(&format!("/subscriptions?{query}")).await.is(200).json()["count"].clone()
        };
        assert_eq!(count(&format!("apiId={cats}")).await, 2);
        assert_eq!(count(&format!("applicationId={shop}")).await, 2);
        assert_eq!(count(&format!("applicationId={till}&apiId={dogs}")).await, 0);
        portal.get("/subscriptions").await.refused(400, 400);
        let other = place.devportal().by(OTHER).get(&format!("/subscriptions?apiId={cats}")).await.is(200);
        assert_eq!(other.json()["count"], 0, "others' subscriptions are theirs");

        // Of several, all or none: the second is there already.
        let several = json!([wanted(&till, &dogs, "Gold"), wanted(&till, &cats, "Gold")]);
        portal.post("/subscriptions/multiple", several).await.refused(409, 900336);
        assert_eq!(count(&format!("applicationId={till}")).await, 1);
    }
}

#[tokio::test]
async fn to_others_a_subscription_does_not_exist() {
    let place = Place::each_seeded().await.remove(0);
    let (shop, cats) = (made_id(&place, "shop").await, published(&place, "Cats", json!({})).await);
    let made = place.devportal().post("/subscriptions", wanted(&shop, &cats, "Gold")).await.is(201).json();
    let path = format!("/subscriptions/{}", made["subscriptionId"].as_str().unwrap());
    let other = place.devportal().by(OTHER);
    other.get(&path).await.refused(404, 900310);
    other.put(&path, wanted(&shop, &cats, "Unlimited")).await.refused(404, 900310);
    other.delete(&path).await.refused(404, 900310);
    other.post("/subscriptions", wanted(&shop, &cats, "Gold")).await.refused(404, 900307);
}

#[tokio::test]
async fn a_plan_may_be_for_some_roles_only() {
    let place = Place::each_seeded().await.remove(0);
    let limit = json!({ "timeUnit": "min", "unitTime": 1, "requestCount": 9 });
    let body = json!({
        "policyName": "Vip", "defaultLimit": { "type": "REQUESTCOUNTLIMIT", "requestCount": limit },
        "permissions": { "permissionType": "ALLOW", "roles": ["Internal/devops"] },
    });
    place.admin().post("/throttling/policies/subscription", body).await.is(201);
    let shop = made_id(&place, "shop").await;
    let cats = published(&place, "Cats", json!({ "policies": ["Vip"] })).await;
    place.devportal().post("/subscriptions", wanted(&shop, &cats, "Vip")).await.refused(403, 900900);
    let roles = json!({ "roles": ["Internal/subscriber", "Internal/devops"] });
    place.admin().put("/users/dev/roles", roles).await.is(200);
    place.devportal().post("/subscriptions", wanted(&shop, &cats, "Vip")).await.is(201);
}

#[tokio::test]
async fn an_application_names_the_scopes_of_what_it_subscribed_to() {
    let place = Place::each_seeded().await.remove(0);
    let scope = json!({ "name": "cats.feed", "displayName": "Feed", "description": "", "bindings": [] });
    let operations = json!([{ "target": "/cats", "verb": "POST", "scopes": ["cats.feed"] }]);
    let more = json!({ "scopes": [{ "scope": scope, "shared": false }], "operations": operations });
    let (shop, cats) = (made_id(&place, "shop").await, published(&place, "Cats", more).await);
    place.devportal().post("/subscriptions", wanted(&shop, &cats, "Gold")).await.is(201);
    let application = place.devportal().get(&format!("/applications/{shop}")).await.is(200).json();
    assert_eq!(application["subscriptionScopes"][0]["key"], "cats.feed");
    assert_eq!(application["subscriptionScopes"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_plan_that_changes_while_a_publisher_blocks_loses_neither() {
    for place in Place::each_seeded().await {
        let (shop, cats) = (made_id(&place, "shop").await, published(&place, "Cats", json!({})).await);
        let (portal, publisher) = (place.devportal(), place.publisher());
        let made = portal.post("/subscriptions", wanted(&shop, &cats, "Gold")).await.is(201).json();
        let id = made["subscriptionId"].as_str().unwrap();
        let path = format!("/subscriptions/{id}");
        for plan in ["Unlimited", "Gold", "Unlimited", "Gold", "Unlimited", "Gold"] {
            let mut change = wanted(&shop, &cats, "Gold");
            change["requestedThrottlingPolicy"] = json!(plan);
            let block = format!("/subscriptions/block-subscription?subscriptionId={id}&blockState=BLOCKED");
            let (changed, blocked) =
                tokio::join!(portal.put(&path, change), publisher.post(&block, Value::Null));
            changed.is(200);
            blocked.is(200);
            let now = portal.get(&path).await.is(200).json();
            assert_eq!((&now["throttlingPolicy"], &now["status"]), (&json!(plan), &json!("BLOCKED")));
            let free = format!("/subscriptions/unblock-subscription?subscriptionId={id}");
            publisher.post(&free, Value::Null).await.is(200);
        }
    }
}
