//! What an API may bring is bounded, and what could not be meant refuses its deployment.

use std::sync::Arc;

use apim_core::Body;
use apim_core::event::Change;
use http::Request;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use super::world::{Bench, pets};

/// Why a revision of the pet store is refused; nothing if it is not.
async fn refusal(bench: &Bench, with: Value) -> String {
    let report = bench.apply(Change::ApiDeployed(Arc::new(pets(with)))).await;
    report.refused.first().map(ToString::to_string).unwrap_or_default()
}

fn operations(count: usize) -> Value {
    let operation = |number| json!({"method": "GET", "path": format!("/{number}"), "auth": "none"});
    json!({"operations": (0..count).map(operation).collect::<Vec<_>>()})
}

/// In every list that may hold some.
fn mediators(count: usize) -> Value {
    let list = |count| vec![json!({"use": "set-header", "name": "x", "value": "y"}); count];
    let operation = |request, response| json!({"method": "GET", "path": "/open", "auth": "none", "request": list(request), "response": list(response)});
    json!({
        "request": list(count - 400), "response": list(100), "fault": list(100),
        "operations": [operation(100, 100)],
    })
}

/// All of one key, since a certificate is known by all of it.
fn pinned(count: usize) -> Value {
    let key = KeyPair::generate().unwrap();
    let pin = |number: usize| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, number.to_string());
        json!({"alias": number.to_string(), "certificate": params.self_signed(&key).unwrap().pem()})
    };
    let pinned: Vec<_> = (0..count).map(pin).collect();
    json!({"schemes": {"mutual_tls": true}, "client_certificates": {"pinned": pinned}})
}

#[tokio::test]
async fn an_api_has_so_many_operations_mediators_and_certificates_and_not_one_more() {
    let bench = Bench::new().await;
    for (bring, most, why) in [
        (operations as fn(usize) -> Value, 4_096, "operations: there are more than 4096"),
        (mediators, 1_000, "request: the API has more than 1000 mediators"),
        (pinned, 1_024, "client_certificates.pinned: there are more than 1024"),
    ] {
        assert_eq!(refusal(&bench, bring(most)).await, "");
        let refused = refusal(&bench, bring(most + 1)).await;
        assert!(refused.contains(why), "{refused}");
    }
}

#[tokio::test]
async fn what_could_not_be_meant_is_refused_and_the_revision_before_is_served_on() {
    let bench = Bench::new().await;
    let rewrite = |path: &str| json!({"request": [{"use": "rewrite-path", "path": path}]});
    let wrong_path = "request[0].rewrite-path.path: it must begin with a slash and hold neither `?` nor `#`";
    for (with, why) in [
        (rewrite("/v2/${uri.id}?debug=1"), wrong_path),
        (rewrite("/v2/${uri.id}#top"), wrong_path),
        (rewrite("v2/${uri.id}"), wrong_path),
        (json!({"cors": {"origins": ["*"], "credentials": true}}), "cors.credentials: "),
        (json!({"cors": {"origins": ["https://a", "*"], "credentials": true}}), "cors.credentials: "),
    ] {
        let refused = refusal(&bench, with.clone()).await;
        assert!(refused.contains(why), "{with}: {refused}");
        assert_eq!(bench.get("/petstore/1.0.0/open", &[]).await.verdict().0, 200);
    }
    let named = json!({"cors": {"origins": ["https://a"], "credentials": true}});
    assert_eq!(refusal(&bench, named).await, "");
}

#[tokio::test]
async fn a_template_makes_a_mebibyte_and_no_byte_more() {
    const MOST: usize = 1 << 20;
    let bench = Bench::new().await;
    // As JSON a text has its quotation marks.
    for (body, most) in [
        (json!("${header.x}${header.y}"), MOST),
        (json!({"a": ["${header.x}${header.y}"]}), MOST - 2),
        (json!(["${header.x}", "${header.y}"]), MOST - 4),
    ] {
        let respond = json!({"request": [{"use": "respond", "body": body}]});
        assert_eq!(refusal(&bench, respond).await, "");
        for (more, status) in [("z", 200), ("zz", 413)] {
            let long = "z".repeat(most - 1);
            let request = Request::get("/petstore/1.0.0/open").header("x", long).header("y", more);
            let reply = bench.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(reply.status, status, "{body}, {more}");
            let made = reply.text.bytes().filter(|byte| *byte == b'z').count();
            assert!(status != 200 || made == most, "{made}");
        }
    }
}
