//! Publishers: from a definition to an API that gateways serve, and what is refused on the way.

use apim_core::event::Change;
use apim_core::model::{Api, AuthType, LifecycleState};
use serde_json::{Value, json};

use crate::place::{Door, Place};

const PETS: &str = "openapi: 3.0.3
info: {title: Pet Store, version: 1.0.0}
# Kept, as everything else that its author wrote.
paths:
  /pets:
    get: {security: [{default: [pets.read]}], responses: {'200': {description: All of them}}}
    post: {x-auth-type: Application User, responses: {'201': {description: Made}}}
  /pets/{id}:
    get: {x-auth-type: None, responses: {'200': {description: One}}}
components:
  securitySchemes:
    default:
      type: oauth2
      flows: {implicit: {authorizationUrl: https://x.example/, scopes: {pets.read: Read pets}}}
";

pub fn pets() -> Value {
    json!({
        "name": "Pets", "context": "/pets", "version": "1.0.0", "policies": ["Unlimited"],
        "endpointConfig": {"endpoint_type": "http", "production_endpoints": {"url": "http://backend.example"}},
    })
}

pub async fn made(publisher: &Door<'_>, document: Value) -> Value {
    publisher.post("/apis", document).await.is(201).json()
}

pub fn id(document: &Value) -> &str {
    document["id"].as_str().unwrap()
}

pub async fn deployed(publisher: &Door<'_>, api: &str) -> String {
    let path = format!("/apis/{api}/revisions");
    let revision = publisher.post(&path, json!({})).await.is(201).json();
    let revision = id(&revision).to_owned();
    let path = format!("/apis/{api}/deploy-revision?revisionId={revision}");
    publisher.post(&path, json!([{"name": "Default", "vhost": "localhost"}])).await.is(201);
    revision
}

pub async fn act(publisher: &Door<'_>, api: &str, action: &str) {
    let path = format!("/apis/change-lifecycle?apiId={api}&action={}", action.replace(' ', "%20"));
    publisher.post(&path, Value::Null).await.is(200);
}

/// What gateways serve now.
pub async fn served(place: &Place) -> Vec<Api> {
    let snapshot = place.store.source().snapshot().await.unwrap();
    let mut apis: Vec<Api> = snapshot
        .changes()
        .filter_map(|change| match change {
            Change::ApiDeployed(api) => Some((**api).clone()),
            _ => None,
        })
        .collect();
    apis.sort_by(|a, b| a.version.cmp(&b.version));
    apis
}

#[tokio::test]
async fn an_imported_definition_becomes_an_api_that_gateways_serve() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let properties = json!({
            "context": "pets", "policies": ["Gold"],
            "endpointConfig": {
                "endpoint_type": "http",
                "production_endpoints": {"url": "http://backend.example/v2", "config": {"actionDuration": "3000"}},
            },
        });
        let parts = [("file@", PETS), ("additionalProperties", &properties.to_string())];
        let reply = publisher.form("POST", "/apis/import-openapi", &parts).await.is(201);
        let api = reply.json();
        assert_eq!(reply.header("location"), format!("/api/am/publisher/v4/apis/{}", id(&api)));
        assert_eq!((&api["name"], &api["version"]), (&json!("Pet Store"), &json!("1.0.0")));
        assert_eq!(api["lifeCycleStatus"], "CREATED");
        assert_eq!(api["provider"], "ann");

        let text = publisher.get(&format!("/apis/{}/swagger", id(&api))).await.is(200);
        assert_eq!(String::from_utf8(text.body).unwrap(), PETS);

        deployed(&publisher, id(&api)).await;
        act(&publisher, id(&api), "Publish").await;
        let served = served(&place).await.remove(0);
        assert_eq!(served.versioned_context(), "/pets/1.0.0");
        assert_eq!((served.state, served.revision), (LifecycleState::Published, 1));
        let production = served.endpoints.production.unwrap();
        assert_eq!((production.url.as_str(), production.timeout_ms), ("http://backend.example/v2", 3000));
        let operations: Vec<_> = served
            .operations
            .iter()
            .map(|o| (o.method.as_str(), o.path.as_str(), o.auth, o.scopes.len()))
            .collect();
        assert_eq!(
            operations,
            [
                ("GET", "/pets", AuthType::Any, 1),
                ("POST", "/pets", AuthType::User, 0),
                ("GET", "/pets/{id}", AuthType::None, 0)
            ]
        );
    }
}

#[tokio::test]
async fn a_document_comes_back_with_everything_the_client_sent() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let mut document = pets();
        document["fromTheFuture"] = json!({"deep": [1, null, "x"]});
        document["description"] = Value::Null;
        let api = made(&publisher, document).await;
        assert_eq!(api["fromTheFuture"], json!({"deep": [1, null, "x"]}));
        assert_eq!(api["operations"].as_array().unwrap().len(), 5);
        let read = publisher.get(&format!("/apis/{}", id(&api))).await.is(200).json();
        assert_eq!(read, api);
    }
}

#[tokio::test]
async fn every_mistake_in_a_body_is_told_with_its_place() {
    let place = Place::each_seeded().await.remove(0);
    let publisher = place.publisher();
    let body =
        json!({"name": "a/b", "version": "1 0", "transport": ["ftp"], "operations": [{"verb": "GET"}]});
    let text = publisher.post("/apis", body).await.refused(400, 400).json();
    let text = text["description"].as_str().unwrap();
    for place in ["/name", "/version", "/transport/0", "/operations/0", "context"] {
        assert!(text.contains(place), "{place} is not in {text}");
    }
    let twice =
        publisher.call("POST", "/apis", "application/json", b"{\"name\":\"a\",\"name\":\"b\"}".into()).await;
    assert!(twice.is(400).json()["description"].as_str().unwrap().contains("twice"));
    publisher.call("POST", "/apis", "text/plain", b"{}".into()).await.refused(415, 415);
    publisher.call("POST", "/apis", "application/json", vec![b' '; (1 << 20) + 1]).await.refused(413, 413);
    for context in ["/", "", "/a b", "/a//b", "/../etc", "/a?b", "  "] {
        let mut document = pets();
        document["context"] = context.into();
        publisher.post("/apis", document).await.is(400);
    }
    let mut blank = pets();
    blank["name"] = "  ".into();
    publisher.post("/apis", blank).await.is(400);
}

#[tokio::test]
async fn a_version_written_as_a_number_is_its_text() {
    let place = Place::each_seeded().await.remove(0);
    let mut document = pets();
    document["version"] = json!(1.0);
    assert_eq!(made(&place.publisher(), document).await["version"], "1.0");
}

#[tokio::test]
async fn names_contexts_and_versions_are_taken_once() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let api = made(&publisher, pets()).await;
        let with = |name: &str, context: &str| {
            let mut document = pets();
            document["name"] = name.into();
            document["context"] = context.into();
            document
        };
        publisher.post("/apis", with("Other", "/PETS")).await.refused(409, 900251);
        publisher.post("/apis", with("PETS", "/others")).await.refused(409, 900250);
        publisher.post("/apis", with("Pets", "/others")).await.is(400);
        let copy = format!("/apis/copy-api?apiId={}&newVersion=", id(&api));
        publisher.post(&format!("{copy}1.0.0"), Value::Null).await.refused(409, 900252);
        publisher.post(&format!("{copy}a%20b"), Value::Null).await.is(400);
        let second = publisher.post(&format!("{copy}2.0.0"), Value::Null).await.is(201).json();
        assert_eq!((&second["lifeCycleStatus"], &second["context"]), (&json!("CREATED"), &json!("/pets")));
        publisher.post("/apis/validate?query=name:pets", Value::Null).await.is(200);
        publisher.post("/apis/validate?query=context:/free", Value::Null).await.is(404);
    }
}

#[tokio::test]
async fn an_update_that_was_overtaken_is_refused() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let api = made(&publisher, pets()).await;
        let path = format!("/apis/{}", id(&api));
        let tag = publisher.get(&path).await.is(200).header("etag").to_owned();
        publisher.clone().with("if-none-match", &tag).get(&path).await.is(304);
        let mut document = api.clone();
        document["description"] = "New".into();
        document["name"] = "Renamed".into();
        let changed = publisher.clone().with("if-match", &tag).put(&path, document.clone()).await.is(200);
        assert_ne!(changed.header("etag"), tag);
        assert_eq!(
            (&changed.json()["name"], &changed.json()["description"]),
            (&json!("Pets"), &json!("New"))
        );
        publisher.clone().with("if-match", &tag).put(&path, document).await.refused(412, 412);
        publisher.clone().with("if-match", &tag).delete(&path).await.refused(412, 412);
        publisher.delete(&path).await.is(200);
        publisher.get(&path).await.refused(404, 900308);
    }
}

#[tokio::test]
async fn a_definition_that_is_not_one_changes_nothing() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let api = made(&publisher, pets()).await;
        let path = format!("/apis/{}/swagger", id(&api));
        let before = publisher.get(&path).await.is(200).body;
        publisher.form("PUT", &path, &[("apiDefinition", "{\"openapi\": \"3.0.0\"}")]).await.is(400);
        assert_eq!(publisher.get(&path).await.body, before);
        publisher.form("PUT", &path, &[("apiDefinition", PETS)]).await.is(200);
        assert_eq!(publisher.get(&path).await.body, PETS.as_bytes());
        let read = publisher.get(&format!("/apis/{}", id(&api))).await.json();
        assert_eq!(read["operations"][0]["target"], "/pets");
        assert_eq!(read["scopes"][0]["scope"]["name"], "pets.read");

        let valid = publisher.form("POST", "/apis/validate-openapi", &[("file@", PETS)]).await.is(200).json();
        assert_eq!((&valid["isValid"], &valid["info"]["name"]), (&json!(true), &json!("Pet Store")));
        let bad = publisher.form("POST", "/apis/validate-openapi", &[("file@", "[]")]).await.is(200).json();
        assert_eq!(bad["isValid"], false);
        publisher
            .form("POST", "/apis/import-openapi", &[("url", "http://127.0.0.1/")])
            .await
            .refused(501, 501);
    }
}

#[tokio::test]
async fn operations_that_are_changed_in_the_form_change_the_definition_and_nothing_else_of_it() {
    let place = Place::each_seeded().await.remove(0);
    let publisher = place.publisher();
    let parts = [("file@", PETS), ("additionalProperties", "{\"context\": \"/pets\"}")];
    let mut api = publisher.form("POST", "/apis/import-openapi", &parts).await.is(201).json();
    let path = format!("/apis/{}", id(&api));
    publisher.put(&path, api.clone()).await.is(200);
    let same = publisher.get(&format!("{path}/swagger")).await.body;
    assert_eq!(same, PETS.as_bytes());

    let operations = api["operations"].as_array_mut().unwrap();
    operations.retain(|operation| operation["verb"] != "POST");
    operations.push(json!({"verb": "DELETE", "target": "/pets/{id}"}));
    publisher.put(&path, api).await.is(200);
    let definition = publisher.get(&format!("{path}/swagger")).await.json();
    let paths = &definition["paths"];
    assert!(paths["/pets"]["post"].is_null() && paths["/pets/{id}"]["delete"].is_object());
    assert_eq!(paths["/pets"]["get"]["responses"]["200"]["description"], "All of them");
}

#[tokio::test]
async fn secrets_of_backends_are_sealed_and_never_read_back() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let mut document = pets();
        let security = json!({"production": {"enabled": false, "type": "BASIC", "username": "u", "password": "hunter2"}});
        document["endpointConfig"]["endpoint_security"] = security;
        let api = made(&publisher, document).await;
        let password = &api["endpointConfig"]["endpoint_security"]["production"]["password"];
        assert_eq!(password, "");
        // Sent back as it was read, blank, it stays.
        publisher.put(&format!("/apis/{}", id(&api)), api.clone()).await.is(200);
        let mut read = place.store.platform(&"carbon.super".into()).read().await.unwrap();
        let kept = apim_store::service::api::to_view(&mut read, id(&api)).await.unwrap();
        let kept = kept.doc["endpointConfig"]["endpoint_security"]["production"]["password"].to_string();
        assert!(kept.contains("sealed:") && !kept.contains("hunter2"), "{kept}");
    }
}

#[tokio::test]
async fn a_revision_is_a_copy_that_can_be_deployed_and_restored() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let mut api = made(&publisher, pets()).await;
        let path = format!("/apis/{}", id(&api));
        let first = deployed(&publisher, id(&api)).await;
        publisher.delete(&format!("{path}/revisions/{first}")).await.refused(400, 900348);
        api["description"] = "Changed".into();
        publisher.put(&path, api.clone()).await.is(200);
        for _ in 0..4 {
            publisher.post(&format!("{path}/revisions"), json!({"description": "more"})).await.is(201);
        }
        publisher.post(&format!("{path}/revisions"), json!({})).await.refused(400, 900351);
        let all = publisher.get(&format!("{path}/revisions")).await.is(200).json();
        assert_eq!((&all["count"], &all["list"][4]["displayName"]), (&json!(5), &json!("Revision 5")));
        let live = publisher.get(&format!("{path}/revisions?query=deployed:true")).await.json();
        assert_eq!(
            (&live["count"], &live["list"][0]["deploymentInfo"][0]["name"]),
            (&json!(1), &json!("Default"))
        );

        let fifth = all["list"][4]["id"].as_str().unwrap();
        publisher.delete(&format!("{path}/revisions/{fifth}")).await.is(200);
        let sixth = publisher.post(&format!("{path}/revisions"), json!({})).await.is(201).json();
        assert_eq!(sixth["displayName"], "Revision 6");

        let restored =
            publisher.post(&format!("{path}/restore-revision?revisionId={first}"), Value::Null).await;
        assert_ne!(restored.is(201).json()["description"], "Changed");
        publisher.get(&format!("{path}/revisions/unknown")).await.refused(404, 900347);
        publisher.get("/apis/unknown/revisions").await.refused(404, 900308);

        let nowhere = json!([{"name": "Nowhere"}]);
        publisher
            .post(&format!("{path}/deploy-revision?revisionId={first}"), nowhere.clone())
            .await
            .refused(400, 900504);
        publisher
            .post(&format!("{path}/undeploy-revision?revisionId={first}"), nowhere)
            .await
            .refused(400, 900504);
        let stranger = json!([{"name": "Default", "vhost": "evil.example"}]);
        publisher.post(&format!("{path}/deploy-revision?revisionId={first}"), stranger).await.is(400);

        // As apictl sends it: a number, all environments, and a body that is the word null.
        let undeploy = format!("{path}/undeploy-revision?revisionNumber=1&allEnvironments=true");
        publisher.post(&undeploy, Value::Null).await.is(201);
        assert!(served(&place).await.is_empty());
    }
}

#[tokio::test]
async fn the_life_of_an_api_goes_as_the_product_lets_it_go() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let mut plain = pets();
        plain["policies"] = json!([]);
        let api = made(&publisher, plain).await;
        let path = format!("/apis/{}", id(&api));
        let change = format!("/apis/change-lifecycle?apiId={}&action=", id(&api));
        publisher.post(&format!("{change}Publish"), Value::Null).await.refused(400, 903224);
        publisher.post(&format!("{change}Retire"), Value::Null).await.refused(400, 900318);
        let mut with_plan = api.clone();
        with_plan["policies"] = json!(["Unlimited"]);
        publisher.put(&path, with_plan).await.is(200);
        deployed(&publisher, id(&api)).await;
        assert_eq!(served(&place).await[0].state, LifecycleState::Created);
        act(&publisher, id(&api), "Publish").await;
        let state = publisher.get(&format!("{path}/lifecycle-state")).await.is(200).json();
        assert_eq!(
            (&state["state"], state["availableTransitions"].as_array().unwrap().len()),
            (&json!("Published"), 4)
        );
        act(&publisher, id(&api), "Block").await;
        assert_eq!(served(&place).await[0].state, LifecycleState::Blocked);
        act(&publisher, id(&api), "Re-Publish").await;
        act(&publisher, id(&api), "Deprecate").await;
        act(&publisher, id(&api), "Retire").await;
        assert!(served(&place).await.is_empty());
        let history = publisher.get(&format!("{path}/lifecycle-history")).await.is(200).json();
        assert_eq!(history["count"], 5);
        assert_eq!(
            history["list"][0],
            json!({
                "previousState": "Created", "postState": "Published", "user": "ann", "updatedTime": "1800000000000",
            })
        );
    }
}

#[tokio::test]
async fn a_new_default_version_takes_over_once_it_is_published_and_deployed() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let mut document = pets();
        document["isDefaultVersion"] = true.into();
        let first = made(&publisher, document).await;
        deployed(&publisher, id(&first)).await;
        act(&publisher, id(&first), "Publish").await;
        let copy = format!("/apis/copy-api?apiId={}&newVersion=2.0.0&defaultVersion=true", id(&first));
        let second = publisher.post(&copy, Value::Null).await.is(201).json();
        let is_default = publisher.get(&format!("/apis/{}", id(&first))).await.json();
        assert_eq!(is_default["isDefaultVersion"], false);
        deployed(&publisher, id(&second)).await;
        let defaults = |apis: Vec<Api>| apis.iter().map(|api| api.default_version).collect::<Vec<_>>();
        assert_eq!(defaults(served(&place).await), [true, false]);
        act(&publisher, id(&second), "Publish").await;
        assert_eq!(defaults(served(&place).await), [false, true]);
    }
}

#[tokio::test]
async fn apis_are_found_by_their_attributes_and_paged() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        for (name, tag) in [("Alpha", "red"), ("beta_50", "blue"), ("Gamma", "red")] {
            let mut document = pets();
            document["name"] = name.into();
            document["context"] = format!("/{}", &name[..4]).into();
            document["tags"] = json!([tag]);
            made(&publisher, document).await;
            place.database.clock.advance(std::time::Duration::from_secs(1));
        }
        let names = |reply: Value| -> Vec<String> {
            reply["list"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let found = |query: &'static str| {
            let publisher = publisher.clone();
            async move { names(publisher.get(&format!("/apis?sortBy=apiName&{query}")).await.is(200).json()) }
        };
        assert_eq!(found("").await, ["Alpha", "beta_50", "Gamma"]);
        assert_eq!(found("sortOrder=desc&limit=1").await, ["Gamma"]);
        assert_eq!(found("query=a%25").await, Vec::<String>::new());
        assert_eq!(found("query=a_5").await, ["beta_50"]);
        assert_eq!(found("query=tag:red").await, ["Alpha", "Gamma"]);
        assert_eq!(found("query=tag:red+name:alp").await, ["Alpha"]);
        assert_eq!(found("query=name:%22alpha%22+name:%22gamma%22").await, ["Alpha", "Gamma"]);
        assert_eq!(found("query=status:published").await, Vec::<String>::new());
        let page = publisher.get("/apis?limit=2&dryRun=x").await.is(200).json();
        assert_eq!((&page["count"], &page["pagination"]["total"]), (&json!(2), &json!(3)));
        assert_eq!(page["pagination"]["next"], "/apis?dryRun=x&limit=2&offset=2");
        assert_eq!(page["list"][0]["name"], "Gamma");
        publisher.get("/apis?query=name:").await.is(400);
        let hits = publisher.get("/search?query=name:%22Alpha%22%20version:%221.0.0%22").await.is(200).json();
        assert_eq!((&hits["count"], &hits["list"][0]["type"]), (&json!(1), &json!("API")));
    }
}

#[tokio::test]
async fn a_restricted_api_is_for_those_with_its_roles() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let mut document = pets();
        document["accessControl"] = "RESTRICTED".into();
        publisher.post("/apis", document.clone()).await.is(400);
        document["accessControlRoles"] = json!(["Internal/Publisher"]);
        let api = made(&publisher, document).await;
        assert_eq!(api["accessControlRoles"][0], "internal/publisher");
        let path = format!("/apis/{}", id(&api));
        publisher.clone().by("bob:apim:api_view").get(&path).await.is(200);
        let eve = publisher.clone().by("eve:apim:api_view,apim:api_create");
        eve.get(&path).await.refused(403, 900340);
        eve.put(&path, api.clone()).await.refused(403, 900332);
        assert_eq!(eve.get("/apis").await.is(200).json()["count"], 0);
        assert_eq!(publisher.clone().by("admin:apim:api_view").get("/apis").await.json()["count"], 1);
    }
}

#[tokio::test]
async fn what_gateways_could_not_do_is_refused_with_its_place() {
    let place = Place::each_seeded().await.remove(0);
    let publisher = place.publisher();
    let mut document = pets();
    document["enableSchemaValidation"] = true.into();
    document["securityScheme"] = json!(["basic_auth"]);
    document["endpointConfig"]["endpoint_security"] = json!({"production": {"enabled": true}});
    document["corsConfiguration"] =
        json!({"corsConfigurationEnabled": true, "accessControlAllowCredentials": true});
    let api = made(&publisher, document).await;
    let path = format!("/apis/{}", id(&api));
    let revision = publisher.post(&format!("{path}/revisions"), json!({})).await.is(201).json();
    let deploy = format!("{path}/deploy-revision?revisionId={}", id(&revision));
    let reply = publisher.post(&deploy, json!([{"name": "Default"}])).await.is(400).json();
    for field in
        ["/enableSchemaValidation", "/securityScheme", "/endpoint_security/production", "/corsConfiguration"]
    {
        assert!(reply["description"].as_str().unwrap().contains(field), "{field} is not in {reply}");
    }
}

#[tokio::test]
async fn plans_must_exist_and_are_dropped_when_they_cease_to() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let mut document = pets();
        document["policies"] = json!(["Platinum"]);
        publisher.post("/apis", document).await.refused(400, 900305);
        let mut api = made(&publisher, pets()).await;
        let path = format!("/apis/{}", id(&api));
        api["policies"] = json!(["Gold", "Platinum"]);
        assert_eq!(publisher.put(&path, api).await.is(200).json()["policies"], json!(["Gold"]));
        let plans = publisher.get(&format!("{path}/subscription-policies")).await.is(200).json();
        assert_eq!(plans[0]["name"], "Gold");
        let all = publisher.get("/throttling-policies/subscription").await.is(200).json();
        assert!(all["list"].as_array().unwrap().iter().any(|plan| plan["name"] == "Bronze"));
        publisher.get("/throttling-policies/api/10KPerMin").await.is(200);
        publisher.get("/throttling-policies/nothing").await.is(400);
    }
}

#[tokio::test]
async fn shared_scopes_are_used_by_apis_and_cannot_go_while_they_are() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let vet = json!({"name": "vet", "bindings": ["Internal/subscriber"]});
        let scope = publisher.post("/scopes", vet.clone()).await.is(201).json();
        publisher.post("/scopes", vet).await.refused(409, 900984);
        publisher.post("/scopes", json!({"name": "x", "bindings": ["Nobody"]})).await.refused(412, 900986);
        // `vet` and `Internal/creator` in base64url.
        publisher.call("HEAD", "/scopes/dmV0", "", Vec::new()).await.is(200);
        publisher.call("HEAD", "/scopes/bm9uZQ", "", Vec::new()).await.is(404);
        publisher.call("HEAD", "/roles/SW50ZXJuYWwvY3JlYXRvcg", "", Vec::new()).await.is(200);
        let mut document = pets();
        document["scopes"] = json!([{"scope": {"name": "vet"}, "shared": true}]);
        document["operations"] = json!([{"target": "/x", "verb": "GET", "scopes": ["vet"]}]);
        let api = made(&publisher, document).await;
        publisher.delete(&format!("/scopes/{}", id(&scope))).await.refused(409, 900985);
        publisher.delete(&format!("/apis/{}", id(&api))).await.is(200);
        let bound = publisher.get(&format!("/scopes/{}", id(&scope))).await.is(200).json();
        assert_eq!(bound["bindings"][0], "Internal/subscriber");
        publisher.delete(&format!("/scopes/{}", id(&scope))).await.is(200);
    }
}

#[tokio::test]
async fn a_scope_belongs_to_one_api_and_its_versions() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let scoped = |name: &str, context: &str| {
            let mut document = pets();
            document["name"] = name.into();
            document["context"] = context.into();
            document["scopes"] = json!([{"scope": {"name": "vet", "bindings": ["admin"]}}]);
            document["operations"] = json!([{"target": "/x", "verb": "GET", "scopes": ["vet"]}]);
            document
        };
        let first = made(&publisher, scoped("One", "/one")).await;
        publisher.post("/apis", scoped("Two", "/two")).await.refused(400, 900988);
        let copy = format!("/apis/copy-api?apiId={}&newVersion=2.0.0", id(&first));
        publisher.post(&copy, Value::Null).await.is(201);
        // The second version inherits what the first leaves behind.
        publisher.delete(&format!("/apis/{}", id(&first))).await.is(200);
        publisher.call("HEAD", "/scopes/dmV0", "", Vec::new()).await.is(200);
        let mut grab = scoped("Grab", "/grab");
        grab["scopes"][0]["scope"]["name"] = "apim:admin".into();
        publisher.post("/apis", grab).await.refused(400, 900988);
        let mut undeclared = scoped("Three", "/three");
        undeclared["scopes"] = json!([]);
        undeclared["operations"][0]["scopes"] = json!(["nobody's"]);
        publisher.post("/apis", undeclared).await.is(400);
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    for place in Place::each_seeded().await {
        let api = made(&place.publisher(), pets()).await;
        let place = place.reopened().await;
        let read = place.publisher().get(&format!("/apis/{}", id(&api))).await.is(200).json();
        assert_eq!(read, api);
    }
}

#[tokio::test]
async fn secrets_of_backends_are_blank_wherever_they_stand() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let mut document = pets();
        document["endpointConfig"]["proxyConfigs"] = json!({"proxyUsername": "ann", "proxyPassword": "hush"});
        document["endpointConfig"]["endpoint_security"] =
            json!({"production": {"clientSecret": "hush", "customParameters": {"audience": "hush"}}});
        let api = made(&publisher, document).await;
        let read = publisher.get(&format!("/apis/{}", id(&api))).await.is(200).json();
        assert!(!read.to_string().contains("hush"), "{read}");
        assert_eq!(read["endpointConfig"]["proxyConfigs"]["proxyUsername"], "ann");
    }
}

#[tokio::test]
async fn settings_of_endpoints_that_gateways_do_not_heed_are_refused_unless_they_ask_for_nothing() {
    let place = Place::each_seeded().await.remove(0);
    let publisher = place.publisher();
    let mut document = pets();
    let usual =
        json!({"actionSelect": "fault", "actionDuration": "30000", "retryErroCode": [], "factor": ""});
    document["endpointConfig"]["production_endpoints"]["config"] = usual;
    let mut api = made(&publisher, document).await;
    deployed(&publisher, id(&api)).await;
    let path = format!("/apis/{}", id(&api));
    api["endpointConfig"]["production_endpoints"]["config"]["actionSelect"] = "discard".into();
    publisher.put(&path, api.clone()).await.is(200);
    let revision = publisher.post(&format!("{path}/revisions"), json!({})).await.is(201).json();
    let deploy = format!("{path}/deploy-revision?revisionId={}", id(&revision));
    let reply = publisher.post(&deploy, json!([{"name": "Default"}])).await.is(400).json();
    let place = "/endpointConfig/production_endpoints/config/actionSelect";
    assert!(reply["description"].as_str().unwrap().contains(place), "{reply}");
}
