//! APIs as developers see them.

use serde_json::{Value, json};

use crate::place::{Door, Place};

const PETS: &str = "openapi: 3.0.3
info: {title: Pet Store, version: 1.0.0}
x-wso2-production-endpoints: {urls: [http://secret-backend.example], type: http}
servers: [{url: http://secret-backend.example}]
paths:
  /pets:
    get: {security: [{default: [pets.read]}], x-wso2-note: private, responses: {'200': {description: All}}}
components:
  securitySchemes:
    default:
      type: oauth2
      flows: {implicit: {authorizationUrl: https://x.example/, scopes: {pets.read: Read pets}}}
";

const ANYBODY: &str = "";
const VIP: &str = "eve:apim:subscribe";

/// A draft with a name, and what else it shall say.
pub fn draft(name: &str, more: Value) -> Value {
    let mut draft = json!({
        "name": name, "context": format!("/{}", name.to_lowercase()), "version": "1.0.0",
        "policies": ["Gold", "Unlimited"], "tags": ["animals"], "description": "About animals",
        "endpointConfig": {
            "endpoint_type": "http", "production_endpoints": {"url": "http://secret-backend.example"},
        },
    });
    for (key, value) in more.as_object().unwrap() {
        draft[key] = value.clone();
    }
    draft
}

/// Makes an API and answers its id.
pub async fn made(place: &Place, name: &str, more: Value) -> String {
    let made = place.publisher().post("/apis", draft(name, more)).await.is(201).json();
    made["id"].as_str().unwrap().to_owned()
}

/// Moves an API on in its life.
pub async fn act(place: &Place, api: &str, action: &str) {
    let path = format!("/apis/change-lifecycle?apiId={api}&action={}", action.replace(' ', "%20"));
    place.publisher().post(&path, Value::Null).await.is(200);
}

pub async fn published(place: &Place, name: &str, more: Value) -> String {
    let id = made(place, name, more).await;
    act(place, &id, "Publish").await;
    id
}

pub async fn deployed(place: &Place, api: &str) {
    let revision = place.publisher().post(&format!("/apis/{api}/revisions"), json!({})).await.is(201).json();
    let path = format!("/apis/{api}/deploy-revision?revisionId={}", revision["id"].as_str().unwrap());
    let target = json!([{"name": "Default", "vhost": "localhost", "displayOnDevportal": true}]);
    place.publisher().post(&path, target).await.is(201);
}

async fn names(door: &Door<'_>, query: &str) -> Vec<String> {
    let found = door.get(&format!("/apis?query={query}")).await.is(200).json();
    let mut names: Vec<_> =
        found["list"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_is_published_is_listed_for_everybody_and_nothing_else_is() {
    for place in Place::each_seeded().await {
        published(&place, "Cats", json!({})).await;
        let draft = made(&place, "Dogs", json!({})).await;
        let blocked = published(&place, "Eels", json!({})).await;
        act(&place, &blocked, "Block").await;
        let old = published(&place, "Flies", json!({})).await;
        act(&place, &old, "Deprecate").await;
        let prototype = made(&place, "Goats", json!({})).await;
        act(&place, &prototype, "Deploy as a Prototype").await;

        for door in [place.devportal(), place.devportal().by(ANYBODY)] {
            assert_eq!(names(&door, "").await, ["Cats", "Goats"]);
            door.get(&format!("/apis/{draft}")).await.refused(403, 900340);
            door.get(&format!("/apis/{draft}/swagger")).await.refused(403, 900340);
            door.get(&format!("/apis/{blocked}")).await.refused(403, 900340);
            door.get(&format!("/apis/{old}")).await.is(200);
            door.get(&format!("/apis/{prototype}")).await.is(200);
            door.get("/apis/unknown").await.refused(404, 900308);
        }
    }
}

#[tokio::test]
async fn what_is_restricted_does_not_exist_for_others() {
    for place in Place::each_seeded().await {
        let vips = json!({ "visibility": "RESTRICTED", "visibleRoles": ["Internal/devops"] });
        let api = published(&place, "Vips", vips).await;
        let home = published(&place, "Home", json!({ "visibility": "PRIVATE" })).await;
        published(&place, "Open", json!({})).await;

        let anybody = place.devportal().by(ANYBODY);
        assert_eq!(names(&anybody, "").await, ["Open"]);
        assert_eq!(anybody.get("/tags").await.is(200).json()["list"][0]["count"], 1);
        anybody.get(&format!("/apis/{home}")).await.refused(404, 900308);
        let developer = place.devportal();
        assert_eq!(names(&developer, "").await, ["Home", "Open"]);
        for path in ["", "/swagger", "/subscription-policies"] {
            developer.get(&format!("/apis/{api}{path}")).await.refused(404, 900308);
        }
        let application = crate::applications::made_id(&place, "shop").await;
        let body = json!({ "applicationId": application, "apiId": api, "throttlingPolicy": "Gold" });
        developer.post("/subscriptions", body).await.refused(404, 900308);

        let creator = place.devportal().by(VIP);
        assert_eq!(names(&creator, "").await, ["Home", "Open", "Vips"]);
        place.admin().put("/users/dev/roles", json!({ "roles": ["Internal/devops"] })).await.is(200);
        assert_eq!(names(&developer, "").await, ["Home", "Open", "Vips"]);
        developer.get(&format!("/apis/{api}")).await.is(200);
        assert_eq!(
            developer.get("/tags").await.is(200).json()["list"],
            json!([{ "value": "animals", "count": 3 }])
        );
    }
}

#[tokio::test]
async fn a_developer_sees_where_to_call_and_nothing_of_the_backend() {
    for place in Place::each_seeded().await {
        let properties = draft("Pets", json!({ "isDefaultVersion": true })).to_string();
        let parts = [("file@", PETS), ("additionalProperties", &*properties)];
        let made = place.publisher().form("POST", "/apis/import-openapi", &parts).await.is(201).json();
        let id = made["id"].as_str().unwrap();
        act(&place, id, "Publish").await;
        let portal = place.devportal();
        let api = portal.get(&format!("/apis/{id}")).await.is(200).json();
        assert_eq!(api["endpointURLs"], json!([]), "it is not deployed");
        deployed(&place, id).await;

        let reply = portal.get(&format!("/apis/{id}")).await.is(200);
        let api = reply.json();
        let urls = &api["endpointURLs"][0];
        assert_eq!(urls["URLs"]["https"], "https://localhost:8243/pets/1.0.0");
        assert_eq!(urls["defaultVersionURLs"]["http"], "http://localhost:8280/pets");
        assert_eq!(api["operations"], json!([{ "target": "/pets", "verb": "GET" }]));
        assert_eq!(api["scopes"][0]["key"], "pets.read");
        assert_eq!(api["tiers"][0]["tierName"], "Gold");
        let definition = portal.get(&format!("/apis/{id}/swagger")).await.is(200);
        assert_eq!(definition.json()["servers"][0]["url"], "https://localhost:8243/pets/1.0.0");
        for told in [&reply.body, &definition.body] {
            let told = String::from_utf8_lossy(told);
            assert!(!told.contains("secret-backend") && !told.contains("x-wso2"), "{told}");
        }
        let plans = portal.get(&format!("/apis/{id}/subscription-policies")).await.is(200).json();
        let plans: Vec<_> = plans.as_array().unwrap().iter().map(|plan| plan["name"].clone()).collect();
        assert_eq!(plans, ["Gold", "Unlimited"]);
    }
}

#[tokio::test]
async fn an_api_without_a_definition_gets_one() {
    let place = Place::each_seeded().await.remove(0);
    let operations = json!([{ "target": "/cats/{id}", "verb": "GET" }]);
    let id = published(&place, "Cats", json!({ "operations": operations })).await;
    let definition = place.devportal().get(&format!("/apis/{id}/swagger")).await.is(200).json();
    assert_eq!(definition["info"]["title"], "Cats");
    assert_eq!(definition["paths"]["/cats/{id}"]["get"]["parameters"][0]["name"], "id");
}

#[tokio::test]
async fn a_search_finds_what_is_public_only() {
    for place in Place::each_seeded().await {
        published(&place, "Cats", json!({ "tags": ["animals", "soft"] })).await;
        published(&place, "Dogs", json!({ "tags": ["loud"] })).await;
        let portal = place.devportal().by(ANYBODY);
        assert_eq!(names(&portal, "name:cat").await, ["Cats"]);
        assert_eq!(names(&portal, "tags:soft%20tags:loud").await, ["Cats", "Dogs"]);
        assert_eq!(names(&portal, "name:%22Cats%22%20tags:loud").await, Vec::<String>::new());
        assert_eq!(names(&portal, "content:secret-backend").await, Vec::<String>::new());
        assert_eq!(names(&portal, "status:created").await, Vec::<String>::new());
        let found = portal.get("/search?query=name:Dogs").await.is(200).json();
        assert_eq!((&found["list"][0]["name"], &found["list"][0]["type"]), (&json!("Dogs"), &json!("API")));
        let page = portal.get("/apis?limit=1").await.is(200).json();
        assert_eq!((&page["count"], &page["pagination"]["total"]), (&json!(1), &json!(2)));
        let tags = portal.get("/tags").await.is(200).json();
        assert_eq!(tags["list"][0], json!({ "value": "animals", "count": 1 }));
        portal.get("/apis?query=name:").await.refused(400, 400);
        for odd in ["%27%20OR%201=1", "name:%25", "name:%22%3B--%22"] {
            assert_eq!(names(&portal, odd).await, Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn an_api_can_be_denied_by_its_context() {
    let place = Place::each_seeded().await.remove(0);
    published(&place, "Cats", json!({})).await;
    let body = json!({ "conditionType": "API", "conditionValue": "/cats/1.0.0" });
    place.admin().post("/throttling/deny-policies", body).await.is(201);
}

#[tokio::test]
async fn properties_that_developers_are_not_shown_cannot_be_guessed() {
    for place in Place::each_seeded().await {
        let property = |name: &str, display: bool| json!({"name": name, "value": "x", "display": display});
        let more = json!({"additionalProperties": [property("team", false), property("colour", true)]});
        published(&place, "Cats", more).await;
        let count = async |door: Door<'_>, query: &str| {
            door.get(&format!("/apis?query={query}")).await.is(200).json()["count"].clone()
        };
        assert_eq!(count(place.devportal().by(ANYBODY), "team:x").await, 0);
        assert_eq!(count(place.devportal().by(ANYBODY), "colour:x").await, 1);
        assert_eq!(count(place.publisher(), "team:x").await, 1);
    }
}

#[tokio::test]
async fn a_query_of_many_kilobytes_is_refused() {
    for place in Place::each_seeded().await {
        let query = format!("/apis?query={}", "x".repeat(51_000));
        place.publisher().get(&query).await.refused(400, 400);
        place.devportal().by(ANYBODY).get(&query).await.refused(400, 400);
    }
}
