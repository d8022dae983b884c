//! Whatever strangers send, the answer is theirs to read and never our failure.

use apim_core::Body;
use http::{HeaderValue, Request, header};

use crate::world::{App, World, form};

/// Numbers that look random and are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    /// Changes, removes, repeats or inserts a few bytes.
    fn spoil(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len().max(1));
            match self.roll(5) {
                0 if !bytes.is_empty() => bytes[at] = u8::try_from(self.roll(256)).unwrap(),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.insert(at.min(bytes.len()), b"%&=+\0 .\"{[:\xff\xc3"[self.roll(13)]),
                3 => bytes.truncate(at),
                _ => bytes.extend_from_within(at.min(bytes.len())..),
            }
            bytes.truncate(4096);
        }
        bytes
    }
}

fn request(
    method: &str,
    uri: &[u8],
    authorization: &[u8],
    kind: &str,
    body: Vec<u8>,
) -> Option<Request<Body>> {
    Request::builder()
        .method(method)
        .uri(uri)
        .header(header::AUTHORIZATION, HeaderValue::from_bytes(authorization).ok()?)
        .header(header::CONTENT_TYPE, kind)
        .body(Body::from(body))
        .ok()
}

#[tokio::test]
async fn spoiled_requests_are_refused_not_stumbled_over() {
    let world = World::new().await;
    world.user("ann", "secret", &["staff"]).await;
    let app: App = world.app("shop", &["password", "refresh_token", "authorization_code"]).await;
    let answer = world.log_in(&app, "ann", "secret").await;
    let (access, refresh) = (answer.access_token(), answer.refresh_token());
    let (forms, json) = ("application/x-www-form-urlencoded", "application/json");
    let authorize = form(&[
        ("response_type", "code"),
        ("client_id", &app.id),
        ("redirect_uri", crate::world::CALLBACK),
        ("scope", "openid a"),
        ("state", "xyz"),
    ]);
    let originals = [
        (
            "POST",
            "/oauth2/token".to_owned(),
            forms,
            "grant_type=password&username=ann&password=no&scope=a+b".to_owned(),
        ),
        (
            "POST",
            "/oauth2/token".to_owned(),
            forms,
            format!("grant_type=refresh_token&refresh_token={refresh}x"),
        ),
        (
            "POST",
            "/oauth2/token".to_owned(),
            forms,
            "grant_type=authorization_code&code=x&redirect_uri=y".to_owned(),
        ),
        ("POST", "/oauth2/introspect".to_owned(), forms, format!("token={access}")),
        ("POST", "/oauth2/revoke".to_owned(), forms, format!("token={access}x&token_type_hint=access_token")),
        ("GET", format!("/oauth2/authorize?{authorize}"), forms, String::new()),
        (
            "POST",
            format!("/oauth2/authorize?{authorize}"),
            forms,
            "csrf=x&username=ann&decision=approve".to_owned(),
        ),
        ("GET", "/oauth2/userinfo".to_owned(), forms, String::new()),
        (
            "POST",
            "/client-registration/v0.17/register".to_owned(),
            json,
            r#"{"clientName":"a","owner":"ann"}"#.to_owned(),
        ),
    ];
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut sent = 0;
    for round in 0..4000 {
        let (method, uri, kind, body) = &originals[round % originals.len()];
        let uri = if dice.roll(3) == 0 { dice.spoil(uri) } else { uri.clone().into_bytes() };
        let basic = app.basic();
        let authorization = if dice.roll(4) == 0 { dice.spoil(&basic) } else { basic.into_bytes() };
        let Some(request) = request(method, &uri, &authorization, kind, dice.spoil(body)) else {
            continue;
        };
        let shown = format!("{request:?}");
        let answer = world.send(request).await;
        assert!(!answer.status.is_server_error(), "{answer:?} to {shown}");
        sent += 1;
    }
    assert!(sent > 2000, "most of them must reach the server: {sent}");
    assert_eq!(world.verify(&access).await, Ok(()));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_the_callers_mistake() {
    struct Broken;
    impl http_body::Body for Broken {
        type Data = bytes::Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, std::io::Error>>> {
            std::task::Poll::Ready(Some(Err(std::io::Error::other("reset"))))
        }
    }
    let world = World::new().await;
    let request = Request::post("/oauth2/token").body(Body::new(Broken)).unwrap();
    assert_eq!(world.send(request).await.error(), crate::world::row(400, "invalid_request"));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    struct Silent;
    impl http_body::Body for Silent {
        type Data = bytes::Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, std::io::Error>>> {
            std::task::Poll::Pending
        }
    }
    let world = World::new().await;
    let request = Request::post("/oauth2/token").body(Body::new(Silent)).unwrap();
    assert_eq!(world.send(request).await.error(), crate::world::row(408, "invalid_request"));
}
