//! The request's head as the backend is to see it.

use apim_core::{Body, Context, Fault, fault};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Version};
use hyper::ext::Protocol;

use super::clients;
use super::pool::Own;
use super::target::Target;
use crate::text;
use crate::transport::ending::End;
use crate::transport::http1::encoder::Forwarded;
use crate::transport::tunnel::{Client, Hold};
use crate::transport::upgrade;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The client's end, if it asks for a WebSocket and may have one: over HTTP/1.1, or over a stream of HTTP/2 that
/// our server has found to ask for it; and no body before it.
///
/// No other protocol is passed on. Through `h2c`, say, whatever is asked next would go past every check of
/// the gateway, as requests that only the backend sees.
pub(super) fn upgrade(request: &mut Request<Body>) -> Option<Client> {
    let upgrade = upgrade::take(request.extensions_mut())?;
    if !request.headers().contains_key(header::UPGRADE) {
        return None;
    }
    let extended = request.extensions_mut().remove::<Protocol>().is_some();
    let hold = request.extensions_mut().remove::<Hold>();
    let end = request.extensions_mut().remove::<End>().unwrap_or_default();
    let asked = (extended || request.version() == Version::HTTP_11)
        && request.method() == Method::GET
        && http_body::Body::is_end_stream(request.body())
        && names_upgrade(request.headers())
        && is_websocket(request.headers());
    asked.then_some(Client { upgrade, hold, end })
}

/// Whether `Upgrade` names WebSocket and nothing else: of a list the backend would choose.
pub(super) fn is_websocket(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::UPGRADE).iter();
    let first = values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    first && values.next().is_none()
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// Whom a request comes from, as its backend is to be told beside its headers.
#[derive(Clone)]
pub(super) struct Sender {
    address: HeaderValue,
    proto: &'static str,
}

impl Sender {
    /// For HTTP/1.1.
    pub(super) fn beside(&self) -> Forwarded<'_> {
        Forwarded { address: &self.address, proto: self.proto }
    }
}

/// Rewrites the head for HTTP/1.1, whichever backend it goes to. `upgrades` tells whether the client may have
/// another protocol. Answers what is not among the headers then: to put it there would cost more than to write it.
pub(super) fn prepare(
    request: &mut Request<Body>,
    upgrades: bool,
    context: &Context,
    own: &Own,
) -> Option<Sender> {
    let received = std::mem::replace(request.version_mut(), Version::HTTP_11);
    let headers = request.headers_mut();
    let proxied = is_proxied(context);
    clean(headers, proxied, upgrades);
    via(headers, received, own);
    let address = clients::value(context.peer.address.ip().to_canonical());
    if proxied || !headers.contains_key(header::HOST) {
        let host = headers.get(header::HOST).cloned();
        forwarded(headers, host, context, address);
        return None;
    }
    Some(Sender { address, proto: proto(context) })
}

/// Addresses the head to one backend.
pub(super) fn address(request: &mut Request<Body>, target: &Target) -> Result<(), Fault> {
    let uri = request.uri();
    // Without a base path nothing is copied.
    if !target.base.is_empty() || uri.authority().is_some() {
        *request.uri_mut() = path(uri, &target.base)?;
    }
    Ok(())
}

/// The base path, then the operation's.
fn path(uri: &Uri, base: &str) -> Result<Uri, Fault> {
    let below = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let between = if below.starts_with('/') { "" } else { "/" };
    let whole = text::cut(&[base.as_bytes(), between.as_bytes(), below.as_bytes()]);
    let path = PathAndQuery::from_maybe_shared(whole)
        .map_err(|error| Fault::new(fault::BAD_REQUEST).caused_by(error))?;
    Ok(Uri::from(path))
}

/// Whether the gateway believed its peer to be a proxy, and took the client's address from it.
fn is_proxied(context: &Context) -> bool {
    context.client_ip != context.peer.address.ip().to_canonical()
}

/// Drops what means one hop only, and what a client may not claim. One look at each name is cheaper than
/// asking for names that are hardly ever there.
fn clean(headers: &mut HeaderMap, proxied: bool, upgrades: bool) {
    let doomed: Vec<HeaderName> =
        headers.keys().filter(|name| is_dropped(name, proxied, upgrades)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
    if upgrades {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

fn is_dropped(name: &HeaderName, proxied: bool, upgrades: bool) -> bool {
    match *name {
        header::CONNECTION | header::UPGRADE => !upgrades,
        header::EXPECT
        | header::TRANSFER_ENCODING
        | header::PROXY_AUTHORIZATION
        | header::PROXY_AUTHENTICATE => true,
        header::FORWARDED => !proxied,
        _ => {
            let name = name.as_str();
            match name.as_bytes().first() {
                // Belongs to an upgrade to h2c, which is not passed on (RFC 7540 section 3.2.1).
                Some(b'h') => name == "http2-settings",
                Some(b'k') => name == "keep-alive",
                Some(b'p') => name == "proxy-connection",
                Some(b'x') => !proxied && is_claim(name),
                _ => false,
            }
        }
    }
}

/// Headers by which a proxy speaks of its client. Backends that read CGI variables cannot tell an underscore
/// from a hyphen, so both are meant.
fn is_claim(name: &str) -> bool {
    let rest = name.get(1..).unwrap_or_default();
    let rest = rest.trim_start_matches(['-', '_']);
    rest.starts_with("forwarded") || rest == "real-ip" || rest == "real_ip"
}

/// Leaves of a request's headers what any backend may see, for transports that are not HTTP's.
pub(crate) fn vouch(headers: &mut HeaderMap, context: &Context) {
    let host = headers.get(header::HOST).cloned();
    clean(headers, is_proxied(context), false);
    let peer = context.peer.address.ip().to_canonical().to_string();
    if let Ok(peer) = HeaderValue::try_from(peer) {
        forwarded(headers, host, context, peer);
    }
}

fn forwarded(headers: &mut HeaderMap, host: Option<HeaderValue>, context: &Context, peer: HeaderValue) {
    let proto = HeaderValue::from_static(proto(context));
    if is_proxied(context) {
        headers.append(FORWARDED_FOR, peer);
        headers.entry(FORWARDED_PROTO).or_insert(proto);
        if let Some(host) = host {
            headers.entry(FORWARDED_HOST).or_insert(host);
        }
        return;
    }
    headers.insert(FORWARDED_FOR, peer);
    headers.insert(FORWARDED_PROTO, proto);
    // HTTP/2 names the host in the target.
    let host = host.or_else(|| HeaderValue::from_str(context.uri.authority()?.as_str()).ok());
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
}

fn proto(context: &Context) -> &'static str {
    if context.peer.tls { "https" } else { "http" }
}

fn via(headers: &mut HeaderMap, received: Version, own: &Own) {
    let Some(name) = &own.settings.via else { return };
    let version = if received == Version::HTTP_2 { "2.0" } else { "1.1" };
    if let Ok(value) = HeaderValue::from_str(&format!("{version} {name}")) {
        headers.append(header::VIA, value);
    }
}

/// Rewrites a head that was made for HTTP/1.1 and addressed for HTTP/2, where the host is part of the target and
/// framing is not the head's business (RFC 9113 section 8.2.2).
pub(super) fn prepare_h2(
    request: &mut Request<Body>,
    sender: Option<&Sender>,
    target: &Target,
) -> Result<(), Fault> {
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    let host = headers.remove(header::HOST);
    headers.remove(header::TRANSFER_ENCODING);
    if let Some(Sender { address, proto }) = sender {
        headers.insert(FORWARDED_FOR, address.clone());
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
        if let Some(host) = host {
            headers.insert(FORWARDED_HOST, host);
        }
    }
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(target.scheme.clone());
    parts.authority = Some(target.authority.clone());
    *request.uri_mut() =
        Uri::from_parts(parts).map_err(|error| Fault::new(fault::INTERNAL).caused_by(error))?;
    Ok(())
}

/// Takes back what was told of the sender for HTTP/2, for another try by whichever version.
pub(super) fn take_back_h2(headers: &mut HeaderMap, sender: Option<&Sender>) {
    if sender.is_none() {
        return;
    }
    headers.remove(FORWARDED_FOR);
    headers.remove(FORWARDED_PROTO);
    if let Some(host) = headers.remove(FORWARDED_HOST) {
        headers.insert(header::HOST, host);
    }
}

/// The head of a 101 as the client is to see it.
pub(super) fn switch(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
}
