//! Functions of AWS Lambda as backends.

use apim_core::Body;
use apim_core::message::Formats;
use apim_gateway::Gateway;
use http::Request;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{HANGS_UP, Named, Whole};
use crate::bench::{Got, backend};

fn api(url: &str, function: Value) -> Value {
    json!({
        "endpoints": {"production": {"lambda": {
            "region": "us-east-1", "access_key": "AKIDEXAMPLE",
            "secret_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "url": url,
        }}},
        "operations": [{"method": "POST", "path": "/cats/{id}", "auth": "none", "function": function}],
    })
}

#[tokio::test]
async fn a_call_is_a_signed_invocation_with_the_request_as_its_event() {
    let (sender, mut seen) = mpsc::unbounded_channel::<Got>();
    let address = backend(move |_, mut wire| {
        let sender = sender.clone();
        async move {
            while let Some(got) = wire.next().await {
                sender.send(got).ok().unwrap();
                wire.send(
                    "HTTP/1.1 200 OK\r\nX-Amzn-RequestId: 7\r\nX-Amz-Executed-Version: 3\r\n\
                     Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}",
                )
                .await;
            }
        }
    })
    .await;
    let name = "arn:aws:lambda:us-east-1:123456789012:function:cats";
    let whole = Whole::of(api(&format!("http://{address}"), json!({"name": name}))).await;
    let request = Request::post("/pets/1/cats/a%20b?x=1&y=%26")
        .header("x-mine", "yes")
        .body(Body::from("hello"))
        .unwrap();
    let reply = whole.send(request).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "{\"ok\":true}"));
    assert!(!reply.headers.keys().any(|name| name.as_str().starts_with("x-amz")), "{:?}", reply.headers);
    let got = seen.recv().await.unwrap();
    let path =
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Acats/invocations";
    assert!(got.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", got.head);
    assert_eq!(got.header("x-amz-date"), Some("20150830T123600Z"));
    let authorization = got.header("authorization").unwrap();
    let begin = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/lambda/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, Signature=";
    let signature = authorization.strip_prefix(begin).unwrap_or_else(|| panic!("{authorization}"));
    assert_eq!(signature.len(), 64);
    let event: Value = serde_json::from_slice(&got.body).unwrap();
    assert_eq!(event["pathParameters"], json!({"id": "a b"}));
    assert_eq!(event["queryStringParameters"], json!({"x": "1", "y": "&"}));
    assert_eq!((&event["body"], &event["headers"]["x-mine"]), (&json!("hello"), &json!("yes")));
}

#[tokio::test]
async fn a_body_that_is_no_text_travels_as_base64() {
    let (sender, mut seen) = mpsc::unbounded_channel::<Got>();
    let address = backend(move |_, mut wire| {
        let sender = sender.clone();
        async move {
            sender.send(wire.message().await).ok().unwrap();
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull").await;
        }
    })
    .await;
    let whole = Whole::of(api(&format!("http://{address}"), json!({"name": "cats"}))).await;
    let request = Request::post("/pets/1/cats/7").body(Body::from(vec![0xff, 0xfe])).unwrap();
    assert_eq!(whole.send(request).await.text, "null");
    let event: Value = serde_json::from_slice(&seen.recv().await.unwrap().body).unwrap();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("//4="), &json!(true)));
}

#[tokio::test]
async fn a_function_that_fails_or_does_not_answer_is_a_failing_backend() {
    let refusing = Named::new("{}").await;
    refusing.answers(403);
    let whole = Whole::of(api(&refusing.url(), json!({"name": "cats"}))).await;
    let post = || Request::post("/pets/1/cats/7").body(Body::empty()).unwrap();
    assert_eq!(whole.send(post()).await.status, 403, "the invocation's own status");
    let whole = Whole::of(api(&super::nobody().await, json!({"name": "cats"}))).await;
    let reply = whole.send(post()).await;
    assert!(reply.status == 502 && reply.text.contains("101503"), "{}", reply.text);
    refusing.answers(super::SILENT);
    let whole = Whole::of(api(&refusing.url(), json!({"name": "cats", "timeout_s": 1}))).await;
    let reply = whole.send(post()).await;
    assert!(reply.status == 504 && reply.text.contains("101504"), "{}", reply.text);
}

#[tokio::test]
async fn an_event_holds_so_much_of_a_body_and_an_answer_streams_however_long_it_is() {
    let lambda = Named::new("\"longer than ten bytes\"").await;
    let few = Gateway::builder().formats(Formats::default().with_limit(10)).build().await.unwrap();
    let whole = Whole { gateway: few };
    whole.deploy(api(&lambda.url(), json!({"name": "cats"}))).await;
    for (body, status, asked) in [("0123456789", 200, 1), ("0123456789a", 413, 1), ("", 200, 2)] {
        let reply = whole.send(Request::post("/pets/1/cats/7").body(Body::from(body)).unwrap()).await;
        assert_eq!((reply.status, lambda.asked()), (status, asked), "{body}");
        assert!(status != 200 || reply.text == "\"longer than ten bytes\"");
    }
}

#[tokio::test]
async fn what_names_no_function_refuses_the_deployment() {
    for (function, why) in [
        (Value::Null, "missing"),
        (json!({"name": "a/b"}), "neither"),
        (json!({"name": "a", "timeout_s": 901}), "timeout_s"),
    ] {
        let refusal = Whole::refusal(api("http://a", function)).await;
        assert!(refusal.contains("operations[0].function") && refusal.contains(why), "{refusal}");
    }
    let mut wrong = api("http://a", json!({"name": "a"}));
    wrong["endpoints"]["production"]["lambda"]["region"] = "eu/../".into();
    assert!(Whole::refusal(wrong).await.contains("endpoints.production.lambda.region"));
    let mut checked = api("http://a", json!({"name": "cats"}));
    checked["endpoints"]["production"]["health"] = json!({"path": "/"});
    assert!(Whole::refusal(checked).await.contains("endpoints.production.health"));
}

#[tokio::test]
async fn a_service_of_functions_that_is_left_alone_stays_so_with_another_revision() {
    let lambda = Named::new("null").await;
    let revision = |timeout: u64| {
        let mut api = api(&lambda.url(), json!({"name": "cats"}));
        api["endpoints"]["production"]["suspension"] = json!({});
        api["endpoints"]["production"]["timeout_ms"] = json!(timeout);
        api
    };
    let whole = Whole::of(revision(5_000)).await;
    let status =
        async || whole.send(Request::post("/pets/1/cats/a").body(Body::empty()).unwrap()).await.status;
    lambda.answers(HANGS_UP);
    assert_eq!((status().await, status().await), (502, 503));
    lambda.answers(200);
    for timeout in [5_000, 7_000] {
        whole.deploy(revision(timeout)).await;
        assert_eq!(status().await, 503, "{timeout}");
    }
}
