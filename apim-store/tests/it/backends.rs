//! What publishers say about backends is what gateways do, or refuses the deployment with its place.

use apim_core::model::{Api, Balance, Endpoint, EndpointSecurity, KeyPlace, Retry, Suspension};
use serde_json::{Value, json};

use crate::place::Place;
use crate::publish::{deployed, id, made, pets, served};

/// The API that gateways get of a document with this `endpointConfig`, and other members.
async fn served_of(config: Value, with: Value) -> Api {
    let place = Place::each_seeded().await.remove(0);
    let publisher = place.publisher();
    let mut document = pets();
    document["endpointConfig"] = config;
    for (name, value) in with.as_object().unwrap() {
        document[name] = value.clone();
    }
    let api = made(&publisher, document).await;
    deployed(&publisher, id(&api)).await;
    served(&place).await.remove(0)
}

async fn production(config: Value) -> Endpoint {
    served_of(config, json!({})).await.endpoints.production.unwrap()
}

fn urls(endpoint: &Endpoint) -> Vec<&str> {
    endpoint.members.iter().map(|member| member.url.as_str()).collect()
}

#[tokio::test]
async fn several_backends_take_turns_or_stand_in_for_each_other() {
    let config = json!({
        "endpoint_type": "load_balance", "failOver": "False", "sessionManagement": "",
        "algoCombo": "org.apache.synapse.endpoints.algorithms.RoundRobin",
        "algoClassName": "org.apache.synapse.endpoints.algorithms.RoundRobin",
        "production_endpoints": [{"url": "http://a.example"}, {"url": "http://b.example"}],
        "sandbox_endpoints": [{"url": "http://s.example"}],
    });
    let endpoints = served_of(config.clone(), json!({})).await.endpoints;
    let production = endpoints.production.unwrap();
    assert_eq!(urls(&production), ["http://a.example", "http://b.example"]);
    assert_eq!((production.policy, production.retry), (Balance::RoundRobin, None));
    assert_eq!(endpoints.sandbox.unwrap(), Endpoint::new("http://s.example"));

    let mut with_failover = config;
    with_failover["failOver"] = "True".into();
    let retry = self::production(with_failover).await.retry.unwrap();
    assert!(retry.retries == 1 && retry.errors.contains(&101_504), "{retry:?}");

    let config = json!({
        "endpoint_type": "failover", "failOver": "True",
        "production_endpoints": {"url": "http://a.example"},
        "production_failovers": [{"url": "http://b.example"}, {"url": "http://c.example"}],
    });
    let production = self::production(config).await;
    assert_eq!(urls(&production), ["http://a.example", "http://b.example", "http://c.example"]);
    assert_eq!(production.policy, Balance::Failover);
}

#[tokio::test]
async fn time_outs_retries_and_suspension_mean_what_they_say() {
    let one = |config: Value| json!({"endpoint_type": "http", "production_endpoints": {"url": "http://a.example", "config": config}});
    let chosen = production(one(json!({
        "actionSelect": "fault", "actionDuration": "5000", "suspendErrorCode": ["101503", 101_504],
        "suspendDuration": "1000", "suspendMaxDuration": 60_000, "factor": "2.5",
        "retryErroCode": "101505", "retryTimeOut": "3", "retryDelay": 200,
    })))
    .await;
    assert_eq!(chosen.timeout_ms, 5000);
    let rule = Suspension {
        errors: vec![101_503, 101_504],
        initial_ms: 1000,
        factor: 2.5,
        max_ms: Some(60_000),
        patient_errors: vec![101_505],
        patience: 3,
        patience_delay_ms: 200,
    };
    assert_eq!(chosen.suspension.as_deref(), Some(&rule));
    assert_eq!(chosen.retry, None::<Box<Retry>>);
    let never = production(one(json!({"actionSelect": "neverTimeout", "suspendDuration": "0"}))).await;
    assert_eq!((never.timeout_ms, never.suspension), (0, None));
    let usual = production(one(json!({"retryTimeOut": "2"}))).await.suspension.unwrap();
    assert_eq!((usual.initial_ms, usual.patience), (30_000, 2));
}

#[tokio::test]
async fn credentials_reach_gateways_and_nobody_else() {
    let secured = |security: Value| {
        json!({
            "endpoint_type": "http", "production_endpoints": {"url": "http://a.example"},
            "sandbox_endpoints": {"url": "http://s.example"},
            "endpoint_security": {"production": security, "sandbox": {"enabled": false, "type": "BASIC"}},
        })
    };
    let place = Place::each_seeded().await.remove(0);
    let publisher = place.publisher();
    let mut document = pets();
    document["endpointConfig"] =
        secured(json!({"enabled": true, "type": "BASIC", "username": "ann", "password": "hush-hush-7"}));
    let api = made(&publisher, document).await;
    deployed(&publisher, id(&api)).await;
    let endpoints = served(&place).await.remove(0).endpoints;
    let basic = EndpointSecurity::Basic { username: "ann".into(), password: "hush-hush-7".into() };
    assert_eq!(endpoints.production.unwrap().security.as_deref(), Some(&basic));
    assert_eq!(endpoints.sandbox.unwrap().security, None);
    let read = publisher.get(&format!("/apis/{}", id(&api))).await.is(200).json();
    assert!(!read.to_string().contains("hush"), "{read}");
    // Neither the document, nor the event, nor the snapshot holds it in the clear.
    for entry in std::fs::read_dir(place.database.folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!bytes.windows(11).any(|window| window == b"hush-hush-7"));
    }
    let changes = place.changes().await;
    assert!(format!("{changes:?}").contains("BackendSecret(…)"), "what prints does not tell");

    let digest = json!({"enabled": true, "type": "digest", "username": "u", "password": "p"});
    let expected = EndpointSecurity::Digest { username: "u".into(), password: "p".into() };
    assert_eq!(production(secured(digest)).await.security.as_deref(), Some(&expected));
    let key = json!({
        "enabled": true, "type": "apikey", "apiKeyIdentifier": "key", "apiKeyValue": "v",
        "apiKeyIdentifierType": "QUERY_PARAMETER",
    });
    let expected = EndpointSecurity::ApiKey { name: "key".into(), value: "v".into(), place: KeyPlace::Query };
    assert_eq!(production(secured(key)).await.security.as_deref(), Some(&expected));
    let oauth = json!({
        "enabled": true, "type": "OAUTH", "grantType": "PASSWORD", "tokenUrl": "https://t.example/token",
        "clientId": "c", "clientSecret": "s", "username": "u", "password": "p",
        "customParameters": {"audience": "pets"},
    });
    let Some(EndpointSecurity::Oauth2(grant)) = production(secured(oauth)).await.security.map(|one| *one)
    else {
        panic!("no OAuth");
    };
    assert_eq!((grant.token_url.as_str(), grant.username.as_deref()), ("https://t.example/token", Some("u")));
    assert_eq!(grant.client_secret.expose(), "s");
    assert_eq!(grant.parameters["audience"].expose(), "pets");
}

#[tokio::test]
async fn functions_and_dynamic_backends_are_told_to_gateways() {
    let config = json!({
        "endpoint_type": "awslambda", "access_method": "stored", "amznAccessKey": "AKIDEXAMPLE",
        "amznSecretKey": "hush", "amznRegion": "eu-central-1",
    });
    let operations = json!([
        {"verb": "GET", "target": "/cats", "amznResourceName": "arn:aws:lambda:x", "amznResourceTimeout": 30},
    ]);
    let api = served_of(config, json!({"operations": operations})).await;
    let lambda = api.endpoints.production.unwrap().lambda.unwrap();
    assert_eq!((lambda.region.as_str(), lambda.secret_key.expose()), ("eu-central-1", "hush"));
    let function = api.operations[0].function.as_ref().unwrap();
    assert_eq!((function.name.as_str(), function.timeout_s), ("arn:aws:lambda:x", Some(30)));

    let config = json!({"endpoint_type": "default", "allowed_urls": ["https://a.example"]});
    let dynamic = production(config).await.dynamic.unwrap();
    assert_eq!((dynamic.header, dynamic.allow), (None, vec!["https://a.example".to_owned()]));
}

#[tokio::test]
async fn a_mocked_api_answers_by_the_examples_of_its_definition() {
    let place = Place::each_seeded().await.remove(0);
    let publisher = place.publisher();
    let definition = "openapi: 3.0.3
info: {title: Cats, version: '1'}
paths:
  /cats/{id}:
    get:
      responses:
        '404': {description: none}
        '200':
          description: one
          content: {application/json: {example: {name: Tom}}}
";
    for kind in ["MOCKED_OAS", "INLINE"] {
        let properties = json!({
            "name": kind, "context": kind.to_lowercase(), "endpointImplementationType": kind,
        });
        let parts = [("file@", definition), ("additionalProperties", &properties.to_string())];
        let api = publisher.form("POST", "/apis/import-openapi", &parts).await.is(201).json();
        deployed(&publisher, id(&api)).await;
        let served = served(&place).await.into_iter().find(|api| api.name == kind).unwrap();
        assert!(served.endpoints.production.unwrap().mock && served.endpoints.sandbox.unwrap().mock);
        let examples = &served.operations[0].examples;
        assert_eq!((examples[0].status, examples[0].body.as_str()), (200, r#"{"name":"Tom"}"#));
        assert_eq!((examples[1].status, &examples[1].media_type), (404, &None));
    }
}

#[tokio::test]
async fn what_gateways_cannot_do_refuses_the_deployment_with_its_place() {
    let http = |with: Value| {
        let mut config =
            json!({"endpoint_type": "http", "production_endpoints": {"url": "http://a.example"}});
        for (name, value) in with.as_object().unwrap() {
            config[name] = value.clone();
        }
        config
    };
    let set =
        |config: Value| http(json!({"production_endpoints": {"url": "http://a.example", "config": config}}));
    let security = |security: Value| http(json!({"endpoint_security": {"production": security}}));
    let place = Place::each_seeded().await.remove(0);
    let publisher = place.publisher();
    for (number, (config, path)) in [
        (http(json!({"endpoint_type": "sequence_backend"})), "/endpointConfig/endpoint_type"),
        (set(json!({"actionSelect": "discard"})), "/endpointConfig/production_endpoints/config/actionSelect"),
        (
            set(json!({"suspendErrorCode": "x"})),
            "/endpointConfig/production_endpoints/config/suspendErrorCode",
        ),
        (set(json!({"suspendDuration": -5})), "/endpointConfig/production_endpoints/config/suspendDuration"),
        (set(json!({"optimize": "mtom"})), "/endpointConfig/production_endpoints/config/optimize"),
        (
            http(json!({"production_endpoints": {"url": "ftp://a"}})),
            "/endpointConfig/production_endpoints/url",
        ),
        (
            http(json!({"production_endpoints": [{"url": "http://a"}, {"url": "http://b"}]})),
            "/endpointConfig/production_endpoints",
        ),
        (
            http(json!({"endpoint_type": "load_balance", "sessionManagement": "soap"})),
            "/endpointConfig/sessionManagement",
        ),
        (
            http(json!({"endpoint_type": "load_balance", "algoClassName": "my.Algorithm"})),
            "/endpointConfig/algoClassName",
        ),
        (
            http(json!({"endpoint_type": "failover", "production_failovers": [
                {"url": "http://b.example", "config": {"actionDuration": 7}},
            ]})),
            "/endpointConfig/production_failovers/0/config",
        ),
        (
            security(json!({"enabled": true, "type": "AWS"})),
            "/endpointConfig/endpoint_security/production/type",
        ),
        (
            security(json!({"enabled": true, "type": "BASIC"})),
            "/endpointConfig/endpoint_security/production/username",
        ),
        (
            security(json!({"enabled": true, "type": "OAUTH", "grantType": "REFRESH_TOKEN"})),
            "/endpointConfig/endpoint_security/production/grantType",
        ),
        (
            json!({"endpoint_type": "awslambda", "access_method": "role-supplied"}),
            "/endpointConfig/access_method",
        ),
        (json!({"endpoint_type": "default"}), "/endpointConfig/allowed_urls"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut document = pets();
        document["name"] = format!("Pets{number}").into();
        document["context"] = format!("/pets{number}").into();
        document["endpointConfig"] = config.clone();
        let api = made(&publisher, document).await;
        let path_of = format!("/apis/{}", id(&api));
        let revision = publisher.post(&format!("{path_of}/revisions"), json!({})).await.is(201).json();
        let deploy = format!("{path_of}/deploy-revision?revisionId={}", id(&revision));
        let reply = publisher.post(&deploy, json!([{"name": "Default"}])).await.is(400).json();
        assert!(reply["description"].as_str().unwrap().contains(path), "{config}: {reply}");
    }
}
