//! Discovery and userinfo.

use apim_core::Body;
use http::{Request, header};

use crate::world::{Answer, ISSUER, World};

#[tokio::test]
async fn all_discovery_paths_tell_the_same_and_what_they_tell_is_there() {
    let world = World::new().await;
    let paths = [
        "/oauth2/token/.well-known/openid-configuration",
        "/oauth2/token/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/oauth2/token",
    ];
    let mut documents = Vec::new();
    for path in paths {
        documents.push(world.get(path).await.ok().json());
    }
    assert!(documents.windows(2).all(|pair| pair[0] == pair[1]));
    let document = &documents[0];
    assert_eq!(document["issuer"], ISSUER);
    for (name, value) in document.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let path = value.as_str().unwrap().strip_prefix("https://apis.example:9443").unwrap();
            assert_ne!(world.get(path).await.status, 404, "{name}");
        }
    }
}

async fn userinfo(world: &World, token: Option<&str>) -> Answer {
    let mut request = Request::get("/oauth2/userinfo").body(Body::empty()).unwrap();
    if let Some(token) = token {
        request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    }
    world.send(request).await
}

#[tokio::test]
async fn userinfo_is_for_users_who_said_openid() {
    let world = World::new().await;
    world.user("ann", "secret", &[]).await;
    let app = world.app("shop", &["password", "client_credentials"]).await;
    let body = "grant_type=password&username=ann&password=secret&scope=openid";
    let token = world.token(&app, body).await.ok().access_token();
    assert_eq!(userinfo(&world, Some(&token)).await.ok().text("sub"), "ann");

    let plain = world.log_in(&app, "ann", "secret").await.access_token();
    let machine = world.token(&app, "grant_type=client_credentials&scope=openid").await.ok().access_token();
    for token in [plain, machine] {
        let refused = userinfo(&world, Some(&token)).await;
        assert_eq!(refused.error(), crate::world::row(403, "insufficient_scope"));
    }
    for token in [None, Some("garbage")] {
        let refused = userinfo(&world, token).await;
        assert_eq!(refused.error(), crate::world::row(401, "invalid_token"));
        assert!(refused.header("www-authenticate").starts_with("Bearer "));
    }
}
