//! What a token must be to be believed.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use allocation_counter::measure;
use apim_core::key_manager::ClaimsSet;
use apim_core::model::KeyManagerConfig;
use apim_core::testing::ManualClock;
use apim_core::{Claims, Fault, Step, Timestamp, TokenVerifier};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use super::memory::Memory;
use super::{JwtVerifier, KeySet, Trust};

const NOW: u64 = 1_800_000_000;

/// An issuer with one key, what a gateway knows of it, and a verifier.
struct World {
    key: EcdsaKeyPair,
    trusted: Arc<Trusted>,
    clock: Arc<ManualClock>,
    verifier: JwtVerifier,
}

struct Trusted {
    keys: Mutex<Arc<KeySet>>,
    revoked: AtomicBool,
    generation: AtomicU64,
}

impl Trust for Trusted {
    fn key_set(&self, issuer: &str) -> Option<Arc<KeySet>> {
        let keys = self.keys.lock().unwrap().clone();
        (issuer == keys.issuer()).then_some(keys)
    }
    fn revoked(&self, _: &Claims) -> bool {
        self.revoked.load(Ordering::SeqCst)
    }
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

fn key_set(jwk: Value) -> Result<KeySet, String> {
    key_set_of(&[jwk])
}

fn key_set_of(jwks: &[Value]) -> Result<KeySet, String> {
    let config = json!({"name": "km", "issuer": "https://km.example", "jwks": {"keys": jwks}});
    KeySet::parse(&serde_json::from_value::<KeyManagerConfig>(config).unwrap())
}

fn jwk(key: &EcdsaKeyPair) -> Value {
    let point = &key.public_key().as_ref()[1..];
    json!({
        "kty": "EC", "crv": "P-256", "kid": "one", "alg": "ES256",
        "x": BASE64.encode(&point[..32]), "y": BASE64.encode(&point[32..]),
    })
}

impl World {
    fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let trusted = Arc::new(Trusted {
            keys: Mutex::new(Arc::new(key_set(jwk(&key)).unwrap())),
            revoked: AtomicBool::new(false),
            generation: AtomicU64::new(0),
        });
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
        let verifier = JwtVerifier::new(trusted.clone(), clock.clone(), JwtVerifier::USUAL_LEEWAY, 2);
        Self { key, trusted, clock, verifier }
    }

    fn sign_texts(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64.encode(signature))
    }

    fn sign(&self, header: Value, claims: Value) -> String {
        self.sign_texts(&header.to_string(), &claims.to_string())
    }

    fn good(&self) -> String {
        self.sign(header(), claims())
    }

    fn verify(&self, token: &str) -> Result<Arc<Claims>, Fault> {
        match self.verifier.verify(token) {
            Step::Done(result) => result,
            Step::Wait(_) => panic!("a verifier without a network does not wait"),
        }
    }

    #[track_caller]
    fn refuses(&self, code: u32, token: &str) {
        let fault = self.verify(token).expect_err("the token should have been refused");
        assert_eq!(fault.code().number, code, "{fault}");
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "typ": "at+jwt", "kid": "one"})
}

fn claims() -> Value {
    json!({
        "iss": "https://km.example", "sub": "ann", "azp": "client", "aud": ["client"], "scope": "a b",
        "jti": "1", "iat": NOW - 10, "exp": NOW + 100, "aut": "APPLICATION",
    })
}

fn with(mut value: Value, key: &str, member: Value) -> Value {
    value[key] = member;
    value
}

#[test]
fn a_good_token_says_who_calls() {
    let world = World::new();
    let claims = world.verify(&world.good()).unwrap();
    assert_eq!(claims.subject.as_str(), "ann");
    assert_eq!(claims.client.as_str(), "client");
    assert!(claims.has_scope("a") && claims.has_scope("b") && !claims.has_scope("c"));
}

/// Six are kept: the token, its claims, their text, the lists of scopes and audiences, the token's id. One more is for a
/// claim that is a list, while it is read.
#[test]
fn a_new_token_costs_seven_allocations_and_a_remembered_one_none() {
    let world = World::new();
    let tokens: Vec<_> =
        (0..9).map(|id| world.sign(header(), with(claims(), "jti", json!(id.to_string())))).collect();
    // The table of the memory has grown, and what all tokens say is known.
    for token in &tokens[1..] {
        world.verify(token).unwrap();
    }
    let new = measure(|| drop(world.verify(&tokens[0]).unwrap()));
    assert!(new.count_total <= 7, "{new:?}");
    let remembered = measure(|| drop(world.verify(&tokens[0]).unwrap()));
    assert_eq!(remembered.count_total, 0);
}

#[test]
fn a_remembered_token_is_still_compared_whole() {
    let world = World::new();
    let token = world.good();
    world.verify(&token).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature = BASE64.decode(signature).unwrap();
    signature[9] ^= 1;
    world.refuses(900_901, &format!("{signed}.{}", BASE64.encode(signature)));
    world.refuses(900_901, &format!("{signed}."));
    world.verify(&token).unwrap();
}

#[test]
fn expiry_is_looked_at_every_time_and_allows_for_clocks_that_differ() {
    let world = World::new();
    let token = world.good();
    world.verify(&token).unwrap();
    world.clock.set(Timestamp::from_secs(NOW + 104));
    world.verify(&token).unwrap();
    world.clock.set(Timestamp::from_secs(NOW + 105));
    world.refuses(900_903, &token);
    world.refuses(900_903, &world.sign(header(), with(claims(), "exp", json!(0))));
}

#[test]
fn a_revocation_ends_a_remembered_token() {
    let world = World::new();
    let token = world.good();
    world.verify(&token).unwrap();
    world.trusted.revoked.store(true, Ordering::SeqCst);
    world.refuses(900_904, &token);
}

#[test]
fn new_keys_end_what_the_old_ones_signed() {
    let world = World::new();
    let token = world.good();
    world.verify(&token).unwrap();
    *world.trusted.keys.lock().unwrap() = Arc::new(key_set(jwk(&World::new().key)).unwrap());
    world.trusted.generation.store(1, Ordering::SeqCst);
    world.refuses(900_901, &token);
}

#[test]
fn unsigned_and_symmetric_tokens_do_not_exist() {
    let world = World::new();
    for alg in ["none", "None", "NONE", "HS256", "HS512", "RS256", "ES384", "ES256K", "dir", ""] {
        world.refuses(900_901, &world.sign(with(header(), "alg", json!(alg)), claims()));
    }
    let unsigned = format!("{}.{}.", BASE64.encode(r#"{"alg":"none"}"#), BASE64.encode(claims().to_string()));
    world.refuses(900_901, &unsigned);
}

#[test]
fn keys_that_a_token_brings_along_are_not_its_own_witness() {
    let (world, stranger) = (World::new(), World::new());
    let header = with(with(header(), "jwk", jwk(&stranger.key)), "jku", json!("https://evil.example/jwks"));
    world.refuses(900_901, &stranger.sign(header, claims()));
    world.refuses(900_901, &stranger.good());
}

#[test]
fn unknown_keys_issuers_and_extensions_are_refused() {
    let world = World::new();
    world.refuses(900_901, &world.sign(with(header(), "kid", json!("../../etc/passwd")), claims()));
    world.refuses(900_901, &world.sign(header(), with(claims(), "iss", json!("https://km.example/"))));
    world.refuses(900_901, &world.sign(with(header(), "crit", json!(["exp"])), claims()));
    world.refuses(900_901, &world.sign(with(header(), "b64", json!(false)), claims()));
}

#[test]
fn a_key_is_good_for_what_its_set_says_and_for_nothing_else() {
    let world = World::new();
    for (member, value) in [("use", "enc"), ("alg", "ES384"), ("alg", "none")] {
        let refused = key_set(with(jwk(&world.key), member, json!(value))).unwrap_err();
        assert!(refused.contains("no key"), "{member} {value}: {refused}");
    }
    assert!(key_set(with(jwk(&world.key), "use", json!("sig"))).is_ok());
    let narrow = with(jwk(&world.key), "x", json!(BASE64.encode([1; 31])));
    assert!(key_set(narrow).unwrap_err().contains("32 bytes each"));
    let many = key_set_of(&vec![jwk(&world.key); 101]).unwrap_err();
    assert!(many.contains("more than 100 keys"), "{many}");
}

#[test]
fn a_token_names_its_key_where_there_is_a_choice() {
    let world = World::new();
    let nameless = world.sign(json!({"alg": "ES256", "typ": "at+jwt"}), claims());
    world.verify(&nameless).unwrap();
    let other = with(jwk(&World::new().key), "kid", json!("two"));
    // Whichever of the two comes first in the set, which is by chance.
    for generation in 1..=16 {
        let both = key_set_of(&[jwk(&world.key), other.clone()]).unwrap();
        *world.trusted.keys.lock().unwrap() = Arc::new(both);
        world.trusted.generation.store(generation, Ordering::SeqCst);
        world.verify(&world.good()).unwrap();
        world.refuses(900_901, &nameless);
    }
}

#[test]
fn other_kinds_of_token_are_not_access_tokens() {
    let world = World::new();
    world.refuses(900_901, &world.sign(with(header(), "typ", json!("rt+jwt")), claims()));
    let id_token = with(claims(), "nonce", json!("n"));
    world.refuses(900_901, &world.sign(with(header(), "typ", json!("JWT")), id_token));
}

#[test]
fn times_must_be_there_and_make_sense() {
    let world = World::new();
    let mut endless = claims();
    endless.as_object_mut().unwrap().remove("exp");
    world.refuses(900_901, &world.sign(header(), endless));
    for (claim, value) in [
        ("exp", json!("soon")),
        ("exp", json!(-1)),
        ("nbf", json!(NOW + 6)),
        ("iat", json!(NOW + 6)),
        ("nbf", json!([])),
    ] {
        world.refuses(900_901, &world.sign(header(), with(claims(), claim, value)));
    }
    world.verify(&world.sign(header(), with(claims(), "nbf", json!(NOW + 5)))).unwrap();
    world.verify(&world.sign(header(), with(claims(), "exp", json!(NOW as f64 + 0.5)))).unwrap();
}

#[test]
fn one_token_has_one_encoding() {
    let world = World::new();
    let good = claims().to_string();
    let twice = good.replacen('{', r#"{"sub":"root","#, 1);
    world.refuses(900_901, &world.sign_texts(&header().to_string(), &twice));
    let twice = good.replacen('{', r#"{"\u0073ub":"root","#, 1);
    world.refuses(900_901, &world.sign_texts(&header().to_string(), &twice));
    let half = good.replacen('{', r#"{"note":["\ud800"],"#, 1);
    world.refuses(900_901, &world.sign_texts(&header().to_string(), &half));
    let twice = header().to_string().replacen('{', r#"{"alg":"none","#, 1);
    world.refuses(900_901, &world.sign_texts(&twice, &good));
    let token = world.good();
    for odd in [
        format!("{token}="),
        format!(" {token}"),
        format!("{token}.x"),
        token.replace('.', ".."),
        String::new(),
    ] {
        world.refuses(900_901, &odd);
    }
    world.refuses(900_901, &"a".repeat(100_000));
}

#[test]
fn an_rsa_key_verifies_and_a_short_one_is_not_taken() {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    // RSAPublicKey (RFC 8017 appendix A.1.1): two lengths and a sign byte, then 2048 bits of modulus.
    let n = &key.public_key().as_ref()[9..265];
    let keys = key_set(json!({"kty": "RSA", "kid": "one", "n": BASE64.encode(n), "e": "AQAB"})).unwrap();
    let world = World::new();
    *world.trusted.keys.lock().unwrap() = Arc::new(keys);
    let header = with(header(), "alg", json!("RS256"));
    let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims().to_string()));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    world.verify(&format!("{signed}.{}", BASE64.encode(signature))).unwrap();

    let short = key_set(json!({"kty": "RSA", "n": BASE64.encode(&n[..128]), "e": "AQAB"})).unwrap_err();
    assert!(short.contains("2048"), "{short}");
    let secret = key_set(json!({"kty": "oct", "k": "c2VjcmV0"})).unwrap_err();
    assert!(secret.contains("no key"), "{secret}");
}

/// What some token may say, of texts that it shares with no other.
fn said(number: u64) -> Arc<Claims> {
    let text = |what: &str| format!("{what}-of-token-{number}");
    let expires_at = Timestamp::from_secs(NOW + number);
    let mut claims = Claims::new("km".into(), text("client").into(), text("user").into(), expires_at);
    claims.scopes = (0..number % 5).map(|scope| format!("scope-{scope}-{number}").into()).collect();
    claims.audiences = vec![text("audience").into()];
    claims.id = Some(text("id").into());
    claims.all = ClaimsSet::new("x".repeat(300));
    Arc::new(claims)
}

fn token(number: u64) -> String {
    format!("{}{number:08}", "x".repeat(700))
}

#[test]
fn what_the_memory_takes_is_what_it_says_and_never_more_than_it_may() {
    const MOST: usize = 1 << 20;
    let mut memory = Memory::new(MOST);
    let now = Timestamp::from_secs(NOW);
    let taken = measure(|| {
        for number in 0..4_000 {
            // Once it is full, only a second time takes a token in.
            for _ in 0..2 {
                memory.put(&token(number), &said(number), now);
                assert!(memory.size() <= MOST, "{} bytes", memory.size());
            }
        }
    });
    assert!(memory.get(&token(3_999)).is_some() && memory.get(&token(0)).is_none());
    let taken_now = usize::try_from(taken.bytes_current).unwrap();
    assert!(
        taken_now <= memory.size() && memory.size() < taken_now * 5 / 4,
        "{taken_now} of {}",
        memory.size()
    );
    // Beside them, one token on its way in.
    assert!(taken.bytes_max < (MOST + 4096) as u64, "{taken:?}");
}

#[test]
fn a_flood_of_new_tokens_neither_drives_out_those_in_use_nor_gets_in() {
    let mut memory = Memory::new(256 << 10);
    let now = Timestamp::from_secs(NOW);
    for number in 0..20 {
        memory.put(&token(number), &said(1_000), now);
    }
    for number in 20..10_000 {
        memory.put(&token(number), &said(1_000), now);
        assert!(memory.get(&token(number % 20)).is_some(), "forgotten after {number} others");
    }
    for _ in 0..2 {
        memory.put(&token(10_000), &said(1_000), now);
    }
    assert!(memory.get(&token(10_000)).is_some(), "it has come a second time");
    assert!((0..20).all(|number| memory.get(&token(number)).is_some()));
    // Those that were taken in while there was room, but for one.
    let taken_in = (20..10_000).filter(|number| memory.get(&token(*number)).is_some()).count();
    assert!(taken_in < 200, "{taken_in}");
}

#[test]
fn what_has_expired_makes_room_although_it_was_used() {
    let mut memory = Memory::new(256 << 10);
    let now = Timestamp::from_secs(NOW);
    // Full, all in use, of which one token is over a second later.
    for number in 0..500 {
        memory.put(&token(number), &said(if number == 7 { 0 } else { 1_000 }), now);
        memory.get(&token(number));
    }
    let held = (0..500).filter(|number| memory.get(&token(*number)).is_some()).collect::<Vec<_>>();
    assert!(held.contains(&7));
    for _ in 0..2 {
        memory.put(&token(500), &said(1_000), now.plus(Duration::from_secs(1)));
    }
    assert!(memory.get(&token(500)).is_some() && memory.get(&token(7)).is_none());
    let still = held.iter().filter(|number| memory.get(&token(**number)).is_some()).count();
    assert_eq!(still, held.len() - 1);
}

#[test]
fn other_keys_empty_the_memory_and_one_without_room_stays_empty() {
    let now = Timestamp::from_secs(NOW);
    let mut memory = Memory::new(256 << 10);
    memory.put(&token(1), &said(1), now);
    assert!(memory.get(&token(1)).is_some());
    assert!(memory.at(1).get(&token(1)).is_none());
    let mut none = Memory::new(0);
    for _ in 0..3 {
        none.put(&token(1), &said(1), now);
    }
    assert!(none.get(&token(1)).is_none());
}

#[test]
fn a_token_that_is_revoked_or_over_is_not_remembered_any_longer() {
    let world = World::new();
    let empty = world.verifier.remembered();
    let (over, token) = (world.good(), world.sign(header(), with(claims(), "exp", json!(NOW + 1000))));
    for good in [&over, &token] {
        world.verify(good).unwrap();
    }
    let both = world.verifier.remembered();
    world.clock.set(Timestamp::from_secs(NOW + 105));
    world.refuses(900_903, &over);
    let one = world.verifier.remembered();
    world.trusted.revoked.store(true, Ordering::SeqCst);
    world.refuses(900_904, &token);
    world.refuses(900_904, &token);
    let none = world.verifier.remembered();
    assert!(empty <= none && none < one && one < both, "{empty} {none} {one} {both}");
}
