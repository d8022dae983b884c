//! The lives of APIs.

use serde_json::{Value, json};

use super::revisions::settle;
use crate::db::{Desk, Read, StoredApi, revisions};
use crate::error::Result;
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::contract::Noun;
use crate::rest::operation::{outside, read};
use crate::rest::scope::*;
use crate::service::lifecycle::CHECK_ITEMS;
use crate::service::transition::{self, Checklist};
use crate::service::{State, api};

pub(super) fn noun() -> Noun {
    Noun {
        operations: vec![
            outside("POST /apis/change-lifecycle", &[API_PUBLISH, API_MANAGE, API_IMPORT_EXPORT], change),
            read("GET /apis/{apiId}/lifecycle-history", &[API_VIEW, API_PUBLISH, API_MANAGE], history),
            read(
                "GET /apis/{apiId}/lifecycle-state",
                &[API_VIEW, API_PUBLISH, API_CREATE, API_MANAGE],
                state,
            ),
        ],
        description: include_str!("lifecycle.yaml"),
    }
}

async fn change(desk: &mut Desk, call: Call) -> Result<Answer> {
    let checklist = Checklist::parse(call.query("lifecycleChecklist").unwrap_or_default())?;
    let (id, action) = (call.required("apiId")?, call.required("action")?);
    let mut cx = desk.write().await?;
    let changed = transition::change(&mut cx, id, action, &checklist, &call.if_match()).await?;
    let revision = cx.commit().await?;
    settle(desk, revision).await;
    let answer = json!({"workflowStatus": "APPROVED", "lifecycleState": standing(&changed)});
    Ok(Answer::ok(answer).etag(changed.version))
}

async fn state(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = api::to_view(cx, call.parameter("apiId")?).await?;
    Ok(Answer::ok(standing(&found)).etag(found.version))
}

fn standing(api: &StoredApi) -> Value {
    let offered = api.state.transitions().iter().filter(|transition| transition.offered);
    let transitions = offered
        .map(|transition| json!({"event": transition.action, "targetState": transition.target.title()}));
    let items: &[&str] = if api.state.has_check_items() { &CHECK_ITEMS } else { &[] };
    let items = items
        .iter()
        .map(|item| json!({"name": item, "value": false, "requiredStates": [State::Published.title()]}));
    json!({
        "state": api.state.title(),
        "checkItems": items.collect::<Vec<_>>(),
        "availableTransitions": transitions.collect::<Vec<_>>(),
    })
}

async fn history(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = api::to_view(cx, call.parameter("apiId")?).await?;
    let steps = revisions::history(cx, &found.id).await?;
    let list: Vec<_> = steps
        .iter()
        .map(|step| {
            json!({
                "previousState": step.previous.title(),
                "postState": step.next.title(),
                "user": step.who,
                "updatedTime": step.at.as_millis().to_string(),
            })
        })
        .collect();
    Ok(Answer::ok(json!({"count": list.len(), "list": list})))
}
