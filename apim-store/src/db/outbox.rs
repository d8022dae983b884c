//! Changes that gateways must learn of: numbered, kept, and read in order.
//!
//! `outbox` is the truth about what happened since; `deployed` holds, for each thing that gateways know,
//! the change that made it what it is, so that a snapshot is one scan. Both are written by [`stamp`], in the
//! transaction of the write itself.

use apim_core::event::{Change, Event, Revision};
use apim_core::{Secret, Snapshot, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::desk::System;
use super::seal::Sealer;
use super::sql::{Arg, Conn, Query, Row};
use crate::error::{Failure, Result};
use crate::store::Store;

/// How many events are kept for gateways that were away. Older cursors need a snapshot.
pub(crate) const KEPT: u64 = 10_000;

/// How often old events are thrown away: every so many revisions.
const PRUNE_EVERY: u64 = 1_000;

/// How many events are read at a time.
const BATCH: i64 = 500;

/// What marks a change that is sealed; JSON never begins so.
const MARK: &str = "sealed:";
const PURPOSE: &str = "change";

/// Numbers changes and keeps them. Must be the last thing before the commit.
///
/// The counter's row lock lasts until the commit, so numbers are ordered as commits are, without gaps, and
/// given back on rollback. A sequence would not do: a slow writer would hold 1 while 2 commits, and a reader
/// past 2 would never see 1. Being the last lock taken, it cannot deadlock.
pub(super) async fn stamp(
    conn: &mut Conn,
    sealer: &Sealer,
    now: Timestamp,
    changes: &[Change],
) -> Result<Revision> {
    let count = i64::try_from(changes.len()).map_err(Failure::from_error)?;
    let sql = "UPDATE head SET revision = revision + $1 RETURNING revision";
    let row = conn.one(Query::Fixed(sql, &[count.into()])).await?;
    let last: i64 = row.ok_or_else(|| Failure::new("the outbox has no head"))?.get(0)?;
    for (revision, change) in (last - count + 1..).zip(changes) {
        keep(conn, sealer, revision, now, change).await?;
    }
    let revision = Revision(u64::try_from(last).map_err(Failure::from_error)?);
    if revision.0 / PRUNE_EVERY != (revision.0 - changes.len() as u64) / PRUNE_EVERY {
        prune(conn, last - KEPT as i64).await?;
    }
    Ok(revision)
}

async fn keep(
    conn: &mut Conn,
    sealer: &Sealer,
    revision: i64,
    now: Timestamp,
    change: &Change,
) -> Result<()> {
    let text = written(sealer, change)?;
    let key = serde_json::to_string(&change.key()).map_err(Failure::from_error)?;
    let event: [Arg<'_>; 3] = [revision.into(), now.into(), (&text).into()];
    conn.run(Query::Fixed("INSERT INTO outbox (revision, at, change) VALUES ($1, $2, $3)", &event)).await?;
    if change.removes() {
        conn.run(Query::Fixed("DELETE FROM deployed WHERE key = $1", &[(&key).into()])).await?;
        return Ok(());
    }
    let sql = "INSERT INTO deployed (key, expires_at, change) VALUES ($1, $2, $3)
        ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at, change = excluded.change";
    conn.run(Query::Fixed(sql, &[(&key).into(), moot_at(change).into(), (&text).into()])).await?;
    Ok(())
}

/// A change as it is kept. One that holds secrets of backends is sealed as a whole.
fn written(sealer: &Sealer, change: &Change) -> Result<String> {
    let text = serde_json::to_string(change).map_err(Failure::from_error)?;
    match change {
        Change::ApiDeployed(api) if api.endpoints.all().any(|(_, endpoint)| endpoint.has_secrets()) => {
            Ok(format!("{MARK}{}", STANDARD.encode(sealer.seal(PURPOSE, &Secret::new(text))?)))
        }
        _ => Ok(text),
    }
}

/// A change that was kept.
fn read(sealer: &Sealer, text: &str) -> Result<Change> {
    let change = match text.strip_prefix(MARK) {
        None => serde_json::from_str(text),
        Some(sealed) => {
            let sealed = STANDARD.decode(sealed).map_err(Failure::from_error)?;
            serde_json::from_str(sealer.unseal(PURPOSE, &sealed)?.expose())
        }
    };
    Ok(change.map_err(Failure::from_error)?)
}

/// When a change stops mattering by itself: a revocation, when all that it refuses has expired.
fn moot_at(change: &Change) -> Option<Timestamp> {
    match change {
        Change::Revoked(revocation) => Some(revocation.moot_at()),
        _ => None,
    }
}

async fn prune(conn: &mut Conn, upto: i64) -> Result<()> {
    conn.run(Query::Fixed("DELETE FROM outbox WHERE revision <= $1", &[upto.into()])).await?;
    conn.run(Query::Fixed("UPDATE head SET pruned = $1 WHERE pruned < $1", &[upto.into()])).await?;
    Ok(())
}

/// Where the outbox stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// The last event.
    pub(crate) revision: Revision,
    /// The last event that is no longer kept.
    pub(crate) pruned: Revision,
}

/// Reads where the outbox stands.
pub(crate) async fn head(store: &Store) -> Result<Head> {
    read_head(&mut System::read(store).await?).await
}

async fn read_head(system: &mut System) -> Result<Head> {
    let row = system.row("SELECT revision, pruned FROM head", []).await?;
    let row = row.ok_or_else(|| Failure::new("the outbox has no head"))?;
    let number = |column| row.get::<i64>(column).map(|n| Revision(u64::try_from(n).unwrap_or(0)));
    Ok(Head { revision: number("revision")?, pruned: number("pruned")? })
}

/// The next events after a cursor, some hundreds at most.
pub(crate) async fn after(store: &Store, cursor: Revision) -> Result<Vec<Event>> {
    let mut system = System::read(store).await?;
    let cursor = i64::try_from(cursor.0).unwrap_or(i64::MAX);
    let sql = "SELECT revision, at, change FROM outbox WHERE revision > $1 ORDER BY revision LIMIT $2";
    system
        .rows(sql, [cursor.into(), BATCH.into()])
        .await?
        .iter()
        .map(|row| event(store.sealer(), row))
        .collect()
}

fn event(sealer: &Sealer, row: &Row) -> Result<Event> {
    let change: String = row.get("change")?;
    Ok(Event {
        revision: Revision(u64::try_from(row.get::<i64>("revision")?).map_err(Failure::from_error)?),
        at: row.time("at")?,
        change: read(sealer, &change)?,
    })
}

/// The present state, as one transaction sees it.
pub(crate) async fn snapshot(store: &Store) -> Result<Snapshot> {
    let mut system = System::read(store).await?;
    let head = read_head(&mut system).await?;
    let sql = "SELECT change FROM deployed WHERE expires_at IS NULL OR expires_at > $1";
    let rows = system.rows(sql, [store.now().into()]).await?;
    let changes = rows.iter().map(|row| {
        let change: String = row.get(0)?;
        read(store.sealer(), &change)
    });
    Ok(Snapshot::new(head.revision, changes.collect::<Result<Vec<_>>>()?))
}

/// Throws away what stopped mattering before a moment.
pub(crate) async fn forget_moot(store: &Store, before: Timestamp) -> Result<()> {
    let mut system = System::write(store).await?;
    system.change("DELETE FROM deployed WHERE expires_at < $1", [before.into()]).await?;
    system.commit().await
}
