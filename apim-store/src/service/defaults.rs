//! What a publisher need not say about an API.

use serde_json::{Value, json};

/// Methods of the operations that an API gets if none is given, all on `/*`.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

/// Fills in what is absent or `null`. Nothing that would have to be invented (endpoints, plans) is.
pub(super) fn fill(doc: &mut Value) {
    for (field, value) in [
        ("type", json!("HTTP")),
        ("isDefaultVersion", json!(false)),
        ("transport", json!(["http", "https"])),
        ("tags", json!([])),
        ("policies", json!([])),
        ("securityScheme", json!(["oauth2", "oauth_basic_auth_api_key_mandatory"])),
        ("visibility", json!("PUBLIC")),
        ("visibleRoles", json!([])),
        ("accessControl", json!("NONE")),
        ("accessControlRoles", json!([])),
        ("subscriptionAvailability", json!("CURRENT_TENANT")),
        ("endpointImplementationType", json!("ENDPOINT")),
        ("responseCachingEnabled", json!(false)),
        ("enableSchemaValidation", json!(false)),
        ("additionalProperties", json!([])),
        ("scopes", json!([])),
        ("categories", json!([])),
        ("keyManagers", json!(["all"])),
        ("gatewayVendor", json!("wso2")),
        ("gatewayType", json!("wso2/synapse")),
    ] {
        if doc[field].is_null() {
            doc[field] = value;
        }
    }
    fold_roles(doc, "accessControlRoles");
    operations(doc);
}

/// Roles that open an API to publishers are kept in lower case, as clients read them back.
fn fold_roles(doc: &mut Value, field: &str) {
    for role in doc[field].as_array_mut().into_iter().flatten() {
        if let Value::String(text) = role {
            *text = text.to_lowercase();
        }
    }
}

fn operations(doc: &mut Value) {
    let none = doc["operations"].as_array().is_none_or(Vec::is_empty);
    if none {
        let verbs: &[&str] = if doc["type"] == "WS" { &["GET"] } else { &METHODS };
        doc["operations"] = verbs.iter().map(|verb| json!({"target": "/*", "verb": verb})).collect();
    }
    for operation in doc["operations"].as_array_mut().into_iter().flatten() {
        for (field, value) in [
            ("authType", json!("Application & Application User")),
            ("throttlingPolicy", json!("Unlimited")),
            ("scopes", json!([])),
            ("operationPolicies", json!({"request": [], "response": [], "fault": []})),
        ] {
            if operation[field].is_null() {
                operation[field] = value;
            }
        }
    }
}
