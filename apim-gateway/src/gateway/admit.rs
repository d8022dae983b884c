//! From a request's head to the API that serves it.

use std::sync::Arc;

use apim_core::model::ApiId;
use apim_core::{Context, Fault, fault};
use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri, request};

use crate::cors::Allowed;
use crate::deploy::{Deployed, View};
use crate::rescue::Form;
use crate::router::{Ambiguous, Found, Host, Path};
use crate::text;

/// Computes the canonical view of a request, once, and finds its API and operation. The context learns of
/// both; the head's target becomes the path below the API's context.
pub(super) fn admit<'v>(
    view: &'v View,
    head: &mut request::Parts,
    context: &mut Context,
) -> Result<&'v Arc<Deployed>, Fault> {
    if let Some(form) = Form::wanted(head) {
        context.slots.insert(form);
    }
    let host = Host::of(head).map_err(refused)?;
    let path = Path::parse(head.uri.path()).map_err(refused)?;
    if path.is_rewritten() {
        context.uri = with_path(&head.uri, path.as_str())?;
    }
    let host = host.as_ref().map(Host::as_str);
    let (deployed, base) = view.route(host, path.as_str()).ok_or_else(|| nobody(view))?;
    deployed.fetch();
    context.api = Some(deployed.api().clone());
    let below = below(path.as_str(), base);
    let found = find(deployed, head, below, context);
    if let Some(plain) = path.without_parameters()
        && found_by(view, host, head, &plain) != Some((&deployed.api().id, found))
    {
        return Err(refused(Ambiguous::Parameters));
    }
    // The path below the context, and the query. A target that is that already is not copied.
    if base > 0 || path.is_rewritten() || head.uri.authority().is_some() {
        head.uri = with_path(&head.uri, &path.as_str()[base..])?;
    }
    Ok(deployed)
}

/// Before anything was loaded nobody can say what there is not, and a 404 may be cached.
fn nobody(view: &View) -> Fault {
    if view.is_loaded() {
        Fault::new(fault::NO_SUCH_API).because("The requested resource is not available.").rule("bases")
    } else {
        Fault::new(fault::UNAVAILABLE)
            .because("The gateway has not learned yet what it serves.")
            .rule("snapshot")
    }
}

/// Finds the operation. For OPTIONS it also tells what a preflight has to know, where the path does not
/// declare OPTIONS itself.
fn find(deployed: &Deployed, head: &request::Parts, below: &str, context: &mut Context) -> Found {
    let resources = &deployed.site().resources;
    let found = resources.find(&head.method, below);
    if let Found::Operation(operation) = found {
        context.operation = Some(operation);
    }
    if head.method != Method::OPTIONS
        || found == Found::Nothing
        || resources.declares(&Method::OPTIONS, below)
    {
        return found;
    }
    // An operation for all methods serves OPTIONS too, but not a browser's question about the others.
    if found == Found::OtherMethods || head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        context.slots.insert(Allowed(resources.allow(below)));
    }
    found
}

/// What another spelling of the path would find. `/admin;v=1/users` matches no template for `/admin/{what}`,
/// but is `/admin/users` to many a backend: the caller must not choose the weaker of two operations.
fn found_by<'v>(
    view: &'v View,
    host: Option<&str>,
    head: &request::Parts,
    path: &str,
) -> Option<(&'v ApiId, Found)> {
    let (deployed, base) = view.route(host, path)?;
    Some((&deployed.api().id, deployed.site().resources.find(&head.method, below(path, base))))
}

fn below(path: &str, base: usize) -> &str {
    match &path[base..] {
        "" => "/",
        below => below,
    }
}

/// The target in origin form, with another path.
fn with_path(uri: &Uri, path: &str) -> Result<Uri, Fault> {
    let path = if path.is_empty() { "/" } else { path };
    let target = match uri.query() {
        Some(query) => text::cut(&[path.as_bytes(), b"?", query.as_bytes()]),
        None => text::cut(&[path.as_bytes()]),
    };
    let target = PathAndQuery::from_maybe_shared(target)
        .map_err(|error| Fault::new(fault::BAD_REQUEST).caused_by(error))?;
    Ok(Uri::from(target))
}

fn refused(why: Ambiguous) -> Fault {
    let fault = Fault::new(fault::BAD_REQUEST).because(why.as_str()).rule("canonical-form");
    if why == Ambiguous::TooLong { fault.with_status(StatusCode::URI_TOO_LONG) } else { fault }
}
