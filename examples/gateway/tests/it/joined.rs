//! Two processes: the journey is the same, and the gateway outlives its control plane.

use std::path::Path;

use driver::{Journey, Keys, Petstore, Process, Reply, free_offset, sibling};

use crate::BINARY;

const PETSTORE: &str = include_str!("../../../petstore/petstore.yaml");

struct Pair {
    control: Process,
    gateway: Process,
    journey: Journey,
    _petstore: Petstore,
    control_data: tempfile::TempDir,
    gateway_data: tempfile::TempDir,
    keys: Keys,
}

async fn join(control_data: &Path, gateway_data: &Path, offset: u16) -> Process {
    let join = control_data.join("join.json");
    Process::start(BINARY, gateway_data, offset, &["--join", join.to_str().unwrap()]).await
}

impl Pair {
    async fn with_a_published_api() -> Self {
        let (control_data, gateway_data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let program = sibling(BINARY, "control-plane");
        let control = Process::start(&program, control_data.path(), free_offset(), &[]).await;
        let gateway = join(control_data.path(), gateway_data.path(), free_offset()).await;
        let ca = std::fs::read_to_string(control_data.path().join("ca.pem")).unwrap();
        let journey = Journey::begin(&control.control(), &ca).await;
        let petstore = Petstore::start().await;
        let keys = journey.publish(PETSTORE, &petstore.url).await.keys;
        Self { control, gateway, journey, _petstore: petstore, control_data, gateway_data, keys }
    }

    async fn call(&self, token: &str) -> Reply {
        let url = format!("{}/petstore/1.0.0/pet/1", self.gateway.gateway_http());
        self.journey.client.get(&url, token).await
    }

    async fn call_until(&self, token: &str, status: u16) {
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(1);
        while self.call(token).await.status.as_u16() != status {
            assert!(std::time::Instant::now() < patience, "no {status} within a second");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn the_journey_is_the_same_in_two_processes() {
    let pair = Pair::with_a_published_api().await;
    let token = pair.journey.token(&pair.keys, "").await;
    pair.call_until(&token, 200).await;
    pair.journey.revoke(&pair.keys, &token).await;
    pair.call_until(&token, 401).await;
}

/// The administrator sits at the control plane, the record lies in the gateway's process.
#[tokio::test]
async fn why_a_request_was_refused_is_told_by_the_control_plane_and_by_the_gateway() {
    let pair = Pair::with_a_published_api().await;
    let url = format!("{}/petstore/1.0.0/pet/1", pair.gateway.gateway_http());
    let refused = pair.journey.client.get(&url, "nonsense").await.expect(401);
    let id = refused.header("x-request-id").unwrap().to_owned();

    let asked = format!("{}/api/am/devops/v0/why/{id}", pair.journey.control);
    let told = pair.journey.client.get(&asked, &pair.journey.token).await.expect(200).json();
    assert_eq!((&told["requestId"], &told["stage"]), (&id.as_str().into(), &"authentication".into()));
    assert!(told["gateway"].as_str().unwrap().ends_with(&(8243 + pair.gateway.offset).to_string()), "{told}");

    let door = format!("http://127.0.0.1:{}/why/{id}", 9090 + pair.gateway.offset);
    let text = pair.journey.client.get(&door, "").await.expect(200).text();
    assert!(text.contains("answered    401 by authentication"), "{text}");
}

#[tokio::test]
async fn the_gateway_serves_on_without_its_control_plane_even_after_a_restart() {
    let mut pair = Pair::with_a_published_api().await;
    let (good, bad) = (pair.journey.token(&pair.keys, "").await, pair.journey.token(&pair.keys, "").await);
    pair.call_until(&good, 200).await;
    pair.journey.revoke(&pair.keys, &bad).await;
    pair.call_until(&bad, 401).await;

    let control_offset = pair.control.offset;
    pair.control.kill().await;
    pair.call(&good).await.expect(200);

    let offset = pair.gateway.offset;
    assert!(pair.gateway.terminate().await.success());
    pair.gateway = join(pair.control_data.path(), pair.gateway_data.path(), offset).await;
    pair.call(&good).await.expect(200);
    pair.call(&bad).await.expect(401);

    let program = sibling(BINARY, "control-plane");
    pair.control = Process::start(&program, pair.control_data.path(), control_offset, &[]).await;
    pair.journey.revoke(&pair.keys, &good).await;
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(15);
    while pair.call(&good).await.status != 401 {
        assert!(std::time::Instant::now() < patience, "the gateway did not find its control plane again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
