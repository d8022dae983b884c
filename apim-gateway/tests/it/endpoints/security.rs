//! How the gateway authenticates itself to backends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{GET, Scene, endpoint, nobody, pair};
use crate::bench::{Plan, backend, echoing_heads};

async fn secured(url: String, security: Value) -> Scene {
    Scene::of(endpoint(&[&url], json!({"security": security}))).await
}

async fn echoed(security: Value, request: &str) -> String {
    let url = format!("http://{}", echoing_heads().await);
    secured(url, security).await.ask(request).await.text().to_owned()
}

#[tokio::test]
async fn basic_replaces_what_the_client_sent() {
    let security = json!({"type": "basic", "username": "ann", "password": "s:e cret§"});
    let head = echoed(security, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer mine\r\n\r\n").await;
    assert!(head.contains("\r\nauthorization: Basic YW5uOnM6ZSBjcmV0wqc=\r\n"), "{head}");
    assert!(!head.contains("Bearer"), "{head}");
}

#[tokio::test]
async fn a_key_goes_into_its_header_or_its_parameter_and_nowhere_else() {
    let header = json!({"type": "api_key", "name": "X-Key", "value": "k&1"});
    let head = echoed(header, "GET /p?a=1 HTTP/1.1\r\nHost: a\r\nX-Key: mine\r\n\r\n").await;
    assert!(head.contains("\r\nx-key: k&1\r\n") && !head.contains("mine"), "{head}");
    assert!(head.starts_with("GET /p?a=1 HTTP"), "{head}");
    let query = json!({"type": "api_key", "name": "key", "value": "k&1", "in": "query"});
    let head = echoed(query, "GET /p?key=mine&a=1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(head.starts_with("GET /p?a=1&key=k%261 HTTP"), "{head}");
}

/// A backend that wants Digest, and tells of each request's `Authorization`.
async fn digesting(nonce_lives: usize) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (sender, seen) = mpsc::unbounded_channel();
    let answers = Arc::new(AtomicUsize::new(0));
    let address = backend(move |_, mut wire| {
        let (sender, answers) = (sender.clone(), answers.clone());
        async move {
            while let Some(got) = wire.next().await {
                let authorization = got.header("authorization").unwrap_or("none").to_owned();
                let generation = answers.load(SeqCst) / nonce_lives;
                let good = authorization.contains(&format!("nonce=\"n{generation}\""))
                    && authorization.contains("username=\"ann\"");
                sender.send(authorization).unwrap();
                if good {
                    answers.fetch_add(1, SeqCst);
                    wire.send(format!(
                        "HTTP/1.1 200 -\r\nContent-Length: {}\r\n\r\n{}",
                        got.body.len() + 2,
                        format_args!("ok{}", got.text())
                    ))
                    .await;
                } else {
                    let challenge = format!(
                        "Digest realm=\"r\", qop=\"auth\", algorithm=SHA-256, nonce=\"n{generation}\", stale=true"
                    );
                    wire.send(format!(
                        "HTTP/1.1 401 -\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
                    ))
                    .await;
                }
            }
        }
    })
    .await;
    (address, seen)
}

#[tokio::test]
async fn a_challenge_is_answered_once_and_remembered_with_a_count() {
    let (address, mut seen) = digesting(2).await;
    let security = json!({"type": "digest", "username": "ann", "password": "secret"});
    let mut scene = secured(format!("http://{address}"), security).await;
    for _ in 0..3 {
        assert_eq!(scene.get().await, pair("200", "ok"));
    }
    let mut heads = Vec::new();
    for _ in 0..5 {
        heads.push(seen.recv().await.unwrap());
    }
    assert_eq!(heads[0], "none");
    assert!(heads[1].contains("nc=00000001") && heads[1].contains("uri=\"/\""), "{heads:?}");
    assert!(heads[2].contains("nc=00000002"), "the second request was not challenged: {heads:?}");
    assert!(heads[3].contains("nonce=\"n0\""), "a nonce grew stale");
    assert!(heads[4].contains("nonce=\"n1\"") && heads[4].contains("nc=00000001"), "{heads:?}");
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_the_backends_answer_stands() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let address = backend(move |_, mut wire| {
        let count = count.clone();
        async move {
            while wire.next().await.is_some() {
                count.fetch_add(1, SeqCst);
                let challenge = "Digest realm=r, qop=auth, nonce=n";
                wire.send(format!(
                    "HTTP/1.1 401 -\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 2\r\n\r\nno"
                ))
                .await;
            }
        }
    })
    .await;
    let security = json!({"type": "digest", "username": "ann", "password": "wrong"});
    let mut scene = secured(format!("http://{address}"), security).await;
    assert_eq!(scene.get().await, pair("401", "no"));
    assert_eq!(asked.load(SeqCst), 2);
}

#[tokio::test]
async fn a_body_that_has_gone_up_already_cannot_answer_a_challenge() {
    let (address, mut seen) = digesting(10).await;
    let security = json!({"type": "digest", "username": "ann", "password": "secret"});
    let mut scene = secured(format!("http://{address}"), security).await;
    assert_eq!(scene.stream().await.status(), "401");
    assert_eq!(seen.recv().await.unwrap(), "none");
    let got = scene.stream().await;
    assert_eq!((got.status(), got.text()), ("200", "okhi"), "the challenge is known by now");
}

/// An authorisation server that numbers its tokens, and tells what it was asked.
struct Issuer {
    url: String,
    asked: mpsc::UnboundedReceiver<(String, String)>,
}

impl Issuer {
    async fn new(answer: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let address = backend(move |number, mut wire| {
            let (sender, answer) = (sender.clone(), answer.clone());
            async move {
                while let Some(got) = wire.next().await {
                    sender.send((got.head.clone(), got.text().to_owned())).unwrap();
                    wire.send(answer(number)).await;
                }
            }
        })
        .await;
        Self { url: format!("http://{address}/oauth2/token"), asked }
    }

    async fn usual() -> Self {
        Self::new(|number| {
            json_answer(200, &json!({"access_token": format!("t{number}"), "expires_in": 100}))
        })
        .await
    }

    fn grant(&self) -> Value {
        json!({"type": "oauth2", "token_url": self.url, "client_id": "c:1", "client_secret": "s"})
    }

    fn count(&mut self) -> usize {
        std::iter::from_fn(|| self.asked.try_recv().ok()).count()
    }
}

fn json_answer(status: u16, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A backend that takes one token only, and answers with the one it got.
async fn taking(token: &'static str) -> String {
    let address = backend(move |_, mut wire| async move {
        while let Some(got) = wire.next().await {
            let given = got.header("authorization").unwrap_or("none").to_owned();
            let status = if token.is_empty() || given == format!("Bearer {token}") { 200 } else { 401 };
            wire.send(format!("HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n{given}", given.len())).await;
        }
    })
    .await;
    format!("http://{address}")
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_shortly_before_it_expires() {
    let mut issuer = Issuer::usual().await;
    let mut grant = issuer.grant();
    grant["scopes"] = json!(["a", "b"]);
    grant["parameters"] = json!({"audience": "pets"});
    let mut scene = secured(taking("").await, grant).await;
    assert_eq!(scene.texts(3).await.concat(), "Bearer t0Bearer t0Bearer t0");
    let (head, form) = issuer.asked.recv().await.unwrap();
    assert!(head.starts_with("POST /oauth2/token HTTP/1.1\r\n"), "{head}");
    // c%3A1:s
    assert!(head.contains("\r\nauthorization: Basic YyUzQTE6cw==\r\n"), "{head}");
    assert_eq!(form, "grant_type=client_credentials&scope=a+b&audience=pets");
    scene.clock.advance(Duration::from_secs(89));
    assert_eq!(scene.get().await.1, "Bearer t0");
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.get().await.1, "Bearer t1");
    assert_eq!(issuer.count(), 1);
}

#[tokio::test]
async fn a_user_and_a_password_make_the_password_grant() {
    let mut issuer = Issuer::usual().await;
    let mut grant = issuer.grant();
    grant["username"] = "ann".into();
    grant["password"] = "p w".into();
    let mut scene = secured(taking("").await, grant).await;
    assert_eq!(scene.get().await.1, "Bearer t0");
    assert_eq!(issuer.asked.recv().await.unwrap().1, "grant_type=password&username=ann&password=p+w");
}

#[tokio::test]
async fn a_token_that_the_backend_refuses_is_replaced_once() {
    let mut issuer = Issuer::usual().await;
    let mut scene = secured(taking("t1").await, issuer.grant()).await;
    assert_eq!(scene.get().await, pair("200", "Bearer t1"));
    assert_eq!(issuer.count(), 2);
    let mut other = Issuer::usual().await;
    let mut scene = secured(taking("never").await, other.grant()).await;
    assert_eq!(scene.get().await, pair("401", "Bearer t1"), "one refresh, and then the backend's word");
    assert_eq!(other.count(), 2);
}

#[tokio::test]
async fn calls_at_once_share_one_fetch() {
    let mut issuer = Issuer::new(|number| {
        std::thread::sleep(Duration::from_millis(50));
        json_answer(200, &json!({"access_token": format!("t{number}")}))
    })
    .await;
    let mut plan = Plan::to("");
    plan.endpoint = endpoint(&[&taking("").await], json!({"security": issuer.grant()}));
    let gateway = plan.start();
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = gateway.connect().await;
        client.send(GET).await;
        clients.push(client);
    }
    for mut client in clients {
        assert_eq!(client.message().await.text(), "Bearer t0");
    }
    assert_eq!(issuer.count(), 1);
}

#[tokio::test]
async fn without_a_token_the_caller_is_told_503_and_never_401() {
    let refusing = Issuer::new(|_| json_answer(401, &json!({"error": "invalid_client"}))).await;
    let odd = Issuer::new(|_| "HTTP/1.1 200 -\r\nContent-Length: 4\r\n\r\n<ok>".to_owned()).await;
    let wrong_type =
        Issuer::new(|_| json_answer(200, &json!({"access_token": "x", "token_type": "mac"}))).await;
    let mut absent = refusing.grant();
    absent["token_url"] = nobody().await.into();
    for grant in [refusing.grant(), odd.grant(), wrong_type.grant(), absent] {
        let mut scene = secured(taking("").await, grant).await;
        assert_eq!(scene.get().await, pair("503", "303003"));
    }
}

#[tokio::test]
async fn a_token_servers_answer_has_so_many_bytes_and_is_given_up_with_one_more() {
    for (bytes, expected) in [(64 << 10, pair("200", "Bearer t")), ((64 << 10) + 1, pair("503", "303003"))] {
        let issuer = Issuer::new(move |_| {
            let token = r#"{"access_token": "t"}"#;
            let body = format!("{token}{}", " ".repeat(bytes - token.len()));
            format!("HTTP/1.1 200 -\r\nContent-Length: {bytes}\r\n\r\n{body}")
        })
        .await;
        let mut scene = secured(taking("").await, issuer.grant()).await;
        assert_eq!(scene.get().await, expected, "{bytes}");
    }
    // Nor is one that says nothing of its length taken without end.
    let endless = Issuer::new(|_| {
        let piece = format!("{:x}\r\n{}\r\n", 8 << 10, " ".repeat(8 << 10));
        format!("HTTP/1.1 200 -\r\nTransfer-Encoding: chunked\r\n\r\n{}", piece.repeat(9))
    })
    .await;
    let mut scene = secured(taking("").await, endless.grant()).await;
    assert_eq!(scene.get().await, pair("503", "303003"));
}

#[tokio::test]
async fn what_cannot_work_refuses_the_deployment() {
    let grant = |with: Value| {
        let mut grant =
            json!({"type": "oauth2", "token_url": "http://a", "client_id": "c", "client_secret": "s"});
        for (name, value) in with.as_object().unwrap() {
            grant[name] = value.clone();
        }
        grant
    };
    for (security, place) in [
        (json!({"type": "basic", "username": "a:b", "password": "p"}), "security.username"),
        (json!({"type": "digest", "username": "", "password": "p"}), "security.username"),
        (json!({"type": "api_key", "name": "a b", "value": "p"}), "security.name"),
        (json!({"type": "api_key", "name": "a", "value": "p\n"}), "security.value"),
        (grant(json!({"token_url": "ftp://a"})), "security.token_url"),
        (grant(json!({"token_url": "nowhere"})), "security.token_url"),
        (grant(json!({"username": "a"})), "security.password"),
        (grant(json!({"parameters": {"grant_type": "x"}})), "security.parameters.grant_type"),
    ] {
        let endpoint = endpoint(&["http://a"], json!({"security": security}));
        assert_eq!(apim_gateway::upstream::check(&endpoint).unwrap_err().path(), place);
    }
}

#[test]
fn secrets_do_not_print() {
    let endpoint = endpoint(
        &["http://a"],
        json!({"security": {"type": "basic", "username": "ann", "password": "hush-hush"}}),
    );
    assert!(!format!("{endpoint:?}").contains("hush"), "{endpoint:?}");
}
