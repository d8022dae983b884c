//! How clients prove who they are (RFC 6749 section 2.3).

use http::header;

use crate::world::{App, World, basic, form, post, row};

const BODY: &str = "grant_type=client_credentials";

async fn world() -> (World, App) {
    let world = World::new().await;
    let app = world.app("shop", &["client_credentials", "password"]).await;
    (world, app)
}

#[tokio::test]
async fn basic_and_body_parameters_are_both_good() {
    let (world, app) = world().await;
    world.token(&app, BODY).await.ok();
    let body =
        form(&[("grant_type", "client_credentials"), ("client_id", &app.id), ("client_secret", &app.secret)]);
    world.post("/oauth2/token", None, &body).await.ok();
    // Naming oneself again beside Basic is redundant, not a second method.
    world.token(&app, &format!("{BODY}&client_id={}", app.id)).await.ok();
    let lower = app.basic().replacen("Basic", "basic", 1);
    world.post("/oauth2/token", Some(&lower), BODY).await.ok();
}

#[tokio::test]
async fn a_failed_authentication_is_401_with_a_challenge() {
    let (world, app) = world().await;
    let other = world.app("other", &["client_credentials"]).await;
    let wrong = [
        basic(&app.id, "wrong"),
        basic(&app.id, ""),
        basic(&app.id, &other.secret),
        basic("nobody", &app.secret),
        basic("", ""),
        "Basic !!!".to_owned(),
        "Basic".to_owned(),
        "Bearer token".to_owned(),
        "Basic bm8gY29sb24=".to_owned(),
        basic(&app.id, "\0"),
    ];
    for authorization in wrong {
        let answer = world.post("/oauth2/token", Some(&authorization), BODY).await;
        assert_eq!(answer.error(), row(401, "invalid_client"), "{authorization}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"apis.example\"");
    }
    for body in ["grant_type=client_credentials".to_owned(), format!("{BODY}&client_id={}", app.id)] {
        let answer = world.post("/oauth2/token", None, &body).await;
        assert_eq!(answer.error(), row(401, "invalid_client"), "{body}");
    }
}

#[tokio::test]
async fn two_methods_at_once_are_refused() {
    let (world, app) = world().await;
    let body = format!("{BODY}&client_id={}&client_secret={}", app.id, app.secret);
    assert_eq!(world.token(&app, &body).await.error(), row(400, "invalid_request"));
    let other = format!("{BODY}&client_id=somebody-else");
    assert_eq!(world.token(&app, &other).await.error(), row(400, "invalid_request"));

    let mut twice = post("/oauth2/token", Some(&app.basic()), BODY);
    twice.headers_mut().append(header::AUTHORIZATION, app.basic().parse().unwrap());
    assert_eq!(world.send(twice).await.error(), row(400, "invalid_request"));
}

#[tokio::test]
async fn credentials_may_be_form_encoded_as_the_rfc_has_it() {
    let (world, app) = world().await;
    // Every letter of the id escaped.
    let id: String = app.id.bytes().map(|b| format!("%{b:02X}")).collect();
    let secret: String = app.secret.bytes().map(|b| format!("%{b:02x}")).collect();
    world.post("/oauth2/token", Some(&basic(&id, &secret)), BODY).await.ok();
}

#[tokio::test]
async fn public_clients_come_without_a_secret_and_never_for_themselves() {
    let (world, app) = world().await;
    world.user("ann", "secret", &[]).await;
    let mut spec = world.spec("spa", &["password"]);
    spec.public = true;
    let spa = world.app_of(spec).await;
    assert_eq!(spa.secret, "", "a public client has no secret");

    let password = "grant_type=password&username=ann&password=secret";
    world.post("/oauth2/token", None, &format!("{password}&client_id={}", spa.id)).await.ok();
    let guessed = format!("{password}&client_id={}&client_secret=guess", spa.id);
    assert_eq!(world.post("/oauth2/token", None, &guessed).await.error(), row(401, "invalid_client"));
    let confidential = format!("{password}&client_id={}", app.id);
    assert_eq!(world.post("/oauth2/token", None, &confidential).await.error(), row(401, "invalid_client"));
    let own = format!("{BODY}&client_id={}", spa.id);
    assert_eq!(world.post("/oauth2/token", None, &own).await.error(), row(400, "unauthorized_client"));
}
