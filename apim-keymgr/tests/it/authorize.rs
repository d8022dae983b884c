//! The authorization code: the page, the redirect, PKCE (ATTACKS 56, 57, 59).

use apim_core::Body;
use http::{Request, header};
use url::Url;

use crate::world::{Answer, App, CALLBACK, ISSUER, World, claims, form, from_address, row};

/// The example of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn world() -> (World, App) {
    let world = World::new().await;
    world.user("ann", "secret", &["vet"]).await;
    let app = world.app("shop", &["authorization_code", "refresh_token"]).await;
    (world, app)
}

async fn public(world: &World) -> App {
    let mut spec = world.spec("<b>spa</b>", &["authorization_code", "refresh_token"]);
    spec.public = true;
    world.app_of(spec).await
}

/// The usual request, with some parameters replaced; an empty value leaves one out.
fn ask(app: &App, changes: &[(&str, &str)]) -> String {
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", &app.id),
        ("redirect_uri", CALLBACK),
        ("scope", "openid pets:read"),
        ("state", "a b&c"),
        ("nonce", "n-0S6_WzA2Mj"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    pairs.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    pairs.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    format!("/oauth2/authorize?{}", form(&pairs))
}

/// Fills in the form as a browser does.
async fn submit(world: &World, uri: &str, fields: &[(&str, &str)]) -> Answer {
    let page = world.get(uri).await.ok();
    let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
    let token = cookie.split_once('=').unwrap().1.to_owned();
    let mut all = vec![("csrf", token.as_str())];
    all.extend(fields);
    send_form(world, uri, Some(&cookie), &form(&all)).await
}

async fn send_form(world: &World, uri: &str, cookie: Option<&str>, body: &str) -> Answer {
    let mut request = crate::world::post(uri, None, body);
    if let Some(cookie) = cookie {
        request.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
    }
    world.send(from_address(request, "192.0.2.1:1000")).await
}

const APPROVE: &[(&str, &str)] = &[("username", "ann"), ("password", "secret"), ("decision", "approve")];

fn location(answer: &Answer) -> Url {
    assert_eq!(answer.status, 303, "{answer:?}");
    Url::parse(answer.header("location")).unwrap()
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

async fn code(world: &World, uri: &str) -> String {
    let answer = submit(world, uri, APPROVE).await;
    parameter(&location(&answer), "code").unwrap_or_else(|| panic!("no code: {answer:?}"))
}

async fn exchange(world: &World, app: &App, code: &str, changes: &[(&str, &str)]) -> Answer {
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    pairs.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    pairs.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    if app.secret.is_empty() {
        pairs.push(("client_id", &app.id));
        return world.post("/oauth2/token", None, &form(&pairs)).await;
    }
    world.token(app, &form(&pairs)).await
}

#[tokio::test]
async fn a_user_logs_in_gives_leave_and_the_client_gets_tokens() {
    let (world, app) = world().await;
    let answer = submit(&world, &ask(&app, &[]), APPROVE).await;
    let back = location(&answer);
    assert!(back.as_str().starts_with("https://app.example/cb?code="), "{back}");
    assert_eq!(parameter(&back, "state").unwrap(), "a b&c");
    assert_eq!(parameter(&back, "iss").unwrap(), ISSUER, "RFC 9207");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");

    let tokens = exchange(&world, &app, &parameter(&back, "code").unwrap(), &[]).await.ok();
    assert_eq!(tokens.text("scope"), "openid pets:read");
    let id = claims(&tokens.text("id_token"));
    assert_eq!((&id["nonce"], &id["sub"]), (&"n-0S6_WzA2Mj".into(), &"ann".into()));
    assert_eq!(world.verify(&tokens.access_token()).await, Ok(()));
    assert!(tokens.json()["refresh_token"].is_string());
}

#[tokio::test]
async fn the_page_is_guarded_and_shows_text_as_text() {
    let (world, _) = world().await;
    let spa = public(&world).await;
    let page = world.get(&ask(&spa, &[("scope", "<script>alert(1)</script>")])).await.ok();
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(html.contains("&lt;b&gt;spa&lt;/b&gt;") && !html.contains("<b>"), "{html}");
    assert!(!html.contains("<script"), "{html}");
    assert!(html.contains("<html lang=\"en\">") && html.contains("<label for=\"password\">"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest);
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "or the page is bare: {policy}");
    assert_eq!(page.header("x-frame-options"), "DENY");
    let cookie = page.header("set-cookie");
    for part in ["__Host-", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

#[tokio::test]
async fn a_wrong_password_asks_again_and_a_denial_goes_back() {
    let (world, app) = world().await;
    let wrong = [("username", "a\"><b>"), ("password", "wrong"), ("decision", "approve")];
    let again = submit(&world, &ask(&app, &[]), &wrong).await;
    assert_eq!(again.status, 403);
    let html = String::from_utf8(again.body.to_vec()).unwrap();
    assert!(html.contains("role=\"alert\"") && html.contains("a&quot;&gt;&lt;b&gt;"), "{html}");

    let back = location(&submit(&world, &ask(&app, &[]), &[("decision", "deny")]).await);
    assert_eq!(parameter(&back, "error").unwrap(), "access_denied");
    assert_eq!(parameter(&back, "state").unwrap(), "a b&c");
    assert_eq!(parameter(&back, "iss").unwrap(), ISSUER);
}

#[tokio::test]
async fn only_our_own_page_may_submit_the_form() {
    let (world, app) = world().await;
    let uri = ask(&app, &[]);
    let page = world.get(&uri).await.ok();
    let cookie = page.header("set-cookie").split(';').next().unwrap().to_owned();
    let token = cookie.split_once('=').unwrap().1;
    let fields = form(APPROVE);
    let other = "A".repeat(43);
    for (cookie, csrf) in [(None, token), (Some(&cookie), ""), (Some(&cookie), other.as_str())] {
        let answer =
            send_form(&world, &uri, cookie.map(String::as_str), &format!("{fields}&csrf={csrf}")).await;
        assert_eq!(answer.status, 403, "{csrf}");
        assert!(answer.headers.get("location").is_none());
    }
    let mut cross = crate::world::post(&uri, None, &format!("{fields}&csrf={token}"));
    cross.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
    cross.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    assert_eq!(world.send(cross).await.status, 403);
}

#[tokio::test]
async fn redirect_uris_match_byte_by_byte_or_nobody_is_sent_anywhere() {
    let (world, app) = world().await;
    let near = [
        "https://app.example/cb/",
        "https://app.example/CB",
        "https://app.example/cb?x=1",
        "https://app.example/cb#x",
        "https://app.example/cb/..;/evil",
        "https://app.example:443/cb",
        "https://APP.example/cb",
        "http://app.example/cb",
        "https://app.example@evil.example/cb",
        "https://evil.example/cb",
        "https://app.example%2f@evil.example/cb",
        "//evil.example/cb",
        "JaVaScRiPt:alert(1)",
        "/cb",
        "https://app.example/c",
        "https://app.example/cb%00",
        "",
    ];
    for uri in near {
        let answer = world.get(&ask(&app, &[("redirect_uri", uri)])).await;
        assert_eq!(answer.status, 400, "{uri}");
        assert!(answer.headers.get("location").is_none(), "{uri}");
        assert_eq!(answer.header("x-frame-options"), "DENY");
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example", ask(&app, &[]));
    assert_eq!(world.get(&twice).await.status, 400);
    let stranger = world.get(&ask(&app, &[("client_id", "nobody")])).await;
    assert!(stranger.status == 400 && stranger.headers.get("location").is_none());
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_to_the_client() {
    let (world, app) = world().await;
    let spa = public(&world).await;
    let service = world.app("service", &["client_credentials"]).await;
    type Row<'a> = (&'a App, &'a [(&'a str, &'a str)], &'a str);
    let rows: [Row<'_>; 12] = [
        (&app, &[("prompt", "none")], "login_required"),
        (&app, &[("response_mode", "fragment")], "invalid_request"),
        (&app, &[("response_type", "token")], "unsupported_response_type"),
        (&app, &[("response_type", "")], "invalid_request"),
        (&app, &[("scope", "a\"b")], "invalid_scope"),
        (&app, &[("code_challenge_method", "plain")], "invalid_request"),
        (&app, &[("code_challenge_method", "")], "invalid_request"),
        (&app, &[("code_challenge", "tooshort")], "invalid_request"),
        (&app, &[("code_challenge", "")], "invalid_request"),
        (&app, &[("request_uri", "http://169.254.169.254/")], "invalid_request"),
        (&spa, &[("code_challenge", ""), ("code_challenge_method", "")], "invalid_request"),
        (&service, &[], "unauthorized_client"),
    ];
    for (client, changes, expected) in rows {
        let back = location(&world.get(&ask(client, changes)).await);
        assert_eq!(back.origin().ascii_serialization(), "https://app.example");
        assert_eq!(parameter(&back, "error").unwrap(), expected, "{changes:?}");
        assert_eq!(parameter(&back, "state").unwrap(), "a b&c");
        assert_eq!(parameter(&back, "iss").unwrap(), ISSUER);
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_a_replay_ends_what_came_of_it() {
    let (world, app) = world().await;
    let code = code(&world, &ask(&app, &[])).await;
    let tokens = exchange(&world, &app, &code, &[]).await.ok();
    assert_eq!(exchange(&world, &app, &code, &[]).await.error(), row(400, "invalid_grant"));
    assert_eq!(world.verify(&tokens.access_token()).await, Err(900904));
    let refresh = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh_token());
    assert_eq!(world.token(&app, &refresh).await.error(), row(400, "invalid_grant"));
}

#[tokio::test]
async fn a_replay_ends_the_access_token_of_a_client_without_refresh_tokens_too() {
    let (world, _) = world().await;
    let app = world.app("plain", &["authorization_code"]).await;
    let code = code(&world, &ask(&app, &[])).await;
    let tokens = exchange(&world, &app, &code, &[]).await.ok();
    assert!(tokens.json().get("refresh_token").is_none());
    exchange(&world, &app, &code, &[]).await;
    assert_eq!(world.verify(&tokens.access_token()).await, Err(900904));
}

#[tokio::test]
async fn a_code_is_bound_to_client_redirect_verifier_and_time() {
    let (world, app) = world().await;
    let other = world.app("other", &["authorization_code"]).await;
    let uri = ask(&app, &[]);
    let rows: [(&App, &[(&str, &str)]); 6] = [
        (&other, &[]),
        (&app, &[("redirect_uri", "https://app.example/cb2")]),
        (&app, &[("code_verifier", "")]),
        (&app, &[("code_verifier", CHALLENGE)]),
        (&app, &[("code_verifier", "short")]),
        (&app, &[("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK")]),
    ];
    for (client, changes) in rows {
        let code = code(&world, &uri).await;
        let answer = exchange(&world, client, &code, changes).await;
        assert_eq!(answer.error(), row(400, "invalid_grant"), "{changes:?}");
        // One wrong try uses it up.
        assert_eq!(exchange(&world, &app, &code, &[]).await.error(), row(400, "invalid_grant"));
    }
    let late = code(&world, &uri).await;
    world.later(300);
    assert_eq!(exchange(&world, &app, &late, &[]).await.error(), row(400, "invalid_grant"));
}

#[tokio::test]
async fn pkce_cannot_be_taken_away_on_the_way() {
    let (world, app) = world().await;
    // Somebody removed the challenge from the request; the client still sends its verifier.
    let stripped = ask(&app, &[("code_challenge", ""), ("code_challenge_method", "")]);
    let code1 = code(&world, &stripped).await;
    assert_eq!(exchange(&world, &app, &code1, &[]).await.error(), row(400, "invalid_grant"));
    // A confidential client may go without altogether.
    let code2 = code(&world, &stripped).await;
    exchange(&world, &app, &code2, &[("code_verifier", "")]).await.ok();
}

#[tokio::test]
async fn a_public_client_needs_its_verifier_and_nothing_else() {
    let (world, _) = world().await;
    let spa = public(&world).await;
    let good = code(&world, &ask(&spa, &[])).await;
    exchange(&world, &spa, &good, &[]).await.ok();
    let bare = code(&world, &ask(&spa, &[])).await;
    let answer = exchange(&world, &spa, &bare, &[("code_verifier", "")]).await;
    assert_eq!(answer.error(), row(400, "invalid_grant"));
}

#[tokio::test]
async fn a_changed_password_ends_codes_that_are_on_their_way() {
    let (world, app) = world().await;
    let code = code(&world, &ask(&app, &[])).await;
    world.server.users().set_password(&"ann".into(), &"better".into()).await.unwrap();
    assert_eq!(exchange(&world, &app, &code, &[]).await.error(), row(400, "invalid_grant"));
}

#[tokio::test]
async fn what_somebody_else_wrote_into_the_store_ends_codes_at_once() {
    use apim_core::store::RevocationStore as _;
    let (world, app) = world().await;
    let code = code(&world, &ask(&app, &[])).await;
    let before = apim_core::Timestamp::from_secs(crate::world::START + 1);
    let all = apim_core::model::Revocation::User { user: "ann".into(), before };
    world.memory.revoke(&Default::default(), all).await.unwrap();
    assert_eq!(exchange(&world, &app, &code, &[]).await.error(), row(400, "invalid_grant"));
}

#[tokio::test]
async fn guessing_on_the_page_is_stopped() {
    let (world, app) = world().await;
    let wrong = [("username", "ann"), ("password", "wrong"), ("decision", "approve")];
    for _ in 0..10 {
        assert_eq!(submit(&world, &ask(&app, &[]), &wrong).await.status, 403);
    }
    assert_eq!(submit(&world, &ask(&app, &[]), APPROVE).await.status, 429);
}

#[tokio::test]
async fn head_and_other_methods_do_no_harm() {
    let (world, app) = world().await;
    let head = Request::head(ask(&app, &[])).body(Body::empty()).unwrap();
    assert_eq!(world.send(head).await.status, 200);
    let put = Request::put("/oauth2/authorize").body(Body::empty()).unwrap();
    assert_eq!(world.send(put).await.status, 405);
}
