//! One view of requests and answers, for mediators that do the same to both.

use apim_core::fault::{self, Fault};
use apim_core::mediator::Stage;
use apim_core::message::{ContentError, Payload};
use apim_core::{Context, Exchange};
use http::{HeaderMap, HeaderValue};

pub(super) fn headers<'a>(stage: &'a Stage<'_>) -> &'a HeaderMap {
    match stage {
        Stage::Request(exchange) => exchange.headers(),
        Stage::Response(answer) | Stage::Fault(answer) => answer.headers(),
    }
}

pub(super) fn headers_mut<'a>(stage: &'a mut Stage<'_>) -> &'a mut HeaderMap {
    match stage {
        Stage::Request(exchange) => exchange.headers_mut(),
        Stage::Response(answer) | Stage::Fault(answer) => answer.headers_mut(),
    }
}

pub(super) fn context<'a>(stage: &'a Stage<'_>) -> &'a Context {
    match stage {
        Stage::Request(exchange) => exchange.context(),
        Stage::Response(answer) | Stage::Fault(answer) => answer.context(),
    }
}

pub(super) async fn payload<'a>(stage: &'a mut Stage<'_>) -> Result<&'a Payload, ContentError> {
    match stage {
        Stage::Request(exchange) => exchange.payload().await,
        Stage::Response(answer) | Stage::Fault(answer) => answer.payload().await,
    }
}

pub(super) fn set_payload(stage: &mut Stage<'_>, payload: Payload, media_type: &'static str) {
    let media_type = HeaderValue::from_static(media_type);
    match stage {
        Stage::Request(exchange) => exchange.message_mut().set_payload(payload, media_type),
        Stage::Response(answer) | Stage::Fault(answer) => {
            answer.message_mut().set_payload(payload, media_type);
        }
    }
}

/// The exchange of a mediator that works on requests only. Deployment sees to it that it meets no others.
pub(super) fn request<'a>(stage: Stage<'a>) -> Result<&'a mut Exchange, Fault> {
    match stage {
        Stage::Request(exchange) => Ok(exchange),
        Stage::Response(_) | Stage::Fault(_) => {
            Err(Fault::new(fault::INTERNAL).detail("a mediator for requests met an answer"))
        }
    }
}
