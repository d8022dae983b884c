//! The handler by itself: no gateway, no network, no waiting.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use apim_core::testing::{Chain, ManualClock, provide};
use apim_core::{Link, Parts, Timestamp};
use custom_handler::Sunset;
use http::{Request, Response};
use serde_json::json;

#[tokio::test]
async fn until_its_date_the_backend_is_asked_and_from_then_on_nobody_is() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_767_225_599)));
    let config = json!({"date": "Thu, 01 Jan 2026 00:00:00 GMT"});
    let link = provide::<Link, Sunset>(config, &Parts::new(clock.clone())).await.unwrap();
    let chain = Chain::new([link]).answering(|_| Response::new("hello".into()));

    let before = chain.call(Request::new("".into())).await;
    assert_eq!((before.text(), before.received.len()), ("hello", 1));
    assert_eq!(before.headers()["sunset"], "Thu, 01 Jan 2026 00:00:00 GMT");

    clock.advance(Duration::from_secs(1));
    let after = chain.call(Request::new("".into())).await;
    assert_eq!((after.status().as_u16(), after.received.len()), (410, 0));
    assert_eq!(after.fault().unwrap().operator_detail(), Some("its sunset date is over"));
}

#[tokio::test]
async fn a_key_that_does_not_exist_is_answered_with_the_one_that_was_meant() {
    let config = json!({"date": "Thu, 01 Jan 2026 00:00:00 GMT", "lnik": "https://example.com"});
    let refused = provide::<Link, Sunset>(config, &Parts::default()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "sunset: unknown field `lnik`, expected `date`, `link`; did you mean `link`?"
    );
}
