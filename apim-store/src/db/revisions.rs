//! Revisions of APIs, where they are deployed, and the log of their lives.

use apim_core::Timestamp;
use apim_core::model::ApiId;
use serde_json::Value;

use super::apis::scopes;
use super::clients::text;
use super::desk::{Read, Write};
use super::sql::Row;
use crate::error::{Failure, Result};
use crate::service::State;

/// An immutable copy of an API.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Identifies it.
    pub id: String,
    /// The API.
    pub api: ApiId,
    /// From 1; never used twice.
    pub number: i64,
    /// What its publisher says about it.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The API's document then.
    pub doc: Value,
    /// The API's definition then.
    pub definition: Vec<u8>,
}

/// A revision in an environment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The API.
    pub api: ApiId,
    /// Which environment.
    pub environment: String,
    /// Which revision.
    pub revision: String,
    /// At which host.
    pub vhost: String,
    /// Whether developers are shown this environment.
    pub on_devportal: bool,
    /// Since when.
    pub deployed_at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, api, number, description, created_at, definition, doc FROM api_revision
                WHERE tenant = $1 AND api = $2 ",
            $rest
        )
    };
}

/// All revisions of an API, oldest first.
pub(crate) async fn of_api(cx: &mut Read, api: &ApiId) -> Result<Vec<Revision>> {
    cx.rows(select!("ORDER BY number"), [api.into()]).await?.iter().map(revision).collect()
}

/// One revision of an API.
pub(crate) async fn find(cx: &mut Read, api: &ApiId, id: &str) -> Result<Option<Revision>> {
    cx.row(select!("AND id = $3"), [api.into(), id.into()]).await?.as_ref().map(revision).transpose()
}

/// One revision of an API, by its number.
pub(crate) async fn numbered(cx: &mut Read, api: &ApiId, number: i64) -> Result<Option<Revision>> {
    let row = cx.row(select!("AND number = $3"), [api.into(), number.into()]).await?;
    row.as_ref().map(revision).transpose()
}

/// Adds a revision.
pub(crate) async fn insert(cx: &mut Write, it: &Revision) -> Result<()> {
    let sql = "INSERT INTO api_revision (tenant, id, api, number, description, created_at, definition, doc)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let args = [
        (&it.id).into(),
        (&it.api).into(),
        it.number.into(),
        (&it.description).into(),
        it.created_at.into(),
        (&it.definition).into(),
        text(&it.doc)?.into(),
    ];
    cx.change(sql, args).await?;
    Ok(())
}

/// Deletes a revision.
pub(crate) async fn delete(cx: &mut Write, id: &str) -> Result<()> {
    cx.change("DELETE FROM api_revision WHERE tenant = $1 AND id = $2", [id.into()]).await?;
    Ok(())
}

/// Where an API is deployed.
pub(crate) async fn deployments(cx: &mut Read, api: &ApiId) -> Result<Vec<Deployment>> {
    let sql = "SELECT api, environment, revision, vhost, on_devportal, deployed_at FROM deployment
        WHERE tenant = $1 AND api = $2 ORDER BY environment COLLATE \"C\"";
    cx.rows(sql, [api.into()]).await?.iter().map(deployment).collect()
}

/// The APIs of which a deployed revision names a scope, in order.
pub(crate) async fn deployed_with_scope(cx: &mut Read, scope: &str) -> Result<Vec<ApiId>> {
    let sql = "SELECT r.api AS api, r.doc AS doc FROM deployment d
        JOIN api_revision r ON r.tenant = d.tenant AND r.id = d.revision
        WHERE d.tenant = $1 AND r.doc LIKE $2 ESCAPE '\\' ORDER BY r.created_at, r.api";
    // The pattern only spares reading most documents; whether one names the scope is seen when it is read.
    let pattern = containing(&Value::from(scope).to_string());
    let mut found = Vec::new();
    for row in cx.rows(sql, [pattern.into()]).await? {
        let doc: Value = serde_json::from_str(&row.get::<String>("doc")?).map_err(Failure::from_error)?;
        if scopes(&doc).any(|named| named == scope) {
            found.push(ApiId::from(row.get::<String>("api")?));
        }
    }
    Ok(found)
}

/// A pattern for texts that contain this one.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

/// Deploys a revision, in place of any other of its API in that environment.
pub(crate) async fn deploy(cx: &mut Write, it: &Deployment) -> Result<()> {
    let sql = "INSERT INTO deployment (tenant, api, environment, revision, vhost, on_devportal, deployed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (api, environment) DO UPDATE SET revision = excluded.revision, vhost = excluded.vhost,
            on_devportal = excluded.on_devportal, deployed_at = excluded.deployed_at";
    let args = [
        (&it.api).into(),
        (&it.environment).into(),
        (&it.revision).into(),
        (&it.vhost).into(),
        it.on_devportal.into(),
        it.deployed_at.into(),
    ];
    cx.change(sql, args).await?;
    Ok(())
}

/// Takes an API out of an environment.
pub(crate) async fn undeploy(cx: &mut Write, api: &ApiId, environment: &str) -> Result<()> {
    let sql = "DELETE FROM deployment WHERE tenant = $1 AND api = $2 AND environment = $3";
    cx.change(sql, [api.into(), environment.into()]).await?;
    Ok(())
}

/// A step of an API's life.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// From where.
    pub(crate) previous: State,
    /// To where.
    pub(crate) next: State,
    /// Who did it.
    pub(crate) who: String,
    /// When.
    pub(crate) at: Timestamp,
}

/// Logs a step; `version` is the API's at that change.
pub(crate) async fn log(cx: &mut Write, api: &ApiId, version: i64, step: &Step) -> Result<()> {
    let sql = "INSERT INTO lifecycle_event (tenant, api, version, previous, next, who, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let args = [
        api.into(),
        version.into(),
        step.previous.as_str().into(),
        step.next.as_str().into(),
        (&step.who).into(),
        step.at.into(),
    ];
    cx.change(sql, args).await?;
    Ok(())
}

/// The log, oldest first.
pub(crate) async fn history(cx: &mut Read, api: &ApiId) -> Result<Vec<Step>> {
    let sql = "SELECT previous, next, who, at FROM lifecycle_event WHERE tenant = $1 AND api = $2
        ORDER BY version";
    let rows = cx.rows(sql, [api.into()]).await?;
    let state = |row: &Row, column: &str| -> Result<State> {
        let text: String = row.get(column)?;
        Ok(State::parse(&text).ok_or_else(|| Failure::new(format!("unknown state {text}")))?)
    };
    let step = |row: &Row| -> Result<Step> {
        Ok(Step {
            previous: state(row, "previous")?,
            next: state(row, "next")?,
            who: row.get("who")?,
            at: row.time("at")?,
        })
    };
    rows.iter().map(step).collect()
}

fn revision(row: &Row) -> Result<Revision> {
    Ok(Revision {
        id: row.get("id")?,
        api: ApiId::from(row.get::<String>("api")?),
        number: row.get("number")?,
        description: row.get("description")?,
        created_at: row.time("created_at")?,
        definition: row.get("definition")?,
        doc: serde_json::from_str(&row.get::<String>("doc")?).map_err(Failure::from_error)?,
    })
}

fn deployment(row: &Row) -> Result<Deployment> {
    Ok(Deployment {
        api: ApiId::from(row.get::<String>("api")?),
        environment: row.get("environment")?,
        revision: row.get("revision")?,
        vhost: row.get("vhost")?,
        on_devportal: row.get::<i64>("on_devportal")? != 0,
        deployed_at: row.time("deployed_at")?,
    })
}
