//! What is kept of one answer.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use apim_core::event::Revision;
use apim_core::model::ApiId;
use apim_core::{Context, Explanation, Fact, Fault, RequestId, Timestamp};
use http::{Method, StatusCode};
use serde_json::Value;

use super::concealed;
use super::short::Short;
use crate::deploy::View;

/// Errors behind a fault that are told.
const MOST_CAUSES: usize = 8;

/// One answer of the gateway's own. It keeps no part of the request alive but the fault.
pub(super) struct Record {
    pub(super) id: RequestId,
    at: Timestamp,
    status: StatusCode,
    stage: &'static str,
    fault: Option<Arc<Fault>>,
    revision: Revision,
    /// Not the API itself: a ring full of refusals must not keep every revision that there ever was.
    api: Option<ApiId>,
    operation: Short<96>,
    method: Method,
    path: Short<128>,
    client: IpAddr,
    worker: usize,
}

impl Record {
    pub(super) fn of(context: &Context, status: StatusCode) -> Self {
        Self {
            id: context.request_id,
            at: context.received_at,
            status,
            stage: context.answered_by.unwrap_or("gateway"),
            fault: context.fault.clone(),
            revision: View::of(context).map(View::revision).unwrap_or_default(),
            api: context.api.as_ref().map(|api| api.id.clone()),
            operation: Short::of(context.operation().map_or("", |operation| &operation.path)),
            method: context.method.clone(),
            path: Short::of(context.uri.path()),
            client: context.client_ip,
            worker: context.worker.0,
        }
    }

    pub(super) fn explain(&self, view: &View) -> Explanation {
        let fault = self.fault.as_deref();
        let api = self.api.as_ref().and_then(|id| view.api(id)).map(|deployed| deployed.api());
        Explanation {
            request_id: self.id.to_string(),
            at: self.at.to_string(),
            status: self.status.as_u16(),
            code: fault.map(|fault| fault.code().number),
            message: fault.map(|fault| fault.code().message.to_owned()),
            description: fault.map(|fault| concealed(fault.description())),
            stage: self.stage.to_owned(),
            rule: fault.and_then(Fault::deciding_rule).map(str::to_owned),
            wanted: fault.and_then(Fault::wanted_fact).map(value),
            found: fault.and_then(Fault::found_fact).map(value),
            detail: fault.and_then(Fault::operator_detail).map(concealed),
            causes: fault.map(causes).unwrap_or_default(),
            revision: self.revision.0,
            api_id: self.api.as_ref().map(ToString::to_string),
            api: api.map(|api| format!("{}:{}", api.name, api.version)),
            operation: (!self.operation.is_empty()).then(|| self.operation.text()),
            method: self.method.to_string(),
            path: self.path.text(),
            client: self.client.to_string(),
            worker: self.worker,
            gateway: None,
        }
    }
}

fn value(fact: &Fact) -> Value {
    match fact {
        Fact::Number(number) => Value::from(*number),
        Fact::List(facts) => facts.iter().map(value).collect(),
        other => Value::String(concealed(&other.to_string())),
    }
}

fn causes(fault: &Fault) -> Vec<String> {
    std::iter::successors(fault.source(), |error| (*error).source())
        .take(MOST_CAUSES)
        .map(|error| concealed(&error.to_string()))
        .collect()
}
