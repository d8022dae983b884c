//! The definition of an API: the publisher's text, kept byte for byte, and the operations that follow from it.
//!
//! Whichever of the two a publisher changes, the other follows. A text that need not change does not.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::api::text;
use crate::definition::openapi::{self, Definition, SpecVersion};
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
    let known: HashMap<_, _> = known.iter().map(|it| ((text(it, "target"), text(it, "verb")), it)).collect();
    let operations = given.operations.iter().map(|operation| {
        let same = known.get(&(operation.path.as_str(), operation.method.as_str()));
        let mut entry = same.map_or_else(|| json!({}), |same| (*same).clone());
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
    doc["scopes"] = scopes(&doc["scopes"].take(), given);
}

/// The scopes that a definition declares or names. What only the publisher's form knows of them stays.
fn scopes(kept: &Value, given: &Definition) -> Value {
    let kept = kept.as_array().map(Vec::as_slice).unwrap_or_default();
    let kept: HashMap<_, _> = kept.iter().map(|entry| (text(&entry["scope"], "name"), entry)).collect();
    let of_form = |name: &str| kept.get(name).map(|entry| (*entry).clone());
    let entry = |name: &str, description: &str, roles: &[String]| {
        let scope = json!({"name": name, "displayName": name, "description": description, "bindings": roles});
        json!({"scope": scope, "shared": false})
    };
    let mut known = HashSet::new();
    let mut scopes = Vec::new();
    for scope in &given.scopes {
        known.insert(scope.name.as_str());
        let of_form = of_form(&scope.name).filter(|_| scope.roles.is_empty());
        scopes.push(of_form.unwrap_or_else(|| entry(&scope.name, &scope.description, &scope.roles)));
    }
    // A scope that an operation names without anybody declaring it is declared here, bound to nobody.
    for name in given.operations.iter().flat_map(|operation| &operation.scopes) {
        if known.insert(name) {
            scopes.push(of_form(name).unwrap_or_else(|| entry(name, "", &[])));
        }
    }
    scopes.into()
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
    let old_style = known.version == SpecVersion::V2_0;
    let paths = merged(&document["paths"], &fresh["paths"], old_style);
    document["paths"] = paths;
    let scheme = &fresh["components"]["securitySchemes"]["default"];
    // That these are objects, if they are there, is what reading has made sure of.
    match old_style {
        true => document["securityDefinitions"]["default"] = scheme_of_version_2(scheme),
        false => document["components"]["securitySchemes"]["default"] = scheme.clone(),
    }
    pretty(&document)
}

fn merged(old: &Value, fresh: &Value, old_style: bool) -> Value {
    let mut paths = Map::new();
    for (path, item) in fresh.as_object().into_iter().flatten() {
        let mut merged = old.get(path).and_then(Value::as_object).cloned().unwrap_or_default();
        merged.retain(|key, _| !is_method(key) || item.get(key).is_some());
        for (method, operation) in item.as_object().into_iter().flatten() {
            let Some(Value::Object(kept)) = merged.get_mut(method) else {
                let mut operation = operation.clone();
                if old_style {
                    parameters_of_version_2(&mut operation);
                }
                merged.insert(method.clone(), operation);
                continue;
            };
            for key in ["security", "x-auth-type", "x-throttling-tier"] {
                match operation.get(key) {
                    Some(value) => kept.insert(key.to_owned(), value.clone()),
                    None => kept.shift_remove(key),
                };
            }
        }
        paths.insert(path.clone(), merged.into());
    }
    Value::Object(paths)
}

/// Version 2 has one flow for each scheme, and no object around it.
fn scheme_of_version_2(scheme: &Value) -> Value {
    let mut old = scheme["flows"]["implicit"].clone();
    old["type"] = "oauth2".into();
    old["flow"] = "implicit".into();
    old
}

/// Version 2 says a parameter's type where later ones have a schema.
fn parameters_of_version_2(operation: &mut Value) {
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(members) = parameter {
            members.shift_remove("schema");
            members.insert("type".to_owned(), "string".into());
        }
    }
}

fn is_method(key: &str) -> bool {
    matches!(key, "get" | "put" | "post" | "delete" | "options" | "head" | "patch" | "trace")
}

fn pretty(document: &Value) -> Vec<u8> {
    format!("{document:#}").into_bytes()
}
