//! SQL of subscriptions.

use apim_core::Timestamp;
use apim_core::model::{ApiId, ApplicationId, PolicyName, SubscriptionId, SubscriptionState, UserName};

use super::desk::{Read, Write};
use super::sql::{Assembled, Row};
use crate::error::{Failure, Result};

/// A subscription as it is kept, with its application's owner.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    pub(crate) application: ApplicationId,
    pub(crate) api: ApiId,
    pub(crate) plan: PolicyName,
    pub(crate) state: SubscriptionState,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    /// Whose application it is.
    pub(crate) owner: UserName,
}

/// What a list of subscriptions is narrowed by.
#[derive(Debug, Default, Clone)]
pub(crate) struct Search {
    pub(crate) owner: Option<UserName>,
    pub(crate) application: Option<ApplicationId>,
    pub(crate) api: Option<ApiId>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.application, s.api, s.plan, s.state, s.version, s.created_at, a.owner
            FROM subscription s JOIN application a ON a.tenant = s.tenant AND a.id = s.application
            WHERE s.tenant = $1 ",
            $rest
        )
    };
}

pub(crate) async fn find(cx: &mut Read, id: &SubscriptionId) -> Result<Option<Subscription>> {
    let row = cx.row(select!("AND s.id = $2"), [id.into()]).await?;
    row.as_ref().map(subscription).transpose()
}

/// One page of what is searched for, and how much there is of it.
pub(crate) async fn page(
    cx: &mut Read,
    search: &Search,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Subscription>, i64)> {
    let mut count = cx.assemble(
        "SELECT COUNT(*) FROM subscription s JOIN application a ON a.tenant = s.tenant AND a.id = s.application
        WHERE s.tenant = $1",
    );
    let mut query = cx.assemble(select!(""));
    narrow(&mut count, search);
    narrow(&mut query, search);
    query.push(" ORDER BY s.created_at, s.id LIMIT ").bind(limit).push(" OFFSET ").bind(offset);
    let total = cx.found(&count).await?.first().map_or(Ok(0), |row| row.get::<i64>(0))?;
    let found = cx.found(&query).await?.iter().map(subscription).collect::<Result<_>>()?;
    Ok((found, total))
}

fn narrow<'a>(query: &mut Assembled<'a>, search: &'a Search) {
    if let Some(owner) = &search.owner {
        query.push(" AND a.owner = ").bind(owner);
    }
    if let Some(application) = &search.application {
        query.push(" AND s.application = ").bind(application);
    }
    if let Some(api) = &search.api {
        query.push(" AND s.api = ").bind(api);
    }
}

/// All of an application.
pub(crate) async fn of_application(cx: &mut Read, id: &ApplicationId) -> Result<Vec<Subscription>> {
    let rows = cx.rows(select!("AND s.application = $2 ORDER BY s.created_at, s.id"), [id.into()]).await?;
    rows.iter().map(subscription).collect()
}

/// All of an API.
pub(crate) async fn of_api(cx: &mut Read, id: &ApiId) -> Result<Vec<Subscription>> {
    let rows = cx.rows(select!("AND s.api = $2 ORDER BY s.created_at, s.id"), [id.into()]).await?;
    rows.iter().map(subscription).collect()
}

/// Adds it; false if the application has subscribed to that API already.
pub(crate) async fn insert(cx: &mut Write, it: &Subscription) -> Result<bool> {
    let sql = "INSERT INTO subscription (tenant, id, application, api, plan, state, version, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    let args = [
        (&it.id).into(),
        (&it.application).into(),
        (&it.api).into(),
        (&it.plan).into(),
        state_text(it.state)?.into(),
        it.version.into(),
        it.created_at.into(),
    ];
    Ok(cx.change(sql, args).await? > 0)
}

/// Locks it until the transaction ends, so that what is read of it then is what is changed.
pub(crate) async fn lock(cx: &mut Write, id: &SubscriptionId) -> Result<()> {
    cx.change("UPDATE subscription SET version = version WHERE tenant = $1 AND id = $2", [id.into()]).await?;
    Ok(())
}

/// Sets its plan and state, and answers its new version; none: it is gone.
pub(crate) async fn update(
    cx: &mut Write,
    id: &SubscriptionId,
    plan: &PolicyName,
    state: SubscriptionState,
) -> Result<Option<i64>> {
    let sql = "UPDATE subscription SET plan = $3, state = $4, version = version + 1
        WHERE tenant = $1 AND id = $2 RETURNING version";
    let row = cx.row(sql, [id.into(), plan.into(), state_text(state)?.into()]).await?;
    Ok(row.map(|row| row.get::<i64>(0)).transpose()?)
}

pub(crate) async fn delete(cx: &mut Write, id: &SubscriptionId) -> Result<bool> {
    Ok(cx.change("DELETE FROM subscription WHERE tenant = $1 AND id = $2", [id.into()]).await? > 0)
}

/// Whether any subscription has that plan.
pub(crate) async fn any_with_plan(cx: &mut Read, plan: &PolicyName) -> Result<bool> {
    let sql = "SELECT id FROM subscription WHERE tenant = $1 AND plan = $2 LIMIT 1";
    Ok(cx.row(sql, [plan.into()]).await?.is_some())
}

fn subscription(row: &Row) -> Result<Subscription> {
    Ok(Subscription {
        id: SubscriptionId::from(row.get::<String>("id")?),
        application: ApplicationId::from(row.get::<String>("application")?),
        api: ApiId::from(row.get::<String>("api")?),
        plan: PolicyName::from(row.get::<String>("plan")?),
        state: serde_json::from_value(row.get::<String>("state")?.into()).map_err(Failure::from_error)?,
        version: row.get("version")?,
        created_at: row.time("created_at")?,
        owner: UserName::from(row.get::<String>("owner")?),
    })
}

/// A state as on the wire: `UNBLOCKED`.
pub(crate) fn state_text(state: SubscriptionState) -> Result<String> {
    match serde_json::to_value(state).map_err(Failure::from_error)? {
        serde_json::Value::String(text) => Ok(text),
        other => Err(Failure::new(format!("{other} is no subscription state")).into()),
    }
}
