//! The immutable gateway: a folder of files and nothing else.

use driver::{Client, Petstore, Process, free_offset};
use http::Method;

use crate::BINARY;

#[tokio::test]
async fn a_folder_of_api_files_is_all_it_needs() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let petstore = Petstore::start().await;
    let api = include_str!("../../apis/petstore.yaml").replace("http://127.0.0.1:9000", &petstore.url);
    std::fs::write(folder.path().join("petstore.yaml"), api).unwrap();
    let arguments = ["--apis", folder.path().to_str().unwrap()];
    let process = Process::start(BINARY, data.path(), free_offset(), &arguments).await;

    let ca = std::fs::read_to_string(data.path().join("ca.pem")).unwrap();
    let client = Client::trusting(&ca);
    let url = |path: &str| format!("{}{path}", process.gateway());
    client.send(Method::GET, &url("/petstore/1.0.0/pet/1"), &[], "").await.expect(200);
    client.send(Method::GET, &url("/petstore/pet/1"), &[], "").await.expect(200);
    let guarded = client.send(Method::POST, &url("/petstore/1.0.0/pet"), &[], "{}").await.expect(401);
    assert_eq!(guarded.json()["code"], "900902");
    client.send(Method::GET, &url("/petstore/2.0.0/pet/1"), &[], "").await.expect(404);
}

#[tokio::test]
async fn a_mistake_in_a_file_is_told_with_its_place_before_anything_starts() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("bad.yaml"), "name: A\nversion: 1\ncontxt: /a\n").unwrap();
    let offset = free_offset().to_string();
    let arguments = [
        "--apis",
        folder.path().to_str().unwrap(),
        "--data",
        data.path().to_str().unwrap(),
        "--offset",
        &offset,
    ];
    let said = Process::failing(BINARY, &arguments).await;
    assert!(said.contains("bad.yaml") && said.contains("contxt"), "{said}");
}
