//! `/oauth2/authorize`: a user logs in and gives leave (RFC 6749 section 4.1.1).
//!
//! There is no session: each leave takes the password. One page asks for both, and the answer travels back
//! to the client by redirect, with `iss` so that it cannot be mixed up with another server's (RFC 9207).

mod csrf;
mod page;
mod request;

use apim_core::Body;
use apim_core::store::{AuthorizationCode, User};
use http::{HeaderValue, Method, Response, StatusCode, header};
use url::form_urlencoded;
use uuid::Uuid;

use crate::call::Call;
use crate::error::{Kind, OAuthError};
use crate::form::Form;
use crate::server::Core;
use crate::{opaque, reply};

use request::{AuthorizationRequest, Invalid};

pub(super) async fn answer(core: &Core, call: &Call) -> Response<Body> {
    let request = match call.query() {
        Ok(query) => AuthorizationRequest::read(core, &query).await,
        Err(error) => Err(Invalid::Here(error)),
    };
    let answer = match request {
        Ok(request) => respond(core, call, &request).await,
        Err(Invalid::Here(error)) => Err(error),
        Err(Invalid::There(back, error)) => {
            error.log();
            return back.error(core, &error);
        }
    };
    // Whoever asked is not known, so nobody is sent anywhere.
    answer.unwrap_or_else(|error| {
        error.log();
        page::failure(&error)
    })
}

async fn respond(
    core: &Core,
    call: &Call,
    request: &AuthorizationRequest,
) -> Result<Response<Body>, OAuthError> {
    if call.head.method != Method::POST {
        let token = csrf::token(core, call)?;
        return Ok(page::ask(core, request, &token, None, ""));
    }
    let form = call.form()?;
    csrf::check(core, call, &form)?;
    if form.get("decision") != Some("approve") {
        let denied = OAuthError::new(Kind::AccessDenied, "the user gave no leave");
        return Ok(request.back.error(core, &denied));
    }
    match log_in(core, call, &form).await {
        Ok(user) => approve(core, request, &user).await,
        Err(refused) => {
            let token = csrf::token(core, call)?;
            let name = form.get("username").unwrap_or_default();
            Ok(page::ask(core, request, &token, Some(&refused), name))
        }
    }
}

async fn log_in(core: &Core, call: &Call, form: &Form) -> Result<User, OAuthError> {
    let wrong = || OAuthError::new(Kind::AccessDenied, "Wrong user name or password.");
    let (name, password) = (form.get("username"), form.get("password"));
    let (name, password) = name.zip(password).ok_or_else(wrong)?;
    let user = core.log_in(name, password, call.address()).await;
    user.map_err(|refused| refused.or_wrong(wrong()))
}

/// Issues the code.
async fn approve(
    core: &Core,
    request: &AuthorizationRequest,
    user: &User,
) -> Result<Response<Body>, OAuthError> {
    let code = opaque::fresh()?;
    let now = core.clock.now().max(core.revoked.current(&request.client.id, &user.name).await?);
    let kept = AuthorizationCode {
        hash: opaque::hash(code.expose()),
        tenant: core.config.tenant.clone(),
        client: request.client.id.clone(),
        user: user.name.clone(),
        scopes: core.allowed_scopes(&request.scopes, &user.roles).await?,
        redirect_uri: request.back.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        nonce: request.nonce.clone(),
        family: Uuid::new_v4().to_string(),
        issued_at: now,
        expires_at: now.plus(core.config.code),
    };
    core.stores.grants.insert_code(kept).await?;
    Ok(request.back.to(core, &[("code", code.expose())]))
}

/// The way back to the client: only ever made of a redirect URI that it registered.
pub(crate) struct Back {
    redirect_uri: String,
    state: Option<String>,
}

impl Back {
    fn error(&self, core: &Core, error: &OAuthError) -> Response<Body> {
        self.to(core, &[("error", error.kind.name()), ("error_description", &error.description)])
    }

    /// 303, so that the browser does not send the password on.
    fn to(&self, core: &Core, parameters: &[(&str, &str)]) -> Response<Body> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        query.extend_pairs(self.state.iter().map(|state| ("state", state)));
        query.append_pair("iss", &core.issuer);
        // The registered URI is kept byte for byte; parsing and writing it again would change some.
        let joint = if self.redirect_uri.contains('?') { '&' } else { '?' };
        let location = format!("{}{joint}{}", self.redirect_uri, query.finish());
        let Ok(location) = HeaderValue::try_from(location) else {
            return page::failure(&OAuthError::request("the redirect URI cannot be used"));
        };
        let mut response = reply::empty(StatusCode::SEE_OTHER);
        response.headers_mut().insert(header::LOCATION, location);
        page::harden(&mut response, "");
        response
    }
}
