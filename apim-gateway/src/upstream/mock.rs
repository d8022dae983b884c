//! Answers by example, without a backend.
//!
//! The operation's first example is what it answers, unless the request prefers another: `Prefer: code=404` or
//! `example=fluffy` (RFC 7240), or a media type in `Accept`. A preference that no example meets is passed over.

use apim_core::model::{Example, Operation};
use apim_core::{Body, Fault, fault};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The example for a request.
pub(super) fn answer(operation: Option<&Operation>, headers: &HeaderMap) -> Result<Response<Body>, Fault> {
    let examples = operation.map_or(&[][..], |operation| &operation.examples);
    let mut left: Vec<&Example> = examples.iter().collect();
    let mut applied = Vec::new();
    for (name, value) in preferences(headers) {
        let meets = |example: &&&Example| match name {
            "code" => value.parse() == Ok(example.status),
            _ => example.name.as_deref() == Some(value),
        };
        let met: Vec<&Example> = left.iter().filter(meets).copied().collect();
        if !met.is_empty() {
            left = met;
            applied.push(format!("{name}={value}"));
        }
    }
    let status = left.first().map(|example| example.status);
    let alike = left.iter().filter(|example| Some(example.status) == status);
    let Some(example) = alike.clone().find(|example| accepts(headers, example)).or_else(|| left.first())
    else {
        let none = Fault::new(fault::INTERNAL).with_status(StatusCode::NOT_IMPLEMENTED);
        return Err(none.because("There is no example of what this operation answers"));
    };
    let mut response = Response::new(Body::from(example.body.clone()));
    *response.status_mut() = StatusCode::from_u16(example.status).unwrap_or(StatusCode::OK);
    let value = |text: &str| HeaderValue::from_str(text).ok();
    if let Some(media_type) = example.media_type.as_deref().and_then(value) {
        response.headers_mut().insert(CONTENT_TYPE, media_type);
    }
    if let Some(applied) = value(&applied.join(", ")).filter(|applied| !applied.is_empty()) {
        response.headers_mut().insert(APPLIED, applied);
    }
    Ok(response)
}

/// What is asked for in `Prefer` that a mock knows: `code` and `example`.
fn preferences(headers: &HeaderMap) -> impl Iterator<Item = (&'static str, &str)> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split([',', ';'])).filter_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let name = ["code", "example"].into_iter().find(|known| known.eq_ignore_ascii_case(name.trim()))?;
        Some((name, value.trim().trim_matches('"')))
    })
}

/// Whether `Accept` names the example's media type, by itself or by a range; nothing else of it is weighed.
fn accepts(headers: &HeaderMap, example: &Example) -> bool {
    let Some(media_type) = example.media_type.as_deref() else { return false };
    let media_type = essence(media_type);
    let kind = media_type.split('/').next().unwrap_or_default();
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(essence).any(|range| {
        let whole = range.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(kind));
        range == "*/*" || whole || range.eq_ignore_ascii_case(media_type)
    })
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Says what is wrong with an operation's examples.
pub(super) fn check(operation: &Operation) -> Result<(), (usize, String)> {
    for (index, example) in operation.examples.iter().enumerate() {
        if !(200..=599).contains(&example.status) {
            return Err((index, format!("{} is no status of an answer", example.status)));
        }
        if example.media_type.as_deref().is_some_and(|text| HeaderValue::from_str(text).is_err()) {
            return Err((index, "its media type cannot be sent".to_owned()));
        }
        if example.media_type.is_none() && !example.body.is_empty() {
            return Err((index, "it has a body, but no media type".to_owned()));
        }
    }
    Ok(())
}
