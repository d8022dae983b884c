//! Revisions of APIs, and where they are deployed.

use std::time::Duration;

use apim_core::event::Revision as Number;
use http::StatusCode;
use serde_json::{Value, json};

use crate::db::revisions::Deployment;
use crate::db::{Desk, Read, Write};
use crate::error::{Finding, Result, code};
use crate::rest::answer::Answer;
use crate::rest::call::Call;
use crate::rest::contract::Noun;
use crate::rest::operation::{outside, read, write};
use crate::rest::scope::*;
use crate::service::api;
use crate::service::environment::Environment;
use crate::service::revision::{self, Standing, Undeployment};
use crate::store::Store;

pub(super) fn noun() -> Noun {
    Noun {
        operations: vec![
            read(
                "GET /apis/{apiId}/revisions",
                &[API_VIEW, API_CREATE, API_MANAGE, API_PUBLISH, API_IMPORT_EXPORT],
                list,
            ),
            write(
                "POST /apis/{apiId}/revisions",
                &[API_CREATE, API_MANAGE, API_PUBLISH, API_IMPORT_EXPORT],
                create,
            ),
            read(
                "GET /apis/{apiId}/revisions/{revisionId}",
                &[API_VIEW, API_CREATE, API_MANAGE, API_PUBLISH],
                get,
            ),
            write(
                "DELETE /apis/{apiId}/revisions/{revisionId}",
                &[API_CREATE, API_MANAGE, API_PUBLISH, API_IMPORT_EXPORT],
                delete,
            ),
            read(
                "GET /apis/{apiId}/deployments",
                &[API_VIEW, API_CREATE, API_MANAGE, API_PUBLISH],
                deployments,
            ),
            outside("POST /apis/{apiId}/deploy-revision", &[API_CREATE, API_MANAGE, API_PUBLISH], deploy),
            outside(
                "POST /apis/{apiId}/undeploy-revision",
                &[API_CREATE, API_MANAGE, API_PUBLISH, API_IMPORT_EXPORT],
                undeploy,
            ),
            write("POST /apis/{apiId}/restore-revision", &[API_CREATE, API_MANAGE, API_PUBLISH], restore),
        ],
        description: include_str!("revisions.yaml"),
    }
}

/// How long a deployment waits for the gateways that follow. Clients in wide use give up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Waits until the gateways that follow have a change in force. One that does not say so in time is
/// counted as not having it; it gets the change all the same.
pub(super) async fn settle(desk: &Desk, revision: Number) {
    let progress = desk.store().gateways().wait(revision, PATIENCE).await;
    if progress.applied < progress.live {
        tracing::warn!(?progress, revision = revision.0, "some gateways have not reported a change yet");
    }
}

async fn list(cx: &mut Read, call: Call) -> Result<Answer> {
    let deployed = match call.query("query") {
        None => None,
        Some("deployed:true") => Some(true),
        Some("deployed:false") => Some(false),
        Some(_) => {
            let finding = Finding::new("query", "may be deployed:true or deployed:false");
            return Err(code::BAD_REQUEST.found(vec![finding]).into());
        }
    };
    let found = revision::list(cx, call.parameter("apiId")?, deployed).await?;
    Ok(listed(cx.store(), &found))
}

async fn create(cx: &mut Write, call: Call) -> Result<Answer> {
    let description = call.document()["description"].as_str().unwrap_or_default();
    let made = revision::create(cx, call.parameter("apiId")?, description).await?;
    let place = format!("/apis/{}/revisions/{}", made.revision.api, made.revision.id);
    Ok(Answer::created(described(cx.store(), &made)).location(&place))
}

async fn get(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = revision::get(cx, call.parameter("apiId")?, call.parameter("revisionId")?).await?;
    Ok(Answer::ok(described(cx.store(), &found)))
}

async fn delete(cx: &mut Write, call: Call) -> Result<Answer> {
    let left = revision::delete(cx, call.parameter("apiId")?, call.parameter("revisionId")?).await?;
    Ok(listed(cx.store(), &left))
}

async fn deployments(cx: &mut Read, call: Call) -> Result<Answer> {
    let found = revision::deployments(cx, call.parameter("apiId")?).await?;
    let list = placed(cx.store(), &found);
    Ok(Answer::ok(json!({"list": list})))
}

async fn deploy(desk: &mut Desk, call: Call) -> Result<Answer> {
    let known = Environment::usual(&call.house().urls);
    let mut cx = desk.write().await?;
    let id = call.parameter("apiId")?;
    let deployed =
        revision::deploy(&mut cx, &known, id, call.required("revisionId")?, call.document()).await?;
    let number = cx.commit().await?;
    settle(desk, number).await;
    Ok(Answer::created(placed(desk.store(), &deployed)))
}

async fn undeploy(desk: &mut Desk, call: Call) -> Result<Answer> {
    let number = call
        .query("revisionNumber")
        .map(str::parse)
        .transpose()
        .map_err(|_| code::BAD_REQUEST.found(vec![Finding::new("revisionNumber", "must be a number")]))?;
    let everywhere = call.flag("allEnvironments") == Some(true);
    let what = Undeployment { revision: call.query("revisionId"), number, everywhere };
    let known = Environment::usual(&call.house().urls);
    let mut cx = desk.write().await?;
    let left = revision::undeploy(&mut cx, &known, call.parameter("apiId")?, &what, call.document()).await?;
    let number = cx.commit().await?;
    settle(desk, number).await;
    Ok(Answer::created(placed(desk.store(), &left)))
}

async fn restore(cx: &mut Write, call: Call) -> Result<Answer> {
    let restored = revision::restore(cx, call.parameter("apiId")?, call.required("revisionId")?).await?;
    let answer = Answer::ok(api::document(&restored)).etag(restored.version);
    Ok(answer.status(StatusCode::CREATED))
}

fn listed(store: &Store, found: &[Standing]) -> Answer {
    let list: Vec<_> = found.iter().map(|standing| described(store, standing)).collect();
    Answer::ok(json!({"count": list.len(), "list": list}))
}

fn described(store: &Store, standing: &Standing) -> Value {
    revision::document(standing, placed(store, &standing.deployments))
}

/// Deployments, with how many gateways follow and how many of them have everything in force.
fn placed(store: &Store, deployments: &[Deployment]) -> Vec<Value> {
    let progress = store.gateways().progress(store.head());
    let time = |deployment: &Deployment| deployment.deployed_at.as_millis().to_string();
    let place = |deployment: &Deployment| {
        json!({
            "revisionUuid": deployment.revision,
            "name": deployment.environment,
            "vhost": deployment.vhost,
            "displayOnDevportal": deployment.on_devportal,
            "status": "APPROVED",
            "deployedTime": time(deployment),
            "successDeployedTime": time(deployment),
            "liveGatewayCount": progress.live,
            "deployedGatewayCount": progress.applied,
            "failedGatewayCount": 0,
        })
    };
    deployments.iter().map(place).collect()
}
