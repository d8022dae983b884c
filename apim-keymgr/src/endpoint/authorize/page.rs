//! The two pages: one that asks, one that says what went wrong.

use std::fmt::Write as _;

use apim_core::Body;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use url::Url;

use super::csrf;
use super::request::AuthorizationRequest;
use crate::error::{Kind, OAuthError};
use crate::reply;
use crate::server::Core;

const STYLE: &str = "\
body{font:1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:10vh auto;padding:0 1rem;color:#1b1b1b;background:#fff}\
h1{font-size:1.4rem}label{display:block;margin-top:1rem;font-weight:600}\
input{display:block;width:100%;box-sizing:border-box;padding:.6rem;font:inherit;border:1px solid #767676;border-radius:.3rem}\
button{margin:1.5rem .5rem 0 0;padding:.6rem 1.2rem;font:inherit;border:1px solid #0b57a4;border-radius:.3rem;background:#fff;color:#0b57a4}\
button[value=approve]{background:#0b57a4;color:#fff}:focus-visible{outline:3px solid #f9a825;outline-offset:2px}\
[role=alert]{border-left:.3rem solid #b3261e;padding:.5rem .8rem;background:#fceeee}code{overflow-wrap:anywhere}";

/// Asks the user for their name, their password, and their leave. The form goes to where the page came
/// from, query included.
pub(super) fn ask(
    core: &Core,
    request: &AuthorizationRequest,
    token: &str,
    refused: Option<&OAuthError>,
    name: &str,
) -> Response<Body> {
    let application = escape(&request.client.name);
    let alert = refused.map_or_else(String::new, |error| {
        format!("<p role=\"alert\" id=\"alert\">{}</p>", escape(&error.description))
    });
    let wrong = refused.map_or("", |_| " aria-invalid=\"true\" aria-describedby=\"alert\"");
    let body = format!(
        "<h1>Log in to continue to {application}</h1>{alert}\
         <p><strong>{application}</strong>, registered by {owner}, asks for {scopes}. \
         If you agree, you will be sent to <code>{target}</code>.</p>\
         <form method=\"post\"><input type=\"hidden\" name=\"{field}\" value=\"{token}\">\
         <label for=\"username\">User name</label>\
         <input id=\"username\" name=\"username\" autocomplete=\"username\" value=\"{name}\"{wrong}>\
         <label for=\"password\">Password</label>\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\"{wrong}>\
         <button name=\"decision\" value=\"approve\">Log in and allow</button>\
         <button name=\"decision\" value=\"deny\">Deny</button></form>",
        owner = escape(&request.client.owner),
        scopes = scopes(request),
        target = escape(&request.back.redirect_uri),
        field = csrf::FIELD,
        token = escape(token),
        name = escape(name),
    );
    let status = refused.map_or(StatusCode::OK, |error| error.kind.status());
    let mut response = document(status, "Log in", &body);
    // Browsers apply form-action to redirects after the form as well, so the way back must be in it.
    harden(&mut response, &origin(&request.back.redirect_uri));
    if let Ok(cookie) = HeaderValue::try_from(csrf::set_cookie(core, token)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Tells the user what the client cannot be told.
pub(super) fn failure(error: &OAuthError) -> Response<Body> {
    let code = match error.kind {
        Kind::InvalidRedirectUri => "invalid_callback",
        kind => kind.name(),
    };
    let body = format!(
        "<h1>This does not work</h1><p role=\"alert\">{}</p><p>Error code: <code>{code}</code></p>",
        escape(&error.description)
    );
    let mut response = document(error.kind.status(), "Error", &body);
    harden(&mut response, "");
    response
}

/// No scripts, nothing from elsewhere, in nobody's frame.
pub(super) fn harden(response: &mut Response<Body>, form_target: &str) {
    let style = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self' {form_target}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
}

fn document(status: StatusCode, title: &str, body: &str) -> Response<Body> {
    let mut response = reply::empty(status);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    *response.body_mut() = Body::from(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    ));
    response
}

fn scopes(request: &AuthorizationRequest) -> String {
    if request.scopes.is_empty() {
        return "basic access".to_owned();
    }
    let quoted = request.scopes.iter().map(|scope| format!("<code>{}</code>", escape(scope)));
    quoted.collect::<Vec<_>>().join(", ")
}

/// As a source expression of a content security policy.
fn origin(redirect_uri: &str) -> String {
    match Url::parse(redirect_uri) {
        Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => {
            url.origin().ascii_serialization()
        }
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => String::new(),
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, character| {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            control if control.is_control() => {
                let _ = write!(safe, "&#xFFFD;");
            }
            plain => safe.push(plain),
        }
        safe
    })
}
