//! Signing keys, sealed, and revocations. Each change goes out to gateways with its own transaction.

use apim_core::Timestamp;
use apim_core::event::Change;
use apim_core::model::{ClientId, KeyManagerConfig, Revocation, Tenant, TokenId, UserName};
use apim_core::store::{RevocationStore, SigningKey, SigningKeyStore, StoreError};
use async_trait::async_trait;

use super::desk::System;
use super::outbox;
use super::revocations;
use super::sql::Row;
use crate::error::{Failure, Result};
use crate::store::Store;

/// What sealed keys are bound to.
const PURPOSE: &str = "signing key";

#[async_trait]
impl SigningKeyStore for Store {
    async fn signing_keys(&self, tenant: &Tenant) -> Result<Vec<SigningKey>, StoreError> {
        let mut read = self.platform(tenant).read().await?;
        let sql = "SELECT id, private, created_at, retired_at FROM signing_key WHERE tenant = $1
            ORDER BY created_at, id COLLATE \"C\"";
        let rows = read.rows(sql, []).await?;
        let key = |row: &Row| -> Result<SigningKey> {
            let retired: Option<i64> = row.get("retired_at")?;
            Ok(SigningKey {
                id: row.get("id")?,
                private: read.unseal(PURPOSE, &row.get::<Vec<u8>>("private")?)?,
                created_at: row.time("created_at")?,
                retired_at: retired.map(|at| Timestamp::from_millis(at.unsigned_abs())),
            })
        };
        Ok(rows.iter().map(key).collect::<Result<_>>()?)
    }

    async fn insert_signing_key(
        &self,
        tenant: &Tenant,
        key: SigningKey,
        published: KeyManagerConfig,
    ) -> Result<(), StoreError> {
        let mut write = self.platform(tenant).write().await?;
        let retire = "UPDATE signing_key SET retired_at = $2 WHERE tenant = $1 AND retired_at IS NULL";
        write.change(retire, [key.created_at.into()]).await?;
        let sealed = write.seal(PURPOSE, &key.private)?;
        let sql = "INSERT INTO signing_key (tenant, id, private, created_at, retired_at)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let args = [(&key.id).into(), (&sealed).into(), key.created_at.into(), key.retired_at.into()];
        if write.change(sql, args).await? == 0 {
            return Err(StoreError::Exists);
        }
        write.tell(Change::KeyManagerSaved(published.into()));
        write.commit().await?;
        Ok(())
    }

    async fn publish(&self, tenant: &Tenant, published: KeyManagerConfig) -> Result<(), StoreError> {
        let mut write = self.platform(tenant).write().await?;
        write.tell(Change::KeyManagerSaved(published.into()));
        write.commit().await?;
        Ok(())
    }

    async fn delete_signing_key(
        &self,
        tenant: &Tenant,
        id: &str,
        published: KeyManagerConfig,
    ) -> Result<(), StoreError> {
        let mut write = self.platform(tenant).write().await?;
        if write.change("DELETE FROM signing_key WHERE tenant = $1 AND id = $2", [id.into()]).await? == 0 {
            return Err(StoreError::NotFound);
        }
        write.tell(Change::KeyManagerSaved(published.into()));
        write.commit().await?;
        Ok(())
    }
}

#[async_trait]
impl RevocationStore for Store {
    async fn revoke(&self, tenant: &Tenant, revocation: Revocation) -> Result<(), StoreError> {
        let mut write = self.platform(tenant).write().await?;
        if revocations::put(&mut write, &revocation).await? {
            write.tell(Change::Revoked(revocation));
        }
        write.commit().await?;
        Ok(())
    }

    async fn is_revoked(&self, id: &TokenId) -> Result<bool, StoreError> {
        let mut system = System::read(self).await?;
        let sql = "SELECT id FROM revocation WHERE kind = 'token' AND id = $1";
        Ok(system.row(sql, [id.into()]).await?.is_some())
    }

    async fn ended_before(
        &self,
        tenant: &Tenant,
        client: &ClientId,
        user: &UserName,
    ) -> Result<Timestamp, StoreError> {
        let mut read = self.platform(tenant).read().await?;
        Ok(revocations::ended_before(&mut read, Some(client), user).await?)
    }

    async fn revocations(&self, tenant: &Tenant) -> Result<Vec<Revocation>, StoreError> {
        let mut read = self.platform(tenant).read().await?;
        let sql = "SELECT doc FROM revocation WHERE tenant = $1 ORDER BY kind, id COLLATE \"C\"";
        let rows = read.rows(sql, []).await?;
        let parse = |row: &Row| -> Result<Revocation> {
            Ok(serde_json::from_str(&row.get::<String>("doc")?).map_err(Failure::from_error)?)
        };
        Ok(rows.iter().map(parse).collect::<Result<_>>()?)
    }

    async fn forget_expired_revocations(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut system = System::write(self).await?;
        system.change("DELETE FROM revocation WHERE expires_at < $1", [before.into()]).await?;
        system.commit().await?;
        Ok(outbox::forget_moot(self, before).await?)
    }
}
