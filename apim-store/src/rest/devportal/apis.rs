//! APIs as developers see them.

use serde_json::{Value, json};

use crate::service::listing::Listed;

/// An API in a list.
pub(super) fn info(it: &Listed) -> Value {
    json!({
        "id": it.id,
        "name": it.name,
        "description": it.doc["description"].as_str().unwrap_or_default(),
        "context": it.context,
        "version": it.version,
        "type": it.doc["type"].as_str().unwrap_or("HTTP"),
        "provider": it.provider,
        "lifeCycleStatus": it.state,
        "thumbnailUri": "",
        "avgRating": "0.0",
        "throttlingPolicies": it.plans().collect::<Vec<_>>(),
        "businessInformation": object(&it.doc["businessInformation"]),
        "advertiseInfo": { "advertised": false },
        "isSubscriptionAvailable": true,
        "monetizationLabel": "",
    })
}

fn object(value: &Value) -> Value {
    if value.is_object() { value.clone() } else { json!({}) }
}
