//! Deny policies.

use serde_json::{Value, json};

use crate::db::{Read, Write};
use crate::error::Result;
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, read, write};
use crate::rest::scope::{ADMIN, BL_MANAGE, BL_VIEW};
use crate::service::denial::{self, Denial};

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        read("GET /throttling/deny-policies", &[ADMIN, BL_VIEW], list),
        write("POST /throttling/deny-policies", &[ADMIN, BL_MANAGE], create),
        read("GET /throttling/deny-policy/{conditionId}", &[ADMIN, BL_VIEW], get),
        write("PATCH /throttling/deny-policy/{conditionId}", &[ADMIN, BL_MANAGE], set_active),
        write("DELETE /throttling/deny-policy/{conditionId}", &[ADMIN, BL_MANAGE], remove),
    ]
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let list: Vec<Value> = denial::list(cx, call.query("query")).await?.iter().map(document).collect();
    Ok(Answer::ok(json!({ "count": list.len(), "list": list })))
}

async fn create(cx: &mut Write, call: Call) -> Result<Answer> {
    let made = denial::create(cx, call.document()).await?;
    let place = format!("/throttling/deny-policy/{}", made.id);
    Ok(Answer::created(document(&made)).location(&place))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    Ok(Answer::ok(document(&denial::get(cx, call.parameter("conditionId")?).await?)))
}

async fn set_active(cx: &mut Write, call: Call) -> Result<Answer> {
    let active = call.document()["conditionStatus"].as_bool().unwrap_or(true);
    let found = denial::set_active(cx, call.parameter("conditionId")?, active).await?;
    Ok(Answer::ok(document(&found)))
}

async fn remove(cx: &mut Write, call: Call) -> Result<Answer> {
    denial::remove(cx, call.parameter("conditionId")?).await?;
    Ok(Answer::done())
}

fn document(it: &Denial) -> Value {
    json!({
        "conditionId": it.id,
        "conditionType": it.kind,
        "conditionValue": it.doc,
        "conditionStatus": it.active,
    })
}
