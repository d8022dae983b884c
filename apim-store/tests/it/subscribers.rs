//! Subscriptions, as an API's publisher sees them and as its life changes them.

use apim_core::event::Change;
use apim_core::model::{Subscription, SubscriptionState};
use serde_json::{Value, json};

use crate::applications::made_id;
use crate::listings::{act, published};
use crate::place::Place;

async fn known(place: &Place) -> Vec<Subscription> {
    let changes = place.changes().await.into_iter();
    changes
        .filter_map(|it| if let Change::SubscriptionSaved(it) = it { Some((*it).clone()) } else { None })
        .collect()
}

async fn subscribed(place: &Place, api: &str) -> String {
    let shop = made_id(place, "shop").await;
    let body = json!({"applicationId": shop, "apiId": api, "throttlingPolicy": "Gold"});
    let made = place.devportal().post("/subscriptions", body).await.is(201).json();
    made["subscriptionId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_publisher_sees_blocks_and_unblocks_who_has_subscribed() {
    for place in Place::each_seeded().await {
        let cats = published(&place, "Cats", json!({})).await;
        let id = subscribed(&place, &cats).await;
        let publisher = place.publisher();
        let list = publisher.get(&format!("/subscriptions?apiId={cats}")).await.is(200).json();
        assert_eq!(
            (&list["count"], &list["list"][0]["subscriptionStatus"]),
            (&json!(1), &json!("UNBLOCKED"))
        );
        assert_eq!(list["list"][0]["applicationInfo"]["name"], "shop");
        publisher.get("/subscriptions").await.is(400);

        let block = format!("/subscriptions/block-subscription?subscriptionId={id}&blockState=");
        publisher.post(&format!("{block}NONSENSE"), Value::Null).await.is(400);
        publisher.post(&format!("{block}PROD_ONLY_BLOCKED"), Value::Null).await.is(200);
        assert_eq!(known(&place).await[0].state, SubscriptionState::ProdOnlyBlocked);
        let unblock = format!("/subscriptions/unblock-subscription?subscriptionId={id}");
        publisher.post(&unblock, Value::Null).await.is(200);
        assert_eq!(known(&place).await[0].state, SubscriptionState::Unblocked);
        publisher.post(&format!("{}x", unblock), Value::Null).await.refused(404, 900310);
        let plan = format!("/subscriptions/change-business-plan?subscriptionId={id}&businessPlan=Platinum");
        publisher.post(&plan, Value::Null).await.refused(400, 900305);
    }
}

#[tokio::test]
async fn an_api_with_subscribers_is_retired_before_it_is_deleted() {
    for place in Place::each_seeded().await {
        let cats = published(&place, "Cats", json!({})).await;
        subscribed(&place, &cats).await;
        let publisher = place.publisher();
        publisher.delete(&format!("/apis/{cats}")).await.refused(409, 409);
        act(&place, &cats, "Deprecate").await;
        assert_eq!(known(&place).await.len(), 1);
        act(&place, &cats, "Retire").await;
        assert!(known(&place).await.is_empty());
        publisher.delete(&format!("/apis/{cats}")).await.is(200);
    }
}

#[tokio::test]
async fn a_new_version_takes_the_subscribers_of_the_last_one_along_unless_told_not_to() {
    for place in Place::each_seeded().await {
        let cats = published(&place, "Cats", json!({})).await;
        subscribed(&place, &cats).await;
        let publisher = place.publisher();
        let copy = |version: &str| format!("/apis/copy-api?apiId={cats}&newVersion={version}");
        let second = publisher.post(&copy("2.0.0"), Value::Null).await.is(201).json();
        assert_eq!(known(&place).await.len(), 1);
        act(&place, second["id"].as_str().unwrap(), "Publish").await;
        assert_eq!(known(&place).await.len(), 2);

        let third = publisher.post(&copy("3.0.0"), Value::Null).await.is(201).json();
        let checklist = "Deprecate%20old%20versions%20after%20publishing%20the%20API:true,\
            Requires%20re-subscription%20when%20publishing%20the%20API:true";
        let path = format!(
            "/apis/change-lifecycle?apiId={}&action=Publish&lifecycleChecklist={checklist}",
            third["id"].as_str().unwrap()
        );
        publisher.post(&path, Value::Null).await.is(200);
        assert_eq!(known(&place).await.len(), 2);
        let old = publisher.get(&format!("/apis/{cats}/lifecycle-state")).await.is(200).json();
        assert_eq!(old["state"], "Deprecated");
    }
}
