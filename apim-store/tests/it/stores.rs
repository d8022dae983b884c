//! The key manager's memory: core's own suites, on each database.

use apim_core::store::ScopeBinding;
use apim_core::testing::stores;

use crate::place::databases;

#[tokio::test]
async fn clients_are_kept_as_the_key_manager_needs_them() {
    for database in databases().await {
        stores::clients(&database.open().await).await;
    }
}

#[tokio::test]
async fn users_are_kept_as_the_key_manager_needs_them() {
    for database in databases().await {
        stores::users(&database.open().await).await;
    }
}

#[tokio::test]
async fn scopes_know_their_roles() {
    for database in databases().await {
        let store = database.open().await;
        for (scope, roles) in stores::BINDINGS {
            let roles = roles.iter().map(|role| (*role).into()).collect();
            let binding = ScopeBinding { scope: scope.into(), roles };
            store.register_scope(&"one.example".into(), binding).await.unwrap();
        }
        stores::scope_bindings(&store).await;
    }
}

#[tokio::test]
async fn a_grant_is_good_once() {
    for database in databases().await {
        let store = database.open().await;
        stores::grants(&store, &store).await;
    }
}

#[tokio::test]
async fn signing_keys_come_back_as_they_were() {
    for database in databases().await {
        stores::signing_keys(&database.open().await).await;
    }
}

#[tokio::test]
async fn what_was_revoked_stays_revoked() {
    for database in databases().await {
        stores::revocations(&database.open().await).await;
    }
}
