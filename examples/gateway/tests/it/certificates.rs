//! Certificates by host, and new ones without a restart.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use driver::{Client, Process, free_offset};
use http::Method;

use crate::BINARY;

/// Makes a certificate in a folder; answers its PEM text.
fn make(folder: &Path, name: &str) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

fn settings(folder: &Path, more: &str) -> String {
    let path = folder.join("settings.yaml");
    let shown = folder.display();
    std::fs::write(&path, format!("tls: {{certificate: {shown}/a.pem, key: {shown}/a.key}}\n{more}"))
        .unwrap();
    path.to_str().unwrap().to_owned()
}

async fn is_trusted(process: &Process, pem: &str) -> bool {
    let url = format!("https://localhost:{}/nothing", 8243 + process.offset);
    Client::trusting(pem).try_send(Method::GET, &url, &[], Bytes::new()).await.is_ok()
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let (folder, data, apis) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let old = make(folder.path(), "a");
    let settings = settings(folder.path(), "");
    std::fs::write(apis.path().join("a.yaml"), "name: A\nversion: '1'\ncontext: /a\n").unwrap();
    let arguments = ["--apis", apis.path().to_str().unwrap(), "--config", &settings];
    let process = Process::start(BINARY, data.path(), free_offset(), &arguments).await;
    assert!(is_trusted(&process, &old).await);

    let new = make(folder.path(), "a");
    let hangup =
        std::process::Command::new("kill").args(["-HUP", &process.id().to_string()]).status().unwrap();
    assert!(hangup.success());
    let shown = async {
        while !is_trusted(&process, &new).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), shown).await.unwrap();

    std::fs::write(folder.path().join("a.pem"), "moon").unwrap();
    let url = format!("http://127.0.0.1:{}/reload", 9090 + process.offset);
    let reply = Client::trusting_nobody().send(Method::POST, &url, &[], "").await.expect(500);
    assert!(reply.text().contains("a.pem"), "{}", reply.text());
    assert!(is_trusted(&process, &new).await);
}

#[tokio::test]
async fn a_mistake_in_the_listeners_is_told_with_its_place() {
    for (more, place) in [
        ("listeners: {certificates: [{certificate: /no.pem, key: /no.key}]}", "/no.pem"),
        ("listeners: {https_balancers: [moon]}", "listeners.https_balancers"),
        ("listeners: {limits: {headers: 0}}", "headers"),
        ("listeners: {limits: {heads: 1}}", "heads"),
    ] {
        let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make(folder.path(), "a");
        let settings = settings(folder.path(), more);
        let offset = free_offset().to_string();
        let apis = tempfile::tempdir().unwrap();
        let arguments = [
            "--apis",
            apis.path().to_str().unwrap(),
            "--data",
            data.path().to_str().unwrap(),
            "--offset",
            &offset,
            "--config",
            &settings,
        ];
        let said = Process::failing(BINARY, &arguments).await;
        assert!(said.contains(place), "{more}: {said}");
    }
}
