//! Versions of one name: what one takes over from another, and when.

use serde_json::{Value, json};

use crate::place::Place;
use crate::publish::{act, deployed, id, made, pets, served};

#[tokio::test]
async fn a_default_version_that_is_published_before_it_is_deployed_leaves_the_old_one_in_place() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let mut document = pets();
        document["isDefaultVersion"] = true.into();
        let first = made(&publisher, document).await;
        deployed(&publisher, id(&first)).await;
        act(&publisher, id(&first), "Publish").await;
        let copy = format!("/apis/copy-api?apiId={}&newVersion=2.0.0&defaultVersion=true", id(&first));
        let second = publisher.post(&copy, Value::Null).await.is(201).json();
        act(&publisher, id(&second), "Publish").await;
        let defaults = async || {
            let served = served(&place).await;
            served.into_iter().map(|api| (api.version, api.default_version)).collect::<Vec<_>>()
        };
        assert_eq!(defaults().await, [("1.0.0".to_owned(), true)]);
        deployed(&publisher, id(&second)).await;
        assert_eq!(defaults().await, [("1.0.0".to_owned(), false), ("2.0.0".to_owned(), true)]);
    }
}

#[tokio::test]
async fn subscriptions_are_carried_over_a_version_that_never_came_out() {
    for place in Place::each_seeded().await {
        let (publisher, portal) = (place.publisher(), place.devportal());
        let first = made(&publisher, pets()).await;
        act(&publisher, id(&first), "Publish").await;
        let shop = crate::applications::made_id(&place, "shop").await;
        let wanted = json!({"applicationId": shop, "apiId": id(&first), "throttlingPolicy": "Unlimited"});
        portal.post("/subscriptions", wanted).await.is(201);
        let copy = |version: &str| format!("/apis/copy-api?apiId={}&newVersion={version}", id(&first));
        publisher.post(&copy("2.0.0"), Value::Null).await.is(201);
        let third = publisher.post(&copy("3.0.0"), Value::Null).await.is(201).json();
        act(&publisher, id(&third), "Publish").await;
        let path = format!("/subscriptions?apiId={}", id(&third));
        assert_eq!(portal.get(&path).await.is(200).json()["count"], 1);
    }
}
