//! What was acknowledged is there after `kill -9`.

use http::Method;
use serde_json::{Value, json};

use crate::{BINARY, Platform, ca};
use driver::{Journey, Process};

#[tokio::test]
async fn acknowledged_writes_valid_tokens_and_revocations_outlive_a_kill() {
    let mut platform = Platform::with_a_published_api().await;
    let good = platform.journey.token(&platform.keys, "").await;
    let bad = platform.journey.token(&platform.keys, "").await;
    platform.call_until("/pet/1", &good, 200).await;
    platform.journey.revoke(&platform.keys, &bad).await;

    // Writes go on until the process dies in the middle of one.
    let writer = {
        let journey = platform.journey.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0.. {
                let name = format!("app-{number}");
                let body =
                    json!({"name": name, "throttlingPolicy": "Unlimited", "tokenType": "JWT"}).to_string();
                let url = format!("{}/api/am/devportal/v3/applications", journey.control);
                let authorization = format!("Bearer {}", journey.token);
                let headers = [("authorization", &*authorization), ("content-type", "application/json")];
                match journey.client.try_send(Method::POST, &url, &headers, body.into()).await {
                    Ok(reply) => {
                        assert_eq!(reply.status, 201, "{}", reply.text());
                        acknowledged.push(name);
                    }
                    Err(_) => break,
                }
            }
            acknowledged
        })
    };
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    let offset = platform.process.offset;
    platform.process.kill().await;
    let acknowledged = writer.await.unwrap();
    assert!(!acknowledged.is_empty(), "nothing was written before the end");

    platform.process = Process::start(BINARY, platform.data.path(), offset, &[]).await;
    platform.call("/pet/1", &good).await.expect(200);
    platform.call("/pet/1", &bad).await.expect(401);
    let again = Journey::begin(&platform.process.control(), &ca(&platform.data)).await;
    let listed =
        again.devportal(Method::GET, "/applications?limit=10000", Value::Null).await.expect(200).json();
    let names = listed["list"].as_array().unwrap().iter().map(|app| app["name"].as_str().unwrap().to_owned());
    let names = names.collect::<std::collections::HashSet<_>>();
    for name in acknowledged {
        assert!(names.contains(&name), "{name} was acknowledged and is gone");
    }
    // The administrator's old token is good as well.
    platform.journey.devportal(Method::GET, "/applications", Value::Null).await.expect(200);
}
