//! A definition for an API that was made without one.

use serde_json::{Map, Value, json};

/// The OpenAPI 3.0 document of an API, from its name, version, description, operations and scopes as they
/// stand in the publisher API's own document of it.
///
/// ```
/// let api = serde_json::json!({"name": "Pets", "version": "1", "operations": [{"target": "/pets/{id}", "verb": "GET"}]});
/// let document = apim_store::definition::generate(&api);
/// assert_eq!(document.pointer("/paths/~1pets~1{id}/get/parameters/0/name").unwrap(), "id");
/// ```
pub fn generate(api: &Value) -> Value {
    let mut paths = Map::new();
    for operation in list(api, "operations") {
        let (Some(path), Some(verb)) = (string(operation, "target"), string(operation, "verb")) else {
            continue;
        };
        let item = paths.entry(path).or_insert_with(|| json!({}));
        if let Value::Object(item) = item {
            item.insert(verb.to_ascii_lowercase(), described(operation, path));
        }
    }
    let mut info = json!({ "title": api["name"], "version": api["version"] });
    if let Some(description) = string(api, "description") {
        info["description"] = json!(description);
    }
    json!({
        "openapi": "3.0.1",
        "info": info,
        "servers": [{ "url": "/" }],
        "security": [{ "default": [] }],
        "paths": paths,
        "components": { "securitySchemes": { "default": scheme(api) } },
    })
}

fn described(operation: &Value, path: &str) -> Value {
    let scopes: Vec<&str> = list(operation, "scopes").iter().filter_map(Value::as_str).collect();
    let mut described = json!({
        "responses": { "200": { "description": "OK" } },
        "security": [{ "default": scopes }],
        "x-auth-type": string(operation, "authType").unwrap_or("Application & Application User"),
        "x-throttling-tier": string(operation, "throttlingPolicy").unwrap_or("Unlimited"),
    });
    let parameters: Vec<_> = variables(path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if !parameters.is_empty() {
        described["parameters"] = Value::Array(parameters);
    }
    described
}

/// The scheme that the platform's own tokens fulfil; `default` is the name WSO2's tools look for.
fn scheme(api: &Value) -> Value {
    let mut scopes = Map::new();
    let mut bindings = Map::new();
    for scope in list(api, "scopes") {
        let scope = scope.get("scope").unwrap_or(scope);
        let Some(name) = string(scope, "name") else { continue };
        scopes.insert(name.to_owned(), json!(string(scope, "description").unwrap_or_default()));
        let roles: Vec<&str> = list(scope, "bindings").iter().filter_map(Value::as_str).collect();
        bindings.insert(name.to_owned(), json!(roles.join(",")));
    }
    let flow =
        json!({ "authorizationUrl": "https://test.com", "scopes": scopes, "x-scopes-bindings": bindings });
    json!({ "type": "oauth2", "flows": { "implicit": flow } })
}

fn variables(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn string<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}
