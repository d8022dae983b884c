//! Everybody's applications.

use serde_json::{Value, json};

use crate::db::{Desk, Read};
use crate::error::Result;
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::operation::{Operation, outside, read};
use crate::rest::scope::{ADMIN, APP_IMPORT_EXPORT, APP_OWNER_CHANGE};
use crate::service::application::{self, Application, Order, Search};

/// The rows.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        read("GET /applications", &[ADMIN, APP_OWNER_CHANGE, APP_IMPORT_EXPORT], list),
        outside("DELETE /applications/{applicationId}", &[ADMIN, APP_IMPORT_EXPORT], remove),
        outside("POST /applications/{applicationId}/change-owner", &[ADMIN, APP_OWNER_CHANGE], change_owner),
    ]
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let search = Search {
        owner: call.query("user").map(Into::into),
        name: call.query("name").map(str::to_owned),
        order: if call.query("sortBy") == Some("owner") { Order::Owner } else { Order::Name },
        descending: call.query("sortOrder").is_some_and(|order| order.eq_ignore_ascii_case("desc")),
    };
    Ok(Answer::page(application::find(cx, &search, call.page()?).await?, info))
}

async fn remove(desk: &mut Desk, call: Call) -> Result<Answer> {
    let keys = call.house().key_manager.clone();
    application::remove_any(desk, call.parameter("applicationId")?, &*keys).await?;
    Ok(Answer::done())
}

async fn change_owner(desk: &mut Desk, call: Call) -> Result<Answer> {
    let keys = call.house().key_manager.clone();
    let owner = call.required("owner")?;
    application::change_owner(desk, call.parameter("applicationId")?, owner, &*keys).await?;
    Ok(Answer::done())
}

fn info(it: &Application) -> Value {
    json!({
        "applicationId": it.id,
        "name": it.name,
        "owner": it.owner,
        "status": "APPROVED",
        "groupId": "",
    })
}
