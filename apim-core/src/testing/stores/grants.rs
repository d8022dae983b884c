//! The suite of [`GrantStore`].

use std::future::poll_fn;
use std::task::Poll;

use super::{a_client, at, one, two};
use crate::BoxFuture;
use crate::store::{AuthorizationCode, ClientStore, GrantStore, Redeemed, RefreshToken};

const CLIENT: &str = "grants-client";

/// What every [`GrantStore`] promises. `clients` is the store of the clients that the grants belong to.
///
/// # Panics
///
/// At the first promise that is broken.
pub async fn grants(clients: &dyn ClientStore, store: &dyn GrantStore) {
    clients.insert_client(a_client(CLIENT, "grants")).await.expect("a new client");
    a_code_is_good_once(store).await;
    a_refresh_token_is_good_once(store).await;
    only_one_of_many_at_once_wins(store).await;
    a_family_ends_together(store).await;
    used_grants_are_remembered_until_they_expire(store).await;
    a_deleted_client_takes_its_grants_along(clients, store).await;
}

fn code(hash: &str) -> AuthorizationCode {
    AuthorizationCode {
        hash: hash.to_owned(),
        tenant: one(),
        client: CLIENT.into(),
        user: "ann@example.com".into(),
        scopes: vec!["openid".into(), "pets:write".into()],
        redirect_uri: "https://app.example/cb?a=b".to_owned(),
        challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
        nonce: Some("n-0S6_WzA2Mj".to_owned()),
        family: "family-of-codes".to_owned(),
        issued_at: at(700),
        expires_at: at(1_000),
    }
}

fn refresh(hash: &str, family: &str) -> RefreshToken {
    RefreshToken {
        hash: hash.to_owned(),
        tenant: one(),
        client: CLIENT.into(),
        user: "ann@example.com".into(),
        scopes: vec!["pets:write".into(), "default".into()],
        family: family.to_owned(),
        access_token: ("jti-1".into(), at(500)),
        issued_at: at(700),
        expires_at: at(1_000),
    }
}

async fn a_code_is_good_once(store: &dyn GrantStore) {
    let mut bare = code("code-bare");
    bare.scopes.clear();
    bare.challenge = None;
    bare.nonce = None;
    for code in [code("code-full"), bare] {
        store.insert_code(code.clone()).await.expect("a new code");
        let first = store.redeem_code(&code.hash).await.expect("a redemption");
        assert_eq!(first, Redeemed::Good(code.clone()));
        let second = store.redeem_code(&code.hash).await.expect("a redemption");
        assert_eq!(second, Redeemed::Reused(code.clone()));
        let third = store.redeem_code(&code.hash).await.expect("a redemption");
        assert_eq!(third, Redeemed::Reused(code));
    }
    assert_eq!(store.redeem_code("code-none").await.expect("a redemption"), Redeemed::Unknown);
}

async fn a_refresh_token_is_good_once(store: &dyn GrantStore) {
    let token = refresh("refresh-1", "family-1");
    store.insert_refresh(token.clone()).await.expect("a new token");
    assert_eq!(store.refresh("refresh-1").await.expect("a look-up"), Some(token.clone()));
    let first = store.redeem_refresh("refresh-1").await.expect("a redemption");
    assert_eq!(first, Redeemed::Good(token.clone()));
    assert_eq!(store.refresh("refresh-1").await.expect("a look-up"), None, "a used token was found");
    let second = store.redeem_refresh("refresh-1").await.expect("a redemption");
    assert_eq!(second, Redeemed::Reused(token));
    assert_eq!(store.redeem_refresh("refresh-none").await.expect("a redemption"), Redeemed::Unknown);
    assert_eq!(store.refresh("refresh-none").await.expect("a look-up"), None);
}

async fn only_one_of_many_at_once_wins(store: &dyn GrantStore) {
    store.insert_code(code("code-raced")).await.expect("a new code");
    let codes = all((0..8).map(|_| store.redeem_code("code-raced")).collect()).await;
    let won = codes.into_iter().map(|r| r.expect("a redemption"));
    assert_eq!(won.filter(|r| matches!(r, Redeemed::Good(_))).count(), 1);

    store.insert_refresh(refresh("refresh-raced", "family-raced")).await.expect("a new token");
    let tokens = all((0..8).map(|_| store.redeem_refresh("refresh-raced")).collect()).await;
    let won = tokens.into_iter().map(|r| r.expect("a redemption"));
    assert_eq!(won.filter(|r| matches!(r, Redeemed::Good(_))).count(), 1);
}

async fn a_family_ends_together(store: &dyn GrantStore) {
    for (hash, family) in [("f-used", "ending"), ("f-good", "ending"), ("f-other", "staying")] {
        store.insert_refresh(refresh(hash, family)).await.expect("a new token");
    }
    store.redeem_refresh("f-used").await.expect("a redemption");

    assert_eq!(store.end_family(&two(), "ending").await.expect("an end"), [], "tenants were mixed");
    let ended = store.end_family(&one(), "ending").await.expect("an end");
    assert_eq!(ended, [refresh("f-good", "ending")], "only what was still good is answered");
    assert_eq!(store.end_family(&one(), "ending").await.expect("an end"), []);

    assert_eq!(store.refresh("f-good").await.expect("a look-up"), None);
    let replayed = store.redeem_refresh("f-good").await.expect("a redemption");
    assert_eq!(replayed, Redeemed::Reused(refresh("f-good", "ending")), "an ended token is a used one");
    assert!(store.refresh("f-other").await.expect("a look-up").is_some());
}

async fn used_grants_are_remembered_until_they_expire(store: &dyn GrantStore) {
    store.insert_code(code("code-old")).await.expect("a new code");
    store.insert_refresh(refresh("refresh-old", "family-old")).await.expect("a new token");
    store.redeem_code("code-old").await.expect("a redemption");
    store.forget_expired_grants(at(1_000)).await.expect("a clean-up");
    let code = store.redeem_code("code-old").await.expect("a redemption");
    assert!(matches!(code, Redeemed::Reused(_)), "it expires at that moment, not before it");
    assert!(store.refresh("refresh-old").await.expect("a look-up").is_some());

    store.forget_expired_grants(at(1_001)).await.expect("a clean-up");
    assert_eq!(store.redeem_code("code-old").await.expect("a redemption"), Redeemed::Unknown);
    assert_eq!(store.refresh("refresh-old").await.expect("a look-up"), None);
}

async fn a_deleted_client_takes_its_grants_along(clients: &dyn ClientStore, store: &dyn GrantStore) {
    store.insert_code(code("code-orphan")).await.expect("a new code");
    store.insert_refresh(refresh("refresh-orphan", "family-orphan")).await.expect("a new token");
    clients.delete_client(&one(), &CLIENT.into()).await.expect("a deletion");
    assert_eq!(store.redeem_code("code-orphan").await.expect("a redemption"), Redeemed::Unknown);
    assert_eq!(store.redeem_refresh("refresh-orphan").await.expect("a redemption"), Redeemed::Unknown);
}

/// Drives futures side by side, so that their steps mix.
async fn all<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(Some).collect();
    let mut done = Vec::new();
    poll_fn(|cx| {
        for slot in &mut running {
            if let Some(future) = slot
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                done.push(value);
                *slot = None;
            }
        }
        if running.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done
}
