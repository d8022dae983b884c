//! A mock answers with the operation's examples.

use serde_json::{Value, json};

use super::Whole;

fn api(examples: Value) -> Value {
    json!({
        "endpoints": {"production": {"mock": true}},
        "operations": [{"method": "GET", "path": "/cats/{id}", "auth": "none", "examples": examples}],
    })
}

fn cats() -> Value {
    json!([
        {"media_type": "application/json", "name": "tom", "body": "{\"name\":\"Tom\"}"},
        {"media_type": "application/xml", "body": "<name>Tom</name>"},
        {"media_type": "application/json", "name": "kit", "body": "{\"name\":\"Kit\"}"},
        {"status": 404, "media_type": "application/json", "body": "{\"gone\":true}"},
        {"status": 204},
    ])
}

#[tokio::test]
async fn the_first_example_is_the_answer() {
    let whole = Whole::of(api(cats())).await;
    let reply = whole.get("/pets/1/cats/7", &[]).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "{\"name\":\"Tom\"}"));
    assert_eq!(reply.headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_caller_may_prefer_another_one() {
    let whole = Whole::of(api(cats())).await;
    for (name, value, status, text) in [
        ("prefer", "code=404", 404, "{\"gone\":true}"),
        ("prefer", "example=kit", 200, "{\"name\":\"Kit\"}"),
        ("prefer", "respond-async, example=\"kit\"", 200, "{\"name\":\"Kit\"}"),
        ("prefer", "code=204", 204, ""),
        ("prefer", "code=418", 200, "{\"name\":\"Tom\"}"),
        ("accept", "text/html, application/xml;q=0.9", 200, "<name>Tom</name>"),
        ("accept", "application/*", 200, "{\"name\":\"Tom\"}"),
        ("accept", "image/png", 200, "{\"name\":\"Tom\"}"),
    ] {
        let reply = whole.get("/pets/1/cats/7", &[(name, value)]).await;
        assert_eq!((reply.status, reply.text.as_str()), (status, text), "{name}: {value}");
        let applied = reply.headers.contains_key("preference-applied");
        assert_eq!(applied, name == "prefer" && !value.ends_with("418"), "{value}");
    }
}

#[tokio::test]
async fn what_has_no_example_is_not_made_up() {
    let reply = Whole::of(api(json!([]))).await.get("/pets/1/cats/7", &[]).await;
    assert_eq!(reply.status, 501);
}

#[tokio::test]
async fn examples_that_cannot_be_sent_refuse_the_deployment() {
    for (examples, why) in [
        (json!([{"status": 101}]), "101"),
        (json!([{"media_type": "a\nb", "body": "x"}]), "media type"),
        (json!([{"body": "x"}]), "media type"),
    ] {
        let refusal = Whole::refusal(api(examples)).await;
        assert!(refusal.contains("operations[0].examples[0]") && refusal.contains(why), "{refusal}");
    }
}
