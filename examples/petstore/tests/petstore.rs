//! The backend does what its document says.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use driver::Client;
use http::Method;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_pet_is_added_found_and_removed() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_petstore"));
    let _petstore = Ended(command.args(["--port", &port.to_string()]).stdout(Stdio::null()).spawn().unwrap());
    let (client, url) = (Client::trusting_nobody(), |path: &str| format!("http://127.0.0.1:{port}{path}"));
    let patience = Instant::now() + Duration::from_secs(20);
    while client.try_send(Method::GET, &url("/pet/1"), &[], "".into()).await.is_err() {
        assert!(Instant::now() < patience, "the petstore did not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let json = [("content-type", "application/json")];
    let added = client.send(Method::POST, &url("/pet"), &json, r#"{"name": "Mia", "status": "sold"}"#).await;
    let id = added.expect(201).json()["id"].as_u64().unwrap();
    let sold = client.send(Method::GET, &url("/pet/findByStatus?status=sold"), &[], "").await.expect(200);
    assert_eq!(sold.json()[0]["name"], "Mia");
    client.send(Method::DELETE, &url(&format!("/pet/{id}")), &[], "").await.expect(204);
    client.send(Method::GET, &url(&format!("/pet/{id}")), &[], "").await.expect(404);
    client.send(Method::POST, &url("/pet"), &json, "{").await.expect(400);
}
