//! Who has subscribed to an API, as its publisher sees and blocks them.

use apim_core::model::{PolicyName, SubscriptionState};
use serde_json::{Value, json};

use crate::db::{Read, Write, applications};
use crate::error::{Finding, Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::contract::Noun;
use crate::rest::operation::{read, write};
use crate::rest::page::Found;
use crate::rest::scope::*;
use crate::service::api;
use crate::service::subscription::{self, Subscription, state_text};

pub(super) fn noun() -> Noun {
    Noun {
        operations: vec![
            read("GET /subscriptions", &[API_VIEW, SUBSCRIPTION_VIEW, SUBSCRIPTION_MANAGE], list),
            write(
                "POST /subscriptions/block-subscription",
                &[SUBSCRIPTION_BLOCK, SUBSCRIPTION_MANAGE],
                block,
            ),
            write(
                "POST /subscriptions/unblock-subscription",
                &[SUBSCRIPTION_BLOCK, SUBSCRIPTION_MANAGE],
                unblock,
            ),
            write("POST /subscriptions/change-business-plan", &[SUBSCRIPTION_MANAGE], change_plan),
        ],
        description: include_str!("subscriptions.yaml"),
    }
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    match call.query("apiId") {
        Some(id) => drop(api::to_view(cx, id).await?),
        // Without an API named, subscriptions to restricted ones would be among them.
        None if cx.who().is_admin() => {}
        None => return Err(code::BAD_REQUEST.found(vec![Finding::new("apiId", "name an API")]).into()),
    }
    let search = subscription::search(None, call.query("apiId"));
    let found = subscription::find(cx, &search, call.page()?).await?;
    let mut list = Vec::with_capacity(found.list.len());
    for it in &found.list {
        list.push(document(cx, it).await?);
    }
    Ok(Answer::page(Found { list, total: found.total, page: found.page }, Value::clone))
}

async fn block(cx: &mut Write, call: Call) -> Result<Answer> {
    let state = match call.required("blockState")? {
        "BLOCKED" => SubscriptionState::Blocked,
        "PROD_ONLY_BLOCKED" => SubscriptionState::ProdOnlyBlocked,
        other => {
            let rule = format!("{other} is not BLOCKED or PROD_ONLY_BLOCKED");
            return Err(code::BAD_REQUEST.found(vec![Finding::new("blockState", rule)]).into());
        }
    };
    set(cx, &call, Some(state), None).await
}

async fn unblock(cx: &mut Write, call: Call) -> Result<Answer> {
    set(cx, &call, Some(SubscriptionState::Unblocked), None).await
}

async fn change_plan(cx: &mut Write, call: Call) -> Result<Answer> {
    let plan = PolicyName::from(call.required("businessPlan")?);
    set(cx, &call, None, Some(plan)).await
}

async fn set(
    cx: &mut Write,
    call: &Call,
    state: Option<SubscriptionState>,
    plan: Option<PolicyName>,
) -> Result<Answer> {
    let id = call.required("subscriptionId")?;
    let found = subscription::any(cx, id).await?;
    let api = api::to_view(cx, found.api.as_str()).await?;
    call.if_match().check(found.version)?;
    if let Some(plan) = &plan
        && !api.texts("policies").any(|offered| offered == plan.as_str())
    {
        return Err(code::BAD_PLAN.because(format!("{} does not offer the plan {plan}", api.name)).into());
    }
    let changed = subscription::set(cx, id, state, plan).await?;
    Ok(Answer::ok(document(cx, &changed).await?).etag(changed.version))
}

async fn document(cx: &mut Read, it: &Subscription) -> Result<Value> {
    let application = applications::find(cx, &it.application).await?;
    let application = application.map_or_else(
        || json!({"applicationId": it.application.as_str()}),
        |application| {
            json!({
                "applicationId": application.id.as_str(),
                "name": application.name,
                "subscriber": application.owner.as_str(),
                "description": application.doc["description"].as_str().unwrap_or_default(),
                "subscriptionCount": application.subscriptions,
            })
        },
    );
    Ok(json!({
        "subscriptionId": it.id.as_str(),
        "applicationInfo": application,
        "throttlingPolicy": it.plan.as_str(),
        "subscriptionStatus": state_text(it.state)?,
    }))
}
