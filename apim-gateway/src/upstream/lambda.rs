//! Functions of AWS Lambda as backends (spec: gateway-threats-and-protocols, section 7).
//!
//! A request becomes an invocation: `pathParameters`, `queryStringParameters` and `headers` as objects, and the
//! `body` as text, in Base64 with `isBase64Encoded` if it is none. The function's output is the response's body,
//! the status is that of the invocation. That a call failed is a fault as with any other backend, where the
//! original answers 400 without a word.

use std::sync::Arc;
use std::time::Duration;

use apim_core::model::{Api, Endpoint, Function, Lambda};
use apim_core::{Body, BuildError, Context, Fault, fault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING,
};
use http::{Method, Request, Response, request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::Inner;
use super::group::Group;
use super::known::Former;
use super::security::sigv4::{Signed, Signer};
use crate::rescue::date;
use crate::router::Template;

/// How long a function may be waited for.
const LONGEST_S: u32 = 900;

/// What an invocation tells of itself, besides the function's output.
const KEPT: [http::HeaderName; 2] = [CONTENT_TYPE, CONTENT_LENGTH];

/// The functions of one API.
pub(super) struct Functions {
    pub(super) group: Arc<Group>,
    signer: Signer,
    host: String,
    /// By operation.
    targets: Box<[Target]>,
}

struct Target {
    path: String,
    template: Template,
    timeout: Option<Duration>,
}

impl Functions {
    pub(super) fn new(
        lambda: &Lambda,
        endpoint: &Endpoint,
        api: &Api,
        upstream: &Inner,
        former: Option<Former<Group>>,
    ) -> Result<Self, BuildError> {
        let wrong = |path: &str, why: &str| BuildError::at(format!("lambda.{path}"), why.to_owned());
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if lambda.region.is_empty() || !is_plain(&lambda.region) {
            return Err(wrong("region", "it must be the name of a region"));
        }
        if lambda.access_key.is_empty() || !is_plain(&lambda.access_key) {
            return Err(wrong("access_key", "it is none"));
        }
        if endpoint.health.is_some() {
            let why = "the service that runs functions has no path to be asked for its health";
            return Err(BuildError::at("health", why.to_owned()));
        }
        let usual = || format!("https://lambda.{}.amazonaws.com", lambda.region);
        let url = lambda.url.clone().unwrap_or_else(usual);
        let single = Endpoint { url, lambda: None, dynamic: None, ..endpoint.clone() };
        let group = match former {
            Some(Former::Same(group)) => group,
            akin => {
                let mut group = Group::new(&single, upstream).map_err(|error| error.within("lambda"))?;
                if let Some(Former::Akin(akin)) = akin {
                    group.take_over(&akin);
                }
                Arc::new(group)
            }
        };
        let host = group.members[0].address.authority.to_string();
        let targets = api.operations.iter().enumerate().map(|(index, operation)| {
            let at = |why: String| BuildError::at(format!("operations[{index}].function"), why);
            let function = operation.function.as_ref().ok_or_else(|| at("it is missing".to_owned()))?;
            let template = Template::parse(&operation.path).map_err(|error| at(error.to_string()))?;
            Target::new(function, template).map_err(at)
        });
        Ok(Self {
            group,
            host,
            targets: targets.collect::<Result<_, _>>()?,
            signer: Signer {
                access_key: lambda.access_key.clone(),
                secret_key: lambda.secret_key.clone(),
                region: lambda.region.clone(),
                service: "lambda",
            },
        })
    }

    /// The invocation for a request, and how long to wait for it.
    pub(super) async fn invocation(
        &self,
        request: Request<Body>,
        context: &Context,
    ) -> Result<(Request<Body>, Option<Duration>), Fault> {
        let target = context.operation.and_then(|index| self.targets.get(index as usize));
        let target = target.ok_or_else(|| Fault::new(fault::INTERNAL).detail("no operation was found"))?;
        let (head, body) = request.into_parts();
        let body = read(body, context.formats.limit()).await?;
        let event = Bytes::from(target.event(&head, &body).to_string());
        let now = self.group.now();
        let moment = date::compact(now);
        let headers =
            [("content-type", "application/json"), ("host", self.host.as_str()), ("x-amz-date", &moment)];
        let signed = Signed { method: "POST", path: &target.path, headers: &headers, body: &event };
        let authorization = self.signer.sign(&signed, now);
        let internal = |error: http::Error| Fault::new(fault::INTERNAL).caused_by(error);
        let request = Request::builder()
            .method(Method::POST)
            .uri(target.path.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header("x-amz-date", moment)
            .header(AUTHORIZATION, authorization)
            .body(event.into());
        Ok((request.map_err(internal)?, target.timeout))
    }

    /// What the caller sees of an invocation's response.
    pub(super) fn output(response: Response<Body>) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        let mut headers = HeaderMap::with_capacity(KEPT.len());
        for name in KEPT {
            if let Some(value) = head.headers.remove(&name) {
                headers.insert(name, value);
            }
        }
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        head.headers = headers;
        Response::from_parts(head, body)
    }
}

impl Target {
    fn new(function: &Function, template: Template) -> Result<Self, String> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:$.".contains(&byte);
        if function.name.is_empty() || !function.name.bytes().all(is_part) {
            return Err(format!("`{}` is neither a function's name nor its ARN", function.name));
        }
        if function.timeout_s.is_some_and(|seconds| !(1..=LONGEST_S).contains(&seconds)) {
            return Err(format!("`timeout_s` must be from 1 to {LONGEST_S}"));
        }
        let name = function.name.replace('$', "%24").replace(':', "%3A");
        Ok(Self {
            path: format!("/2015-03-31/functions/{name}/invocations"),
            template,
            timeout: function.timeout_s.map(|seconds| Duration::from_secs(seconds.into())),
        })
    }

    fn event(&self, head: &request::Parts, body: &Bytes) -> Value {
        let text = |value: &str| Value::String(value.to_owned());
        let variables = self.template.variables(head.uri.path());
        let path: Map<_, _> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), decoded(value))).collect();
        let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let query: Map<_, _> = query.map(|(name, value)| (name.into_owned(), text(&value))).collect();
        let headers = head.headers.iter().filter(|(name, _)| **name != TRANSFER_ENCODING);
        let headers: Map<_, _> = headers
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value.to_str().ok()?))))
            .collect();
        let mut event = json!({"pathParameters": path, "queryStringParameters": query, "headers": headers});
        match std::str::from_utf8(body) {
            Ok(plain) => event["body"] = text(plain),
            Err(_) => {
                event["body"] = STANDARD.encode(body).into();
                event["isBase64Encoded"] = true.into();
            }
        }
        event
    }
}

/// A piece of a path without its percent signs; a plus means itself there.
fn decoded(piece: &str) -> Value {
    let form = format!("={}", piece.replace('+', "%2B"));
    let mut pairs = form_urlencoded::parse(form.as_bytes());
    pairs.next().map_or_else(|| piece.into(), |(_, value)| value.into_owned().into())
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Fault> {
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Fault::new(fault::BODY_TOO_LARGE)),
        Err(error) => match error.downcast::<Fault>() {
            Ok(fault) => Err(*fault),
            Err(error) => Err(Fault::new(fault::BAD_REQUEST).caused_by(error)),
        },
    }
}
