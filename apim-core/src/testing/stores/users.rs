//! The suite of [`UserStore`].

use super::{at, one, two};
use crate::model::Scope;
use crate::store::{ScopeBinding, StoreError, User, UserStore};

/// What every [`UserStore`] promises about users.
///
/// # Panics
///
/// At the first promise that is broken.
pub async fn users(store: &dyn UserStore) {
    let ann = User {
        tenant: one(),
        name: "ann@example.com".into(),
        password: "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA".to_owned(),
        roles: vec!["Internal/creator".into(), "admin".into()],
        locked: false,
        created_at: at(5),
    };
    store.insert_user(ann.clone()).await.expect("a new user");
    assert_eq!(store.user(&one(), &ann.name).await.expect("a look-up"), Some(ann.clone()));
    assert_eq!(store.user(&two(), &ann.name).await.expect("a look-up"), None, "tenants were mixed");
    assert_eq!(store.user(&one(), &"Ann@example.com".into()).await.expect("a look-up"), None);
    assert!(matches!(store.insert_user(ann.clone()).await, Err(StoreError::Exists)));

    let mut namesake = ann.clone();
    namesake.tenant = two();
    namesake.roles.clear();
    store.insert_user(namesake.clone()).await.expect("the same name in another tenant");

    let mut changed = ann.clone();
    changed.password = "$argon2id$other".to_owned();
    changed.roles = vec!["Internal/subscriber".into()];
    changed.locked = true;
    store.update_user(changed.clone()).await.expect("an update");
    assert_eq!(store.user(&one(), &ann.name).await.expect("a look-up"), Some(changed.clone()));
    assert_eq!(store.user(&two(), &ann.name).await.expect("a look-up"), Some(namesake));

    let mut aaron = ann.clone();
    aaron.name = "aaron".into();
    assert!(matches!(store.update_user(aaron.clone()).await, Err(StoreError::NotFound)));
    store.insert_user(aaron.clone()).await.expect("a new user");
    assert_eq!(store.users(&one()).await.expect("a list"), [aaron.clone(), changed], "not ordered by name");

    store.delete_user(&one(), &ann.name).await.expect("a deletion");
    assert!(matches!(store.delete_user(&one(), &ann.name).await, Err(StoreError::NotFound)));
    assert_eq!(store.users(&one()).await.expect("a list"), [aaron]);
    assert!(store.user(&two(), &ann.name).await.expect("a look-up").is_some(), "tenants were mixed");
}

/// The scopes, each with its roles, that tenant `one.example` has when [`scope_bindings`] runs. How scopes
/// are registered is not the key manager's business, so each implementation brings these in its own way.
pub const BINDINGS: [(&str, &[&str]); 3] =
    [("apim:api_create", &["Internal/creator", "admin"]), ("pets:write", &["vet"]), ("everybody", &[])];

/// What every [`UserStore`] promises about scopes; it holds [`BINDINGS`] already.
///
/// # Panics
///
/// At the first promise that is broken.
pub async fn scope_bindings(store: &dyn UserStore) {
    let ask = |scopes: &[&str]| scopes.iter().map(|s| Scope::from(*s)).collect::<Vec<_>>();
    let all = ask(&["unregistered", "everybody", "apim:api_create", "pets:write", "pets:WRITE"]);
    let mut found = store.scope_bindings(&one(), &all).await.expect("a look-up");
    found.sort_by(|a, b| a.scope.cmp(&b.scope));
    let mut expected: Vec<_> = BINDINGS
        .iter()
        .map(|(scope, roles)| ScopeBinding {
            scope: (*scope).into(),
            roles: roles.iter().map(|r| (*r).into()).collect(),
        })
        .collect();
    expected.sort_by(|a, b| a.scope.cmp(&b.scope));
    assert_eq!(found, expected);
    assert_eq!(store.scope_bindings(&one(), &[]).await.expect("a look-up"), []);
    let one_of_them = store.scope_bindings(&one(), &ask(&["everybody"])).await.expect("a look-up");
    assert_eq!(one_of_them.len(), 1);
    assert_eq!(store.scope_bindings(&two(), &ask(&["pets:write"])).await.expect("a look-up"), []);
}
