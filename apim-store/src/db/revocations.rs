//! SQL of revocations, and of what use cases must know of users before they revoke.

use apim_core::Timestamp;
use apim_core::model::{ClientId, Revocation, Role, UserName};

use super::desk::{Read, Write};
use crate::error::{Failure, Result};

/// Remembers a revocation; false if a later one of the same is remembered.
pub(crate) async fn put(cx: &mut Write, revocation: &Revocation) -> Result<bool> {
    let (kind, id, moment) = match revocation {
        Revocation::Token { id, expires_at } => ("token", id.as_str(), *expires_at),
        Revocation::Client { client, before } => ("client", client.as_str(), *before),
        Revocation::User { user, before } => ("user", user.as_str(), *before),
    };
    // One that comes late must not refuse less than the one before it.
    let sql = "INSERT INTO revocation (tenant, kind, id, moment, expires_at, doc)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant, kind, id)
        DO UPDATE SET moment = excluded.moment, expires_at = excluded.expires_at, doc = excluded.doc
        WHERE excluded.moment > revocation.moment";
    let doc = serde_json::to_string(revocation).map_err(Failure::from_error)?;
    let args = [kind.into(), id.into(), moment.into(), revocation.moot_at().into(), doc.into()];
    Ok(cx.change(sql, args).await? > 0)
}

/// The moment before which all tokens of a client or of a user were ended; the later of the two.
pub(crate) async fn ended_before(
    cx: &mut Read,
    client: Option<&ClientId>,
    user: &UserName,
) -> Result<Timestamp> {
    let sql = "SELECT MAX(moment) FROM revocation WHERE tenant = $1
        AND ((kind = 'client' AND id = $2) OR (kind = 'user' AND id = $3))";
    let client = client.map_or("", ClientId::as_str);
    let row = cx.row(sql, [client.into(), user.into()]).await?;
    let moment: Option<i64> = row.map_or(Ok(None), |row| row.get(0))?;
    Ok(Timestamp::from_millis(moment.unwrap_or_default().unsigned_abs()))
}

/// How many users have a role and are not locked out.
pub(crate) async fn holders(cx: &mut Read, role: &Role) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM user_role r JOIN app_user u ON u.tenant = r.tenant AND u.name = r.name
        WHERE r.tenant = $1 AND r.role = $2 AND u.locked = 0";
    Ok(cx.row(sql, [role.into()]).await?.map_or(Ok(0), |row| row.get::<i64>(0))?)
}
