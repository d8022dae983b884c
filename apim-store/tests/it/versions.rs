//! Versions of one name: what one takes over from another, and when.

use serde_json::Value;

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
