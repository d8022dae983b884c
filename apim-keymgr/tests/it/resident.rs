//! The server as the control plane's key manager.

use std::time::Duration;

use apim_core::key_manager::{KeyManager, KeyManagerError, LoginError, TokenKind, TokenRequest};
use apim_core::model::ClientId;

use crate::world::{World, claims, row, verify};

fn wanted(client: &ClientId, scopes: &[&str]) -> TokenRequest {
    let scopes = scopes.iter().map(|scope| (*scope).into()).collect();
    TokenRequest { client: client.clone(), scopes, lifetime: None }
}

#[tokio::test]
async fn a_portal_creates_a_client_and_gets_it_a_token() {
    let world = World::new().await;
    let resident = world.server.resident();
    let spec = world.spec("olga_app_PRODUCTION", &["client_credentials"]);
    let client = resident.create_client(spec).await.unwrap();
    assert!(client.secret.is_some());
    let seen = resident.client(&client.id).await.unwrap().unwrap();
    assert!(seen.secret.is_none(), "a secret is shown once");
    assert_eq!(seen.spec.name, "olga_app_PRODUCTION");

    let mut request = wanted(&client.id, &["a", "b"]);
    request.lifetime = Some(Duration::from_secs(60));
    let token = resident.issue(request).await.unwrap();
    assert_eq!(token.expires_in, Duration::from_secs(60));
    let claims = resident.verifier().verify(token.access_token.expose()).await.unwrap();
    assert_eq!((claims.kind, &claims.client), (TokenKind::Application, &client.id));
    assert!(claims.has_scope("a") && claims.has_scope("b"));

    resident.revoke(&client.id, token.access_token.expose()).await.unwrap();
    assert_eq!(world.verify(token.access_token.expose()).await, Err(900904));
    resident.revoke(&client.id, "whatever").await.unwrap();
}

#[tokio::test]
async fn a_portal_gets_no_token_by_a_grant_that_the_client_may_not_use() {
    let world = World::new().await;
    let app = world.app("shop", &["password"]).await;
    let refused = world.server.resident().issue(wanted(&app.id, &[])).await;
    assert!(matches!(refused, Err(KeyManagerError::Invalid(_))));
}

#[tokio::test]
async fn a_renewed_secret_ends_the_old_one() {
    let world = World::new().await;
    let app = world.app("shop", &["client_credentials"]).await;
    let second = world.server.resident().renew_secret(&app.id).await.unwrap().secret.unwrap();
    let second = crate::world::App { secret: second.expose().to_owned(), ..app.clone() };
    world.token(&second, "grant_type=client_credentials").await.ok();
    let old = world.token(&app, "grant_type=client_credentials").await;
    assert_eq!(old.error(), row(401, "invalid_client"));
}

#[tokio::test]
async fn a_new_owner_gets_a_client_of_which_the_former_one_knows_nothing_good() {
    let world = World::new().await;
    world.user("ann", "secret", &["admin"]).await;
    world.bind("apim:admin", &["admin"]);
    let app = world.app("shop", &["client_credentials", "password", "refresh_token"]).await;
    let own = world.token(&app, "grant_type=client_credentials").await.ok().access_token();
    let users = world.log_in(&app, "ann", "secret").await;
    let mut spec = world.spec("shop", &["client_credentials", "refresh_token"]);
    spec.owner = "ann".into();
    let resident = world.server.resident();
    resident.update_client(&app.id, spec.clone()).await.unwrap();

    let body = "grant_type=client_credentials&scope=apim:admin";
    assert_eq!(world.token(&app, body).await.error(), row(401, "invalid_client"));
    for token in [own, users.access_token()] {
        assert_eq!(world.verify(&token).await, Err(900904));
    }
    let secret = resident.renew_secret(&app.id).await.unwrap().secret.unwrap();
    let app = crate::world::App { secret: secret.expose().to_owned(), ..app };
    let refresh = format!("grant_type=refresh_token&refresh_token={}", users.refresh_token());
    assert_eq!(world.token(&app, &refresh).await.error(), row(400, "invalid_grant"));
    let token = world.token(&app, body).await.ok();
    assert_eq!(token.text("scope"), "apim:admin");
    // What the same owner changes leaves the secret alone.
    resident.update_client(&app.id, spec).await.unwrap();
    world.token(&app, body).await.ok();
    assert_eq!(world.verify(&token.access_token()).await, Ok(()));
}

#[tokio::test]
async fn a_portal_revokes_tokens_of_its_own_client_only() {
    let world = World::new().await;
    let app = world.app("shop", &["client_credentials"]).await;
    let other = world.app("other", &["client_credentials"]).await;
    let token = world.token(&other, "grant_type=client_credentials").await.ok().access_token();
    world.server.resident().revoke(&app.id, &token).await.unwrap();
    assert_eq!(world.verify(&token).await, Ok(()));
    world.server.resident().revoke(&other.id, &token).await.unwrap();
    assert_eq!(world.verify(&token).await, Err(900904));
}

#[tokio::test]
async fn an_update_keeps_id_and_secret() {
    let world = World::new().await;
    let app = world.app("shop", &["client_credentials"]).await;
    let mut spec = world.spec("shop 2", &["client_credentials", "password"]);
    spec.token_lifetime = Some(Duration::from_secs(5));
    let updated = world.server.resident().update_client(&app.id, spec).await.unwrap();
    assert_eq!(updated.id, app.id);
    assert!(updated.secret.is_none());
    let answer = world.token(&app, "grant_type=client_credentials").await.ok();
    assert_eq!(answer.json()["expires_in"], 5);
}

#[tokio::test]
async fn a_deleted_client_is_gone_with_all_its_tokens_everywhere() {
    let world = World::new().await;
    world.user("ann", "secret", &[]).await;
    let app = world.app("shop", &["password", "refresh_token"]).await;
    let other = world.another_process().await;
    let token = world.log_in(&app, "ann", "secret").await.access_token();
    assert_eq!(verify(&other, &token).await, Ok(()));
    world.server.resident().delete_client(&app.id).await.unwrap();
    assert_eq!(world.verify(&token).await, Err(900904));
    let body = "grant_type=password&username=ann&password=secret";
    assert_eq!(world.token(&app, body).await.error(), row(401, "invalid_client"));
    world.later(1);
    assert_eq!(verify(&other, &token).await, Err(900904), "within a second without an event");
}

#[tokio::test]
async fn an_event_tells_another_process_at_once() {
    let world = World::new().await;
    world.user("ann", "secret", &[]).await;
    let app = world.app("shop", &["password"]).await;
    let other = world.another_process().await;
    let token = world.log_in(&app, "ann", "secret").await.access_token();
    world.server.users().set_locked(&"ann".into(), true).await.unwrap();
    assert_eq!(verify(&other, &token).await, Ok(()));
    match world.memory.changes().pop() {
        Some(apim_core::Change::Revoked(revocation)) => other.learn(&revocation),
        change => panic!("{change:?}"),
    }
    assert_eq!(verify(&other, &token).await, Err(900904));
}

#[tokio::test]
async fn a_specification_that_breaks_a_rule_is_refused_in_words() {
    let world = World::new().await;
    let resident = world.server.resident();
    let invalid = |spec| {
        let resident = resident.clone();
        async move { matches!(resident.create_client(spec).await, Err(KeyManagerError::Invalid(_))) }
    };
    assert!(invalid(world.spec("", &["password"])).await);
    assert!(invalid(world.spec("a", &["implicit"])).await);
    let mut spec = world.spec("b", &["authorization_code"]);
    spec.redirect_uris.clear();
    assert!(invalid(spec).await);
    let mut spec = world.spec("c", &["authorization_code"]);
    spec.redirect_uris = vec!["http://evil.example/".to_owned()];
    assert!(invalid(spec).await);
    let mut spec = world.spec("d", &["client_credentials"]);
    spec.public = true;
    assert!(invalid(spec).await);
    let mut spec = world.spec("e", &["password"]);
    spec.tenant = "elsewhere".into();
    assert!(invalid(spec).await);
}

#[tokio::test]
async fn names_are_unique_for_an_owner_and_unknown_ids_are_said_to_be() {
    let world = World::new().await;
    let resident = world.server.resident();
    world.app("shop", &["password"]).await;
    let again = resident.create_client(world.spec("shop", &["password"])).await;
    assert!(matches!(again, Err(KeyManagerError::Exists)));
    let nobody = ClientId::from("nobody");
    let unknown =
        |result: Result<(), KeyManagerError>| matches!(result, Err(KeyManagerError::UnknownClient(_)));
    assert!(unknown(resident.delete_client(&nobody).await));
    assert!(unknown(resident.renew_secret(&nobody).await.map(drop)));
    assert!(unknown(resident.issue(wanted(&nobody, &[])).await.map(drop)));
    assert!(unknown(resident.update_client(&nobody, world.spec("x", &["password"])).await.map(drop)));
    assert!(resident.client(&nobody).await.unwrap().is_none());
    world.memory.break_down(true);
    assert!(matches!(resident.client(&nobody).await, Err(KeyManagerError::Failed(_))));
}

#[tokio::test]
async fn a_portals_token_for_bound_scopes_follows_the_owners_roles() {
    let world = World::new().await;
    world.user("olga", "secret", &["vet"]).await;
    world.bind("pets:write", &["vet"]);
    world.bind("apim:admin", &["admin"]);
    let app = world.app("shop", &["client_credentials"]).await;
    let request = wanted(&app.id, &["pets:write", "apim:admin"]);
    let token = world.server.resident().issue(request).await.unwrap();
    assert_eq!(claims(token.access_token.expose())["scope"], "pets:write");
}

#[tokio::test]
async fn a_scope_with_a_space_in_it_does_not_smuggle_a_second_one_past_the_roles() {
    let world = World::new().await;
    world.user("olga", "secret", &["Internal/subscriber"]).await;
    world.bind("apim:admin", &["admin"]);
    let app = world.app("shop", &["client_credentials"]).await;
    for odd in ["x apim:admin", " apim:admin", "x\tapim:admin", "x\\", "\"", "", "x\u{a0}y"] {
        let issued = world.server.resident().issue(wanted(&app.id, &[odd])).await;
        assert!(matches!(issued, Err(KeyManagerError::Invalid(_))), "{odd:?}");
    }
}

#[tokio::test]
async fn a_password_says_who_it_is_and_what_a_token_of_theirs_could_do() {
    let world = World::new().await;
    world.user("ann", "secret", &["boss"]).await;
    world.bind("orders:delete", &["boss"]);
    world.bind("orders:audit", &["auditor"]);
    let passwords = world.server.resident().passwords().unwrap();
    let wanted = ["orders:delete".into(), "orders:audit".into()];
    let verify = async |name: &str, password: &str, from: &str| {
        let from = from.parse().unwrap();
        passwords.verify(name, &password.into(), &wanted, Some(from)).await
    };
    for name in ["ann", "ann@carbon.super"] {
        let login = verify(name, "secret", "192.0.2.1").await.unwrap();
        assert_eq!((login.subject.as_str(), &login.scopes[..]), ("ann", &wanted[..1]));
    }
    let nothing = passwords.verify("ann", &"secret".into(), &wanted[1..], None).await.unwrap();
    assert!(nothing.scopes.is_empty(), "not even what stands in a token for want of anything else");

    assert!(matches!(verify("nobody", "secret", "192.0.2.1").await, Err(LoginError::Wrong)));
    for _ in 0..10 {
        assert!(matches!(verify("ann", "wrong", "192.0.2.1").await, Err(LoginError::Wrong)));
    }
    assert!(matches!(verify("ann", "secret", "192.0.2.1").await, Err(LoginError::TooMany(_))));
    assert!(verify("ann", "secret", "192.0.2.2").await.is_ok(), "she is not locked out elsewhere");
}
