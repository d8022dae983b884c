//! OAuth clients.

use apim_core::model::{ClientId, Tenant, UserName};
use apim_core::store::{Client, ClientStore, StoreError};
use async_trait::async_trait;

use super::desk::System;
use super::sql::Row;
use crate::error::{Error, Failure, Result};
use crate::store::Store;

#[async_trait]
impl ClientStore for Store {
    async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        // A token request says nothing of its tenant, and ids are unique over all of them.
        let mut system = System::read(self).await?;
        let row = system.row("SELECT doc FROM client WHERE id = $1", [id.into()]).await?;
        Ok(row.as_ref().map(parse).transpose()?)
    }

    async fn client_named(
        &self,
        tenant: &Tenant,
        owner: &UserName,
        name: &str,
    ) -> Result<Option<Client>, StoreError> {
        let mut read = self.platform(tenant).read().await?;
        let sql = "SELECT doc FROM client WHERE tenant = $1 AND owner = $2 AND name = $3";
        let row = read.row(sql, [owner.into(), name.into()]).await?;
        Ok(row.as_ref().map(parse).transpose()?)
    }

    async fn insert_client(&self, client: Client) -> Result<(), StoreError> {
        let mut write = self.platform(&client.tenant).write().await?;
        let sql = "INSERT INTO client (tenant, id, owner, name, doc) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING";
        let doc = text(&client)?;
        let args = [(&client.id).into(), (&client.owner).into(), (&client.name).into(), doc.into()];
        if write.change(sql, args).await? == 0 {
            return Err(StoreError::Exists);
        }
        write.commit().await?;
        Ok(())
    }

    async fn update_client(&self, client: Client) -> Result<(), StoreError> {
        let mut write = self.platform(&client.tenant).write().await?;
        let sql = "UPDATE client SET owner = $3, name = $4, doc = $5 WHERE tenant = $1 AND id = $2";
        let doc = text(&client)?;
        let args = [(&client.id).into(), (&client.owner).into(), (&client.name).into(), doc.into()];
        if write.change(sql, args).await? == 0 {
            return Err(StoreError::NotFound);
        }
        write.commit().await?;
        Ok(())
    }

    async fn delete_client(&self, tenant: &Tenant, id: &ClientId) -> Result<(), StoreError> {
        let mut write = self.platform(tenant).write().await?;
        if write.change("DELETE FROM client WHERE tenant = $1 AND id = $2", [id.into()]).await? == 0 {
            return Err(StoreError::NotFound);
        }
        write.change("DELETE FROM auth_code WHERE tenant = $1 AND client = $2", [id.into()]).await?;
        write.change("DELETE FROM refresh_token WHERE tenant = $1 AND client = $2", [id.into()]).await?;
        write.commit().await?;
        Ok(())
    }
}

fn parse(row: &Row) -> Result<Client> {
    Ok(serde_json::from_str(&row.get::<String>("doc")?).map_err(Failure::from_error)?)
}

pub(super) fn text(value: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string(value).map_err(Failure::from_error)?)
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        StoreError::failed(error)
    }
}
