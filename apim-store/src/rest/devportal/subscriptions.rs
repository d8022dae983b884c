//! Subscriptions of the caller's applications.

use serde_json::{Value, json};

use crate::db::{Read, Write};
use crate::error::{Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, read, write};
use crate::rest::page::Found;
use crate::rest::scope::{SUB_MANAGE, SUBSCRIBE};
use crate::service::subscription::{self, Subscription, state_text};
use crate::service::{application, listing};

/// Subscriptions that one request may make.
const MOST: usize = 100;

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        read("GET /subscriptions", &[SUBSCRIBE, SUB_MANAGE], list),
        write("POST /subscriptions", &[SUBSCRIBE, SUB_MANAGE], create),
        write("POST /subscriptions/multiple", &[SUBSCRIBE, SUB_MANAGE], create_several),
        read("GET /subscriptions/{subscriptionId}", &[SUBSCRIBE, SUB_MANAGE], get),
        write("PUT /subscriptions/{subscriptionId}", &[SUBSCRIBE, SUB_MANAGE], change_plan),
        write("DELETE /subscriptions/{subscriptionId}", &[SUBSCRIBE, SUB_MANAGE], remove),
    ]
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let search = subscription::search(call.query("applicationId"), call.query("apiId"));
    let found = subscription::mine(cx, search, call.page()?).await?;
    let mut list = Vec::with_capacity(found.list.len());
    for it in &found.list {
        list.push(document(cx, it).await?);
    }
    Ok(Answer::page(Found { list, total: found.total, page: found.page }, Value::clone))
}

async fn create(cx: &mut Write, call: Call) -> Result<Answer> {
    let made = subscription::create(cx, call.document()).await?;
    let place = format!("/subscriptions/{}", made.id);
    Ok(Answer::created(document(cx, &made).await?).location(&place).etag(made.version))
}

/// All of them or, since they share a transaction, none.
async fn create_several(cx: &mut Write, call: Call) -> Result<Answer> {
    let wanted = call.document().as_array().map(Vec::as_slice).unwrap_or_default();
    if wanted.len() > MOST {
        return Err(code::BAD_REQUEST.because(format!("{MOST} subscriptions at a time, at the most")).into());
    }
    let mut made = Vec::with_capacity(wanted.len());
    for body in wanted {
        let subscription = subscription::create(cx, body).await?;
        made.push(document(cx, &subscription).await?);
    }
    Ok(Answer::ok(Value::Array(made)))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = subscription::get(cx, call.parameter("subscriptionId")?).await?;
    Ok(Answer::ok(document(cx, &found).await?).etag(found.version))
}

async fn change_plan(cx: &mut Write, call: Call) -> Result<Answer> {
    let id = call.parameter("subscriptionId")?;
    let found = subscription::change_plan(cx, id, &call.if_match(), call.document()).await?;
    Ok(Answer::ok(document(cx, &found).await?).etag(found.version))
}

async fn remove(cx: &mut Write, call: Call) -> Result<Answer> {
    subscription::remove(cx, call.parameter("subscriptionId")?, &call.if_match()).await?;
    Ok(Answer::done())
}

async fn document(cx: &mut Read, it: &Subscription) -> Result<Value> {
    let application = application::get(cx, &it.application).await?;
    // An API that the caller may not see any more leaves its subscription behind.
    let api = listing::of_any_state(cx, &it.api).await.ok();
    Ok(json!({
        "subscriptionId": it.id,
        "applicationId": it.application,
        "apiId": it.api,
        "apiInfo": api.as_ref().map_or_else(|| json!({ "id": it.api }), super::apis::info),
        "applicationInfo": super::applications::info(&application),
        "throttlingPolicy": it.plan,
        "requestedThrottlingPolicy": it.plan,
        "status": state_text(it.state)?,
    }))
}
