//! SQL of client certificates.

use apim_core::model::{ApiId, KeyType};

use super::desk::{Read, Write};
use super::sql::Row;
use crate::error::{Failure, Result};

/// A client certificate as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct StoredCertificate {
    pub(crate) alias: String,
    pub(crate) key_type: KeyType,
    pub(crate) tier: String,
    pub(crate) fingerprint: String,
    /// DER.
    pub(crate) certificate: Vec<u8>,
}

/// What the draft of an API is called where revisions have an id.
pub(crate) const DRAFT: &str = "";

/// All of an API's draft, or of a revision, by alias.
pub(crate) async fn of(cx: &mut Read, api: &ApiId, revision: &str) -> Result<Vec<StoredCertificate>> {
    let sql = "SELECT alias, key_type, tier, fingerprint, certificate FROM client_certificate
        WHERE tenant = $1 AND api = $2 AND revision = $3 ORDER BY alias COLLATE \"C\"";
    cx.rows(sql, [api.into(), revision.into()]).await?.iter().map(certificate).collect()
}

/// Adds one to a draft, or replaces the one of its alias.
pub(crate) async fn put(cx: &mut Write, api: &ApiId, it: &StoredCertificate) -> Result<()> {
    let sql = "INSERT INTO client_certificate
            (tenant, api, revision, alias, key_type, tier, fingerprint, certificate)
        VALUES ($1, $2, '', $3, $4, $5, $6, $7)
        ON CONFLICT (api, revision, alias) DO UPDATE SET key_type = excluded.key_type, tier = excluded.tier,
            fingerprint = excluded.fingerprint, certificate = excluded.certificate";
    let args = [
        api.into(),
        (&it.alias).into(),
        it.key_type.as_str().into(),
        (&it.tier).into(),
        (&it.fingerprint).into(),
        (&it.certificate).into(),
    ];
    cx.change(sql, args).await?;
    Ok(())
}

/// Takes one out of a draft.
pub(crate) async fn delete(cx: &mut Write, api: &ApiId, alias: &str) -> Result<()> {
    let sql =
        "DELETE FROM client_certificate WHERE tenant = $1 AND api = $2 AND revision = '' AND alias = $3";
    cx.change(sql, [api.into(), alias.into()]).await?;
    Ok(())
}

/// Gives one place what another has, instead of what it had.
pub(crate) async fn copy(cx: &mut Write, from: (&ApiId, &str), to: (&ApiId, &str)) -> Result<()> {
    forget(cx, to.0, to.1).await?;
    let sql = "INSERT INTO client_certificate
            (tenant, api, revision, alias, key_type, tier, fingerprint, certificate)
        SELECT tenant, CAST($4 AS TEXT), CAST($5 AS TEXT), alias, key_type, tier, fingerprint, certificate
        FROM client_certificate WHERE tenant = $1 AND api = $2 AND revision = $3";
    cx.change(sql, [from.0.into(), from.1.into(), to.0.into(), to.1.into()]).await?;
    Ok(())
}

/// Deletes all of a draft, or of a revision.
pub(crate) async fn forget(cx: &mut Write, api: &ApiId, revision: &str) -> Result<()> {
    let sql = "DELETE FROM client_certificate WHERE tenant = $1 AND api = $2 AND revision = $3";
    cx.change(sql, [api.into(), revision.into()]).await?;
    Ok(())
}

fn certificate(row: &Row) -> Result<StoredCertificate> {
    let key_type: String = row.get("key_type")?;
    let key_type = [KeyType::Production, KeyType::Sandbox].into_iter().find(|it| it.as_str() == key_type);
    Ok(StoredCertificate {
        alias: row.get("alias")?,
        key_type: key_type.ok_or_else(|| Failure::new("a client certificate has an unknown key type"))?,
        tier: row.get("tier")?,
        fingerprint: row.get("fingerprint")?,
        certificate: row.get("certificate")?,
    })
}
