//! The definition of an API: the publisher's text, kept byte for byte, and the operations that follow from it.
//!
//! Whichever of the two a publisher changes, the other follows. A text that need not change does not.

use serde_json::{Map, Value, json};

use crate::definition::openapi::{self, Definition};
use crate::definition::{Limits, generate};
use crate::error::{Refusal, code};

/// A definition that was given, and understood.
pub struct Given {
    /// As it was given.
    pub text: Vec<u8>,
    /// What it says.
    pub definition: Definition,
}

impl Given {
    /// Reads a definition.
    ///
    /// # Errors
    ///
    /// 400, with every place that is wrong.
    pub fn read(text: Vec<u8>) -> Result<Self, Refusal> {
        let definition = openapi::read(&text, &Limits::default())
            .map_err(|findings| code::BAD_DEFINITION.found(findings))?;
        Ok(Self { text, definition })
    }
}

/// Lets a definition speak where the document is silent, and always about operations and scopes.
pub(super) fn adopt(doc: &mut Value, given: &Definition) {
    let said = |doc: &Value, field: &str| !doc[field].is_null();
    if !said(doc, "description")
        && let Some(description) = &given.description
    {
        doc["description"] = description.as_str().into();
    }
    let extensions = &given.extensions;
    if !said(doc, "endpointConfig")
        && let Some(config) = endpoints(extensions)
    {
        doc["endpointConfig"] = config;
    }
    if !said(doc, "corsConfiguration")
        && let Some(cors) = &extensions.cors
    {
        doc["corsConfiguration"] = cors.clone();
    }
    if !said(doc, "authorizationHeader")
        && let Some(header) = &extensions.auth_header
    {
        doc["authorizationHeader"] = header.as_str().into();
    }
    if !said(doc, "apiThrottlingPolicy")
        && let Some(policy) = &extensions.throttling
    {
        doc["apiThrottlingPolicy"] = policy.as_str().into();
    }
    operations(doc, given);
}

/// Takes operations and scopes over from a definition. What only the publisher's form knows of an operation
/// that stays, stays.
pub(super) fn operations(doc: &mut Value, given: &Definition) {
    let known = doc["operations"].take();
    let known = known.as_array().map(Vec::as_slice).unwrap_or_default();
    let operations = given.operations.iter().map(|operation| {
        let same = |other: &&Value| other["target"] == *operation.path && other["verb"] == *operation.method;
        let mut entry = known.iter().find(same).cloned().unwrap_or_else(|| json!({}));
        entry["target"] = operation.path.as_str().into();
        entry["verb"] = operation.method.as_str().into();
        entry["scopes"] = json!(operation.scopes);
        if let Some(auth) = &operation.auth {
            entry["authType"] = auth.as_str().into();
        }
        if let Some(policy) = &operation.throttling {
            entry["throttlingPolicy"] = policy.as_str().into();
        }
        entry
    });
    doc["operations"] = operations.collect();
    let named = given.operations.iter().flat_map(|operation| &operation.scopes);
    let kept = doc["scopes"].take();
    let kept = kept.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut scopes: Vec<Value> = given
        .scopes
        .iter()
        .map(|scope| {
            let of_form = kept.iter().find(|entry| entry["scope"]["name"] == *scope.name);
            of_form.filter(|_| scope.roles.is_empty()).cloned().unwrap_or_else(|| {
                json!({
                    "scope": {
                        "name": scope.name,
                        "displayName": scope.name,
                        "description": scope.description,
                        "bindings": scope.roles,
                    },
                    "shared": false,
                })
            })
        })
        .collect();
    // A scope that an operation names without anybody declaring it is declared here, bound to nobody.
    for name in named {
        if !scopes.iter().any(|entry| entry["scope"]["name"] == **name) {
            let of_form = kept.iter().find(|entry| entry["scope"]["name"] == **name).cloned();
            scopes.push(of_form.unwrap_or_else(|| {
                json!({"scope": {"name": name, "displayName": name, "description": "", "bindings": []}, "shared": false})
            }));
        }
    }
    doc["scopes"] = scopes.into();
}

fn endpoints(extensions: &openapi::Extensions) -> Option<Value> {
    let url =
        |endpoints: &Option<Value>| endpoints.as_ref()?.get("urls")?.get(0)?.as_str().map(str::to_owned);
    let (production, sandbox) = (url(&extensions.production_endpoints), url(&extensions.sandbox_endpoints));
    let mut config = json!({"endpoint_type": "http"});
    if let Some(url) = &production {
        config["production_endpoints"] = json!({"url": url});
    }
    if let Some(url) = &sandbox {
        config["sandbox_endpoints"] = json!({"url": url});
    }
    (production.is_some() || sandbox.is_some()).then_some(config)
}

/// The text of an API that came without one.
pub(super) fn written(doc: &Value) -> Vec<u8> {
    pretty(&generate(doc))
}

/// Whether two documents of an API need different definitions.
pub(super) fn differs(before: &Value, after: &Value) -> bool {
    let said = |doc: &Value| {
        let operations = doc["operations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let relevant = ["target", "verb", "authType", "throttlingPolicy", "scopes"];
        let operations: Vec<Vec<Value>> =
            operations.iter().map(|o| relevant.iter().map(|field| o[*field].clone()).collect()).collect();
        (operations, doc["scopes"].clone())
    };
    said(before) != said(after)
}

/// A definition with the operations of the document: those that are gone are taken out, new ones are
/// added, and what was written about the others stays.
pub(super) fn rewritten(old: &[u8], doc: &Value) -> Vec<u8> {
    let fresh = generate(doc);
    let Ok(known) = openapi::read(old, &Limits::default()) else { return pretty(&fresh) };
    let mut document = known.document;
    // Definitions of version 2 write operations otherwise; they are replaced as a whole.
    if document.get("openapi").is_none() {
        return pretty(&fresh);
    }
    let paths = merged(&document["paths"], &fresh["paths"]);
    document["paths"] = paths;
    if let Some(schemes) = fresh.pointer("/components/securitySchemes") {
        for (name, scheme) in schemes.as_object().into_iter().flatten() {
            document["components"]["securitySchemes"][name] = scheme.clone();
        }
    }
    pretty(&document)
}

fn merged(old: &Value, fresh: &Value) -> Value {
    let mut paths = Map::new();
    for (path, item) in fresh.as_object().into_iter().flatten() {
        let mut merged = old.get(path).cloned().unwrap_or_else(|| json!({}));
        if let Value::Object(members) = &mut merged {
            members.retain(|key, _| !is_method(key) || item.get(key).is_some());
        }
        for (method, operation) in item.as_object().into_iter().flatten() {
            if merged[method].is_null() {
                merged[method] = operation.clone();
                continue;
            }
            for key in ["security", "x-auth-type", "x-throttling-tier"] {
                match operation.get(key) {
                    Some(value) => merged[method][key] = value.clone(),
                    None => {
                        merged[method].as_object_mut().map(|members| members.remove(key));
                    }
                }
            }
        }
        paths.insert(path.clone(), merged);
    }
    Value::Object(paths)
}

fn is_method(key: &str) -> bool {
    matches!(key, "get" | "put" | "post" | "delete" | "options" | "head" | "patch" | "trace")
}

fn pretty(document: &Value) -> Vec<u8> {
    format!("{document:#}").into_bytes()
}
