//! One API of ours: its operations, and its description.
//!
//! Rows say method, path, scopes and what is not offered; YAML says shapes. Neither repeats the other, and
//! [`Contract::mistakes`] finds a row without a description or the reverse. The merged OpenAPI document is
//! what is served, and what bodies and answers are checked against.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use http::StatusCode;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use super::json::without_nulls;
use super::operation::{Access, Operation};
use crate::error::{Failure, Finding, Result};

/// The operations of one thing, with their description.
pub struct Noun {
    /// Its rows.
    pub operations: Vec<Operation>,
    /// OpenAPI 3.1 in YAML: `paths` and `components`. Empty if all its rows are absent.
    pub description: &'static str,
}

/// One API.
pub struct Contract {
    title: &'static str,
    base: &'static str,
    operations: Vec<Operation>,
    descriptions: Vec<&'static str>,
    passwords: bool,
    document: LazyLock<Document, Box<dyn FnOnce() -> Document + Send>>,
}

/// The merged description. Made on first use, since reading YAML takes longer than starting should.
struct Document {
    value: Value,
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

/// What all contracts share: errors and pages.
const COMMON: &str = include_str!("common.yaml");

impl Contract {
    /// Puts an API together.
    pub fn new(title: &'static str, base: &'static str, nouns: Vec<Noun>) -> Self {
        Self::taking(false, title, base, nouns)
    }

    /// The same for callers that show a name and a password instead of a token, as they like.
    pub fn with_passwords(title: &'static str, base: &'static str, nouns: Vec<Noun>) -> Self {
        Self::taking(true, title, base, nouns)
    }

    fn taking(passwords: bool, title: &'static str, base: &'static str, nouns: Vec<Noun>) -> Self {
        let mut operations = Vec::new();
        let mut descriptions = vec![COMMON];
        for noun in nouns {
            operations.extend(noun.operations);
            descriptions.push(noun.description);
        }
        let rows: Vec<Row> = operations.iter().map(Row::of).collect();
        let texts = descriptions.clone();
        let document = LazyLock::new(Box::new(move || Document {
            value: merge(title, base, &rows, &texts, passwords),
            validators: Mutex::default(),
        }) as Box<dyn FnOnce() -> Document + Send>);
        Self { title, base, operations, descriptions, passwords, document }
    }

    /// The path that its operations stand below.
    pub fn base(&self) -> &'static str {
        self.base
    }

    /// Whether callers may show a name and a password.
    pub fn takes_passwords(&self) -> bool {
        self.passwords
    }

    /// What it is called.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// Its rows.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The OpenAPI document, as it is served.
    pub fn document(&self) -> &Value {
        &self.document.value
    }

    /// Where rows and descriptions disagree.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let described = self.described();
        let mut rows = Vec::new();
        for operation in &self.operations {
            let name = format!("{} {}", operation.method, operation.path);
            if operation.absence().is_none() && !described.contains(&name) {
                mistakes.push(format!("{name} has no description"));
            }
            if rows.contains(&name) {
                mistakes.push(format!("{name} has two rows"));
            }
            rows.push(name);
        }
        mistakes.extend(
            described.iter().filter(|name| !rows.contains(name)).map(|name| format!("{name} has no row")),
        );
        mistakes
    }

    fn described(&self) -> Vec<String> {
        let mut names = Vec::new();
        for text in &self.descriptions {
            let value = read_yaml(text);
            let paths = value.get("paths").and_then(Value::as_object).cloned().unwrap_or_default();
            for (path, item) in &paths {
                let methods = item.as_object().into_iter().flatten().map(|(method, _)| method);
                names.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
            }
        }
        names
    }

    /// The request body of an operation, if it has one: its schema's place for each media type, and
    /// whether it must be there.
    pub(super) fn request(&self, operation: &Operation) -> Option<(&Map<String, Value>, bool)> {
        let body = self.described_body(operation)?;
        let required = body.get("required").and_then(Value::as_bool).unwrap_or(false);
        Some((body.get("content")?.as_object()?, required))
    }

    /// What is wrong with a JSON body that a client sent.
    pub(super) fn check_request(&self, operation: &Operation, body: &Value) -> Result<Vec<Finding>> {
        let described = self.described_body(operation);
        let schema = described.and_then(|body| body.pointer("/content/application~1json/schema"));
        let Some(schema) = schema else { return Ok(Vec::new()) };
        self.check(&format!("request {} {}", operation.method, operation.path), schema, body)
    }

    /// What is wrong with a JSON answer of ours; tests are told.
    pub(super) fn check_answer(
        &self,
        operation: &Operation,
        status: StatusCode,
        body: Option<&Value>,
    ) -> Result<Vec<Finding>> {
        let Some(described) = self.described_operation(operation) else { return Ok(Vec::new()) };
        let Some(response) = described.get("responses").and_then(|r| r.get(status.as_str())) else {
            return Ok(vec![Finding::new("", format!("status {status} is not described"))]);
        };
        let content = self.resolved(response).pointer("/content/application~1json");
        match (content.and_then(|content| content.get("schema")), body) {
            (Some(schema), Some(body)) => {
                let name = format!("{status} {} {}", operation.method, operation.path);
                self.check(&name, schema, body)
            }
            (None, Some(_)) => Ok(vec![Finding::new("", "a JSON body is not described")]),
            (_, None) => Ok(Vec::new()),
        }
    }

    /// What is wrong with a value, by a schema of this document's components.
    pub(crate) fn check_component(&self, name: &str, value: &Value) -> Result<Vec<Finding>> {
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        self.check(&format!("component {name}"), &schema, value)
    }

    fn check(&self, name: &str, schema: &Value, value: &Value) -> Result<Vec<Finding>> {
        let validator = self.validator(name, schema)?;
        let value = without_nulls(value);
        let findings = validator.iter_errors(&value).take(100);
        // Masked: a value may be a secret, and is the caller's own anyway.
        Ok(findings.map(|e| Finding::new(e.instance_path().to_string(), e.masked().to_string())).collect())
    }

    fn validator(&self, name: &str, schema: &Value) -> Result<Arc<Validator>> {
        let document = &*self.document;
        let mut validators = document.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(validator) = validators.get(name) {
            return Ok(validator.clone());
        }
        let mut root = schema.clone();
        root["components"] = document.value["components"].clone();
        let compiled = jsonschema::options().with_draft(Draft::Draft202012).offline().build(&root);
        let validator = compiled.map_err(|e| Failure::new(format!("the schema of {name} is wrong: {e}")))?;
        Ok(validators.entry(name.to_owned()).or_insert(Arc::new(validator)).clone())
    }

    /// What a reference leads to, or the value itself.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let place = value.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        place.and_then(|place| self.document.value.pointer(place)).unwrap_or(value)
    }

    fn described_body(&self, operation: &Operation) -> Option<&Value> {
        Some(self.resolved(self.described_operation(operation)?.get("requestBody")?))
    }

    fn described_operation(&self, operation: &Operation) -> Option<&Value> {
        let path = self.document.value["paths"].get(&*operation.path)?;
        path.get(operation.method.as_str().to_ascii_lowercase())
    }
}

/// What the document says about a row.
struct Row {
    method: String,
    path: String,
    access: Access,
    absence: Option<&'static str>,
}

impl Row {
    fn of(operation: &Operation) -> Self {
        Self {
            method: operation.method.as_str().to_ascii_lowercase(),
            path: operation.path.to_string(),
            access: operation.access,
            absence: operation.absence(),
        }
    }
}

/// Our own files, embedded; a test reads every one of them.
fn read_yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_default()
}

fn merge(title: &str, base: &str, rows: &[Row], texts: &[&str], passwords: bool) -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": env!("CARGO_PKG_VERSION")},
        "servers": [{"url": base}],
        "paths": {},
        "components": {},
    });
    for text in texts {
        let value = read_yaml(text);
        for part in ["paths", "components"] {
            if let Some(part_value) = value.get(part) {
                graft(&mut document[part], part_value);
            }
        }
    }
    let mut also = Vec::new();
    if passwords {
        document["components"]["securitySchemes"]["Basic"] = json!({"type": "http", "scheme": "basic"});
        also.push(json!({"Basic": []}));
    }
    for row in rows {
        complete(&mut document["paths"][&row.path][&row.method], row, &also);
    }
    document
}

/// Adds what stands in `from`, object by object; a path or schema stands in one file only.
fn graft(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                graft(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// Adds what the row knows: scopes, other ways to say who calls, parameters of the path, refusals.
fn complete(operation: &mut Value, row: &Row, also: &[Value]) {
    if let Some(reason) = row.absence {
        operation["summary"] = "Not offered".into();
        operation["description"] = reason.into();
        operation["responses"]["501"] = json!({"$ref": "#/components/responses/Refusal"});
    }
    if let Access::Scopes(scopes) = row.access {
        let ways = [json!({"OAuth2": scopes})].into_iter().chain(also.iter().cloned());
        operation["security"] = ways.collect();
    }
    operation["responses"]["default"] = json!({"$ref": "#/components/responses/Refusal"});
    let names = row.path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
    let mut parameters: Vec<Value> = names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    if let Some(described) = operation.get("parameters").and_then(Value::as_array) {
        parameters.extend(described.iter().cloned());
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::rest::operation::absent;

    const DESCRIPTION: &str = "
paths:
  /pets: { post: { requestBody: { $ref: '#/components/requestBodies/Pet' } } }
components:
  requestBodies:
    Pet:
      required: true
      content: { application/json: { schema: { type: object, required: [name] } } }
";

    #[test]
    fn a_body_that_several_operations_share_is_checked_like_one_of_their_own() {
        let operations = vec![absent("POST /pets", Access::Anyone, "")];
        let contract = Contract::new("Pets", "/pets", vec![Noun { operations, description: DESCRIPTION }]);
        let operation = &contract.operations()[0];
        let (content, required) = contract.request(operation).unwrap();
        assert!(required && content.contains_key("application/json"));
        assert_eq!(contract.check_request(operation, &json!({"name": "Rex"})).unwrap().len(), 0);
        assert_eq!(contract.check_request(operation, &json!({})).unwrap().len(), 1);
    }
}
