//! What a handler is called with.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::Value;

use super::contract::Contract;
use super::expected;
use super::page::Page;
use crate::error::{Finding, Refusal, Result, code};
use crate::plane::House;
use crate::service::Expected;

/// One request, parsed and validated.
pub struct Call {
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Input,
    pub(crate) house: Arc<House>,
    pub(crate) contract: Arc<Contract>,
}

/// The body of a request.
pub(crate) enum Input {
    None,
    Json(Value),
    Multipart(Vec<Part>),
}

/// One part of a form.
#[derive(Debug, Clone)]
pub struct Part {
    /// The field's name.
    pub name: String,
    /// The file's name, if it is one. Never a path to be used as such.
    pub file_name: Option<String>,
    /// The media type, if one is given.
    pub content_type: Option<String>,
    /// The content.
    pub bytes: Bytes,
}

impl Call {
    /// A parameter of the path.
    ///
    /// # Errors
    ///
    /// 404 if the row has no such parameter.
    pub fn parameter(&self, name: &str) -> Result<&str> {
        Ok(find(&self.parameters, name).ok_or_else(|| code::NO_SUCH_PATH.because(format!("no {name}")))?)
    }

    /// A parameter of the query; blank is absent.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name).filter(|value| !value.is_empty())
    }

    /// A parameter of the query that must be there.
    ///
    /// # Errors
    ///
    /// 400 if it is not.
    pub fn required(&self, name: &str) -> Result<&str> {
        let missing =
            || code::BAD_REQUEST.found(vec![Finding::new(name, "this query parameter is required")]);
        Ok(self.query(name).ok_or_else(missing)?)
    }

    /// A parameter of the query that is `true` or `false`.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.query(name).map(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Which page is asked for.
    ///
    /// # Errors
    ///
    /// 400 if it is not made of numbers.
    pub fn page(&self) -> Result<Page> {
        Ok(Page::parse(self.query("offset"), self.query("limit"))?)
    }

    /// Which versions the caller is willing to change (`If-Match`).
    pub fn if_match(&self) -> Expected {
        match self.headers.get(header::IF_MATCH).map(expected::versions) {
            None | Some(None) => Expected::any(),
            Some(Some(versions)) => Expected::one_of(versions),
        }
    }

    /// The JSON body; `null` if there is none.
    pub fn document(&self) -> &Value {
        match &self.body {
            Input::Json(document) => document,
            _ => &Value::Null,
        }
    }

    /// Takes the JSON body out.
    pub fn into_document(self) -> Value {
        match self.body {
            Input::Json(document) => document,
            _ => Value::Null,
        }
    }

    /// A part of the form; blank is absent.
    pub fn part(&self, name: &str) -> Option<&Part> {
        let Input::Multipart(parts) = &self.body else { return None };
        parts.iter().find(|part| part.name == name && !part.bytes.is_empty())
    }

    /// A part of the form that is text.
    ///
    /// # Errors
    ///
    /// 400 if it is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        let Some(part) = self.part(name) else { return Ok(None) };
        let text = std::str::from_utf8(&part.bytes).ok();
        let text = text
            .filter(|text| !text.contains('\0'))
            .ok_or_else(|| code::BAD_REQUEST.found(vec![Finding::new(name, "is not UTF-8 text")]))?;
        Ok(Some(text))
    }

    /// A part of the form that is JSON text.
    ///
    /// # Errors
    ///
    /// 400 if it is not JSON.
    pub fn json(&self, name: &str) -> Result<Option<Value>> {
        let Some(part) = self.part(name) else { return Ok(None) };
        if part.bytes.len() > super::frame::JSON_LIMIT {
            let text = format!("{name} may have {} bytes", super::frame::JSON_LIMIT);
            return Err(code::TOO_LARGE.because(text).into());
        }
        let bad = |error: Finding| -> Refusal {
            code::BAD_REQUEST.found(vec![Finding::new(name, format!("is not JSON: {error}"))])
        };
        Ok(Some(super::json::parse(&part.bytes).map_err(bad)?))
    }

    /// Checks a document that did not come as the body, by the name of its schema.
    ///
    /// # Errors
    ///
    /// 400, with every place that is wrong.
    pub fn check_component(&self, schema: &str, document: &Value) -> Result<()> {
        let findings = self.contract.check_component(schema, document)?;
        match findings.is_empty() {
            true => Ok(()),
            false => Err(code::BAD_REQUEST.found(findings).into()),
        }
    }

    /// What the control plane was built with.
    pub fn house(&self) -> &Arc<House> {
        &self.house
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
