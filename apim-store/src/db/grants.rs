//! Authorization codes and refresh tokens.

use apim_core::Timestamp;
use apim_core::model::Tenant;
use apim_core::store::{AuthorizationCode, GrantStore, Redeemed, RefreshToken, StoreError};
use async_trait::async_trait;
use serde::de::DeserializeOwned;

use super::clients::text;
use super::desk::System;
use super::sql::Row;
use crate::error::{Failure, Result};
use crate::store::Store;

#[async_trait]
impl GrantStore for Store {
    async fn insert_code(&self, code: AuthorizationCode) -> Result<(), StoreError> {
        let mut write = self.platform(&code.tenant).write().await?;
        let sql = "INSERT INTO auth_code (tenant, hash, client, expires_at, doc) VALUES ($1, $2, $3, $4, $5)";
        let doc = text(&code)?;
        let args = [(&code.hash).into(), (&code.client).into(), code.expires_at.into(), doc.into()];
        write.change(sql, args).await?;
        write.commit().await?;
        Ok(())
    }

    async fn redeem_code(&self, hash: &str) -> Result<Redeemed<AuthorizationCode>, StoreError> {
        let used = "UPDATE auth_code SET used = 1 WHERE hash = $1 AND used = 0 RETURNING doc";
        let known = "SELECT doc FROM auth_code WHERE hash = $1";
        Ok(redeem(self, hash, used, known).await?)
    }

    async fn insert_refresh(&self, token: RefreshToken) -> Result<(), StoreError> {
        let mut write = self.platform(&token.tenant).write().await?;
        let sql = "INSERT INTO refresh_token (tenant, hash, client, family, expires_at, doc)
            VALUES ($1, $2, $3, $4, $5, $6)";
        let doc = text(&token)?;
        let args = [
            (&token.hash).into(),
            (&token.client).into(),
            (&token.family).into(),
            token.expires_at.into(),
            doc.into(),
        ];
        write.change(sql, args).await?;
        write.commit().await?;
        Ok(())
    }

    async fn refresh(&self, hash: &str) -> Result<Option<RefreshToken>, StoreError> {
        let mut system = System::read(self).await?;
        let sql = "SELECT doc FROM refresh_token WHERE hash = $1 AND used = 0";
        let row = system.row(sql, [hash.into()]).await?;
        Ok(row.as_ref().map(parse).transpose()?)
    }

    async fn redeem_refresh(&self, hash: &str) -> Result<Redeemed<RefreshToken>, StoreError> {
        let used = "UPDATE refresh_token SET used = 1 WHERE hash = $1 AND used = 0 RETURNING doc";
        let known = "SELECT doc FROM refresh_token WHERE hash = $1";
        Ok(redeem(self, hash, used, known).await?)
    }

    async fn end_family(&self, tenant: &Tenant, family: &str) -> Result<Vec<RefreshToken>, StoreError> {
        let mut write = self.platform(tenant).write().await?;
        let sql = "UPDATE refresh_token SET used = 1 WHERE tenant = $1 AND family = $2 AND used = 0
            RETURNING doc";
        let ended = write.rows(sql, [family.into()]).await?;
        write.commit().await?;
        Ok(ended.iter().map(parse).collect::<Result<_>>()?)
    }

    async fn forget_expired_grants(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut system = System::write(self).await?;
        system.change("DELETE FROM auth_code WHERE expires_at < $1", [before.into()]).await?;
        system.change("DELETE FROM refresh_token WHERE expires_at < $1", [before.into()]).await?;
        Ok(system.commit().await?)
    }
}

/// Uses a grant up in one statement, so that of two concurrent calls one finds nothing to use.
async fn redeem<T: DeserializeOwned>(
    store: &Store,
    hash: &str,
    used: &'static str,
    known: &'static str,
) -> Result<Redeemed<T>> {
    let mut system = System::write(store).await?;
    if let Some(row) = system.row(used, [hash.into()]).await? {
        system.commit().await?;
        return Ok(Redeemed::Good(parse(&row)?));
    }
    match system.row(known, [hash.into()]).await? {
        Some(row) => Ok(Redeemed::Reused(parse(&row)?)),
        None => Ok(Redeemed::Unknown),
    }
}

fn parse<T: DeserializeOwned>(row: &Row) -> Result<T> {
    Ok(serde_json::from_str(&row.get::<String>("doc")?).map_err(Failure::from_error)?)
}
