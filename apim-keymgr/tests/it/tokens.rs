//! What tokens say, and which of them are refused (ATTACKS 44, 45, 48, 49).

use apim_core::Clock as _;
use apim_core::model::Tenant;
use apim_core::store::SigningKeyStore as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};

use crate::world::{App, ISSUER, START, World, claims, part, verify};

const INVALID: Result<(), u32> = Err(900901);
const EXPIRED: Result<(), u32> = Err(900903);

async fn world() -> (World, App) {
    let world = World::new().await;
    world.user("ann", "secret", &[]).await;
    let app = world.app("shop", &["client_credentials", "password", "refresh_token"]).await;
    (world, app)
}

async fn private_key(world: &World) -> EncodingKey {
    let keys = world.memory.signing_keys(&Tenant::default()).await.unwrap();
    EncodingKey::from_rsa_pem(keys.last().unwrap().private.expose().as_bytes()).unwrap()
}

async fn jwk(world: &World) -> Value {
    world.get("/oauth2/jwks").await.ok().json()["keys"][0].clone()
}

#[tokio::test]
async fn a_users_token_carries_the_claims_of_the_spec() {
    let (world, app) = world().await;
    let answer = world.token(&app, "grant_type=password&username=ann&password=secret&scope=a b").await.ok();
    let token = answer.access_token();
    let header = part(&token, 0);
    assert_eq!(header["typ"], "at+jwt");
    assert_eq!(header["alg"], "RS256");
    let id = claims(&token)["jti"].clone();
    assert_eq!(id.as_str().unwrap().len(), 36, "a UUID");
    let expected = json!({
        "iss": ISSUER, "sub": "ann", "azp": *app.id, "client_id": *app.id, "aud": *app.id,
        "iat": START, "nbf": START, "exp": START + 3600, "jti": id, "scope": "a b",
        "aut": "APPLICATION_USER", "realm": { "signing_tenant": "carbon.super" },
    });
    assert_eq!(claims(&token), expected);

    let own = world.token(&app, "grant_type=client_credentials").await.ok().access_token();
    assert_eq!(claims(&own)["aut"], "APPLICATION");
    assert_eq!(claims(&own)["sub"], "olga", "the owner");
}

#[tokio::test]
async fn another_library_accepts_the_signature_with_what_is_published() {
    let (world, app) = world().await;
    let body = "grant_type=password&username=ann&password=secret&scope=openid";
    let answer = world.token(&app, body).await.ok();
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk(&world).await).unwrap();
    assert_eq!(
        jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(),
        jwk.common.key_id.clone().unwrap()
    );
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_audience(&[&*app.id]);
    validation.set_issuer(&[ISSUER]);
    for token in [answer.access_token(), answer.text("id_token")] {
        let read = decode::<Value>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();
        assert_eq!(read.header.kid, jwk.common.key_id);
        assert_eq!(read.claims["sub"], "ann");
    }
}

#[tokio::test]
async fn an_id_token_is_for_openid_and_is_no_access_token() {
    let (world, app) = world().await;
    let body = "grant_type=password&username=ann&password=secret&scope=openid";
    let answer = world.token(&app, body).await.ok();
    let id_token = answer.text("id_token");
    assert_eq!(part(&id_token, 0)["typ"], "JWT");
    assert_eq!(claims(&id_token)["aud"], *app.id);
    assert!(claims(&id_token)["at_hash"].is_string());
    assert_eq!(world.verify(&id_token).await, INVALID);
    assert_eq!(world.verify(&answer.refresh_token()).await, INVALID);
}

#[tokio::test]
async fn a_verified_token_tells_who_and_what() {
    let (world, app) = world().await;
    let token = world.log_in(&app, "ann", "secret").await.access_token();
    let claims = world.server.verifier().verify(&token).await.unwrap();
    assert_eq!(claims.key_manager.as_str(), "Resident Key Manager");
    assert_eq!((&*claims.issuer, &*claims.subject, &claims.client), (ISSUER, "ann", &app.id));
    assert_eq!(claims.kind, apim_core::key_manager::TokenKind::User);
    assert!(claims.has_scope("default"));
    assert_eq!(claims.audiences, [app.id.as_str().into()]);
}

#[tokio::test]
async fn a_token_ends_at_its_time_give_or_take_the_leeway() {
    let (world, app) = world().await;
    let token = world.token(&app, "grant_type=client_credentials").await.ok().access_token();
    world.later(3600 + 4);
    assert_eq!(world.verify(&token).await, Ok(()));
    world.later(1);
    assert_eq!(world.verify(&token).await, EXPIRED);
    // A clock that is set back by more than the leeway: the token is not yet good.
    world.clock.set(apim_core::Timestamp::from_secs(START - 5));
    assert_eq!(world.verify(&token).await, Ok(()));
    world.clock.set(apim_core::Timestamp::from_secs(START - 6));
    assert_eq!(world.verify(&token).await, EXPIRED);
}

#[tokio::test]
async fn algorithms_and_keys_of_the_tokens_own_choice_are_refused() {
    let (world, app) = world().await;
    let good = world.token(&app, "grant_type=client_credentials").await.ok().access_token();
    let (kid, mut body) = (part(&good, 0)["kid"].clone(), claims(&good));
    let unsigned = |header: Value, signature: &str| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", part(&header), part(&body))
    };
    for alg in ["none", "None", "nOnE", ""] {
        let header = json!({ "typ": "at+jwt", "alg": alg, "kid": kid });
        assert_eq!(world.verify(&unsigned(header, "")).await, INVALID, "{alg}");
    }
    // The signature of the good token on another text, an empty one, and one too long.
    body["scope"] = "apim:admin".into();
    let unsigned = |header: Value, signature: &str| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", part(&header), part(&body))
    };
    let signature = good.rsplit_once('.').unwrap().1;
    let header = json!({ "typ": "at+jwt", "alg": "RS256", "kid": kid });
    for signature in [signature, "", &"A".repeat(342), &format!("{signature}=")] {
        let other = unsigned(header.clone(), signature);
        assert_eq!(world.verify(&other).await, INVALID);
    }
    // HS256 with the public key as the secret, as everybody can read it.
    let jwk = jwk(&world).await;
    let mut hs = Header::new(Algorithm::HS256);
    hs.typ = Some("at+jwt".to_owned());
    hs.kid = kid.as_str().map(str::to_owned);
    for secret in [jwk["n"].as_str().unwrap().to_owned(), jwk.to_string()] {
        let forged = encode(&hs, &body, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        assert_eq!(world.verify(&forged).await, INVALID);
    }
}

#[tokio::test]
async fn a_foreign_key_is_refused_under_whatever_name() {
    let (world, app) = world().await;
    let good = world.token(&app, "grant_type=client_credentials").await.ok().access_token();
    let body = claims(&good);
    // Its own server, same issuer; so its tokens differ from ours only in the key.
    let stranger = World::new().await;
    stranger.server.rotate().await.unwrap();
    let foreign = private_key(&stranger).await;
    let keys = stranger.get("/oauth2/jwks").await.ok().json()["keys"].clone();
    let ours = part(&good, 0)["kid"].as_str().unwrap().to_owned();
    for kid in [Some(ours), keys[1]["kid"].as_str().map(str::to_owned), Some("../../etc/passwd".into()), None]
    {
        let mut header = Header::new(Algorithm::RS256);
        header.typ = Some("at+jwt".to_owned());
        header.kid = kid;
        assert_eq!(world.verify(&encode(&header, &body, &foreign).unwrap()).await, INVALID);
        header.jku = Some("https://evil.example/jwks".to_owned());
        header.jwk = serde_json::from_value(keys[1].clone()).ok();
        assert_eq!(world.verify(&encode(&header, &body, &foreign).unwrap()).await, INVALID);
    }
}

#[tokio::test]
async fn even_our_own_signature_does_not_make_a_strange_token_good() {
    let (world, app) = world().await;
    let good = world.token(&app, "grant_type=client_credentials").await.ok().access_token();
    let (key, body) = (private_key(&world).await, claims(&good));
    let sign = |typ: &str, alg: Algorithm, crit: Option<Vec<String>>, body: &Value| {
        let mut header = Header::new(alg);
        header.typ = Some(typ.to_owned());
        header.kid = part(&good, 0)["kid"].as_str().map(str::to_owned);
        header.crit = crit;
        encode(&header, body, &key).unwrap()
    };
    assert_eq!(world.verify(&sign("at+jwt", Algorithm::RS256, None, &body)).await, Ok(()));
    assert_eq!(world.verify(&sign("JWT", Algorithm::RS256, None, &body)).await, INVALID);
    assert_eq!(world.verify(&sign("at+jwt", Algorithm::RS512, None, &body)).await, INVALID);
    assert_eq!(world.verify(&sign("at+jwt", Algorithm::PS256, None, &body)).await, INVALID);
    let crit = Some(vec!["exp".to_owned()]);
    assert_eq!(world.verify(&sign("at+jwt", Algorithm::RS256, crit, &body)).await, INVALID);

    // Truly signed with RS256, but saying something else.
    for alg in ["none", "RS512", "HS256", "rs256"] {
        let header = json!({ "typ": "at+jwt", "alg": alg, "kid": part(&good, 0)["kid"] });
        let encoded = [&header, &body].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = jsonwebtoken::crypto::sign(encoded.as_bytes(), &key, Algorithm::RS256).unwrap();
        assert_eq!(world.verify(&format!("{encoded}.{signature}")).await, INVALID, "{alg}");
    }

    let with = |name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        sign("at+jwt", Algorithm::RS256, None, &body)
    };
    let rows = [
        ("iss", json!("https://apis.example:9443/oauth2/token/"), INVALID),
        ("iss", json!("https://evil.example/oauth2/token"), INVALID),
        ("iss", Value::Null, INVALID),
        ("exp", json!((START + 3600) as f64 + 0.5), INVALID),
        ("exp", json!("1900000000"), INVALID),
        ("exp", json!(-1), INVALID),
        ("exp", Value::Null, INVALID),
        ("exp", json!(START - 5), EXPIRED),
        ("exp", json!(0), EXPIRED),
        ("nbf", json!(START + 6), EXPIRED),
        ("nbf", json!(START + 5), Ok(())),
        ("nbf", json!(1.5), EXPIRED),
        ("iat", json!("now"), INVALID),
        ("jti", Value::Null, INVALID),
        ("azp", json!(7), INVALID),
        ("aut", json!("ROOT"), INVALID),
        ("aud", json!([1, 2]), INVALID),
    ];
    for (name, value, expected) in rows {
        assert_eq!(world.verify(&with(name, value.clone())).await, expected, "{name} = {value}");
    }
    assert!(world.clock.now().as_secs() == START, "nothing of this took time");
}

#[tokio::test]
async fn text_that_is_no_token_at_all_is_refused() {
    let (world, app) = world().await;
    let good = world.token(&app, "grant_type=client_credentials").await.ok().access_token();
    let texts = [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "a.b.c".into(),
        "é.é.é".into(),
        format!("{good}."),
        format!(".{good}"),
        format!(" {good}"),
        format!("{good}.x"),
        good.replace('.', ".."),
        format!("{}{}", good, "A".repeat(1 << 20)),
        "\0".into(),
        good[..good.len() - 1].to_owned(),
    ];
    for text in texts {
        assert_eq!(world.verify(&text).await, INVALID, "{}", &text[..text.len().min(80)]);
    }
}

#[tokio::test]
async fn a_token_is_good_after_a_restart_and_a_revoked_one_is_not() {
    let (world, app) = world().await;
    let kept = world.log_in(&app, "ann", "secret").await.access_token();
    let revoked = world.log_in(&app, "ann", "secret").await.access_token();
    world.post("/oauth2/revoke", Some(&app.basic()), &format!("token={revoked}")).await.ok();
    let restarted = world.another_process().await;
    for server in [&world.server, &restarted] {
        assert_eq!(verify(server, &kept).await, Ok(()));
        assert_eq!(verify(server, &revoked).await, Err(900904));
    }
}

#[tokio::test]
async fn when_the_store_is_away_nothing_is_let_pass() {
    let (world, app) = world().await;
    let token = world.log_in(&app, "ann", "secret").await.access_token();
    world.memory.break_down(true);
    assert_eq!(world.verify(&token).await, Err(900900));
}
