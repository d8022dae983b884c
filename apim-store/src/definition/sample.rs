//! What operations answer by example: as the definition says, or else made from its schemas.

use apim_core::model::Example;
use serde_json::{Map, Value, json};

use super::{Limits, parse, reference};

/// Levels of a value that is made from a schema; below them it ends with `null`.
const DEEPEST: usize = 8;
/// Values that are made of one schema.
const MOST_VALUES: usize = 1_000;
/// Answers of one operation.
const MOST_ANSWERS: usize = 64;
/// Bytes of all answers of a definition.
const MOST_BYTES: usize = 4 << 20;
/// The key under which WSO2 keeps a script of a mock.
const SCRIPT: &str = "x-mediation-script";

/// The examples of a definition.
#[derive(Debug)]
pub struct Samples {
    document: Value,
    bytes: usize,
}

impl Samples {
    /// Reads a definition.
    ///
    /// ```
    /// use apim_store::definition::{Limits, Samples};
    ///
    /// let text = "openapi: 3.0.3\ninfo: {title: Pets, version: '1'}\npaths: {/pets: {get: {responses: {'200': \
    ///     {description: all, content: {application/json: {schema: {type: array, items: {type: string}}}}}}}}}";
    /// let mut samples = Samples::of(text.as_bytes(), &Limits::default()).unwrap();
    /// assert_eq!(samples.answers("GET", "/pets").unwrap()[0].body, r#"["string"]"#);
    /// ```
    ///
    /// # Errors
    ///
    /// A sentence about what is wrong with it.
    pub fn of(definition: &[u8], limits: &Limits) -> Result<Self, String> {
        let document = parse(definition, limits).map_err(|finding| finding.message)?;
        Ok(Self { document, bytes: 0 })
    }

    /// What an operation answers, those that succeed first. None, if the definition does not know the operation or
    /// names no response by number.
    ///
    /// # Errors
    ///
    /// A sentence, if that is more than a mock may hold or says something else than a definition can.
    pub fn answers(&mut self, method: &str, path: &str) -> Result<Vec<Example>, String> {
        let Some(operation) = self.operation(method, path) else { return Ok(Vec::new()) };
        if operation.get(SCRIPT).and_then(Value::as_str).is_some_and(|script| !script.trim().is_empty()) {
            return Err(format!(
                "scripts are not run; take {SCRIPT} away, and examples answer {method} {path}"
            ));
        }
        let mut answers = Vec::new();
        let responses = operation["responses"].as_object();
        for (code, response) in responses.into_iter().flatten() {
            // What is said of all others says nothing, unless there are no others.
            if code == "default" && responses.is_some_and(|all| all.len() > 1) {
                continue;
            }
            let Some(status) = status(code) else { continue };
            let Some(response) = reference::resolve(&self.document, response) else { continue };
            self.of_response(status, response, operation, &mut answers);
        }
        answers.sort_by_key(|answer| (!(200..300).contains(&answer.status), answer.status));
        let bytes: usize = answers.iter().map(|answer| answer.body.len()).sum();
        self.bytes += bytes;
        match answers.len() > MOST_ANSWERS || self.bytes > MOST_BYTES {
            true => Err(format!("the examples of {method} {path} are more than a mock can hold")),
            false => Ok(answers),
        }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let item = reference::resolve(&self.document, self.document["paths"].get(path)?)?;
        item.get(method.to_ascii_lowercase())
    }

    fn of_response(&self, status: u16, response: &Value, operation: &Value, answers: &mut Vec<Example>) {
        let before = answers.len();
        for (media_type, media) in response["content"].as_object().into_iter().flatten() {
            self.of_media(status, media_type, media, answers);
        }
        // Version 2 names an example by its media type, and one schema for all of them.
        for (media_type, value) in response["examples"].as_object().into_iter().flatten() {
            answers.push(written(status, None, media_type, value));
        }
        if answers.len() == before
            && let Some(schema) = response.get("schema")
        {
            let produced = [&operation["produces"], &self.document["produces"]];
            let media_type =
                produced.into_iter().find_map(|list| list[0].as_str()).unwrap_or("application/json");
            answers.push(written(status, None, media_type, &self.made(schema)));
        }
        if answers.len() == before {
            answers.push(Example { status, name: None, media_type: None, body: String::new() });
        }
    }

    fn of_media(&self, status: u16, media_type: &str, media: &Value, answers: &mut Vec<Example>) {
        let before = answers.len();
        if let Some(value) = media.get("example") {
            answers.push(written(status, None, media_type, value));
        }
        for (name, example) in media["examples"].as_object().into_iter().flatten() {
            let example = reference::resolve(&self.document, example);
            if let Some(value) = example.and_then(|example| example.get("value")) {
                answers.push(written(status, Some(name), media_type, value));
            }
        }
        if answers.len() == before {
            let value = media.get("schema").map_or(Value::Null, |schema| self.made(schema));
            answers.push(written(status, None, media_type, &value));
        }
    }

    /// A value that a schema describes. Not all rules of schemas are kept, only types, formats and what is required
    /// by being there.
    fn made(&self, schema: &Value) -> Value {
        Maker { document: &self.document, left: MOST_VALUES }.value(schema, DEEPEST)
    }
}

/// A number; `2XX` and `default` stand for 200.
fn status(code: &str) -> Option<u16> {
    match code {
        "default" => Some(200),
        "2XX" | "2xx" => Some(200),
        _ => code.parse().ok().filter(|status| (200..=599).contains(status)),
    }
}

fn written(status: u16, name: Option<&String>, media_type: &str, value: &Value) -> Example {
    // A text stands for itself where it cannot be meant as JSON.
    let is_json = media_type.to_ascii_lowercase().contains("json");
    let body = match value {
        Value::String(text) if !is_json => text.clone(),
        value => value.to_string(),
    };
    Example { status, name: name.cloned(), media_type: Some(media_type.to_owned()), body }
}

/// Makes one value.
struct Maker<'a> {
    document: &'a Value,
    left: usize,
}

impl<'a> Maker<'a> {
    fn value(&mut self, schema: &'a Value, depth: usize) -> Value {
        let Some(schema) = reference::resolve(self.document, schema) else { return Value::Null };
        // What ends with `null` for its depth counts as well: a level may be wide.
        let Some(left) = self.left.checked_sub(1) else { return Value::Null };
        self.left = left;
        if depth == 0 {
            return Value::Null;
        }
        for key in ["example", "default", "const"] {
            if let Some(value) = schema.get(key) {
                return value.clone();
            }
        }
        for key in ["examples", "enum"] {
            if let Some(value) = schema.get(key).and_then(|list| list.get(0)) {
                return value.clone();
            }
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            return self.merged(schema, parts, depth);
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(first) = schema.get(key).and_then(|list| list.get(0)) {
                return self.value(first, depth - 1);
            }
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => match schema.get("items") {
                Some(items) => json!([self.value(items, depth - 1)]),
                None => json!([]),
            },
            "string" => text(schema),
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(0)),
            "boolean" => json!(true),
            _ => Value::Null,
        }
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Value {
        let mut members = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if self.left == 0 {
                break;
            }
            members.insert(name.clone(), self.value(property, depth - 1));
        }
        Value::Object(members)
    }

    fn merged(&mut self, schema: &'a Value, parts: &'a [Value], depth: usize) -> Value {
        let Value::Object(mut whole) = self.object(schema, depth) else { return Value::Null };
        for part in parts {
            match self.value(part, depth - 1) {
                Value::Object(members) => whole.extend(members),
                Value::Null => {}
                other if whole.is_empty() => return other,
                _ => {}
            }
        }
        Value::Object(whole)
    }
}

fn kind(schema: &Value) -> &str {
    let named = match &schema["type"] {
        // Version 3.1 may list several; one of them is as good as another, save that of nothing.
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    named.unwrap_or(if schema.get("properties").is_some() { "object" } else { "" })
}

fn text(schema: &Value) -> Value {
    let text = match schema["format"].as_str() {
        Some("date") => "2024-01-31",
        Some("date-time") => "2024-01-31T12:00:00Z",
        Some("uuid") => "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        Some("email") => "user@example.com",
        Some("uri" | "url") => "https://example.com",
        Some("ipv4") => "192.0.2.1",
        Some("byte") => "c3RyaW5n",
        _ => "string",
    };
    text.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answers(responses: &Value) -> Vec<(u16, Option<String>, String)> {
        let document = json!({
            "openapi": "3.0.3", "info": {"title": "t", "version": "1"},
            "paths": {"/p": {"get": {"responses": responses}}},
            "components": {"schemas": {"Node": {"type": "object", "properties": {
                "id": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Node"},
            }}}},
        });
        let mut samples = Samples::of(document.to_string().as_bytes(), &Limits::default()).unwrap();
        let answers = samples.answers("GET", "/p").unwrap();
        answers.into_iter().map(|answer| (answer.status, answer.name, answer.body)).collect()
    }

    fn json(media: Value) -> Value {
        json!({"description": "", "content": {"application/json": media}})
    }

    #[test]
    fn examples_come_before_what_is_made_and_success_before_failure() {
        let found = answers(&json!({
            "404": json(json!({"schema": {"type": "object", "properties": {"why": {"type": "string"}}}})),
            "200": json(json!({"example": {"id": 7}, "examples": {"tom": {"value": {"id": 8}}}})),
            "204": {"description": ""},
        }));
        assert_eq!(found[0], (200, None, r#"{"id":7}"#.to_owned()));
        assert_eq!(found[1], (200, Some("tom".to_owned()), r#"{"id":8}"#.to_owned()));
        assert_eq!((found[2].0, found[3].0, found[3].2.as_str()), (204, 404, r#"{"why":"string"}"#));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends_somewhere() {
        let schema = json!({"schema": {"$ref": "#/components/schemas/Node"}});
        let found = answers(&json!({"200": json(schema)}));
        assert_eq!(found[0].2.matches("\"id\"").count(), DEEPEST);
        let wide: Map<_, _> = (0..50).map(|n| (n.to_string(), json!({"$ref": "#/x"}))).collect();
        let bomb = json!({"x": {"type": "object", "properties": wide}});
        let made = Maker { document: &bomb, left: MOST_VALUES }.value(&bomb["x"], DEEPEST);
        assert!(made.to_string().len() < 20 * MOST_VALUES);
    }

    #[test]
    fn kinds_and_formats_are_kept() {
        let properties = json!({
            "a": {"type": "string", "format": "date"}, "b": {"type": ["null", "integer"], "minimum": 3},
            "c": {"enum": ["x", "y"]}, "d": {"allOf": [{"properties": {"e": {"type": "boolean"}}}]},
            "f": {"oneOf": [{"type": "number"}, {"type": "string"}]},
        });
        let found = answers(&json!({"200": json(json!({"schema": {"properties": properties}}))}));
        assert_eq!(found[0].2, r#"{"a":"2024-01-31","b":3,"c":"x","d":{"e":true},"f":0}"#);
    }
}
