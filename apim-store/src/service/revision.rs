//! Revisions: copies of an API that never change, of which one at a time is deployed to an environment.

use apim_core::event::Change;
use serde_json::{Value, json};

use super::api::{self, Editable, text};
use super::environment::Environment;
use super::{Expected, deploy, scope};
use crate::db::apis::{self, StoredApi};
use crate::db::client_certificates::{self as certificates, DRAFT};
use crate::db::revisions::{self, Deployment, Revision};
use crate::db::{Read, Write};
use crate::error::{Finding, Result, code};

/// More are not kept of one API.
const MOST: usize = 5;

/// A revision with where it is deployed.
#[derive(Debug, Clone)]
pub struct Standing {
    /// It.
    pub revision: Revision,
    /// Where it is deployed.
    pub deployments: Vec<Deployment>,
}

/// Copies an API as it stands.
///
/// # Errors
///
/// 404; 400 if there are five already, or if the API is somebody else's that is only listed here.
pub async fn create(cx: &mut Write, id: &str, description: &str) -> Result<Standing> {
    let mut api = api::to_edit(cx, id, &Expected::any()).await?;
    if api.doc["advertiseInfo"]["advertised"] == true {
        return Err(code::THIRD_PARTY.because("It is only listed here").into());
    }
    if revisions::of_api(cx, &api.id).await?.len() >= MOST {
        let text = format!("{MOST} revisions are kept of an API; delete one first");
        return Err(code::TOO_MANY_REVISIONS.because(text).into());
    }
    api.last_revision += 1;
    let revision = Revision {
        id: uuid::Uuid::now_v7().to_string(),
        api: api.id.clone(),
        number: api.last_revision,
        description: description.to_owned(),
        created_at: cx.now(),
        doc: api.doc.clone(),
        definition: apis::definition(cx, &api.id).await?.unwrap_or_default(),
    };
    revisions::insert(cx, &revision).await?;
    certificates::copy(cx, (&api.id, DRAFT), (&api.id, &revision.id)).await?;
    api.save(cx).await?;
    Ok(Standing { revision, deployments: Vec::new() })
}

/// All revisions of an API; only those that are deployed, or are not, if that is asked for.
///
/// # Errors
///
/// 404 if there is no such API.
pub async fn list(cx: &mut Read, id: &str, deployed: Option<bool>) -> Result<Vec<Standing>> {
    let api = api::to_view(cx, id).await?;
    let deployments = revisions::deployments(cx, &api.id).await?;
    let standing = |revision: Revision| {
        let mine = deployments.iter().filter(|deployment| deployment.revision == revision.id);
        Standing { deployments: mine.cloned().collect(), revision }
    };
    let all = revisions::of_api(cx, &api.id).await?.into_iter().map(standing);
    Ok(all.filter(|it| deployed.is_none_or(|wanted| wanted != it.deployments.is_empty())).collect())
}

/// One revision.
///
/// # Errors
///
/// 404 if there is no such API or revision.
pub async fn get(cx: &mut Read, id: &str, revision: &str) -> Result<Standing> {
    let all = list(cx, id, None).await?;
    let found = all.into_iter().find(|standing| standing.revision.id == revision);
    Ok(found.ok_or_else(|| unknown(revision))?)
}

/// Deletes a revision that is not deployed.
///
/// # Errors
///
/// 404; 400 if it is deployed.
pub async fn delete(cx: &mut Write, id: &str, revision: &str) -> Result<Vec<Standing>> {
    let api = api::to_edit(cx, id, &Expected::any()).await?;
    let standing = get(cx, id, revision).await?;
    if !standing.deployments.is_empty() {
        return Err(code::REVISION_DEPLOYED.because("Undeploy it first").into());
    }
    revisions::delete(cx, revision).await?;
    certificates::forget(cx, &api.id, revision).await?;
    list(cx, id, None).await
}

/// Makes an API what it was when the revision was made.
///
/// # Errors
///
/// 404 if there is no such API or revision.
pub async fn restore(cx: &mut Write, id: &str, revision: &str) -> Result<StoredApi> {
    let mut api = api::to_edit(cx, id, &Expected::any()).await?;
    let found = revisions::find(cx, &api.id, revision).await?.ok_or_else(|| unknown(revision))?;
    apis::put_definition(cx, &api.id, &found.definition).await?;
    certificates::copy(cx, (&api.id, &found.id), (&api.id, DRAFT)).await?;
    api.doc = found.doc;
    scope::claim(cx, &api).await?;
    api.save(cx).await
}

/// Where an API is deployed.
///
/// # Errors
///
/// 404 if there is no such API.
pub async fn deployments(cx: &mut Read, id: &str) -> Result<Vec<Deployment>> {
    let api = api::to_view(cx, id).await?;
    revisions::deployments(cx, &api.id).await
}

/// Deploys a revision to environments.
///
/// # Errors
///
/// 404; 400 for an environment or host that is not there, or an API that gateways could not serve as it is.
pub async fn deploy(
    cx: &mut Write,
    known: &Environment,
    id: &str,
    revision: &str,
    targets: &Value,
) -> Result<Vec<Deployment>> {
    let mut api = api::to_edit(cx, id, &Expected::any()).await?;
    let found = revisions::find(cx, &api.id, revision).await?.ok_or_else(|| unknown(revision))?;
    let targets = targets.as_array().map(Vec::as_slice).unwrap_or_default();
    if targets.is_empty() {
        return Err(code::BAD_REQUEST.because("Name an environment to deploy to").into());
    }
    for target in targets {
        let deployment = Deployment {
            api: api.id.clone(),
            environment: environment(known, target)?,
            revision: found.id.clone(),
            vhost: host(known, target)?,
            on_devportal: target["displayOnDevportal"] != false,
            deployed_at: cx.now(),
        };
        revisions::deploy(cx, &deployment).await?;
    }
    scope::renew(cx, &api, &found.doc).await?;
    scope::settle(cx, &api).await?;
    deploy::announce(cx, &mut api).await?;
    let api = api.save(cx).await?;
    revisions::deployments(cx, &api.id).await
}

/// Which revision is to be undeployed, and from where.
#[derive(Debug, Default)]
pub struct Undeployment<'a> {
    /// The revision's id.
    pub revision: Option<&'a str>,
    /// Or its number.
    pub number: Option<i64>,
    /// From everywhere it is.
    pub everywhere: bool,
}

/// Takes a revision out of environments.
///
/// # Errors
///
/// 404; 400 for an environment that is not there.
pub async fn undeploy(
    cx: &mut Write,
    known: &Environment,
    id: &str,
    what: &Undeployment<'_>,
    targets: &Value,
) -> Result<Vec<Deployment>> {
    let api = api::to_edit(cx, id, &Expected::any()).await?;
    let found = match (what.revision, what.number) {
        (Some(revision), _) => revisions::find(cx, &api.id, revision).await?,
        (None, Some(number)) => revisions::numbered(cx, &api.id, number).await?,
        (None, None) => {
            return Err(code::BAD_REQUEST.because("Name a revision: revisionId or revisionNumber").into());
        }
    };
    let found = found.ok_or_else(|| unknown(what.revision.unwrap_or_default()))?;
    let mut wanted = Vec::new();
    for target in targets.as_array().map(Vec::as_slice).unwrap_or_default() {
        wanted.push(environment(known, target)?);
    }
    for deployment in revisions::deployments(cx, &api.id).await? {
        let meant = what.everywhere || wanted.contains(&deployment.environment);
        if deployment.revision == found.id && meant {
            revisions::undeploy(cx, &api.id, &deployment.environment).await?;
        }
    }
    withdraw_if_nowhere(cx, api).await
}

/// Tells gateways if an API is deployed nowhere any more.
async fn withdraw_if_nowhere(cx: &mut Write, mut api: Editable) -> Result<Vec<Deployment>> {
    let left = revisions::deployments(cx, &api.id).await?;
    if left.is_empty() {
        api.serves_default = false;
        cx.tell(Change::ApiUndeployed(api.id.clone()));
    }
    scope::settle(cx, &api).await?;
    api.save(cx).await?;
    Ok(left)
}

fn environment(known: &Environment, target: &Value) -> Result<String> {
    let name = text(target, "name");
    match name == known.name {
        true => Ok(name.to_owned()),
        false => Err(code::BAD_ENVIRONMENT.because(format!("There is no environment {name:?}")).into()),
    }
}

fn host(known: &Environment, target: &Value) -> Result<String> {
    let host = text(target, "vhost");
    if !host.is_empty() && !host.eq_ignore_ascii_case(&known.host) {
        let text = format!("{host} is no host of environment {}; {} is", known.name, known.host);
        return Err(code::BAD_VALUE.found(vec![Finding::new("/vhost", text)]).into());
    }
    Ok(known.host.clone())
}

fn unknown(revision: &str) -> crate::error::Refusal {
    code::NO_SUCH_REVISION.because(format!("The API has no revision {revision}"))
}

/// A revision as the contract describes it.
pub fn document(standing: &Standing, deployments: Vec<Value>) -> Value {
    let Revision { id, api, number, description, created_at, .. } = &standing.revision;
    json!({
        "displayName": format!("Revision {number}"),
        "id": id,
        "description": description,
        "createdTime": created_at.as_millis().to_string(),
        "apiInfo": {"id": api.as_str()},
        "deploymentInfo": deployments,
    })
}
