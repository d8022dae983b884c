//! Signing keys: made, kept, rotated, agreed on by several processes.

use std::sync::Arc;

use apim_core::Timestamp;
use apim_core::event::Change;
use apim_core::model::Tenant;
use apim_core::store::SigningKeyStore as _;
use apim_core::testing::{ManualClock, Memory};
use apim_keymgr::{BuildError, Server, Stores};

use crate::world::{ISSUER, World, config, part, send, verify};

const BODY: &str = "grant_type=client_credentials";

fn kid(token: &str) -> String {
    part(token, 0)["kid"].as_str().unwrap().to_owned()
}

async fn published(world: &World) -> Vec<String> {
    let keys = world.get("/oauth2/jwks").await.ok().json()["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_first_start_makes_a_key_and_publishes_only_its_public_half() {
    let memory = Arc::new(Memory::default());
    let server = Server::builder(Stores::all(memory.clone()))
        .issuer(ISSUER)
        .clock(Arc::new(ManualClock::at(Timestamp::from_secs(1))))
        .config(config())
        .build()
        .await
        .unwrap();
    let request = http::Request::get("/oauth2/jwks").body(apim_core::Body::empty()).unwrap();
    let jwks = send(&server, request).await.ok().json();
    match memory.changes().pop() {
        Some(Change::KeyManagerSaved(config)) => {
            assert_eq!((&*config.name, config.issuer.as_str()), ("Resident Key Manager", ISSUER));
            assert_eq!(config.jwks, jwks);
        }
        other => panic!("{other:?}"),
    }
    let mut members: Vec<_> = jwks["keys"][0].as_object().unwrap().keys().cloned().collect();
    members.sort();
    assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
}

#[tokio::test]
async fn gateways_learn_of_another_issuer_at_the_next_start() {
    let world = World::new().await;
    let moved = "https://elsewhere.example/oauth2/token";
    let stores = Stores::all(world.memory.clone());
    Server::builder(stores).issuer(moved).clock(world.clock.clone()).config(config()).build().await.unwrap();
    match world.memory.changes().pop() {
        Some(Change::KeyManagerSaved(config)) => {
            assert_eq!(config.issuer, moved);
            assert_eq!(config.jwks, world.get("/oauth2/jwks").await.ok().json());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_rotation_is_published_before_it_signs_and_ends_no_token() {
    let world = World::new().await;
    let app = world.app("shop", &["client_credentials"]).await;
    let old = world.token(&app, BODY).await.ok().access_token();
    world.server.rotate().await.unwrap();
    assert_eq!(published(&world).await.len(), 2);
    let meanwhile = world.token(&app, BODY).await.ok().access_token();
    assert_eq!(kid(&meanwhile), kid(&old), "gateways are still learning of the new key");
    world.later(5);
    let new = world.token(&app, BODY).await.ok().access_token();
    assert_ne!(kid(&new), kid(&old));
    for token in [&old, &meanwhile, &new] {
        assert_eq!(world.verify(token).await, Ok(()));
    }
}

#[tokio::test]
async fn another_process_learns_of_a_rotation() {
    let world = World::new().await;
    let app = world.app("shop", &["client_credentials"]).await;
    let other = world.another_process().await;
    world.server.rotate().await.unwrap();
    world.later(5);
    let token = world.token(&app, BODY).await.ok().access_token();
    assert_eq!(verify(&other, &token).await, Ok(()), "an unknown kid is looked up");
    let request = crate::world::post("/oauth2/token", Some(&app.basic()), BODY);
    let theirs = send(&other, request).await.ok().access_token();
    assert_eq!(kid(&theirs), kid(&token));
}

#[tokio::test]
async fn random_kids_do_not_become_a_storm() {
    let world = World::new().await;
    let app = world.app("shop", &["client_credentials"]).await;
    let token = world.token(&app, BODY).await.ok().access_token();
    let forged = format!(
        "{}.e30.eA",
        base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            r#"{"typ":"at+jwt","alg":"RS256","kid":"random"}"#
        )
    );
    world.later(2);
    assert_eq!(world.verify(&forged).await, Err(900901));
    // Within the same second the store is not asked again: that it is away goes unnoticed.
    world.memory.break_down(true);
    assert_eq!(world.verify(&forged).await, Err(900901));
    world.later(1);
    assert_eq!(world.verify(&forged).await, Err(900900), "a second later it is");
    world.memory.break_down(false);
    assert_eq!(world.verify(&token).await, Ok(()));
}

#[tokio::test]
async fn a_retired_key_goes_when_its_last_token_is_over() {
    let world = World::new().await;
    let first = published(&world).await;
    world.server.rotate().await.unwrap();
    world.later(30 * 24 * 3600);
    world.server.tidy().await.unwrap();
    assert_eq!(published(&world).await.len(), 2, "a token of 30 days may still be about");
    world.later(3600);
    world.server.tidy().await.unwrap();
    let left = published(&world).await;
    assert_eq!(left.len(), 1);
    assert_ne!(left, first);
    match world.memory.changes().pop() {
        Some(Change::KeyManagerSaved(config)) => assert_eq!(config.jwks["keys"].as_array().unwrap().len(), 1),
        other => panic!("{other:?}"),
    }
    // The one that signs never goes, however old; here it gets a successor.
    world.later(365 * 24 * 3600);
    world.server.tidy().await.unwrap();
    assert_eq!(published(&world).await[0], left[0]);
}

#[tokio::test]
async fn processes_that_start_or_rotate_at_once_end_with_one_new_key() {
    let memory = Arc::new(Memory::default());
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1)));
    let start = || {
        let stores = Stores::all(memory.clone());
        tokio::spawn(Server::builder(stores).issuer(ISSUER).clock(clock.clone()).config(config()).build())
    };
    let (one, two) = (start(), start());
    let (one, two) = (one.await.unwrap().unwrap(), two.await.unwrap().unwrap());
    for server in [&one, &two] {
        server.rotate().await.unwrap();
    }
    let kept = memory.signing_keys(&Tenant::default()).await.unwrap();
    match memory.changes().pop() {
        Some(Change::KeyManagerSaved(config)) => {
            let published = config.jwks["keys"].as_array().unwrap().len();
            assert_eq!(published, kept.len(), "every key that signs is published");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_issuer_that_is_no_url_is_refused() {
    for issuer in
        ["", "apis.example", "ftp://apis.example", "https://apis.example/?a", "https://apis.example/#a"]
    {
        let built = Server::builder(Stores::all(Arc::new(Memory::default()))).issuer(issuer).build().await;
        assert!(matches!(built, Err(BuildError::Issuer(_))), "{issuer}");
    }
}

#[tokio::test]
async fn a_key_that_is_old_enough_is_followed_by_the_next_one() {
    let world = World::new().await;
    let first = published(&world).await;
    world.later(90 * 24 * 3600 - 1);
    world.server.tidy().await.unwrap();
    assert_eq!(published(&world).await, first);
    world.later(1);
    world.server.tidy().await.unwrap();
    let both = published(&world).await;
    assert_eq!((both.len(), &both[0]), (2, &first[0]), "the old one still verifies");
    world.later(10);
    world.server.tidy().await.unwrap();
    assert_eq!(published(&world).await, both, "once is enough");
    let app = world.app("shop", &["client_credentials"]).await;
    assert_eq!(kid(&world.token(&app, BODY).await.ok().access_token()), both[1]);
}

#[tokio::test]
async fn a_server_whose_tokens_would_outlive_the_memory_of_their_end_is_not_built() {
    let mut longer = config();
    longer.refresh_token = std::time::Duration::from_secs(32 * 24 * 3600);
    let built = Server::builder(Stores::all(Arc::new(Memory::default()))).config(longer).build().await;
    assert!(matches!(built, Err(BuildError::Lifetime(_))));
}
