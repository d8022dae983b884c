//! The only door: authenticate, look for a scope, parse, validate, open a transaction, run, commit, answer.
//!
//! The order is the protection. Nothing of a body is read for somebody who may not call the operation; no
//! transaction is open while a body arrives; and a handler has no other way to the database than the
//! transaction that belongs to its caller.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use apim_core::key_manager::{Login, LoginError, PasswordVerifier};
use apim_core::model::{Role, Scope, Tenant};
use apim_core::password::Credentials;
use apim_core::{Fault, Peer, fault};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;

use super::answer::{Answer, Content};
use super::call::{Call, Input, Part};
use super::contract::Contract;
use super::operation::{Access, Operation, Work};
use super::{error, expected, json, page};
use crate::db::{self, Desk};
use crate::error::{Error, Failure, Finding, Refusal, Result, code};
use crate::plane::House;
use crate::principal::{self, Principal};
use crate::store::Store;

/// A JSON body may be this long.
pub(super) const JSON_LIMIT: usize = 1 << 20;
/// A form may be this long.
const FORM_LIMIT: usize = 10 << 20;
/// A form may have so many parts.
const PARTS: usize = 32;
/// A body must have arrived by then.
const PATIENCE: Duration = Duration::from_secs(60);
/// Names the tenant whose public things an anonymous caller wants to see.
const TENANT_HEADER: HeaderName = HeaderName::from_static("x-wso2-tenant");

/// What every operation of a contract stands on.
#[derive(Clone)]
pub(crate) struct Frame {
    store: Store,
    house: Arc<House>,
    contract: Arc<Contract>,
}

impl Frame {
    /// The routes of a contract: its rows, its document, and refusals in its own shape for the rest.
    pub(crate) fn router(store: Store, house: Arc<House>, contract: Contract) -> Router {
        let frame = Self { store, house, contract: Arc::new(contract) };
        let mut paths: BTreeMap<String, MethodRouter> = BTreeMap::new();
        for (index, operation) in frame.contract.operations().iter().enumerate() {
            let Ok(filter) = MethodFilter::try_from(operation.method.clone()) else { continue };
            let frame = frame.clone();
            let door = move |parameters: RawPathParams, request: Request| {
                let frame = frame.clone();
                async move { frame.serve(index, &parameters, request).await }
            };
            let path = paths.remove(&*operation.path).unwrap_or_default().on(filter, door);
            paths.insert(operation.path.to_string(), path);
        }
        let mut router = Router::new();
        for (path, methods) in paths {
            router = router.route(&path, methods.fallback(wrong_method));
        }
        let router = router.merge(frame.documents()).fallback(wrong_path);
        Router::new().nest(frame.contract.base(), router)
    }

    /// The description, for whoever wants to read it.
    fn documents(&self) -> Router {
        let json = self.contract.clone();
        let yaml = self.contract.clone();
        Router::new()
            .route(
                "/openapi.json",
                axum::routing::get(move || async move { Answer::ok(json.document().clone()).render() }),
            )
            .route(
                "/openapi.yaml",
                axum::routing::get(move || async move {
                    let text = serde_saphyr::to_string(yaml.document()).unwrap_or_default();
                    Answer::bytes("application/yaml", text).render()
                }),
            )
    }

    async fn serve(&self, index: usize, parameters: &RawPathParams, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let operation = &self.contract.operations()[index];
        let parameters = parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let query = head.uri.query().unwrap_or_default();
        let call = Call {
            parameters,
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: head.headers.clone(),
            body: Input::None,
            house: self.house.clone(),
            contract: self.contract.clone(),
        };
        let query = call.query.clone();
        let from = head.extensions.get::<Peer>().map(|peer| peer.address.ip().to_canonical());
        match self.admit(index, operation, call, from, body).await {
            Ok(answer) => self.finish(operation, answer, &head.uri, &query, &head.headers),
            Err(error) => self.challenge(error::render(error, &head.headers), operation),
        }
    }

    async fn admit(
        &self,
        index: usize,
        operation: &Operation,
        mut call: Call,
        from: Option<IpAddr>,
        body: Body,
    ) -> Result<Answer> {
        let who = self.authenticate(operation, &call.headers, from).await?;
        refuse_null_characters(&call)?;
        if let Work::Absent(reason) = operation.work {
            return Err(code::NOT_OFFERED.because(reason).into());
        }
        call.body = tokio::time::timeout(PATIENCE, self.read(operation, &call.headers, body))
            .await
            .map_err(|_| code::BAD_REQUEST.because("The body did not arrive in time"))??;
        let desk = Desk::new(self.store.clone(), Arc::new(who));
        self.run(index, operation, desk, call).await
    }

    /// Who calls, if they may call this.
    async fn authenticate(
        &self,
        operation: &Operation,
        headers: &HeaderMap,
        from: Option<IpAddr>,
    ) -> Result<Principal> {
        let wanted = headers.get(&TENANT_HEADER).and_then(|value| value.to_str().ok());
        let token = match shown(headers, self.passwords().is_some())? {
            Shown::Token(token) => token,
            Shown::Password(credentials) => {
                let login = self.log_in(&credentials, operation, from).await?;
                let roles = self.roles(login.subject.as_str(), wanted).await?;
                return Ok(Principal::logged_in(login, roles));
            }
            Shown::Nothing => {
                return match (operation.access, self.passwords()) {
                    (Access::Anyone, _) => Ok(Principal::anonymous(tenant(wanted)?)),
                    (_, None) => Err(code::MISSING_TOKEN.because("A bearer token is needed").into()),
                    (_, Some(_)) => {
                        let text = "A bearer token, or a user's name and password, is needed";
                        Err(code::MISSING_TOKEN.because(text).into())
                    }
                };
            }
        };
        let claims = self.house.verifier.verify(token).await.map_err(|fault| unverified(&fault))?;
        if let Access::Scopes(scopes) = operation.access
            && !scopes.iter().any(|scope| claims.has_scope(scope))
        {
            let text = format!("The token needs one of the scopes {}", scopes.join(", "));
            return Err(code::MISSING_SCOPE.because(text).into());
        }
        let roles = self.roles(claims.subject.as_str(), wanted).await?;
        Ok(Principal::of(&claims, roles))
    }

    /// Who checks passwords, if this contract takes them.
    fn passwords(&self) -> Option<&Arc<dyn PasswordVerifier>> {
        self.house.passwords.as_ref().filter(|_| self.contract.takes_passwords())
    }

    /// Checks a password, and that its user could have had a token that would do.
    async fn log_in(
        &self,
        credentials: &Credentials,
        operation: &Operation,
        from: Option<IpAddr>,
    ) -> Result<Login> {
        let passwords = self.passwords().ok_or_else(|| Failure::new("nobody checks passwords"))?;
        let wanted: Vec<Scope> = match operation.access {
            Access::Scopes(scopes) => scopes.iter().map(|scope| Scope::from(*scope)).collect(),
            Access::Anyone => Vec::new(),
        };
        let checked = passwords.verify(&credentials.name, &credentials.password, &wanted, from).await;
        let login = checked.map_err(not_logged_in)?;
        match login.scopes.is_empty() && operation.access != Access::Anyone {
            // Not 401, at which a browser would ask for another password.
            true => Err(code::NOT_PERMITTED.because("The user may not do this").into()),
            false => Ok(login),
        }
    }

    /// The roles of a caller who wants to see things of a tenant, or does not say of which.
    async fn roles(&self, subject: &str, wanted: Option<&str>) -> Result<Vec<Role>> {
        let (user, home) = principal::split(subject);
        if wanted.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(home.as_str())) {
            // What other tenants show to the public is a row of its own; everything else of theirs is not
            // there for this caller.
            tenant(wanted)?;
        }
        let mut read = self.store.platform(&home).read().await?;
        db::roles_of(&mut read, &user).await
    }

    /// Reads and checks the body, as far as the description wants one.
    async fn read(&self, operation: &Operation, headers: &HeaderMap, body: Body) -> Result<Input> {
        let Some((content, required)) = self.contract.request(operation) else { return Ok(Input::None) };
        let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().to_ascii_lowercase();
        if content.contains_key("multipart/form-data") && media_type.starts_with("multipart/form-data") {
            return form(headers, collect(body, FORM_LIMIT).await?).await;
        }
        let bytes = collect(body, JSON_LIMIT).await?;
        if bytes.is_empty() && !required {
            return Ok(Input::None);
        }
        if !content.contains_key("application/json") || !(media_type.is_empty() || is_json(&media_type)) {
            let known: Vec<_> = content.keys().map(String::as_str).collect();
            return Err(code::WRONG_MEDIA_TYPE.because(format!("Send {}", known.join(" or "))).into());
        }
        let mut document = json::parse(&bytes)
            .map_err(|error| code::BAD_REQUEST.because(format!("The body is not good JSON: {error}")))?;
        if document.is_null() && !required {
            return Ok(Input::None);
        }
        textual_versions(&mut document);
        let findings = self.contract.check_request(operation, &document)?;
        if !findings.is_empty() {
            return Err(code::BAD_REQUEST.found(findings).into());
        }
        Ok(Input::Json(document))
    }

    async fn run(&self, index: usize, operation: &Operation, desk: Desk, call: Call) -> Result<Answer> {
        if let Work::Read(handler) = &operation.work {
            return handler(&mut desk.read().await?, call).await;
        }
        // Dropping a handler when its client leaves would cut a write in half of what it means to do, so
        // what may write runs to its end on its own.
        let contract = self.contract.clone();
        let task = tokio::spawn(async move { perform(&contract.operations()[index], desk, call).await });
        task.await.unwrap_or_else(|error| Err(Failure::from_error(error).into()))
    }

    /// Turns an answer into a response: links, 304, and in test builds the check of what we say.
    fn finish(
        &self,
        operation: &Operation,
        mut answer: Answer,
        uri: &http::Uri,
        query: &[(String, String)],
        headers: &HeaderMap,
    ) -> Response {
        if let Content::Page(envelope, page) = &mut answer.body {
            let path = uri.path().strip_prefix(self.contract.base()).unwrap_or(uri.path());
            page::link(envelope, *page, path, query);
        }
        if cfg!(debug_assertions)
            && let Some(complaint) = self.complaint(operation, &answer)
        {
            return error::render(Failure::new(complaint).into(), headers);
        }
        if operation.method == Method::GET
            && let Some(tag) = answer.find(&header::ETAG)
            && let Some(known) = headers.get(header::IF_NONE_MATCH)
            && expected::names(known, tag.to_str().unwrap_or_default())
        {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag.clone())]).into_response();
        }
        if let Some(place) = answer.headers.iter_mut().find(|(name, _)| name == header::LOCATION) {
            let path = format!("{}{}", self.contract.base(), place.1.to_str().unwrap_or_default());
            place.1 = HeaderValue::from_str(&path).unwrap_or(HeaderValue::from_static(""));
        }
        answer.render()
    }

    /// Tells a client that was refused for what it showed what would do (RFC 6750 section 3, RFC 7617 section 2).
    fn challenge(&self, mut response: Response, operation: &Operation) -> Response {
        if response.status() == StatusCode::UNAUTHORIZED {
            let scopes = match operation.access {
                Access::Scopes(scopes) => scopes.join(" "),
                Access::Anyone => String::new(),
            };
            let value = format!("Bearer realm=\"apim\", scope=\"{scopes}\"");
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            }
            if self.passwords().is_some() {
                let value = HeaderValue::from_static("Basic realm=\"apim\", charset=\"UTF-8\"");
                response.headers_mut().append(header::WWW_AUTHENTICATE, value);
            }
        }
        response
    }

    /// What an answer says that our description does not.
    fn complaint(&self, operation: &Operation, answer: &Answer) -> Option<String> {
        let body = match &answer.body {
            Content::Json(value) | Content::Page(value, _) => Some(value),
            Content::Empty | Content::Bytes(_) => None,
        };
        let findings = match self.contract.check_answer(operation, answer.status, body) {
            Ok(findings) if findings.is_empty() => return None,
            Ok(findings) => findings,
            Err(error) => return Some(error.to_string()),
        };
        let findings: Vec<_> = findings.iter().map(Finding::to_string).collect();
        Some(format!("{operation:?} answers what its description does not say: {}", findings.join("; ")))
    }
}

/// Runs what may write. A transaction commits if its handler answered.
async fn perform(operation: &Operation, mut desk: Desk, call: Call) -> Result<Answer> {
    match &operation.work {
        Work::Write(handler) => {
            let mut write = desk.write().await?;
            let answer = handler(&mut write, call).await?;
            write.commit().await?;
            Ok(answer)
        }
        Work::Outside(handler) => handler(&mut desk, call).await,
        Work::Read(handler) => handler(&mut desk.read().await?, call).await,
        Work::Absent(reason) => Err(code::NOT_OFFERED.because(*reason).into()),
    }
}

/// No database keeps U+0000 in a text, and nothing that is looked up holds it.
fn refuse_null_characters(call: &Call) -> Result<(), Refusal> {
    let mut given = call.parameters.iter().chain(&call.query);
    match given.find(|(name, value)| name.contains('\0') || value.contains('\0')) {
        Some((name, _)) => {
            let name = name.replace('\0', "?");
            Err(code::BAD_REQUEST.found(vec![Finding::new(name, "holds the character U+0000")]))
        }
        None => Ok(()),
    }
}

/// What a caller shows of who they are.
enum Shown<'a> {
    Nothing,
    Token(&'a str),
    Password(Credentials),
}

fn shown(headers: &HeaderMap, passwords: bool) -> Result<Shown<'_>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(Shown::Nothing) };
    let bad = || {
        code::BAD_TOKEN.because(match passwords {
            true => {
                "Send one Authorization header: Bearer and a token, or Basic and a name with its password"
            }
            false => "Send one Authorization header: Bearer and a token",
        })
    };
    if values.next().is_some() {
        return Err(bad());
    }
    let (scheme, shown) = value.to_str().ok().and_then(|value| value.split_once(' ')).ok_or_else(bad)?;
    let shown = shown.trim();
    if passwords && scheme.eq_ignore_ascii_case("Basic") {
        return Credentials::parse(shown).map(Shown::Password).ok_or_else(bad);
    }
    match scheme.eq_ignore_ascii_case("Bearer") && !shown.is_empty() {
        true => Ok(Shown::Token(shown)),
        false => Err(bad()),
    }
}

/// The tenant that a header names; none is the first.
fn tenant(wanted: Option<&str>) -> Result<Tenant, Refusal> {
    let first = Tenant::default();
    match wanted.filter(|wanted| !wanted.is_empty()) {
        Some(wanted) if !wanted.eq_ignore_ascii_case(first.as_str()) => {
            Err(code::NOT_FOUND.because(format!("There is no tenant {wanted}")))
        }
        _ => Ok(first),
    }
}

fn unverified(fault: &Fault) -> Error {
    let code = match fault.code().number {
        n if n == fault::TOKEN_EXPIRED.number => code::EXPIRED_TOKEN,
        n if n == fault::TOKEN_INACTIVE.number => code::INACTIVE_TOKEN,
        // Whoever cannot say what a token is worth is away; the token may be good.
        n if n == fault::UNCLASSIFIED.number => code::UNAVAILABLE,
        _ => code::BAD_TOKEN,
    };
    if let Some(detail) = fault.operator_detail() {
        tracing::debug!(detail, "a token was refused");
    }
    code.because("The token was refused").into()
}

fn not_logged_in(error: LoginError) -> Error {
    match error {
        LoginError::Wrong => code::BAD_TOKEN.because("Wrong user name or password").into(),
        LoginError::TooMany(wait) => {
            code::TOO_MANY.because("Too many wrong passwords").retry_after(wait).into()
        }
        LoginError::Busy => code::UNAVAILABLE.because("Too many logins at once; try again").into(),
        other => Failure::from_error(other).into(),
    }
}

async fn collect(body: Body, limit: usize) -> Result<Bytes> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(code::TOO_LARGE.because(format!("The body may have {limit} bytes")).into())
        }
        Err(_) => Err(code::BAD_REQUEST.because("The body broke off").into()),
    }
}

/// Reads a form that has arrived as a whole.
async fn form(headers: &HeaderMap, bytes: Bytes) -> Result<Input> {
    let mut request = Request::new(Body::from(bytes));
    if let Some(content_type) = headers.get(header::CONTENT_TYPE) {
        request.headers_mut().insert(header::CONTENT_TYPE, content_type.clone());
    }
    // Our own limit was kept already; axum's lower one would refuse what we allow.
    axum::extract::DefaultBodyLimit::disable().apply(&mut request);
    let bad =
        |error: &dyn std::fmt::Display| code::BAD_REQUEST.because(format!("The form is broken: {error}"));
    let mut form = Multipart::from_request(request, &()).await.map_err(|e| bad(&e))?;
    let mut parts = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|e| bad(&e))? {
        if parts.len() == PARTS {
            return Err(code::BAD_REQUEST.because(format!("The form may have {PARTS} parts")).into());
        }
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let content_type = field.content_type().map(str::to_owned);
        let bytes = field.bytes().await.map_err(|e| bad(&e))?;
        parts.push(Part { name, file_name, content_type, bytes });
    }
    Ok(Input::Multipart(parts))
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// `version: 1.0` arrives as a number from whoever wrote it in YAML, and means the text.
pub(crate) fn textual_versions(document: &mut Value) {
    if let Some(version) = document.get_mut("version")
        && let Value::Number(number) = version
    {
        *version = Value::String(number.to_string());
    }
}

async fn wrong_path(headers: HeaderMap) -> Response {
    error::render(code::NO_SUCH_PATH.because("The contract has no such path").into(), &headers)
}

async fn wrong_method(headers: HeaderMap) -> Response {
    error::render(code::NO_SUCH_METHOD.because("The path has no such method").into(), &headers)
}
