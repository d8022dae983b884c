//! Users, their roles, and which roles a scope asks for.

use std::collections::BTreeMap;

use apim_core::model::{Role, Scope, Tenant, UserName};
use apim_core::store::{ScopeBinding, StoreError, User, UserStore};
use async_trait::async_trait;

use super::desk::{Read, Write};
use super::scopes;
use super::sql::Row;
use crate::error::Result;
use crate::service::roles;
use crate::store::Store;

#[async_trait]
impl UserStore for Store {
    async fn user(&self, tenant: &Tenant, name: &UserName) -> Result<Option<User>, StoreError> {
        let mut read = self.platform(tenant).read().await?;
        Ok(find(&mut read, name).await?)
    }

    async fn insert_user(&self, user: User) -> Result<(), StoreError> {
        let mut write = self.platform(&user.tenant).write().await?;
        if !insert(&mut write, &user).await? {
            return Err(StoreError::Exists);
        }
        write.commit().await?;
        Ok(())
    }

    async fn update_user(&self, user: User) -> Result<(), StoreError> {
        let mut write = self.platform(&user.tenant).write().await?;
        if !update(&mut write, &user).await? {
            return Err(StoreError::NotFound);
        }
        write.commit().await?;
        Ok(())
    }

    async fn delete_user(&self, tenant: &Tenant, name: &UserName) -> Result<(), StoreError> {
        let mut write = self.platform(tenant).write().await?;
        let sql = "DELETE FROM app_user WHERE tenant = $1 AND name = $2";
        if write.change(sql, [name.into()]).await? == 0 {
            return Err(StoreError::NotFound);
        }
        write.commit().await?;
        Ok(())
    }

    async fn users(&self, tenant: &Tenant) -> Result<Vec<User>, StoreError> {
        let mut read = self.platform(tenant).read().await?;
        let sql = "SELECT name, password, locked, created_at FROM app_user WHERE tenant = $1
            ORDER BY name COLLATE \"C\"";
        let rows = read.rows(sql, []).await?;
        let mut roles = all_roles(&mut read).await?;
        let user = |row: &Row| -> Result<User> {
            let name: String = row.get("name")?;
            user(tenant, row, roles.remove(&name).unwrap_or_default())
        };
        Ok(rows.iter().map(user).collect::<Result<_>>()?)
    }

    async fn scope_bindings(
        &self,
        tenant: &Tenant,
        scopes: &[Scope],
    ) -> Result<Vec<ScopeBinding>, StoreError> {
        let mut read = self.platform(tenant).read().await?;
        let mut bindings = Vec::new();
        for scope in scopes {
            if let Some(roles) = bound_roles(&mut read, scope).await? {
                bindings.push(ScopeBinding { scope: scope.clone(), roles });
            }
        }
        Ok(bindings)
    }
}

/// A user by name.
pub(crate) async fn find(cx: &mut Read, name: &UserName) -> Result<Option<User>> {
    let sql = "SELECT name, password, locked, created_at FROM app_user WHERE tenant = $1 AND name = $2";
    let Some(row) = cx.row(sql, [name.into()]).await? else { return Ok(None) };
    let roles = roles_of(cx, name).await?;
    Ok(Some(user(&cx.tenant().clone(), &row, roles)?))
}

/// A user's roles.
pub(crate) async fn roles_of(cx: &mut Read, name: &UserName) -> Result<Vec<Role>> {
    let sql = "SELECT role FROM user_role WHERE tenant = $1 AND name = $2 ORDER BY position";
    let rows = cx.rows(sql, [name.into()]).await?;
    rows.iter().map(|row| Ok(Role::from(row.get::<String>("role")?))).collect()
}

/// Adds a user; false if the name is taken.
pub(crate) async fn insert(cx: &mut Write, user: &User) -> Result<bool> {
    let sql = "INSERT INTO app_user (tenant, name, password, locked, created_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING";
    let args = [(&user.name).into(), (&user.password).into(), user.locked.into(), user.created_at.into()];
    if cx.change(sql, args).await? == 0 {
        return Ok(false);
    }
    put_roles(cx, user).await?;
    Ok(true)
}

/// Replaces a user; false if there is none.
pub(crate) async fn update(cx: &mut Write, user: &User) -> Result<bool> {
    let sql = "UPDATE app_user SET password = $3, locked = $4 WHERE tenant = $1 AND name = $2";
    let args = [(&user.name).into(), (&user.password).into(), user.locked.into()];
    if cx.change(sql, args).await? == 0 {
        return Ok(false);
    }
    cx.change("DELETE FROM user_role WHERE tenant = $1 AND name = $2", [(&user.name).into()]).await?;
    put_roles(cx, user).await?;
    Ok(true)
}

async fn put_roles(cx: &mut Write, user: &User) -> Result<()> {
    let sql = "INSERT INTO user_role (tenant, name, role, position) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING";
    for (position, role) in (0_i64..).zip(&user.roles) {
        cx.change(sql, [(&user.name).into(), role.into(), position.into()]).await?;
    }
    Ok(())
}

async fn all_roles(cx: &mut Read) -> Result<BTreeMap<String, Vec<Role>>> {
    let rows = cx.rows("SELECT name, role FROM user_role WHERE tenant = $1 ORDER BY position", []).await?;
    let mut roles: BTreeMap<String, Vec<Role>> = BTreeMap::new();
    for row in &rows {
        roles.entry(row.get("name")?).or_default().push(Role::from(row.get::<String>("role")?));
    }
    Ok(roles)
}

/// The roles a scope is bound to: those of the REST contracts by rule, those of APIs as registered.
async fn bound_roles(cx: &mut Read, scope: &Scope) -> Result<Option<Vec<Role>>> {
    if let Some(roles) = roles::of_scope(scope.as_str()) {
        return Ok(Some(roles));
    }
    let scope = scopes::named(cx, scope).await?;
    Ok(scope.map(|scope| scope.roles.into_iter().map(Role::from).collect()))
}

fn user(tenant: &Tenant, row: &Row, roles: Vec<Role>) -> Result<User> {
    Ok(User {
        tenant: tenant.clone(),
        name: UserName::from(row.get::<String>("name")?),
        password: row.get("password")?,
        roles,
        locked: row.get::<i64>("locked")? != 0,
        created_at: row.time("created_at")?,
    })
}
