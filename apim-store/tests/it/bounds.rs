//! Definitions that are cheap to write and would be dear to take.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::place::Place;
use crate::publish::{id, made, pets};

fn with_paths(paths: &str) -> String {
    format!(
        "{{\"openapi\": \"3.0.3\", \"info\": {{\"title\": \"Bomb\", \"version\": \"1\"}}, \"paths\": {{{paths}}}}}"
    )
}

async fn refused(place: &Place, definition: &str, why: &str) {
    let properties = json!({"context": "/bomb", "policies": ["Unlimited"]}).to_string();
    let parts = [("file@", definition), ("additionalProperties", properties.as_str())];
    let reply = place.publisher().form("POST", "/apis/import-openapi", &parts).await.is(400).json();
    assert!(reply["description"].as_str().unwrap().contains(why), "{reply}");
}

#[tokio::test]
async fn a_requirement_of_a_quarter_million_scopes_is_refused_in_little_time() {
    let place = Place::each_seeded().await.remove(0);
    let mut security = String::new();
    for alternative in 0..64 {
        security += if alternative == 0 { "{" } else { ",{" };
        for scheme in 0..64 {
            let names: Vec<_> = (0..60).map(|n| format!("\"{alternative}.{scheme}.{n}\"")).collect();
            let comma = if scheme == 0 { "" } else { "," };
            write!(security, "{comma}\"s{scheme}\": [{}]", names.join(",")).unwrap();
        }
        security += "}";
    }
    let started = Instant::now();
    let bomb = with_paths(&format!("\"/a\": {{\"get\": {{\"security\": [{security}]}}}}"));
    refused(&place, &bomb, "more than 64 alternatives").await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn operations_that_together_name_too_many_scopes_are_refused() {
    let place = Place::each_seeded().await.remove(0);
    let operation = |n: usize| {
        let names: Vec<_> = (0..60).map(|scope| format!("\"{n}.{scope}\"")).collect();
        format!("\"/{n}\": {{\"get\": {{\"security\": [{{\"default\": [{}]}}]}}}}", names.join(","))
    };
    let paths: Vec<_> = (0..20).map(operation).collect();
    refused(&place, &with_paths(&paths.join(",")), "more than 1000 scopes").await;
}

#[tokio::test]
async fn a_scope_of_many_kilobytes_that_operations_share_is_refused() {
    let place = Place::each_seeded().await.remove(0);
    let long = "s".repeat(100_000);
    let bomb = with_paths(&format!("\"/a\": {{\"get\": {{\"security\": [{{\"default\": [\"{long}\"]}}]}}}}"));
    refused(&place, &bomb, "longer than 256 bytes").await;
}

#[tokio::test]
async fn lists_where_objects_belong_are_refused_and_break_nothing_later() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let api = made(&publisher, pets()).await;
        let path = format!("/apis/{}", id(&api));
        for odd in ["\"components\": []", "\"components\": {\"securitySchemes\": []}"] {
            let text = with_paths("\"/a\": {\"get\": {}}");
            let text = format!("{},{odd}}}", text.strip_suffix('}').unwrap());
            let parts = [("apiDefinition", text.as_str())];
            let reply = publisher.form("PUT", &format!("{path}/swagger"), &parts).await.is(400).json();
            assert!(reply["description"].as_str().unwrap().contains("is not an object"), "{reply}");
        }
        // What stands beside a reference is not read; nor may it be tripped over.
        let text = with_paths("\"/a\": {\"get\": {}}, \"/b\": {\"$ref\": \"#/paths/~1a\", \"get\": 5}");
        publisher.form("PUT", &format!("{path}/swagger"), &[("apiDefinition", text.as_str())]).await.is(200);
        let mut changed = publisher.get(&path).await.is(200).json();
        changed["operations"][1]["throttlingPolicy"] = "10KPerMin".into();
        publisher.put(&path, changed).await.is(200);
    }
}

#[tokio::test]
async fn a_definition_of_version_2_keeps_what_its_author_wrote_when_a_tier_changes() {
    const OLD: &str = r##"{"swagger": "2.0", "info": {"title": "Old", "version": "1"}, "host": "old.example",
        "paths": {"/pets/{id}": {"get": {"summary": "One of them", "parameters":
            [{"name": "id", "in": "path", "required": true, "type": "string"}],
            "responses": {"200": {"description": "A pet", "schema": {"$ref": "#/definitions/Pet"}}}}}},
        "definitions": {"Pet": {"type": "object"}}}"##;
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let properties = json!({"context": "/old", "policies": ["Unlimited"]}).to_string();
        let parts = [("file@", OLD), ("additionalProperties", properties.as_str())];
        let mut api = publisher.form("POST", "/apis/import-openapi", &parts).await.is(201).json();
        let path = format!("/apis/{}", id(&api));
        api["operations"][0]["throttlingPolicy"] = "10KPerMin".into();
        let more = json!({"target": "/more/{n}", "verb": "POST", "scopes": ["old.more"]});
        api["operations"].as_array_mut().unwrap().push(more);
        api["scopes"] = json!([{"scope": {"name": "old.more", "bindings": ["admin"]}}]);
        publisher.put(&path, api).await.is(200);
        let text = publisher.get(&format!("{path}/swagger")).await.is(200).json();
        assert_eq!(
            (&text["swagger"], &text["definitions"]["Pet"]["type"]),
            (&json!("2.0"), &json!("object"))
        );
        let one = &text["paths"]["/pets/{id}"]["get"];
        assert_eq!(
            (&one["summary"], &one["x-throttling-tier"]),
            (&json!("One of them"), &json!("10KPerMin"))
        );
        assert_eq!(text["paths"]["/more/{n}"]["post"]["parameters"][0]["type"], "string");
        assert_eq!(text["securityDefinitions"]["default"]["flow"], "implicit");
        assert!(text["securityDefinitions"]["default"]["scopes"]["old.more"].is_string());
        // It can be read again.
        let text = text.to_string();
        publisher.form("PUT", &format!("{path}/swagger"), &[("apiDefinition", text.as_str())]).await.is(200);
    }
}
