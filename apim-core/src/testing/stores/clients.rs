//! The suite of [`ClientStore`].

use super::{a_client, one, two};
use crate::store::{ClientStore, StoreError};

/// What every [`ClientStore`] promises.
///
/// # Panics
///
/// At the first promise that is broken.
pub async fn clients(store: &dyn ClientStore) {
    keeps_every_field(store).await;
    names_are_unique_for_an_owner(store).await;
    replaces_all_but_the_id(store).await;
    deletes_only_within_the_tenant(store).await;
}

async fn keeps_every_field(store: &dyn ClientStore) {
    let full = a_client("clients-full", "full");
    let mut bare = a_client("clients-bare", "bare");
    bare.secrets.clear();
    bare.redirect_uris.clear();
    bare.additional.clear();
    bare.public = true;
    bare.token_lifetime = None;
    for client in [full, bare] {
        store.insert_client(client.clone()).await.expect("a new client");
        assert_eq!(store.client(&client.id).await.expect("a look-up"), Some(client.clone()));
        let named = store.client_named(&client.tenant, &client.owner, &client.name).await;
        assert_eq!(named.expect("a look-up by name"), Some(client));
    }
    assert_eq!(store.client(&"clients-none".into()).await.expect("a look-up"), None);
}

async fn names_are_unique_for_an_owner(store: &dyn ClientStore) {
    let first = a_client("clients-first", "same");
    store.insert_client(first.clone()).await.expect("a new client");

    let same_id = a_client("clients-first", "other");
    assert!(matches!(store.insert_client(same_id).await, Err(StoreError::Exists)));
    let same_name = a_client("clients-second", "same");
    assert!(matches!(store.insert_client(same_name.clone()).await, Err(StoreError::Exists)));
    assert_eq!(store.client(&same_name.id).await.expect("a look-up"), None, "a refused insert left traces");

    let mut other_owner = same_name.clone();
    other_owner.owner = "bob".into();
    store.insert_client(other_owner.clone()).await.expect("the same name for another owner");
    let mut other_tenant = a_client("clients-third", "same");
    other_tenant.tenant = two();
    store.insert_client(other_tenant.clone()).await.expect("the same name in another tenant");

    let found = store.client_named(&two(), &other_tenant.owner, "same").await.expect("a look-up by name");
    assert_eq!(found, Some(other_tenant));
    let found = store.client_named(&one(), &other_owner.owner, "same").await.expect("a look-up by name");
    assert_eq!(found, Some(other_owner));
    let upper = store.client_named(&one(), &first.owner, "SAME").await.expect("a look-up by name");
    assert_eq!(upper, None, "names are compared byte by byte");
}

async fn replaces_all_but_the_id(store: &dyn ClientStore) {
    let mut client = a_client("clients-changing", "before");
    store.insert_client(client.clone()).await.expect("a new client");
    client.name = "after".to_owned();
    client.secrets.remove(0);
    client.grant_types = vec!["client_credentials".to_owned()];
    client.redirect_uris.clear();
    client.additional.insert("more".to_owned(), String::new());
    client.token_lifetime = None;
    store.update_client(client.clone()).await.expect("an update");
    assert_eq!(store.client(&client.id).await.expect("a look-up"), Some(client.clone()));
    let old_name = store.client_named(&client.tenant, &client.owner, "before").await;
    assert_eq!(old_name.expect("a look-up by name"), None);

    let nobody = a_client("clients-none", "nobody");
    assert!(matches!(store.update_client(nobody).await, Err(StoreError::NotFound)));
}

async fn deletes_only_within_the_tenant(store: &dyn ClientStore) {
    let client = a_client("clients-going", "going");
    store.insert_client(client.clone()).await.expect("a new client");
    assert!(matches!(store.delete_client(&two(), &client.id).await, Err(StoreError::NotFound)));
    store.delete_client(&one(), &client.id).await.expect("a deletion");
    assert_eq!(store.client(&client.id).await.expect("a look-up"), None);
    assert!(matches!(store.delete_client(&one(), &client.id).await, Err(StoreError::NotFound)));
    store.insert_client(client).await.expect("id and name are free again");
}
