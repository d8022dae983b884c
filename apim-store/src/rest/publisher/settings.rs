//! What a portal has to know before it asks for anything else.

use serde_json::json;

use crate::db::Read;
use crate::error::Result;
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::contract::Noun;
use crate::rest::operation::read;
use crate::rest::scope::*;
use crate::service::environment::Environment;

pub(super) fn noun() -> Noun {
    Noun {
        operations: vec![read("GET /settings", &[API_VIEW, PUBLISHER_SETTINGS], settings)],
        description: include_str!("settings.yaml"),
    }
}

async fn settings(_: &mut Read, call: Call) -> Result<Answer> {
    let environment = Environment::usual(&call.house().urls);
    Ok(Answer::ok(json!({
        "devportalUrl": "/devportal",
        "environment": [environment.document()],
        "gatewayTypes": ["Regular"],
        "monetizationAttributes": [],
        "externalStoresEnabled": false,
        "docVisibilityEnabled": false,
        "crossTenantSubscriptionEnabled": false,
        "defaultAdvancePolicy": "Unlimited",
        "defaultSubscriptionPolicy": "Unlimited",
        "authorizationHeader": "Authorization",
    })))
}
