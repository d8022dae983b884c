//! How a fault looks to the caller: the one place where faults become answers.
//!
//! The bodies are WSO2's (spec: gateway-errors, section 1), since clients look into them: `code` is text, and
//! which members there are depends on the code's [`Shape`]. Who asks for `application/problem+json` gets
//! RFC 9457 instead, who speaks gRPC the trailers of a call that failed. Deliberate differences from the original: a backend's failure is answered 502 or 504
//! rather than 500, so that it can be told from the gateway's own, and every answer carries the request's
//! id, by which the operator finds the reason.

pub(crate) mod date;
mod grpc;

use apim_core::fault::{Fault, Rescue, Shape};
use apim_core::model::Schemes;
use apim_core::{Body, Context};
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode, request};
use serde_json::{Map, Value, json};

/// The header that carries a request's id, to the caller and to the backend.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The form a caller wants refusals in, if not the usual one; kept in the context's slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// RFC 9457.
    Problem,
    /// The trailers of gRPC, in place of an answer.
    Grpc,
}

impl Form {
    /// The form that a request asks for.
    pub(crate) fn wanted(head: &request::Parts) -> Option<Self> {
        if grpc::is_spoken(head) {
            return Some(Self::Grpc);
        }
        let problem = |accept: &HeaderValue| {
            memchr::memmem::find(accept.as_bytes(), b"application/problem+json").is_some()
        };
        head.headers.get_all(ACCEPT).iter().any(problem).then_some(Self::Problem)
    }
}

/// Answers in JSON: WSO2's bodies, or problem details for those who ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

impl Rescue for Json {
    fn rescue(&self, fault: &Fault, context: &Context) -> Response<Body> {
        let mut response = match context.slots.get::<Form>() {
            Some(Form::Grpc) => grpc::answer(fault),
            Some(Form::Problem) => {
                in_json(fault, context, problem_body(fault, context), "application/problem+json")
            }
            None => in_json(fault, context, usual_body(fault), "application/json; charset=UTF-8"),
        };
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::try_from(context.request_id.to_string()) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(at) = fault.retry_time()
            && let Ok(date) = HeaderValue::try_from(date::http(at))
        {
            headers.insert(RETRY_AFTER, date);
        }
        response
    }
}

fn in_json(
    fault: &Fault,
    context: &Context,
    body: Map<String, Value>,
    media_type: &'static str,
) -> Response<Body> {
    let mut response = Response::new(Body::from(Value::Object(body).to_string()));
    *response.status_mut() = fault.status();
    let headers = response.headers_mut();
    headers.extend(fault.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if fault.status() == StatusCode::UNAUTHORIZED && !headers.contains_key(WWW_AUTHENTICATE) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge(context)));
    }
    response
}

/// The challenges of all schemes of the API (RFC 9110 section 11.6.1, RFC 6750 section 3; spec:
/// gateway-errors, "WWW-Authenticate").
fn challenge(context: &Context) -> &'static str {
    const BEARER: &str = "Bearer realm=\"WSO2 API Manager\" error=\"invalid_token\", \
                          error_description=\"The provided token is invalid\"";
    const API_KEY: &str = "API Key realm=\"WSO2 API Manager\" error=\"invalid_token\", \
                           error_description=\"The provided token is invalid\"";
    const BOTH: &str = "Bearer realm=\"WSO2 API Manager\", API Key realm=\"WSO2 API Manager\" \
                        error=\"invalid_token\", error_description=\"The provided token is invalid\"";
    match context.api.as_ref().map(|api| api.schemes) {
        Some(Schemes { oauth2: true, api_key: true, .. }) => BOTH,
        Some(Schemes { oauth2: false, api_key: true, .. }) => API_KEY,
        _ => BEARER,
    }
}

/// The members of WSO2's body, in its order.
fn usual_body(fault: &Fault) -> Map<String, Value> {
    let code = fault.code();
    let mut body = Map::new();
    body.insert("code".to_owned(), json!(code.number.to_string()));
    match code.shape {
        Shape::Blocked => drop(body.insert("type".to_owned(), json!(code.message))),
        Shape::Report | Shape::Runtime => {
            let message = if code.shape == Shape::Runtime { "Runtime Error" } else { code.message };
            body.insert("type".to_owned(), json!("Status report"));
            body.insert("message".to_owned(), json!(message));
        }
        _ => drop(body.insert("message".to_owned(), json!(code.message))),
    }
    match fault.retry_time() {
        Some(at) => {
            let at = date::access(at);
            let description = format!("{} .You can access API after {at}", fault.description());
            body.insert("description".to_owned(), json!(description));
            body.insert("nextAccessTime".to_owned(), json!(at));
        }
        None => drop(body.insert("description".to_owned(), json!(fault.description()))),
    }
    body
}

fn problem_body(fault: &Fault, context: &Context) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("type".to_owned(), json!("about:blank"));
    body.insert("title".to_owned(), json!(fault.code().message));
    body.insert("status".to_owned(), json!(fault.status().as_u16()));
    body.insert("detail".to_owned(), json!(fault.description()));
    body.insert("instance".to_owned(), json!(format!("urn:apim:request:{}", context.request_id)));
    body.insert("code".to_owned(), json!(fault.code().number.to_string()));
    if let Some(at) = fault.retry_time() {
        body.insert("nextAccessTime".to_owned(), json!(date::access(at)));
    }
    body
}

#[cfg(test)]
mod tests {
    use apim_core::{Peer, RequestId, Timestamp, fault};
    use http::Request;

    use super::*;

    fn context() -> Context {
        let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false };
        let (head, ()) = Request::new(()).into_parts();
        Context::new(RequestId(7), peer, Timestamp::default(), &head)
    }

    #[test]
    fn a_throttled_call_learns_when_it_may_come_again() {
        let fault = Fault::new(fault::APPLICATION_THROTTLED)
            .because("You have exceeded your quota")
            .retry_at(Timestamp::from_secs(1_700_000_000));
        let response = Json.rescue(&fault, &context());
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "Tue, 14 Nov 2023 22:13:20 GMT");
        let body = Value::Object(usual_body(&fault)).to_string();
        assert_eq!(
            body,
            "{\"code\":\"900803\",\"message\":\"Message throttled out\",\"description\":\"You have exceeded your \
             quota .You can access API after 2023-Nov-14 22:13:20+0000 UTC\",\"nextAccessTime\":\"2023-Nov-14 \
             22:13:20+0000 UTC\"}"
        );
    }

    #[test]
    fn a_blocked_api_has_a_type_and_no_message() {
        let body = Value::Object(usual_body(&Fault::new(fault::API_BLOCKED))).to_string();
        assert_eq!(body, r#"{"code":"700700","type":"API blocked","description":"API blocked"}"#);
    }

    #[test]
    fn who_asks_for_problem_details_gets_them() {
        let mut context = context();
        context.slots.insert(Form::Problem);
        let response = Json.rescue(&Fault::new(fault::MISSING_SCOPE), &context);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["x-request-id"], "00000000000000000000000000000007");
    }
}
