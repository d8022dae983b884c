//! Why a request was refused, in two messages: one for the caller, one for the operator.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use http::{HeaderMap, Response, StatusCode};

use crate::BoxError;
use crate::body::Body;
use crate::clock::Timestamp;
use crate::exchange::Context;
use crate::fact;
pub use crate::fact::Fact;

/// Bytes of an operator's detail.
const LONGEST_DETAIL: usize = 1024;

/// A stable number for one kind of refusal, with the status and the message that go with it.
///
/// The numbers, statuses and texts are WSO2's (spec: gateway-errors), since clients look for them. Those from 990,000
/// are free for whoever extends the gateway:
///
/// ```
/// use apim_core::fault::{Code, Shape};
/// use http::StatusCode;
///
/// const QUOTA: Code = Code {
///     number: 990_001,
///     status: StatusCode::TOO_MANY_REQUESTS,
///     message: "Quota used up",
///     shape: Shape::Plain,
/// };
/// # let _ = QUOTA;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// As in the `code` member of the body.
    pub number: u32,
    /// The status of the answer.
    pub status: StatusCode,
    /// The `message` member of the body.
    pub message: &'static str,
    /// Which members the body has.
    pub shape: Shape,
}

/// Which members the body of a refusal has (spec: gateway-errors, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// `code`, `message`, `description`: authentication, authorisation, throttling.
    Plain,
    /// `code`, `type` = `Status report`, `message`, `description`: what is not there, or not in that form.
    Report,
    /// The same with the message `Runtime Error`, whatever the code's own: what failed on the way to the backend
    /// and back, and operations that an API has not.
    Runtime,
    /// `code`, `type` = the message, `description`: a blocked API.
    Blocked,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $status:ident $shape:ident $message:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            #[doc = concat!("Code `", $number, "`, status `", stringify!($status), "`.")]
            pub const $name: Code = Code {
                number: $number,
                status: StatusCode::$status,
                message: $message,
                shape: Shape::$shape,
            };
        )*
    };
}

codes! {
    /// An unexpected failure while authenticating; never a reason to let a request pass.
    UNCLASSIFIED = 900900 INTERNAL_SERVER_ERROR Plain "Unclassified Authentication Failure";
    /// Bad signature, unknown token or key, foreign issuer.
    INVALID_CREDENTIALS = 900901 UNAUTHORIZED Plain "Invalid Credentials";
    /// No credential that the API accepts.
    MISSING_CREDENTIALS = 900902 UNAUTHORIZED Plain "Missing Credentials";
    /// The token has expired.
    TOKEN_EXPIRED = 900903 UNAUTHORIZED Plain "Access Token Expired";
    /// The token was revoked.
    TOKEN_INACTIVE = 900904 UNAUTHORIZED Plain "Access Token Inactive";
    /// An application's token on an operation for users, or the reverse.
    WRONG_TOKEN_TYPE = 900905 UNAUTHORIZED Plain "Incorrect Access Token Type is provided";
    /// The subscription is blocked.
    SUBSCRIPTION_BLOCKED = 900907 UNAUTHORIZED Plain "The requested API is temporarily blocked";
    /// No subscription, no application, or a restriction of the key.
    FORBIDDEN = 900908 FORBIDDEN Plain "Resource forbidden";
    /// The subscription waits for approval or was rejected.
    SUBSCRIPTION_INACTIVE = 900909 UNAUTHORIZED Plain "The subscription to the API is inactive";
    /// A scope is missing.
    MISSING_SCOPE = 900910 FORBIDDEN Plain "The access token does not allow you to access the requested resource";
    /// The token's audience is not the API's.
    WRONG_AUDIENCE = 900914 FORBIDDEN Plain "Access Denied";
    /// A production key for an API with a sandbox only, or the reverse.
    WRONG_ENVIRONMENT = 900901 FORBIDDEN Plain "Invalid Credentials";
    /// The API's advanced policy.
    API_THROTTLED = 900800 TOO_MANY_REQUESTS Plain "Message throttled out";
    /// The operation's advanced policy.
    OPERATION_THROTTLED = 900802 TOO_MANY_REQUESTS Plain "Message throttled out";
    /// The application's policy.
    APPLICATION_THROTTLED = 900803 TOO_MANY_REQUESTS Plain "Message throttled out";
    /// The subscription's plan.
    SUBSCRIPTION_THROTTLED = 900804 TOO_MANY_REQUESTS Plain "Message throttled out";
    /// A deny policy.
    DENIED = 900805 FORBIDDEN Plain "Message blocked";
    /// A burst limit.
    BURST_THROTTLED = 900807 TOO_MANY_REQUESTS Plain "Message throttled out";
    /// The API is in state BLOCKED.
    API_BLOCKED = 700700 SERVICE_UNAVAILABLE Blocked "API blocked";
    /// No API at that path.
    NO_SUCH_API = 404 NOT_FOUND Report "Not Found";
    /// The API has no operation at that path.
    NO_SUCH_OPERATION = 404 NOT_FOUND Runtime "Not Found";
    /// The operation has another method.
    METHOD_NOT_ALLOWED = 405 METHOD_NOT_ALLOWED Runtime "Method Not Allowed";
    /// The API does not answer on this scheme.
    TRANSPORT_FORBIDDEN = 403 FORBIDDEN Report "Forbidden";
    /// The request is malformed or ambiguous.
    BAD_REQUEST = 400 BAD_REQUEST Report "Bad Request";
    /// The request's body is larger than the limit.
    BODY_TOO_LARGE = 413 PAYLOAD_TOO_LARGE Report "Content Too Large";
    /// A body could not be parsed.
    MALFORMED_BODY = 601000 BAD_REQUEST Runtime "Malformed message body";
    /// A body could not be converted into what was asked for.
    UNSUPPORTED_BODY = 415 UNSUPPORTED_MEDIA_TYPE Report "Unsupported Media Type";
    /// The client did not send its request in time.
    REQUEST_TIMEOUT = 408 REQUEST_TIMEOUT Report "Request Timeout";
    /// Sending to the backend failed.
    BACKEND_SEND = 101500 BAD_GATEWAY Runtime "Error in Sender";
    /// Connecting to the backend failed.
    BACKEND_CONNECT = 101503 BAD_GATEWAY Runtime "Error connecting to the back end";
    /// The backend did not answer in time.
    BACKEND_TIMEOUT = 101504 GATEWAY_TIMEOUT Runtime "Connection timed out";
    /// The backend closed the connection before it answered.
    BACKEND_CLOSED = 101505 BAD_GATEWAY Runtime "Connection closed";
    /// The backend broke the protocol.
    BACKEND_PROTOCOL = 101506 BAD_GATEWAY Runtime "HTTP protocol violation";
    /// The backend could not be connected to in time.
    BACKEND_CONNECT_TIMEOUT = 101508 GATEWAY_TIMEOUT Runtime "Connect timed out";
    /// None of the endpoint's members may be called now.
    BACKEND_GROUP_DOWN = 303000 SERVICE_UNAVAILABLE Runtime "No endpoint is ready";
    /// The endpoint's only member is suspended, unwell, or full.
    BACKEND_SUSPENDED = 303001 SERVICE_UNAVAILABLE Runtime "Endpoint suspended";
    /// The gateway could not authenticate itself to the backend, as when it gets no token.
    BACKEND_SECURITY = 303003 SERVICE_UNAVAILABLE Runtime "Endpoint authentication failed";
    /// Nothing is left to answer with just now.
    UNAVAILABLE = 503 SERVICE_UNAVAILABLE Report "Service Unavailable";
    /// Our own failure.
    INTERNAL = 500 INTERNAL_SERVER_ERROR Report "Internal Server Error";
}

/// Whose doing it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The caller's.
    Client,
    /// Ours.
    Gateway,
    /// The backend's.
    Backend,
}

/// A refusal or failure on its way to becoming an answer.
///
/// The caller reads the [`code`](Self::code) and the [`description`](Self::description). The operator, who
/// asks by the request's id, reads the rest, which never reaches the wire: the [`rule`](Self::rule) that
/// decided, what it [`wanted`](Self::wanted) and what it [`found`](Self::found), a [`detail`](Self::detail),
/// and the chain of [`source`](Error::source)s. None of it may hold a credential.
///
/// ```
/// use apim_core::fault::{self, Blame, Fact, Fault};
///
/// let fault = Fault::new(fault::MISSING_SCOPE)
///     .because("pets:write is needed")
///     .rule("operation.scopes")
///     .wanted(Fact::list(["pets:write"]))
///     .found(Fact::list(["pets:read"]));
/// assert_eq!(fault.code().number, 900910);
/// assert_eq!(fault.blame(), Blame::Client);
/// assert_eq!(
///     fault.to_string(),
///     "900910 The access token does not allow you to access the requested resource: \
///      operation.scopes wants [pets:write], found [pets:read]",
/// );
/// ```
#[derive(Debug)]
pub struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    description: Cow<'static, str>,
    rule: Option<&'static str>,
    wanted: Option<Fact>,
    found: Option<Fact>,
    detail: Option<Cow<'static, str>>,
    source: Option<BoxError>,
    retry_at: Option<Timestamp>,
    headers: HeaderMap,
    status: StatusCode,
}

impl Fault {
    /// A refusal for a known reason.
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            description: Cow::Borrowed(code.message),
            rule: None,
            wanted: None,
            found: None,
            detail: None,
            source: None,
            retry_at: None,
            headers: HeaderMap::new(),
            status: code.status,
        }))
    }

    /// Tells the caller more.
    #[must_use]
    pub fn because(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.0.description = description.into();
        self
    }

    /// Names the rule that decided, as `operation.scopes`: stable, so that refusals can be grouped by it.
    #[must_use]
    pub fn rule(mut self, rule: &'static str) -> Self {
        self.0.rule = Some(rule);
        self
    }

    /// What the rule wanted.
    #[must_use]
    pub fn wanted(mut self, wanted: impl Into<Fact>) -> Self {
        self.0.wanted = Some(wanted.into());
        self
    }

    /// What the rule found instead.
    #[must_use]
    pub fn found(mut self, found: impl Into<Fact>) -> Self {
        self.0.found = Some(found.into());
        self
    }

    /// Tells the operator what facts do not say, in at most 1024 bytes.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(match detail.into() {
            Cow::Owned(text) => Cow::Owned(fact::cut(text, LONGEST_DETAIL)),
            constant => constant,
        });
        self
    }

    /// Keeps the error behind it, for the operator.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says when it is worth trying again: in `Retry-After`, and in WSO2's JSON as `nextAccessTime` and by the words
    /// ` .You can access API after …` behind the description, since its clients look for them.
    #[must_use]
    pub fn retry_at(mut self, at: Timestamp) -> Self {
        self.0.retry_at = Some(at);
        self
    }

    /// Adds a header to the answer, as `WWW-Authenticate` or `Allow`.
    #[must_use]
    pub fn header(mut self, name: http::HeaderName, value: http::HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// Answers with another status than the code's own.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What the caller is told beyond the code's message.
    pub fn description(&self) -> &str {
        &self.0.description
    }

    /// The rule that decided.
    pub fn deciding_rule(&self) -> Option<&'static str> {
        self.0.rule
    }

    /// What the rule wanted.
    pub fn wanted_fact(&self) -> Option<&Fact> {
        self.0.wanted.as_ref()
    }

    /// What the rule found instead.
    pub fn found_fact(&self) -> Option<&Fact> {
        self.0.found.as_ref()
    }

    /// What the operator is told beyond that.
    pub fn operator_detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// When it is worth trying again.
    pub fn retry_time(&self) -> Option<Timestamp> {
        self.0.retry_at
    }

    /// Headers for the answer.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// Whose doing it was, by the code.
    pub fn blame(&self) -> Blame {
        match self.0.code.number {
            101_000..=309_999 => Blame::Backend,
            _ if self.0.status.is_client_error() => Blame::Client,
            _ => Blame::Gateway,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { code, description, rule, wanted, found, detail, .. } = &*self.0;
        write!(f, "{} {}", code.number, code.message)?;
        if let Some(rule) = rule {
            write!(f, ": {rule}")?;
        }
        if let Some(wanted) = wanted {
            write!(f, " wants {wanted}")?;
        }
        if let Some(found) = found {
            write!(f, "{} found {found}", if wanted.is_some() { "," } else { "" })?;
        }
        match detail {
            Some(detail) => write!(f, ": {detail}"),
            None if rule.is_none() && description != code.message => write!(f, ": {description}"),
            None => Ok(()),
        }
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Turns foreign errors into faults: `file.read().fault(fault::INTERNAL)?`.
pub trait OrFault<T> {
    /// Keeps the error as the source of a fault with this code.
    fn fault(self, code: Code) -> Result<T, Fault>;
}

impl<T, E: Into<BoxError>> OrFault<T> for Result<T, E> {
    fn fault(self, code: Code) -> Result<T, Fault> {
        self.map_err(|error| Fault::new(code).caused_by(error))
    }
}

/// Turns faults into answers: the one place where that happens.
///
/// Called when a handler, mediator or the backend fails, within the segment of the chain in which it
/// failed, so that handlers outside it see an ordinary answer. Must not block.
///
/// ```
/// use apim_core::{Body, Context, Fault};
/// use apim_core::fault::Rescue;
/// use http::Response;
///
/// /// Tells the number and nothing else.
/// struct Terse;
///
/// impl Rescue for Terse {
///     fn rescue(&self, fault: &Fault, _: &Context) -> Response<Body> {
///         let mut response = Response::new(Body::from(fault.code().number.to_string()));
///         *response.status_mut() = fault.status();
///         response
///     }
/// }
/// ```
pub trait Rescue: Send + Sync + 'static {
    /// The answer for a fault.
    fn rescue(&self, fault: &Fault, context: &Context) -> Response<Body>;

    /// The fault for an error that a tower layer returned. The default knows only [`Fault`] itself.
    fn foreign(&self, error: BoxError) -> Fault {
        match error.downcast::<Fault>() {
            Ok(fault) => *fault,
            Err(error) => Fault::new(INTERNAL).detail("a tower layer failed").caused_by(error),
        }
    }
}
