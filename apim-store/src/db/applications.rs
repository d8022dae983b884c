//! SQL of applications.

use apim_core::Timestamp;
use apim_core::model::{ApplicationId, PolicyName, UserName};
use serde_json::Value;

use super::desk::{Read, Write};
use super::sql::Row;
use crate::error::{Failure, Result};

/// An application as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Application {
    pub(crate) id: ApplicationId,
    pub(crate) owner: UserName,
    pub(crate) name: String,
    pub(crate) policy: PolicyName,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// How many subscriptions it has.
    pub(crate) subscriptions: i64,
    /// The rest of what its owner said.
    pub(crate) doc: Value,
}

/// What a list of applications is narrowed and ordered by.
#[derive(Debug, Default, Clone)]
pub(crate) struct Search {
    /// Whose.
    pub(crate) owner: Option<UserName>,
    /// The exact name.
    pub(crate) name: Option<String>,
    pub(crate) order: Order,
    pub(crate) descending: bool,
}

/// What a list of applications is ordered by.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) enum Order {
    #[default]
    Name,
    Policy,
    Owner,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, owner, name, policy, version, created_at, updated_at,
                (SELECT COUNT(*) FROM subscription s
                    WHERE s.tenant = a.tenant AND s.application = a.id) AS subscriptions, doc
            FROM application a WHERE tenant = $1 ",
            $rest
        )
    };
}

pub(crate) async fn find(cx: &mut Read, id: &ApplicationId) -> Result<Option<Application>> {
    let row = cx.row(select!("AND id = $2"), [id.into()]).await?;
    row.as_ref().map(application).transpose()
}

/// One page of what is searched for, and how much there is of it.
pub(crate) async fn page(
    cx: &mut Read,
    search: &Search,
    limit: i64,
    offset: i64,
) -> Result<(Vec<Application>, i64)> {
    let mut count = cx.assemble("SELECT COUNT(*) FROM application WHERE tenant = $1");
    let mut query = cx.assemble(select!(""));
    for query in [&mut count, &mut query] {
        if let Some(owner) = &search.owner {
            query.push(" AND owner = ").bind(owner);
        }
        if let Some(name) = &search.name {
            query.push(" AND name = ").bind(name);
        }
    }
    query.push(match (search.order, search.descending) {
        (Order::Name, false) => " ORDER BY name COLLATE \"C\", id LIMIT ",
        (Order::Name, true) => " ORDER BY name COLLATE \"C\" DESC, id LIMIT ",
        (Order::Policy, false) => " ORDER BY policy COLLATE \"C\", name COLLATE \"C\", id LIMIT ",
        (Order::Policy, true) => " ORDER BY policy COLLATE \"C\" DESC, name COLLATE \"C\", id LIMIT ",
        (Order::Owner, false) => " ORDER BY owner COLLATE \"C\", name COLLATE \"C\", id LIMIT ",
        (Order::Owner, true) => " ORDER BY owner COLLATE \"C\" DESC, name COLLATE \"C\", id LIMIT ",
    });
    query.bind(limit).push(" OFFSET ").bind(offset);
    let total = cx.found(&count).await?.first().map_or(Ok(0), |row| row.get::<i64>(0))?;
    let found = cx.found(&query).await?.iter().map(application).collect::<Result<_>>()?;
    Ok((found, total))
}

/// Adds it; false if its owner has one of that name.
pub(crate) async fn insert(cx: &mut Write, it: &Application) -> Result<bool> {
    let sql =
        "INSERT INTO application (tenant, id, owner, name, policy, version, created_at, updated_at, doc)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING";
    let args = [
        (&it.id).into(),
        (&it.owner).into(),
        (&it.name).into(),
        (&it.policy).into(),
        it.version.into(),
        it.created_at.into(),
        it.updated_at.into(),
        it.doc.to_string().into(),
    ];
    Ok(cx.change(sql, args).await? > 0)
}

/// Counts a change of an application or of what hangs on it, which also locks it; none: it is gone.
pub(crate) async fn bump(cx: &mut Write, id: &ApplicationId) -> Result<Option<i64>> {
    let sql = "UPDATE application SET version = version + 1 WHERE tenant = $1 AND id = $2 RETURNING version";
    Ok(cx.row(sql, [id.into()]).await?.map(|row| row.get::<i64>(0)).transpose()?)
}

/// Whether somebody has another application of a name.
pub(crate) async fn taken(cx: &mut Read, owner: &UserName, name: &str, id: &ApplicationId) -> Result<bool> {
    let sql = "SELECT id FROM application WHERE tenant = $1 AND owner = $2 AND name = $3 AND id <> $4";
    Ok(cx.row(sql, [owner.into(), name.into(), id.into()]).await?.is_some())
}

/// Replaces what may change of it; its version is counted by [`bump`].
pub(crate) async fn update(cx: &mut Write, it: &Application) -> Result<()> {
    let sql = "UPDATE application SET owner = $3, name = $4, policy = $5, updated_at = $6, doc = $7
        WHERE tenant = $1 AND id = $2";
    let args = [
        (&it.id).into(),
        (&it.owner).into(),
        (&it.name).into(),
        (&it.policy).into(),
        it.updated_at.into(),
        it.doc.to_string().into(),
    ];
    cx.change(sql, args).await?;
    Ok(())
}

/// Deletes it with all that hangs on it.
pub(crate) async fn delete(cx: &mut Write, id: &ApplicationId) -> Result<bool> {
    Ok(cx.change("DELETE FROM application WHERE tenant = $1 AND id = $2", [id.into()]).await? > 0)
}

/// Whether any application has that policy.
pub(crate) async fn any_with_policy(cx: &mut Read, policy: &PolicyName) -> Result<bool> {
    let sql = "SELECT id FROM application WHERE tenant = $1 AND policy = $2 LIMIT 1";
    Ok(cx.row(sql, [policy.into()]).await?.is_some())
}

fn application(row: &Row) -> Result<Application> {
    Ok(Application {
        id: ApplicationId::from(row.get::<String>("id")?),
        owner: UserName::from(row.get::<String>("owner")?),
        name: row.get("name")?,
        policy: PolicyName::from(row.get::<String>("policy")?),
        version: row.get("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        subscriptions: row.get("subscriptions")?,
        doc: document(row)?,
    })
}

/// The column `doc` of a row.
pub(super) fn document(row: &Row) -> Result<Value> {
    Ok(serde_json::from_str(&row.get::<String>("doc")?).map_err(Failure::from_error)?)
}
