//! A certificate that a publisher uploads lets its holder in, as the API's schemes say.

use driver::{Client, Journey, Petstore, Process, free_offset};
use http::Method;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use crate::{BINARY, PETSTORE, ca, until};

/// A certificate that signs itself, and its key.
fn own(name: &str) -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn an_uploaded_certificate_lets_its_holder_in_and_nobody_else() {
    let data = tempfile::tempdir().unwrap();
    let settings = data.path().join("settings.yaml");
    std::fs::write(&settings, "listeners: { client_certificates: true }\n").unwrap();
    let arguments = ["--config", settings.to_str().unwrap()];
    let process = Process::start(BINARY, data.path(), free_offset(), &arguments).await;
    let journey = Journey::begin(&process.control(), &ca(&data)).await;
    let petstore = Petstore::start().await;
    let published = journey.publish(PETSTORE, &petstore.url).await;
    let (api, token) = (&published.api, journey.token(&published.keys, "").await);

    let ((certificate, key), stranger) = (own("partner"), own("partner"));
    let partner = Client::presenting(&ca(&data), &certificate, &key);
    let stranger = Client::presenting(&ca(&data), &stranger.0, &stranger.1);
    let url = format!("{}/petstore/1.0.0/pet/1", process.gateway());
    let bearer = format!("Bearer {token}");
    let call = async |client: &Client, with_token: bool| {
        let headers = [("authorization", bearer.as_str())];
        client.send(Method::GET, &url, if with_token { &headers } else { &[] }, "").await
    };
    // So far only a token counts.
    until(200, || call(&partner, true)).await;
    call(&partner, false).await.expect(401);

    let upload = format!("{}/api/am/publisher/v4/apis/{api}/client-certificates", journey.control);
    let parts = [
        ("certificate", Some("partner.crt"), &*certificate),
        ("alias", None, "partner"),
        ("tier", None, "Gold"),
    ];
    journey.client.multipart(&upload, &journey.token, &parts).await.expect(200);

    // Either is enough.
    demand(&journey, api, &["oauth2", "mutualssl"]).await;
    until(200, || call(&partner, false)).await;
    call(&journey.client, true).await.expect(200);
    call(&stranger, false).await.expect(401);
    call(&journey.client, false).await.expect(401);
    let plain = format!("{}/petstore/1.0.0/pet/1", process.gateway_http());
    let header = [("x-wso2-client-certificate", "forged")];
    journey.client.send(Method::GET, &plain, &header, "").await.expect(401);

    // Nothing else is.
    demand(&journey, api, &["mutualssl"]).await;
    until(401, || call(&journey.client, true)).await;
    call(&partner, false).await.expect(200);
    call(&stranger, true).await.expect(401);

    // Both are needed.
    let all = ["oauth2", "mutualssl", "mutualssl_mandatory", "oauth_basic_auth_api_key_mandatory"];
    demand(&journey, api, &all).await;
    until(401, || call(&partner, false)).await;
    call(&partner, true).await.expect(200);
    call(&journey.client, true).await.expect(401);
    call(&stranger, true).await.expect(401);
}

/// Gives the API other schemes, and deploys it again.
async fn demand(journey: &Journey, api: &str, schemes: &[&str]) {
    let path = format!("/apis/{api}");
    let mut document = journey.publisher(Method::GET, &path, Value::Null).await.expect(200).json();
    document["securityScheme"] = json!(schemes);
    journey.publisher(Method::PUT, &path, document).await.expect(200);
    journey.deploy(api).await;
}
