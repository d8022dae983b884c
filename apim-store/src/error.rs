//! Why something was not done: the caller's fault, or ours.
//!
//! A [`Refusal`] is for the caller and is told in full; a [`Failure`] is for the operator, and the caller
//! learns only that there was one. `rest` alone turns them into answers.

use std::fmt;
use std::time::Duration;

use apim_core::BoxError;

pub use crate::definition::Finding;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for breaks a rule.
    #[error("{0}")]
    Refused(Refusal),
    /// It should have worked.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(Failure::from_error(error))
    }
}

/// A kind of refusal: WSO2's number, the HTTP status that belongs to it, and a short text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The `code` of the answer.
    pub number: u32,
    /// The status of the answer.
    pub status: u16,
    /// The `message` of the answer.
    pub message: &'static str,
}

impl Code {
    const fn new(number: u32, status: u16, message: &'static str) -> Self {
        Self { number, status, message }
    }

    /// A refusal of this kind, told in a sentence.
    pub fn because(self, description: impl Into<String>) -> Refusal {
        Refusal { code: self, description: description.into(), findings: Vec::new(), wait: None }
    }

    /// A refusal of this kind, with every place that is wrong.
    pub fn found(self, findings: Vec<Finding>) -> Refusal {
        Refusal { code: self, description: String::new(), findings, wait: None }
    }
}

/// What the caller did wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind.
    pub code: Code,
    /// What exactly, in a sentence. Empty if the findings say it.
    pub description: String,
    /// Each place that is wrong.
    pub findings: Vec<Finding>,
    /// How long to wait before it is worth trying again, if that is known.
    pub wait: Option<Duration>,
}

impl Refusal {
    /// Says how long to wait: in `Retry-After` (RFC 9110 section 10.2.3), and behind the description.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// The wait in whole seconds, at least one. Rounded up: who comes a moment too early is refused again.
    pub fn wait_seconds(&self) -> Option<u64> {
        let seconds = |wait: Duration| wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.wait.map(|wait| seconds(wait).max(1))
    }

    /// The description, the findings and the wait, in one line.
    pub fn text(&self) -> String {
        let said = Some(self.description.clone()).filter(|text| !text.is_empty());
        let findings = self.findings.iter().map(Finding::to_string);
        let wait = self.wait_seconds().map(|seconds| format!("try again in {seconds} s"));
        said.into_iter().chain(findings).chain(wait).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.message, self.text())
    }
}

/// What went wrong on our side; only the operator reads it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    #[source]
    source: Option<BoxError>,
}

impl Failure {
    /// Something went wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// Something went wrong because of something else.
    pub fn from_error(error: impl Into<BoxError>) -> Self {
        let error = error.into();
        Self { message: error.to_string(), source: Some(error) }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal $status:literal $message:literal;)*) => {$(
        $(#[$doc])*
        pub const $name: Code = Code::new($number, $status, $message);
    )*};
}

/// Every code, as spec lifecycle-and-artifacts section 19 and publisher-api list them.
pub mod code {
    use super::Code;

    codes! {
        // Requests that never reach a use case.
        /// No token.
        MISSING_TOKEN = 900902 401 "Missing Credentials";
        /// The token is not good.
        BAD_TOKEN = 900901 401 "Invalid Credentials";
        /// The token has expired.
        EXPIRED_TOKEN = 900903 401 "Access Token Expired";
        /// The token was revoked.
        INACTIVE_TOKEN = 900904 401 "Access Token Inactive";
        /// The token lacks the scope. 401 and not 403 (RFC 6750 section 3.1), because the contract's clients
        /// have always seen 401 here; the `WWW-Authenticate` header names the scopes that would do.
        MISSING_SCOPE = 900910 401 "The access token does not allow you to access the requested resource";
        /// Nothing we foresaw.
        INTERNAL = 900967 500 "Internal server error";
        /// What we need is away.
        UNAVAILABLE = 503 503 "Service unavailable";
        /// The operation is part of the contract, but not offered.
        NOT_OFFERED = 501 501 "Not implemented";
        /// A request that breaks the contract.
        BAD_REQUEST = 400 400 "Bad Request";
        /// No such path.
        NO_SUCH_PATH = 404 404 "Not Found";
        /// No such method on that path.
        NO_SUCH_METHOD = 405 405 "Method Not Allowed";
        /// The body is longer than allowed.
        TOO_LARGE = 413 413 "Content Too Large";
        /// The body is not of a kind that the operation takes.
        WRONG_MEDIA_TYPE = 415 415 "Unsupported Media Type";
        /// The caller has tried too often.
        TOO_MANY = 429 429 "Too Many Requests";
        /// It has been changed by somebody else.
        CHANGED_MEANWHILE = 412 412 "Precondition Failed";

        // Things that are not there.
        /// No such API.
        NO_SUCH_API = 900308 404 "API not found";
        /// No such application.
        NO_SUCH_APPLICATION = 900307 404 "Application not found";
        /// No such subscription.
        NO_SUCH_SUBSCRIPTION = 900310 404 "Subscription not found";
        /// No such revision.
        NO_SUCH_REVISION = 900347 404 "API revision not found";
        /// No such policy.
        NO_SUCH_POLICY = 900961 404 "Policy not found";
        /// No such shared scope.
        NO_SUCH_SCOPE = 900981 404 "Shared scope not found";
        /// No such environment.
        NO_SUCH_ENVIRONMENT = 900506 404 "Environment not found";
        /// No such thing.
        NOT_FOUND = 900401 404 "Not found";

        // Things that are there already.
        /// The name is taken.
        NAME_TAKEN = 900250 409 "The API name already exists";
        /// The context is taken.
        CONTEXT_TAKEN = 900251 409 "The API context already exists";
        /// The version is taken.
        VERSION_TAKEN = 900252 409 "The API version already exists";
        /// The API exists.
        API_EXISTS = 900300 409 "The API already exists";
        /// The application's name is taken.
        APPLICATION_EXISTS = 900301 409 "The application already exists";
        /// The application has subscribed already.
        ALREADY_SUBSCRIBED = 900336 409 "Already subscribed";
        /// The API is in use.
        API_IN_USE = 409 409 "Conflict";
        /// The shared scope exists.
        SCOPE_EXISTS = 900984 409 "The scope already exists";
        /// The shared scope is in use.
        SCOPE_IN_USE = 900985 409 "The scope is attached to an API";
        /// Keys exist.
        KEYS_EXIST = 901408 409 "Keys already exist";

        // Values.
        /// A name that belongs to an API with another context.
        NAME_OF_ANOTHER = 900346 400 "The API name belongs to another context";
        /// A value is blank or malformed.
        BAD_VALUE = 900346 400 "Bad value";
        /// The business plan does not exist.
        BAD_PLAN = 900305 400 "Unknown business plan";
        /// A category that does not exist.
        NO_SUCH_CATEGORY = 900345 400 "Unknown API category";
        /// Publishing needs a business plan.
        NO_PLANS = 903224 400 "A business plan is needed to publish";
        /// The action does not lead anywhere from here.
        BAD_STATE_CHANGE = 900318 400 "The state does not allow that action";
        /// The definition cannot be read.
        BAD_DEFINITION = 900754 400 "The API definition is not valid";
        /// The scope is local to another API.
        SCOPE_OF_ANOTHER = 900988 400 "The scope belongs to another API";
        /// A role that does not exist.
        NO_SUCH_ROLE = 900986 412 "Unknown role";
        /// The revision is deployed.
        REVISION_DEPLOYED = 900348 400 "The revision is deployed";
        /// There are as many revisions as there may be.
        TOO_MANY_REVISIONS = 900351 400 "The maximum number of revisions has been reached";
        /// No environment of that name.
        BAD_ENVIRONMENT = 900504 400 "Unknown environment";
        /// A third-party API has no revisions.
        THIRD_PARTY = 903225 400 "A third-party API has no revisions";
        /// The application is not active.
        APPLICATION_INACTIVE = 900309 400 "The application is not active";

        // Developers' and administrators' things.
        /// Something of that name or value exists.
        CONFLICT = 409 409 "Conflict";
        /// The throttling policy does not exist.
        BAD_POLICY = 900305 400 "Unknown throttling policy";
        /// The same address is denied already.
        ADDRESS_DENIED = 900979 409 "The address is denied already";
        /// No API to deny.
        NO_API_TO_DENY = 900977 400 "Unknown API context";
        /// No application to deny.
        NO_APPLICATION_TO_DENY = 900978 400 "Unknown application";
        /// No such key manager.
        NO_SUCH_KEY_MANAGER = 901403 400 "Unknown key manager";
        /// The key manager does not do that.
        KEY_MANAGER_CANNOT = 901405 400 "The key manager does not offer that";
        /// The OAuth client is not the caller's.
        BAD_CLIENT = 901407 400 "Unknown OAuth client";

        // What gateways write of calls.
        /// No such API.
        NO_API_TO_LOG = 901400 404 "Requested Resource Not Found";
        /// No such operation.
        NO_OPERATION_TO_LOG = 901403 404 "Requested Resource Not Found";
        /// A level that does not exist.
        BAD_LOG_LEVEL = 901401 400 "Bad Request";
        /// No level, or half of an operation.
        LOG_DATA_MISSING = 901402 400 "Missing data";

        // Permissions on a thing, as opposed to an operation.
        /// The caller may not see it.
        MAY_NOT_READ = 900340 403 "You may not read this";
        /// The caller may not change it.
        MAY_NOT_CHANGE = 900332 403 "You may not change this";
        /// The caller may not delete it.
        MAY_NOT_DELETE = 900333 403 "You may not delete this";
        /// The caller may not do that.
        FORBIDDEN = 900900 403 "Forbidden";
        /// Only the platform's own administrators may.
        NOT_PERMITTED = 900915 403 "Invalid Permission";
    }
}
