//! Values that refer to the message they go into.
//!
//! `${json.order.items[0].name}` is a value in the body, `${header.x-user}` a header, `${query.page}` a query
//! parameter, `${uri.id}` what stands for `{id}` in the operation's path. Besides there are `${api.name}`,
//! `${api.version}`, `${api.context}`, `${request.id}`, `${request.method}`, `${client.ip}`, `${caller.user}`
//! and `${caller.application}`. `$${` is a plain `${`.
//!
//! A template is total: what is not there is empty text, or `null` in JSON. It is bounded: it cannot loop, and
//! what it makes is no larger than [`LARGEST`]. In JSON a text that is one reference and nothing else becomes the
//! value itself, so numbers stay numbers; all text is escaped, because it is never pasted.
//!
//! ```
//! use apim_gateway::mediation::template::Template;
//!
//! assert!(Template::parse("for ${header.x-user}").is_ok());
//! assert_eq!(Template::parse("${hedder.x}").unwrap_err(), "`${hedder.x}` refers to nothing; there are json, header, query, uri, api, request, client and caller");
//! ```

use apim_core::fault::{self, Fault};
use apim_core::mediator::Stage;
use apim_core::message::Payload;
use http::HeaderName;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::handler::Original;
use super::message;
use crate::format::convert;

/// Bytes that a template may make of one message.
pub const LARGEST: usize = 1 << 20;

/// Text with references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Reference(Reference),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reference {
    Json(Vec<String>),
    Header(HeaderName),
    Query(String),
    Uri(String),
    Known(Known),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    ApiName,
    ApiVersion,
    ApiContext,
    RequestId,
    RequestMethod,
    ClientIp,
    CallerUser,
    CallerApplication,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// A sentence about the first reference that can never mean anything.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                rest = after;
                continue;
            }
            plain.push_str(before);
            let (name, after) = after.split_once('}').ok_or_else(|| format!("`${{{after}` has no end"))?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Reference(Reference::parse(name.trim())?));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    fn reads_body(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Reference(Reference::Json(_))))
    }

    /// The text for a message. `encode` is applied to what references mean, not to the template's own text.
    pub(super) async fn text(
        &self,
        stage: &mut Stage<'_>,
        encode: fn(&Origin<'_>, &str) -> String,
    ) -> Result<String, Fault> {
        let body = if self.reads_body() { Some(body(stage).await?) } else { None };
        self.fill(stage, body.as_ref(), encode, LARGEST)
    }

    /// The same of a body that has been read, in so many bytes at most. They are counted after each piece: a value that
    /// stands in it a thousand times is not written a thousand times before it is too much.
    fn fill(
        &self,
        stage: &Stage<'_>,
        body: Option<&Value>,
        encode: fn(&Origin<'_>, &str) -> String,
        most: usize,
    ) -> Result<String, Fault> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Reference(reference) => {
                    let value = reference.value(stage, body);
                    text.push_str(&encode(&Origin(reference), &plain(&value)));
                }
            }
            if text.len() > most {
                return Err(too_large());
            }
        }
        Ok(text)
    }
}

/// What an encoder may know of a reference: whether its text comes from the path, and is encoded already.
pub(super) struct Origin<'a>(&'a Reference);

impl Origin<'_> {
    pub(super) fn is_path(&self) -> bool {
        matches!(self.0, Reference::Uri(_))
    }
}

/// Leaves a value as it is.
pub(super) fn as_is(_: &Origin<'_>, text: &str) -> String {
    text.to_owned()
}

impl Reference {
    fn parse(name: &str) -> Result<Self, String> {
        let (kind, rest) = name.split_once(['.', '[']).unwrap_or((name, ""));
        let rest = if name[kind.len()..].starts_with('[') { &name[kind.len()..] } else { rest };
        let known = |known| Ok(Self::Known(known));
        match (kind, rest) {
            ("json", path) => {
                json_path(path).map(Self::Json).ok_or_else(|| format!("`${{{name}}}` is no path"))
            }
            ("header", header) => {
                header.parse().map(Self::Header).map_err(|_| format!("`${{{name}}}` names no header"))
            }
            ("query", query) if !query.is_empty() => Ok(Self::Query(query.to_owned())),
            ("uri", variable) if !variable.is_empty() => Ok(Self::Uri(variable.to_owned())),
            ("api", "name") => known(Known::ApiName),
            ("api", "version") => known(Known::ApiVersion),
            ("api", "context") => known(Known::ApiContext),
            ("request", "id") => known(Known::RequestId),
            ("request", "method") => known(Known::RequestMethod),
            ("client", "ip") => known(Known::ClientIp),
            ("caller", "user") => known(Known::CallerUser),
            ("caller", "application") => known(Known::CallerApplication),
            _ => Err(format!(
                "`${{{name}}}` refers to nothing; there are json, header, query, uri, api, request, client and caller"
            )),
        }
    }

    fn value(&self, stage: &Stage<'_>, body: Option<&Value>) -> Value {
        let found = match self {
            Self::Json(path) => return body.and_then(|body| at(body, path)).cloned().unwrap_or_default(),
            Self::Header(name) => {
                message::headers(stage).get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
            }
            Self::Query(name) => query(stage, name),
            Self::Uri(variable) => uri_variable(stage, variable),
            Self::Known(known) => known.value(stage),
        };
        found.map_or(Value::Null, Value::String)
    }
}

impl Known {
    fn value(self, stage: &Stage<'_>) -> Option<String> {
        let context = message::context(stage);
        let api = context.api.as_deref();
        let principal = context.principal.as_ref();
        match self {
            Self::ApiName => api.map(|api| api.name.clone()),
            Self::ApiVersion => api.map(|api| api.version.clone()),
            Self::ApiContext => api.map(|api| api.versioned_context()),
            Self::RequestId => Some(context.request_id.to_string()),
            Self::RequestMethod => Some(context.method.to_string()),
            Self::ClientIp => Some(context.client_ip.to_string()),
            Self::CallerUser => principal.map(|principal| principal.user.to_string()),
            Self::CallerApplication => {
                principal.and_then(|principal| Some(principal.application.as_ref()?.name.clone()))
            }
        }
    }
}

/// JSON with references in its texts.
#[derive(Debug, Clone)]
pub struct JsonShape(Shape);

#[derive(Debug, Clone)]
enum Shape {
    Plain(Value),
    /// A text that is one reference: the value itself.
    Value(Reference),
    Text(Template),
    Array(Vec<Shape>),
    Object(Vec<(String, Shape)>),
}

impl JsonShape {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// As [`Template::parse`].
    pub fn parse(value: &Value) -> Result<Self, String> {
        Shape::parse(value, crate::format::DEPTH).map(Self)
    }

    /// The value for a message.
    pub(super) async fn value(&self, stage: &mut Stage<'_>) -> Result<Value, Fault> {
        let body = if self.0.reads_body() { Some(body(stage).await?) } else { None };
        let mut left = LARGEST;
        self.0.fill(stage, body.as_ref(), &mut left)
    }
}

impl Shape {
    fn parse(value: &Value, depth: usize) -> Result<Self, String> {
        let depth = depth.checked_sub(1).ok_or("the template is nested too deep")?;
        Ok(match value {
            Value::String(text) => {
                let mut template = Template::parse(text)?;
                match (template.pieces.pop(), template.pieces.is_empty()) {
                    (None, _) => Self::Plain(Value::String(String::new())),
                    (Some(Piece::Text(text)), true) => Self::Plain(Value::String(text)),
                    (Some(Piece::Reference(reference)), true) => Self::Value(reference),
                    (Some(last), false) => {
                        template.pieces.push(last);
                        Self::Text(template)
                    }
                }
            }
            Value::Array(items) => {
                Self::Array(items.iter().map(|item| Self::parse(item, depth)).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let member =
                    |(name, value): (&String, &Value)| Ok((name.clone(), Self::parse(value, depth)?));
                Self::Object(members.iter().map(member).collect::<Result<_, String>>()?)
            }
            plain => Self::Plain(plain.clone()),
        })
    }

    fn reads_body(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Value(reference) => matches!(reference, Reference::Json(_)),
            Self::Text(template) => template.reads_body(),
            Self::Array(items) => items.iter().any(Self::reads_body),
            Self::Object(members) => members.iter().any(|(_, shape)| shape.reads_body()),
        }
    }

    fn fill(&self, stage: &Stage<'_>, body: Option<&Value>, left: &mut usize) -> Result<Value, Fault> {
        let value = match self {
            Self::Plain(value) => value.clone(),
            Self::Value(reference) => reference.value(stage, body),
            Self::Text(template) => Value::String(template.fill(stage, body, as_is, *left)?),
            Self::Array(items) => {
                let items = items.iter().map(|item| item.fill(stage, body, left));
                return items.collect::<Result<_, _>>().map(Value::Array);
            }
            Self::Object(members) => {
                let mut filled = Map::new();
                for (name, shape) in members {
                    filled.insert(name.clone(), shape.fill(stage, body, left)?);
                }
                return Ok(Value::Object(filled));
            }
        };
        let size = weight(&value);
        *left = left.checked_sub(size).ok_or_else(too_large)?;
        Ok(value)
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 2,
        Value::Object(members) => {
            members.iter().map(|(name, value)| name.len() + weight(value)).sum::<usize>() + 2
        }
        _ => 8,
    }
}

/// The body as JSON, whatever it is written in; `null` if it is nothing that could be.
async fn body(stage: &mut Stage<'_>) -> Result<Value, Fault> {
    Ok(match message::payload(stage).await? {
        Payload::Json(value) => value.clone(),
        Payload::Xml(document) => convert::xml_to_json(document),
        Payload::Form(pairs) => convert::form_to_json(pairs),
        Payload::Text(text) => Value::String(text.clone()),
        _ => Value::Null,
    })
}

fn json_path(path: &str) -> Option<Vec<String>> {
    let path = path.replace('[', ".").replace(']', "");
    let path = path.strip_prefix('.').unwrap_or(&path);
    if path.is_empty() {
        return Some(Vec::new());
    }
    let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
    steps.iter().all(|step| !step.is_empty()).then_some(steps)
}

fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match value {
        Value::Object(members) => members.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

fn query(stage: &Stage<'_>, name: &str) -> Option<String> {
    let uri = match stage {
        Stage::Request(exchange) => exchange.uri(),
        Stage::Response(answer) | Stage::Fault(answer) => &answer.context().uri,
    };
    let pairs = form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// What stands in the path where the operation's template has a variable, as it was sent: encoded.
fn uri_variable(stage: &Stage<'_>, variable: &str) -> Option<String> {
    let context = message::context(stage);
    let template = &context.operation()?.path;
    let original = context.slots.get::<Original>()?;
    let mut values = original.0.path().split('/');
    for segment in template.split('/') {
        let value = values.next()?;
        if segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) == Some(variable) {
            return Some(value.to_owned());
        }
    }
    None
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn too_large() -> Fault {
    Fault::new(fault::BODY_TOO_LARGE).because(format!("A template may make no more than {LARGEST} bytes"))
}
