//! The door: who gets in, and how refusals look.

use crate::place::Place;

#[tokio::test]
async fn without_a_token_nothing_is_told() {
    for place in Place::each().await {
        let publisher = place.publisher();
        let reply = publisher.clone().by("").get("/settings").await.refused(401, 900902);
        assert!(reply.header("www-authenticate").contains("apim:api_view"));
        publisher.clone().by("garbage").get("/settings").await.refused(401, 900901);
        publisher.clone().by("dev:apim:subscribe").get("/settings").await.refused(401, 900910);
        publisher.get("/settings").await.is(200);
    }
}

#[tokio::test]
async fn what_is_not_offered_says_so_to_those_who_might_call_it() {
    let place = Place::each().await.remove(0);
    let publisher = place.publisher();
    publisher.get("/apis/1/amznResourceNames").await.refused(501, 501);
    publisher.clone().by("").get("/apis/1/amznResourceNames").await.refused(401, 900902);
}

#[tokio::test]
async fn unknown_paths_and_methods_answer_in_the_contracts_shape() {
    let place = Place::each().await.remove(0);
    place.publisher().get("/nothing").await.refused(404, 404);
    let reply = place.publisher().delete("/settings").await.refused(405, 405);
    assert!(reply.header("allow").contains("GET"));
}

#[tokio::test]
async fn a_problem_is_a_problem_document_for_whoever_asks_for_one() {
    let place = Place::each().await.remove(0);
    let reply = place.publisher().with("accept", "application/problem+json").get("/nothing").await.is(404);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(reply.json()["title"], "Not Found");
}

#[tokio::test]
async fn another_tenant_is_not_there() {
    let place = Place::each().await.remove(0);
    let publisher = place.publisher();
    publisher.clone().with("x-wso2-tenant", "other.example").get("/settings").await.refused(404, 900401);
    publisher.clone().with("x-wso2-tenant", "carbon.super").get("/settings").await.is(200);
}

#[tokio::test]
async fn the_description_is_served_to_everybody() {
    let place = Place::each().await.remove(0);
    let publisher = place.publisher().by("");
    let document = publisher.get("/openapi.json").await.is(200).json();
    let scopes = &document["paths"]["/settings"]["get"]["security"][0]["OAuth2"];
    assert_eq!(scopes[0], "apim:api_view");
    assert!(document["paths"]["/apis/{apiId}/amznResourceNames"]["get"]["responses"]["501"].is_object());
    let yaml = publisher.get("/openapi.yaml").await.is(200);
    assert!(String::from_utf8(yaml.body).unwrap().contains("3.1.0"));
}

#[tokio::test]
async fn the_null_character_is_refused_wherever_it_stands() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        publisher.get("/apis/a%00b").await.refused(400, 400);
        publisher.get("/apis?query=a%00b").await.refused(400, 400);
        publisher
            .post("/scopes", serde_json::json!({"name": "a\0b", "bindings": []}))
            .await
            .refused(400, 400);
        publisher.post("/scopes", serde_json::json!({"a\0b": 1})).await.refused(400, 400);
        let yaml = "openapi: 3.0.0\ninfo: {title: \"a\\0b\", version: '1'}\npaths: {/a: {get: {}}}";
        let reply = publisher.form("POST", "/apis/validate-openapi", &[("file@", yaml)]).await.is(200).json();
        assert_eq!(reply["isValid"], false);
    }
}
