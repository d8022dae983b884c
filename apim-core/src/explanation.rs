//! Why a request was answered as it was, for the operator who asks by its id.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;

use futures_core::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::{BusError, Never};
use crate::exchange::RequestId;

/// What a gateway remembers of an answer that it made itself.
///
/// It is put together when somebody asks, from a record that holds the facts. It names rules, ids and what
/// was compared; credentials are never part of it. It travels as JSON from gateways to the control plane, and
/// prints as text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The request's id, 32 hexadecimal digits.
    pub request_id: String,
    /// When the request came, RFC 3339 in UTC.
    pub at: String,
    /// The status it was answered with.
    pub status: u16,
    /// The code of the refusal or failure; none if a handler answered without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// What the code means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the caller was told beyond that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The stage that answered: a link of the chain by its name, or `router`, `origin`, `upstream`.
    pub stage: String,
    /// The rule that decided, as `operation.scopes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the rule wanted: text, a number, or a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Value>,
    /// What it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Value>,
    /// What else the stage had to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The errors behind it, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The revision that was in force for this request.
    pub revision: u64,
    /// The API's id, if the request reached one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<String>,
    /// The API's name and version, as `PetStore:1.0.0`, if it is still deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// The operation's path template, as `/pets/{id}`, if one was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The client's method.
    pub method: String,
    /// The client's path, without its query, up to 128 bytes.
    pub path: String,
    /// The client's address.
    pub client: String,
    /// Which worker of the gateway answered, from 0.
    pub worker: usize,
    /// Which gateway answered, where several may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: &dyn fmt::Display| writeln!(f, "{name:<12}{value}");
        line("request", &self.request_id)?;
        line("at", &self.at)?;
        line("call", &format_args!("{} {} from {}", self.method, self.path, self.client))?;
        line("answered", &format_args!("{} by {}", self.status, self.stage))?;
        if let (Some(code), Some(message)) = (self.code, &self.message) {
            line("code", &format_args!("{code} {message}"))?;
        }
        let texts = [("told", &self.description), ("rule", &self.rule)];
        for (name, value) in texts {
            if let Some(value) = value {
                line(name, value)?;
            }
        }
        for (name, fact) in [("wanted", &self.wanted), ("found", &self.found)] {
            match fact {
                Some(Value::String(text)) => line(name, text)?,
                Some(other) => line(name, other)?,
                None => {}
            }
        }
        if let Some(detail) = &self.detail {
            line("detail", detail)?;
        }
        for cause in &self.causes {
            line("cause", cause)?;
        }
        match (&self.api, &self.api_id) {
            (Some(api), Some(id)) => line("api", &format_args!("{api} ({id})"))?,
            (None, Some(id)) => line("api", &format_args!("({id})"))?,
            _ => {}
        }
        if let Some(operation) = &self.operation {
            line("operation", operation)?;
        }
        line("revision", &self.revision)?;
        line("worker", &self.worker)?;
        if let Some(gateway) = &self.gateway {
            line("gateway", gateway)?;
        }
        Ok(())
    }
}

/// Somebody at the control plane wants to know why a request was answered as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Its number, to be given back with the answer.
    pub number: u64,
    /// The request in question.
    pub request: RequestId,
}

/// Questions as they are asked.
pub type QuestionStream = Pin<Box<dyn Stream<Item = Result<Question, BusError>> + Send>>;

/// A stream of questions that nobody asks.
pub(crate) fn no_questions() -> QuestionStream {
    Box::pin(Never(PhantomData))
}
