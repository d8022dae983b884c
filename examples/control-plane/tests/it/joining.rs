//! What a gateway gets from a control plane, and what nobody else does.

use std::os::unix::fs::PermissionsExt as _;

use driver::{Client, Process, free_offset};
use http::Method;

use crate::BINARY;

#[tokio::test]
async fn the_file_to_join_with_is_private_and_opens_what_nothing_else_does() {
    let data = tempfile::tempdir().unwrap();
    let mut process = Process::start(BINARY, data.path(), free_offset(), &[]).await;
    let path = data.path().join("join.json");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let join = serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(path).unwrap()).unwrap();
    let text = |key: &str| join[key].as_str().unwrap();
    assert_eq!(text("url"), process.control());

    let client = Client::trusting(text("ca"));
    let url = format!("{}/internal/gateway/v1/snapshot", process.control());
    client.send(Method::GET, &url, &[], "").await.expect(401);
    client.get(&url, "guessed").await.expect(401);
    let snapshot = client.get(&url, text("token")).await.expect(200);
    assert!(snapshot.json()["revision"].is_u64());
    assert!(process.terminate().await.success());
}

#[tokio::test]
async fn the_token_for_gateways_outlives_a_restart_and_does_not_open_the_rest_contracts() {
    let data = tempfile::tempdir().unwrap();
    let offset = free_offset();
    let read = || std::fs::read_to_string(data.path().join("join.json")).unwrap();
    let mut process = Process::start(BINARY, data.path(), offset, &[]).await;
    let first = read();
    process.kill().await;
    let process = Process::start(BINARY, data.path(), offset, &[]).await;
    assert_eq!(first, read());

    let join = serde_json::from_str::<serde_json::Value>(&first).unwrap();
    let client = Client::trusting(join["ca"].as_str().unwrap());
    let url = format!("{}/api/am/publisher/v4/apis", process.control());
    client.get(&url, join["token"].as_str().unwrap()).await.expect(401);
}
