//! How it starts, how it ends, and what it says when it cannot start.

use std::os::unix::fs::PermissionsExt as _;

use driver::{Process, free_offset};

use crate::{BINARY, empty};

async fn says(arguments: &[&str], what: &str) {
    let text = Process::failing(BINARY, arguments).await;
    assert!(text.contains(what), "expected {what:?} in {text:?}");
}

#[tokio::test]
async fn a_mistake_in_its_flags_or_config_is_one_clear_line() {
    says(&["--nonsense"], "--nonsense").await;
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let config = data.path().join("config.yaml");
    std::fs::write(&config, "gateway:\n  handlrs: []\n").unwrap();
    says(&["--data", folder, "--config", config.to_str().unwrap()], "handlrs").await;
    says(&["--data", folder, "--config", "/does/not/exist.yaml"], "/does/not/exist.yaml").await;
}

#[tokio::test]
async fn a_folder_it_cannot_use_is_one_clear_line() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    says(&["--data", file.to_str().unwrap()], "data folder").await;
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let data = tempfile::tempdir().unwrap();
    let offset = free_offset();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", 9443 + offset)).unwrap();
    let port = (9443 + offset).to_string();
    let offset = offset.to_string();
    says(&["--data", data.path().to_str().unwrap(), "--offset", &offset], &port).await;
}

#[tokio::test]
async fn it_ends_in_order_when_asked_to() {
    let (mut process, _data, _) = empty().await;
    assert!(process.terminate().await.success());
}

#[tokio::test]
async fn a_second_process_on_the_same_folder_is_refused() {
    let (_process, data, _) = empty().await;
    let offset = free_offset().to_string();
    says(&["--data", data.path().to_str().unwrap(), "--offset", &offset], "in use").await;
}
