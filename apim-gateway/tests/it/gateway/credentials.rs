//! Nobody calls a backend without a credential that is good for it.

use apim_core::event::Change;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::sync::Arc;

use crate::gateway::world::{
    Bench, NOW, another_key_manager, application, change, pets, sign, signer, subscription,
};

#[tokio::test]
async fn a_good_token_opens_the_api_and_goes_no_further() {
    let bench = Bench::new().await;
    let reply = bench.with_token(&bench.token(json!({}))).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, "pong"));
    let seen = bench.last();
    assert_eq!((seen.target.as_str(), seen.template.as_str()), ("/pets", "/pets"));
    assert!(!seen.headers.contains_key("authorization"));
}

#[tokio::test]
async fn without_a_credential_the_answer_says_which_are_accepted() {
    let bench = Bench::new().await;
    let reply = bench.get("/petstore/1.0.0/pets", &[]).await;
    assert_eq!(reply.status, 401);
    assert_eq!(
        reply.text,
        "{\"code\":\"900902\",\"message\":\"Missing Credentials\",\"description\":\"Invalid Credentials. Make sure \
         your API invocation call has a header: 'Authorization : Bearer ACCESS_TOKEN'\"}"
    );
    assert!(reply.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer realm="));
    assert_eq!(reply.headers["content-type"], "application/json; charset=UTF-8");
    assert!(reply.headers.contains_key("x-request-id"));
    assert_eq!(bench.count(), 0);
}

#[tokio::test]
async fn an_expired_token_is_told_from_a_wrong_one() {
    let bench = Bench::new().await;
    let token = bench.token(json!({"exp": NOW + 60}));
    assert_eq!(bench.with_token(&token).await.verdict(), (200, "pong".into()));
    bench.advance(120);
    let reply = bench.with_token(&token).await;
    assert_eq!(reply.status, 401);
    assert_eq!(
        reply.text,
        r#"{"code":"900903","message":"Access Token Expired","description":"Renew the access token and try again"}"#
    );
}

#[tokio::test]
async fn every_kind_of_wrong_token_is_refused_alike() {
    let bench = Bench::new().await;
    let good = bench.token(json!({}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let stranger = signer();
    let header = json!({"alg": "ES256", "kid": "key-1", "typ": "at+jwt"});
    let other = |header, claims| bench.token_with_header(header, claims);
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"key-1"}"#);
    let claims = signed.split_once('.').unwrap().1;
    let cases = [
        ("not a token", "abc".to_owned()),
        ("nothing", String::new()),
        ("alg none", format!("{none}.{claims}.")),
        ("alg none with the signature", format!("{none}.{claims}.{signature}")),
        (
            "a foreign signature",
            sign(
                &stranger,
                header.clone(),
                json!({"iss": crate::gateway::world::ISSUER, "exp": NOW + 60, "azp": "client-1"}),
            ),
        ),
        ("HS256 over the public key", other(json!({"alg": "HS256", "kid": "key-1"}), json!({}))),
        ("RS256 for an EC key", other(json!({"alg": "RS256", "kid": "key-1"}), json!({}))),
        ("an unknown key", other(json!({"alg": "ES256", "kid": "../../etc/passwd"}), json!({}))),
        ("a critical extension", other(json!({"alg": "ES256", "kid": "key-1", "crit": ["exp"]}), json!({}))),
        ("a refresh token", other(json!({"alg": "ES256", "kid": "key-1", "typ": "rt+jwt"}), json!({}))),
        (
            "an identity token",
            other(
                json!({"alg": "ES256", "kid": "key-1", "typ": "JWT"}),
                json!({"at_hash": "x", "nonce": "y"}),
            ),
        ),
        ("another issuer", bench.token(json!({"iss": "https://evil.example"}))),
        ("almost the issuer", bench.token(json!({"iss": format!("{}/", crate::gateway::world::ISSUER)}))),
        ("no expiry", bench.token(json!({"exp": null}))),
        ("an expiry in words", bench.token(json!({"exp": "tomorrow"}))),
        ("not good yet", bench.token(json!({"nbf": NOW + 60}))),
        ("issued in the future", bench.token(json!({"iat": NOW + 60}))),
        ("no client", bench.token(json!({"azp": null}))),
        ("a cut signature", good[..good.len() - 2].to_owned()),
        ("padding", format!("{good}=")),
        ("four parts", format!("{good}.x")),
        ("more than anybody reads", bench.token(json!({"more": "x".repeat(16 << 10)}))),
        ("r = s = 0", format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
    ];
    for (name, token) in cases {
        let reply = bench.with_token(&token).await;
        assert_eq!(reply.verdict(), (401, "900901".into()), "{name}");
        assert_eq!(reply.json()["message"], "Invalid Credentials", "{name}");
    }
    assert_eq!(bench.count(), 0);
}

#[tokio::test]
async fn a_remembered_token_with_another_signature_is_another_token() {
    let bench = Bench::new().await;
    let good = bench.token(json!({}));
    assert_eq!(bench.with_token(&good).await.verdict().0, 200);
    let (signed, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 64]));
    assert_eq!(bench.with_token(&forged).await.verdict(), (401, "900901".into()));
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_although_it_is_remembered() {
    let bench = Bench::new().await;
    let token = bench.token(json!({}));
    assert_eq!(bench.with_token(&token).await.verdict().0, 200);
    bench
        .apply(change(
            "Revoked",
            json!({"type": "token", "id": "token-1", "expires_at": (NOW + 3600) * 1000}),
        ))
        .await;
    assert_eq!(bench.with_token(&token).await.verdict(), (401, "900904".into()));
    let other = bench.token(json!({"jti": "token-2"}));
    assert_eq!(bench.with_token(&other).await.verdict().0, 200);
    bench.apply(change("Revoked", json!({"type": "user", "user": "ann", "before": NOW * 1000}))).await;
    assert_eq!(bench.with_token(&other).await.verdict(), (401, "900904".into()));
    let later = bench.token(json!({"jti": "token-3", "iat": NOW}));
    assert_eq!(bench.with_token(&later).await.verdict().0, 200);
    bench
        .apply(change("Revoked", json!({"type": "client", "client": "client-1", "before": (NOW + 1) * 1000})))
        .await;
    assert_eq!(bench.with_token(&later).await.verdict(), (401, "900904".into()));
}

#[tokio::test]
async fn a_revocation_is_not_taken_back_by_one_of_an_earlier_moment() {
    for (kind, name) in [("user", "ann"), ("client", "client-1")] {
        let bench = Bench::new().await;
        let revoke =
            |before: u64| change("Revoked", json!({"type": kind, kind: name, "before": before * 1000}));
        bench.apply(revoke(NOW + 1)).await;
        bench.apply(revoke(NOW - 100)).await;
        let verdict = bench.with_token(&bench.token(json!({}))).await.verdict();
        assert_eq!(verdict, (401, "900904".into()), "{kind}");
    }
}

#[tokio::test]
async fn tokens_of_a_key_that_was_withdrawn_are_forgotten() {
    let bench = Bench::new().await;
    let token = bench.token(json!({}));
    assert_eq!(bench.with_token(&token).await.verdict().0, 200);
    let fresh = another_key_manager(&signer(), "key-2");
    bench.apply(Change::KeyManagerSaved(Arc::new(fresh))).await;
    assert_eq!(bench.with_token(&token).await.verdict(), (401, "900901".into()));
}

#[tokio::test]
async fn a_subscription_is_needed_and_must_be_in_force() {
    let bench = Bench::new().await;
    let token = bench.token(json!({}));
    for (state, status, code) in [
        ("BLOCKED", 401, "900907"),
        ("PROD_ONLY_BLOCKED", 401, "900907"),
        ("ON_HOLD", 401, "900909"),
        ("REJECTED", 401, "900909"),
    ] {
        bench.apply(subscription(state)).await;
        assert_eq!(bench.with_token(&token).await.verdict(), (status, code.into()), "{state}");
    }
    bench.apply(change("SubscriptionRemoved", json!("sub-1"))).await;
    let reply = bench.with_token(&token).await;
    assert_eq!(reply.status, 403);
    assert_eq!(
        reply.text,
        "{\"code\":\"900908\",\"message\":\"Resource forbidden\",\"description\":\"User is NOT authorized to access \
         the Resource. API Subscription validation failed.\"}"
    );
    // Nor does the token of a client that no application has.
    bench.apply(subscription("UNBLOCKED")).await;
    let stranger = bench.token(json!({"azp": "client-9"}));
    assert_eq!(bench.with_token(&stranger).await.verdict(), (403, "900908".into()));
    bench.apply(change("KeyMappingRemoved", json!({"key_manager": "km", "client": "client-1"}))).await;
    assert_eq!(bench.with_token(&token).await.verdict(), (403, "900908".into()));
}

#[tokio::test]
async fn who_was_let_in_again_and_again_is_asked_anew_as_soon_as_anything_changes() {
    let client = json!({"key_manager": "km", "client": "client-1"});
    let elsewhere =
        json!({"application": "app-9", "key_manager": "km", "client": "client-1", "key_type": "PRODUCTION"});
    for (changed, verdict) in [
        (subscription("BLOCKED"), (401, "900907")),
        (change("SubscriptionRemoved", json!("sub-1")), (403, "900908")),
        (change("ApplicationRemoved", json!("app-1")), (403, "900908")),
        (change("KeyMappingRemoved", client), (403, "900908")),
        (change("KeyMappingSaved", elsewhere), (403, "900908")),
    ] {
        let bench = Bench::new().await;
        let token = bench.token(json!({}));
        let other = Bench::new().await;
        let others = other.token(json!({}));
        for _ in 0..4 {
            assert_eq!(bench.with_token(&token).await.verdict().0, 200);
            assert_eq!(other.with_token(&others).await.verdict().0, 200);
        }
        let shown = format!("{changed:?}");
        bench.apply(changed).await;
        for _ in 0..4 {
            assert_eq!(bench.with_token(&token).await.verdict(), (verdict.0, verdict.1.into()), "{shown}");
            assert_eq!(other.with_token(&others).await.verdict().0, 200);
        }
    }
}

#[tokio::test]
async fn who_was_let_in_again_and_again_is_let_into_that_api_alone() {
    let bench = Bench::new().await;
    let farm = pets(json!({"id": "farm", "context": "/farm"}));
    bench.apply(Change::ApiDeployed(Arc::new(farm))).await;
    let token = bench.token(json!({}));
    let bearer = format!("Bearer {token}");
    for _ in 0..4 {
        assert_eq!(bench.with_token(&token).await.verdict().0, 200);
        let reply = bench.get("/farm/1.0.0/pets", &[("authorization", &bearer)]).await;
        assert_eq!(reply.verdict(), (403, "900908".into()));
    }
}

#[tokio::test]
async fn an_api_without_plans_needs_no_subscription() {
    let bench = Bench::new().await;
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"subscriptions": false, "revision": 2}))))).await;
    let stranger = bench.token(json!({"azp": "client-9"}));
    assert_eq!(bench.with_token(&stranger).await.verdict().0, 200);
    assert_eq!(bench.get("/petstore/1.0.0/pets", &[]).await.verdict(), (401, "900902".into()));
}

#[tokio::test]
async fn one_of_the_scopes_is_enough_and_none_is_too_few() {
    let bench = Bench::new().await;
    let post = async |token: String| {
        bench.call("POST", "/petstore/1.0.0/pets", &[("authorization", &format!("bearer {token}"))]).await
    };
    let reply = post(bench.token(json!({"scope": "pets:read pets"}))).await;
    assert_eq!(reply.status, 403);
    assert_eq!(
        reply.text,
        "{\"code\":\"900910\",\"message\":\"The access token does not allow you to access the requested resource\",\
         \"description\":\"User is NOT authorized to access the Resource. Scope validation failed.\"}"
    );
    assert_eq!(post(bench.token(json!({"scope": "a pets:admin"}))).await.verdict().0, 200);
    assert_eq!(post(bench.token(json!({"scope": ["pets:write"]}))).await.verdict().0, 200);
}

#[tokio::test]
async fn audience_and_kind_of_a_token_are_checked() {
    let bench = Bench::new().await;
    bench
        .apply(Change::ApiDeployed(Arc::new(pets(json!({"audiences": ["pets.example"], "revision": 2})))))
        .await;
    assert_eq!(bench.with_token(&bench.token(json!({}))).await.verdict(), (403, "900914".into()));
    let token = bench.token(json!({"aud": ["x", "pets.example"]}));
    assert_eq!(bench.with_token(&token).await.verdict().0, 200);
    let bearer = format!("Bearer {token}");
    let mine = bench.get("/petstore/1.0.0/mine", &[("authorization", &bearer)]).await;
    assert_eq!(mine.verdict(), (401, "900905".into()));

    let operations = json!([
        {"method": "GET", "path": "/mine", "auth": "user"},
        {"method": "GET", "path": "/machines", "auth": "application"},
    ]);
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"operations": operations, "revision": 3}))))).await;
    let (user, application) = (bench.token(json!({"aut": "APPLICATION_USER"})), bench.token(json!({})));
    for (path, token, status) in [
        ("mine", &user, 200),
        ("mine", &application, 401),
        ("machines", &user, 401),
        ("machines", &application, 200),
    ] {
        let bearer = format!("Bearer {token}");
        let reply = bench.get(&format!("/petstore/1.0.0/{path}"), &[("authorization", &bearer)]).await;
        let code = if status == 200 { "pong" } else { "900905" };
        assert_eq!(reply.verdict(), (status, code.into()), "{path}");
    }
}

#[tokio::test]
async fn a_header_that_no_scheme_reads_is_missing_and_one_that_cannot_be_accepted_is_invalid() {
    let bench = Bench::new().await;
    let token = bench.token(json!({}));
    let verdict = async |headers: &[(&str, &str)]| bench.get("/petstore/1.0.0/pets", headers).await.verdict();
    let missing = (401, "900902".to_owned());
    let invalid = (401, "900901".to_owned());
    assert_eq!(verdict(&[("authorization", "Basic YWRtaW46YWRtaW4=")]).await, missing);
    assert_eq!(verdict(&[("apikey", &token)]).await, missing);
    assert_eq!(verdict(&[("internal-key", &token)]).await, invalid);
    let schemes = json!({"schemes": {"oauth2": true, "api_key": true}, "revision": 2});
    bench.apply(Change::ApiDeployed(Arc::new(pets(schemes)))).await;
    assert_eq!(verdict(&[("apikey", &token)]).await, invalid);
    assert_eq!(verdict(&[("authorization", "Bearer key")]).await, invalid);
    assert_eq!(
        verdict(&[("authorization", &format!("Bearer {token}")), ("internal-key", "x")]).await,
        invalid
    );
    let schemes = json!({"schemes": {"oauth2": false, "api_key": true}, "revision": 3});
    bench.apply(Change::ApiDeployed(Arc::new(pets(schemes)))).await;
    assert_eq!(verdict(&[("authorization", &format!("Bearer {token}"))]).await, missing);
}

#[tokio::test]
async fn a_renamed_header_replaces_the_usual_one() {
    let bench = Bench::new().await;
    let renamed = json!({"authorization_header": "X-Token", "revision": 2});
    bench.apply(Change::ApiDeployed(Arc::new(pets(renamed)))).await;
    let bearer = format!("Bearer {}", bench.token(json!({})));
    assert_eq!(
        bench.get("/petstore/1.0.0/pets", &[("authorization", &bearer)]).await.verdict(),
        (401, "900902".into())
    );
    assert_eq!(bench.get("/petstore/1.0.0/pets", &[("x-token", &bearer)]).await.verdict().0, 200);
    assert!(!bench.last().headers.contains_key("x-token"));
}

#[tokio::test]
async fn an_operation_for_everybody_asks_for_nothing() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.verdict().0, 200);
    let bearer = format!("Bearer {}", bench.token(json!({})));
    assert_eq!(bench.get("/petstore/1.0.0/open", &[("authorization", &bearer)]).await.verdict().0, 200);
    assert!(!bench.last().headers.contains_key("authorization"));
}

/// By what the gateway knows an API key.
fn hash(key: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn two_api_keys_are_none_even_if_both_are_good_and_so_is_one_too_long() {
    let bench = Bench::new().await;
    let schemes = json!({"schemes": {"oauth2": true, "api_key": true}, "revision": 2});
    bench.apply(Change::ApiDeployed(Arc::new(pets(schemes)))).await;
    let long = "k".repeat(1025);
    for (id, key) in [("key-1", "good"), ("key-2", &long[1..]), ("key-3", &long)] {
        let key = json!({"id": id, "hash": hash(key), "application": "app-1"});
        bench.apply(change("ApiKeySaved", key)).await;
    }
    let pets = "/petstore/1.0.0/pets";
    for (query, keys, expected) in [
        ("", &["good"][..], 200),
        ("?apikey=good", &[], 200),
        ("", &["good", "good"], 401),
        ("?apikey=good", &["good"], 401),
        ("?apikey=good&apikey=good", &[], 401),
        ("", &[&long[1..]], 200),
        ("", &[&long], 401),
        (&format!("?apikey={}", &long[1..]), &[], 200),
        (&format!("?apikey={long}"), &[], 401),
    ] {
        let keys: Vec<_> = keys.iter().map(|key| ("apikey", *key)).collect();
        let reply = bench.get(&format!("{pets}{query}"), &keys).await;
        assert_eq!(reply.status, expected, "{query:?} and {} in headers", keys.len());
        assert!(expected == 200 || reply.verdict().1 == "900901", "{}", reply.text);
    }
}

#[tokio::test]
async fn an_api_key_opens_what_its_application_has_subscribed_to() {
    let bench = Bench::new().await;
    let schemes = json!({"schemes": {"oauth2": true, "api_key": true}, "revision": 2});
    bench.apply(Change::ApiDeployed(Arc::new(pets(schemes)))).await;
    let hash = hash("key of the shop");
    let save = |with: serde_json::Value| {
        let mut key = json!({"id": "key-1", "hash": hash, "application": "app-1"});
        key.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        change("ApiKeySaved", key)
    };
    let call = async || bench.get("/petstore/1.0.0/pets", &[("ApiKey", "key of the shop")]).await.verdict();
    assert_eq!(call().await, (401, "900901".into()));
    bench.apply(save(json!({}))).await;
    assert_eq!(call().await.0, 200);
    assert!(!bench.last().headers.contains_key("apikey"));
    let mine = bench.get("/petstore/1.0.0/mine", &[("ApiKey", "key of the shop")]).await;
    assert_eq!(mine.verdict(), (401, "900905".into()));

    let query = bench.get("/petstore/1.0.0/pets?a=1&apikey=key+of+the+shop", &[]).await;
    assert_eq!((query.verdict().0, bench.last().target.as_str()), (200, "/pets?a=1"));

    bench.apply(save(json!({"permitted_ips": ["203.0.113.0/24"]}))).await;
    assert_eq!(call().await.0, 200);
    bench.apply(save(json!({"permitted_ips": ["198.51.100.1"]}))).await;
    assert_eq!(call().await, (403, "900908".into()));
    bench.apply(save(json!({"permitted_referers": ["https://shop.example/*"]}))).await;
    assert_eq!(call().await, (403, "900908".into()));
    bench.apply(save(json!({"api": "another"}))).await;
    assert_eq!(call().await, (403, "900908".into()));
    bench.apply(save(json!({"expires_at": NOW * 1000}))).await;
    assert_eq!(call().await, (401, "900903".into()));

    // A key is no way around a subscription.
    bench.apply(save(json!({}))).await;
    bench.apply(change("SubscriptionRemoved", json!("sub-1"))).await;
    assert_eq!(call().await, (403, "900908".into()));
    bench.apply(subscription("BLOCKED")).await;
    assert_eq!(call().await, (401, "900907".into()));
    bench.apply(subscription("UNBLOCKED")).await;
    bench.apply(change("ApplicationRemoved", json!("app-1"))).await;
    assert_eq!(call().await, (403, "900908".into()));
    bench.apply(application("app-1", "Unlimited")).await;
    bench.apply(change("ApiKeyRemoved", json!("key-1"))).await;
    assert_eq!(call().await, (401, "900901".into()));
}

#[tokio::test]
async fn a_list_of_links_that_forgets_to_authenticate_opens_nothing() {
    let file = apim_gateway::config::File::parse("handlers: [{use: cors}, {use: resource}]").unwrap();
    let bench = Bench::with(|builder| builder.config(file.resolve().unwrap())).await;
    assert_eq!(bench.get("/petstore/1.0.0/pets", &[]).await.verdict(), (500, "900900".into()));
    assert_eq!(bench.count(), 0);
}

#[tokio::test]
async fn headers_that_only_gateways_may_set_do_not_get_through() {
    let bench = Bench::new().await;
    let bearer = format!("Bearer {}", bench.token(json!({})));
    let forged = [
        "x-jwt-assertion",
        "x_jwt_assertion",
        "x-http-method-override",
        "X_Forwarded_For",
        "x-wso2-client-certificate",
    ];
    let mut headers: Vec<(&str, &str)> = forged.iter().map(|name| (*name, "forged")).collect();
    headers.push(("authorization", &bearer));
    headers.push(("x-mine", "kept"));
    assert_eq!(bench.get("/petstore/1.0.0/pets", &headers).await.verdict().0, 200);
    let seen = bench.last().headers;
    assert!(forged.iter().all(|name| !seen.contains_key(*name)), "{seen:?}");
    assert_eq!(seen["x-mine"], "kept");
}

#[tokio::test]
async fn tokens_that_are_no_jwts_are_asked_about_where_there_is_somebody_to_ask() {
    use apim_core::key_manager::{ClaimsSet, TokenKind};
    use apim_core::{Claims, Fault, Step, Timestamp, TokenVerifier, fault};

    /// Takes its time, as an introspection does.
    struct Asks;
    impl TokenVerifier for Asks {
        fn verify<'a>(&'a self, token: &'a str) -> Step<'a, Result<Arc<Claims>, Fault>> {
            Step::wait(async move {
                tokio::task::yield_now().await;
                if token != "opaque" {
                    return Err(Fault::new(fault::INVALID_CREDENTIALS));
                }
                Ok(Arc::new(Claims {
                    key_manager: "km".into(),
                    issuer: "other".into(),
                    subject: "ann".into(),
                    client: "client-1".into(),
                    scopes: Vec::new(),
                    audiences: Vec::new(),
                    id: None,
                    issued_at: None,
                    expires_at: Timestamp::from_secs(NOW + 60),
                    kind: TokenKind::User,
                    all: ClaimsSet::default(),
                }))
            })
        }
    }
    let alone = Bench::new().await;
    assert_eq!(alone.with_token("opaque").await.verdict(), (401, "900901".into()));
    let bench = Bench::with(|builder| builder.opaque(Arc::new(Asks))).await;
    assert_eq!(bench.with_token("opaque").await.verdict().0, 200);
    assert_eq!(bench.with_token("unknown").await.verdict(), (401, "900901".into()));
    assert_eq!(bench.with_token("o.pa.que").await.verdict(), (401, "900901".into()));
    assert_eq!(bench.with_token(&bench.token(json!({}))).await.verdict().0, 200);
}

#[tokio::test]
async fn the_state_of_an_api_decides_who_may_call_it() {
    let bench = Bench::new().await;
    bench.apply(change("SubscriptionRemoved", json!("sub-1"))).await;
    let token = bench.token(json!({}));
    for (revision, state, verdict) in [
        (2, "created", (403, "900908")),
        (3, "prototyped", (200, "pong")),
        (4, "published", (403, "900908")),
        (5, "deprecated", (403, "900908")),
    ] {
        bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"state": state, "revision": revision}))))).await;
        assert_eq!(bench.with_token(&token).await.verdict(), (verdict.0, verdict.1.into()), "{state}");
    }
    bench.apply(subscription("UNBLOCKED")).await;
    assert_eq!(bench.with_token(&token).await.verdict().0, 200);
    bench.apply(Change::ApiDeployed(Arc::new(pets(json!({"state": "created", "revision": 6}))))).await;
    assert_eq!(bench.with_token(&token).await.verdict(), (403, "900908".into()));
}

#[tokio::test]
async fn a_subscription_blocked_for_production_leaves_the_sandbox_open() {
    let bench = Bench::new().await;
    bench.apply(subscription("PROD_ONLY_BLOCKED")).await;
    let mapping =
        json!({"application": "app-1", "key_manager": "km", "client": "client-2", "key_type": "SANDBOX"});
    bench.apply(change("KeyMappingSaved", mapping)).await;
    assert_eq!(bench.with_token(&bench.token(json!({}))).await.verdict(), (401, "900907".into()));
    let sandbox = bench.token(json!({"azp": "client-2", "jti": "token-2"}));
    assert_eq!(bench.with_token(&sandbox).await.verdict().0, 200);
}

#[tokio::test]
async fn an_api_accepts_tokens_of_its_own_key_managers_only() {
    let bench = Bench::new().await;
    let token = bench.token(json!({}));
    for (revision, managers, verdict) in
        [(2, json!(["other"]), (401, "900901")), (3, json!(["other", "km"]), (200, "pong"))]
    {
        let api = pets(json!({"key_managers": managers, "revision": revision}));
        bench.apply(Change::ApiDeployed(Arc::new(api))).await;
        assert_eq!(bench.with_token(&token).await.verdict(), (verdict.0, verdict.1.into()));
    }
    bench.apply(change("KeyManagerRemoved", json!("km"))).await;
    assert_eq!(bench.with_token(&token).await.verdict(), (401, "900901".into()));
}

#[tokio::test]
async fn hostile_credentials_are_refused_and_end_nothing() {
    let bench = Bench::new().await;
    let long = format!("Bearer {}", "a".repeat(100_000));
    let dots = format!("Bearer {}", ".".repeat(1000));
    let nested = URL_SAFE_NO_PAD.encode("[".repeat(10_000));
    let deep = format!("Bearer {nested}.{nested}.{nested}");
    for value in [
        long.as_str(),
        &dots,
        &deep,
        "Bearer",
        "Bearer ",
        "Bearer  \t",
        "bearer a,b,,c,",
        "Bearer a, Bearer b",
    ] {
        let reply = bench.get("/petstore/1.0.0/pets", &[("authorization", value)]).await;
        assert_eq!(reply.verdict(), (401, "900901".into()), "{:?}", &value[..value.len().min(30)]);
    }
    let request = http::Request::get("/petstore/1.0.0/pets")
        .header("authorization", http::HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap())
        .body(apim_core::Body::empty())
        .unwrap();
    assert_eq!(bench.send(request).await.status, 401);
    assert_eq!(bench.with_token(&bench.token(json!({}))).await.verdict().0, 200);
}

#[tokio::test]
async fn credentials_reach_the_backend_only_where_that_was_asked_for() {
    let yaml = "handlers: [{use: resource}, {use: authentication, keep_credentials: true}, {use: headers}]";
    let file = apim_gateway::config::File::parse(yaml).unwrap();
    let bench = Bench::with(|builder| builder.config(file.resolve().unwrap())).await;
    let token = bench.token(json!({}));
    assert_eq!(bench.with_token(&token).await.verdict().0, 200);
    assert_eq!(bench.last().headers["authorization"], format!("Bearer {token}"));

    // What was not meant for the gateway is the backend's business.
    let bench = Bench::new().await;
    let both = format!("Basic eDp5, Bearer {token}", token = bench.token(json!({})));
    assert_eq!(bench.get("/petstore/1.0.0/pets", &[("authorization", &both)]).await.verdict().0, 200);
    assert_eq!(bench.last().headers["authorization"], "Basic eDp5");
}
