//! How a refusal looks: the contract's envelope, or `application/problem+json` (RFC 9457) on request.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::error::{Error, Refusal, code};

/// Renders what went wrong. A failure is logged under an id, and only the id is told.
pub(crate) fn render(error: Error, headers: &HeaderMap) -> Response {
    let refusal = match error {
        Error::Refused(refusal) => refusal,
        Error::Failed(failure) => {
            let id = uuid::Uuid::new_v4();
            tracing::error!(%id, error = &failure as &dyn std::error::Error, "a request failed");
            code::INTERNAL.because(format!("The server failed; its log says more under {id}"))
        }
    };
    let status = StatusCode::from_u16(refusal.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (media_type, body) = match wants_problem(headers) {
        true => ("application/problem+json", problem(&refusal)),
        false => ("application/json", envelope(&refusal)),
    };
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    let mut response = (status, [content_type], body.to_string()).into_response();
    if let Some(seconds) = refusal.wait_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn wants_problem(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accept
        .flat_map(|value| value.split(','))
        .any(|range| range.trim().starts_with("application/problem+json"))
}

/// The contract's shape. `error` stays empty although it could list the findings: a client in wide use
/// (apictl) cannot parse objects there.
fn envelope(refusal: &Refusal) -> Value {
    json!({
        "code": refusal.code.number,
        "message": refusal.code.message,
        "description": refusal.text(),
        "moreInfo": "",
        "error": [],
    })
}

fn problem(refusal: &Refusal) -> Value {
    let findings = refusal.findings.iter().map(|f| json!({"pointer": f.path, "detail": f.message}));
    json!({
        "type": "about:blank",
        "title": refusal.code.message,
        "status": refusal.code.status,
        "detail": refusal.text(),
        "code": refusal.code.number,
        "errors": findings.collect::<Vec<_>>(),
    })
}
