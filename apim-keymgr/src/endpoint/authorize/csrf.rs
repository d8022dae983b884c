//! Only our own page may submit our own form.
//!
//! A random text stands in a cookie and in the form. Another site can make a browser send the cookie's
//! neighbours, but not this cookie (`SameSite=Strict`), and cannot read it to fill in the form.

use http::header;

use crate::call::Call;
use crate::error::{Kind, OAuthError};
use crate::form::Form;
use crate::opaque;
use crate::server::Core;

/// The name of the form's field.
pub(super) const FIELD: &str = "csrf";

/// The browser's text, or a fresh one. Kept over several pages, so that two tabs do not end each other.
pub(super) fn token(core: &Core, call: &Call) -> Result<String, OAuthError> {
    match cookie(core, call) {
        Some(token) => Ok(token.to_owned()),
        None => Ok(opaque::fresh()?.expose().to_owned()),
    }
}

/// Whether the form came from our page.
pub(super) fn check(core: &Core, call: &Call, form: &Form) -> Result<(), OAuthError> {
    let site = call.headers().get("sec-fetch-site").map(|value| value.as_bytes());
    let foreign = site.is_some_and(|site| site != b"same-origin" && site != b"none");
    let same = cookie(core, call).zip(form.get(FIELD)).is_some_and(|(one, two)| opaque::same(one, two));
    if same && !foreign {
        return Ok(());
    }
    Err(OAuthError::new(Kind::AccessDenied, "The form is out of date. Go back to the application and retry."))
}

/// The `Set-Cookie` that goes with a page.
pub(super) fn set_cookie(core: &Core, token: &str) -> String {
    let secure = if core.is_secure() { "; Secure" } else { "" };
    format!("{}={token}; Path=/{}; HttpOnly; SameSite=Strict", name(core), secure)
}

/// The prefix makes browsers refuse the cookie from anybody but this very host.
fn name(core: &Core) -> &'static str {
    if core.is_secure() { "__Host-apim-authorize" } else { "apim-authorize" }
}

fn cookie<'a>(core: &Core, call: &'a Call) -> Option<&'a str> {
    let headers = call.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = headers.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.filter(|(known, _)| *known == name(core)).map(|(_, value)| value).next();
    let plain = |token: &&str| {
        token.len() == 43 && token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    found.filter(plain)
}
