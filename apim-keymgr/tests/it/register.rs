//! Client registration 0.17, as apictl speaks it (ATTACKS 60, 61).

use apim_core::Body;
use http::{Request, header};
use serde_json::{Value, json};

use crate::world::{Answer, App, World, basic, row};

const PATH: &str = "/client-registration/v0.17/register";

async fn world() -> World {
    let world = World::new().await;
    world.user("admin", "admin pw", &["admin"]).await;
    world.user("ann", "secret", &["Internal/subscriber"]).await;
    world.user("pending", "secret", &[]).await;
    world
}

async fn register(world: &World, authorization: &str, body: &str) -> Answer {
    let request = Request::post(PATH)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, authorization)
        .body(Body::from(body.to_owned()))
        .unwrap();
    world.send(request).await
}

/// What `apictl login` sends.
fn apictl(user: &str) -> Value {
    json!({
        "clientName": format!("rest_api_import_export_{}", user.replace('@', "_")),
        "callbackUrl": "www.google.lk", "grantType": "password refresh_token", "saasApp": true,
        "owner": user, "tokenScope": "Production",
    })
}

fn app(answer: &Answer) -> App {
    App { id: answer.text("clientId").into(), secret: answer.text("clientSecret") }
}

#[tokio::test]
async fn apictl_logs_in_and_gets_a_client_that_works() {
    let world = world().await;
    let answer = register(&world, &basic("admin", "admin pw"), &apictl("admin").to_string()).await.ok();
    let body = answer.json();
    assert_eq!(body["clientName"], "rest_api_import_export_admin");
    assert_eq!(body["callBackURL"], "www.google.lk");
    assert_eq!(body["isSaasApplication"], true);
    assert_eq!(body["appOwner"], "admin");
    assert_eq!(body["tokenType"], "JWT");
    let details: Value = serde_json::from_str(&answer.text("jsonString")).unwrap();
    assert_eq!(details["grant_types"], "password refresh_token");
    let token = world.token(&app(&answer), "grant_type=password&username=admin&password=admin+pw").await.ok();
    assert!(token.json()["refresh_token"].is_string());
}

#[tokio::test]
async fn registering_again_gives_the_same_client_a_fresh_secret() {
    let world = world().await;
    let (auth, body) = (basic("admin", "admin pw"), apictl("admin").to_string());
    let login = "grant_type=password&username=admin&password=admin+pw";
    let mut apps = Vec::new();
    for _ in 0..11 {
        apps.push(app(&register(&world, &auth, &body).await.ok()));
    }
    assert!(apps.iter().all(|app| app.id == apps[0].id));
    assert!(apps.windows(2).all(|pair| pair[0].secret != pair[1].secret));
    for app in &apps[1..] {
        world.token(app, login).await.ok();
    }
    // Ten are kept; the eleventh ended the first.
    assert_eq!(world.token(&apps[0], login).await.error(), row(401, "invalid_client"));
}

#[tokio::test]
async fn the_tenant_behind_the_name_does_not_matter() {
    let world = world().await;
    let auth = basic("admin@carbon.super", "admin pw");
    let first = register(&world, &auth, &apictl("admin").to_string()).await.ok();
    let mut body = apictl("admin");
    body["owner"] = "admin@carbon.super".into();
    assert_eq!(
        register(&world, &auth, &body.to_string()).await.ok().text("clientId"),
        first.text("clientId")
    );
}

#[tokio::test]
async fn who_registers_must_be_somebody() {
    let world = world().await;
    let body = apictl("admin").to_string();
    for auth in [basic("admin", "wrong"), basic("nobody", "x"), "Bearer x".to_owned(), "Basic x".to_owned()] {
        let answer = register(&world, &auth, &body).await;
        assert_eq!(answer.error(), row(401, "invalid_client"), "{auth}");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
    }
    let pending = register(&world, &basic("pending", "secret"), &apictl("pending").to_string()).await;
    assert_eq!(pending.error(), row(403, "access_denied"));
    let request = Request::post(PATH).header(header::CONTENT_TYPE, "application/json").body(Body::from(body));
    assert_eq!(world.send(request.unwrap()).await.error(), row(401, "invalid_client"));
}

#[tokio::test]
async fn only_an_administrator_registers_for_others() {
    let world = world().await;
    let refused = register(&world, &basic("ann", "secret"), &apictl("admin").to_string()).await;
    assert_eq!(refused.error(), row(400, "invalid_client_metadata"));
    let for_ann = register(&world, &basic("admin", "admin pw"), &apictl("ann").to_string()).await.ok();
    assert_eq!(for_ann.text("appOwner"), "ann");
    // The same name belongs to each owner separately.
    let mut own = apictl("admin");
    own["clientName"] = "rest_api_import_export_ann".into();
    let own = register(&world, &basic("admin", "admin pw"), &own.to_string()).await.ok();
    assert_ne!(own.text("clientId"), for_ann.text("clientId"));
}

#[tokio::test]
async fn a_malformed_registration_names_what_is_wrong() {
    let world = world().await;
    let auth = basic("ann", "secret");
    let rows = [
        ("", "invalid_client_metadata"),
        ("[]", "invalid_client_metadata"),
        ("{}", "invalid_client_metadata"),
        (r#"{"clientName":""}"#, "invalid_client_metadata"),
        (r#"{"clientName":"a<b>"}"#, "invalid_client_metadata"),
        (r#"{"clientName":"a","clientName":"b"}"#, "invalid_client_metadata"),
        (r#"{"clientName":7}"#, "invalid_client_metadata"),
        (r#"{"clientName":"a","grantType":"implicit"}"#, "invalid_client_metadata"),
        (r#"{"clientName":"a","grantType":"authorization_code"}"#, "invalid_client_metadata"),
        (r#"{"clientName":"a","tokenType":"OPAQUE"}"#, "invalid_client_metadata"),
    ];
    for (body, expected) in rows {
        assert_eq!(register(&world, &auth, body).await.error(), row(400, expected), "{body}");
    }
    let deep = format!("{{\"clientName\":\"a\",\"x\":{}", "[".repeat(50_000));
    assert_eq!(register(&world, &auth, &deep).await.status, 400);
}

#[tokio::test]
async fn a_redirect_uri_that_a_browser_could_misread_is_refused() {
    let world = world().await;
    let auth = basic("ann", "secret");
    let bad = [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "www.google.lk",
        "http://localhost.evil.example/cb",
        "http://app.example/cb",
        "https://app.example/#x",
        "https://app.example@evil.example/cb",
        "https://a@b@app.example/cb",
        "https://app.example/..;/cb",
        "https://app.example/%2e%2e/cb",
        "https://app.example/../cb",
        "https://*.example/cb",
        "https://app.example/cb*",
        "https://app.example\\@evil.example/",
        "//app.example/cb",
        "https:///cb ",
        "regexp=(https://a.example|https://b.example)",
        "https://app.example/c b",
        "https://app.example/\u{202e}",
    ];
    for (n, uri) in bad.into_iter().enumerate() {
        let body = json!({ "clientName": format!("bad {n}"), "callbackUrl": uri, "grantType": "authorization_code" });
        let answer = register(&world, &auth, &body.to_string()).await;
        assert_eq!(answer.error(), row(400, "invalid_redirect_uri"), "{uri}");
    }
    let good = [
        "https://app.example/cb?a=b",
        "http://localhost:8080/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:1/cb",
        "com.example.app:/cb",
    ];
    for (n, uri) in good.into_iter().enumerate() {
        let body = json!({ "clientName": format!("good {n}"), "callbackUrl": uri, "grantType": "authorization_code" });
        assert_eq!(register(&world, &auth, &body.to_string()).await.ok().text("callBackURL"), uri);
    }
}
