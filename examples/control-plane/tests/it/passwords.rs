//! Those who keep the platform running may show their name and password.

use driver::{Journey, Process, Reply, free_offset};
use http::Method;
use http::header::WWW_AUTHENTICATE;
use serde_json::json;

use crate::BINARY;

const ALL: &str = "/api/am/devops/v0/tenant-logs/carbon.super/apis";
const ADMIN: (&str, &str) = ("admin", "admin-of-the-test");

/// What a client is told would do.
fn challenges(reply: &Reply) -> Vec<&str> {
    let all = reply.headers.get_all(WWW_AUTHENTICATE).iter().map(|value| value.to_str().unwrap());
    all.map(|challenge| challenge.split(' ').next().unwrap()).collect()
}

struct World {
    process: Process,
    journey: Journey,
    _data: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let process = Process::start(BINARY, data.path(), free_offset(), &[]).await;
        let ca = std::fs::read_to_string(data.path().join("ca.pem")).unwrap();
        let journey = Journey::begin(&process.control(), &ca).await;
        Self { process, journey, _data: data }
    }

    async fn get(&self, path: &str, (user, password): (&str, &str)) -> Reply {
        let url = format!("{}{path}", self.process.control());
        self.journey.client.by_password(Method::GET, &url, user, password).await
    }
}

#[tokio::test]
async fn an_administrators_password_opens_what_their_token_does_and_no_other_contract() {
    let world = World::new().await;
    let listed = world.get(ALL, ADMIN).await.expect(200).json();
    assert_eq!(
        world.journey.devops(Method::GET, "/tenant-logs/carbon.super/apis", json!(null)).await.json(),
        listed
    );
    world.get(ALL, ("admin@carbon.super", ADMIN.1)).await.expect(200);

    let url = format!("{}{ALL}", world.process.control());
    let refused = world.journey.client.send(Method::GET, &url, &[], "").await.expect(401);
    assert_eq!(
        (challenges(&refused), refused.json()["code"].as_u64()),
        (vec!["Bearer", "Basic"], Some(900_902))
    );
    let half = [("authorization", "Basic YWRtaW4=")];
    world.journey.client.send(Method::GET, &url, &half, "").await.expect(401);

    // Who has no such role could have had no such token.
    let user = json!({"name": "dev", "password": "password-of-dev", "roles": ["Internal/subscriber"]});
    world.journey.admin(Method::POST, "/users", user).await.expect(201);
    let refused = world.get(ALL, ("dev", "password-of-dev")).await.expect(403);
    assert_eq!((challenges(&refused).len(), refused.json()["code"].as_u64()), (0, Some(900_915)));

    let refused = world.get("/api/am/publisher/v4/apis", ADMIN).await.expect(401);
    assert_eq!(challenges(&refused), ["Bearer"]);
    let document = world.get("/api/am/devops/v0/openapi.json", ADMIN).await.expect(200).json();
    assert_eq!(document["components"]["securitySchemes"]["Basic"]["scheme"], "basic");
}

#[tokio::test]
async fn guessing_a_password_is_stopped_as_at_a_login() {
    let world = World::new().await;
    for wrong in [("admin", "guess"), ("nobody", ADMIN.1)] {
        let refused = world.get(ALL, wrong).await.expect(401);
        assert_eq!(
            (challenges(&refused), refused.json()["code"].as_u64()),
            (vec!["Bearer", "Basic"], Some(900_901))
        );
    }
    let mut tries = 1;
    while world.get(ALL, ("admin", "guess")).await.status == 401 {
        tries += 1;
        assert!(tries <= 10, "nobody stops them");
    }
    // Nor is the right one looked at any more, here or where clients are registered.
    let stopped = world.get(ALL, ADMIN).await.expect(429);
    let wait: u64 = stopped.header("retry-after").expect("when to come again").parse().unwrap();
    assert!((1..=300).contains(&wait), "{wait}");
    let told = stopped.json()["description"].as_str().unwrap().to_owned();
    assert_eq!(told, format!("Too many wrong passwords; try again in {wait} s"));
    let url = format!("{}/client-registration/v0.17/register", world.process.control());
    world.journey.client.by_password(Method::POST, &url, ADMIN.0, ADMIN.1).await.expect(429);
    // A token is no guess.
    world.journey.devops(Method::GET, "/tenant-logs/carbon.super/apis", json!(null)).await.expect(200);
}
