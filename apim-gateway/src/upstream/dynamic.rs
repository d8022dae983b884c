//! Backends that are named by the request, among those that are allowed.

use std::sync::Arc;

use apim_core::model::{Dynamic, Endpoint};
use apim_core::{BuildError, Fault, fault};
use http::header::{HeaderMap, HeaderName};

use super::Upstream;
use super::backends::Backends;
use super::group::Group;
use super::known::{Former, Known};
use super::target::Place;

/// Which endpoint a mediator has chosen for a request; kept among the [slots](apim_core::Context::slots) of its
/// context.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chosen {
    /// One of the API's [named](apim_core::model::Endpoints::named) ones.
    Name(String),
    /// A URL that the endpoint's [`Dynamic`] allows.
    Url(String),
}

/// The backends of one endpoint that requests may name.
pub(super) struct Dynamics {
    header: Option<HeaderName>,
    allowed: Box<[Place]>,
    backends: Arc<Backends>,
}

impl Dynamics {
    /// Those that an endpoint of this name allows, with what is known of them.
    pub(super) fn new(
        name: &str,
        dynamic: &Dynamic,
        endpoint: &Endpoint,
        upstream: &Upstream,
        known: &Known,
    ) -> Result<Self, BuildError> {
        let within = |error: BuildError| error.within("dynamic");
        let header = dynamic.header.as_deref().map(HeaderName::try_from).transpose();
        let header = header.map_err(|error| within(BuildError::at("header", error)))?;
        if dynamic.allow.is_empty() {
            return Err(within(BuildError::at("allow", "it must name what may be called")));
        }
        let allowed = dynamic.allow.iter().enumerate().map(|(index, url)| {
            let wrong =
                |error: BuildError| within(BuildError::at(format!("allow[{index}]"), error.to_string()));
            place(url).map_err(wrong)
        });
        if endpoint.health.is_some() {
            return Err(within(BuildError::at(
                "",
                "what is named by requests cannot be asked for its health",
            )));
        }
        let allowed = allowed.collect::<Result<_, _>>()?;
        let like = Endpoint {
            url: String::new(),
            members: Vec::new(),
            dynamic: None,
            lambda: None,
            mock: false,
            ..endpoint.clone()
        };
        let backends = Backends::like(like, upstream);
        // What could never be called is found out now, and not with each call.
        let learn = backends.check(&dynamic.allow[0]).map_err(within)?;
        let backends = match known.named(name, &upstream.0) {
            Some(Former::Same(backends)) => backends,
            Some(Former::Akin(akin)) => Arc::new(backends.after(&akin)),
            None => Arc::new(backends),
        };
        known.remember_named(name, Some(&backends).filter(|_| learn));
        Ok(Self { header, allowed, backends })
    }

    /// The URL that a request names in its header, which is not sent on.
    pub(super) fn named(&self, headers: &mut HeaderMap) -> Result<Option<String>, Fault> {
        let Some(name) = &self.header else { return Ok(None) };
        let several = headers.get_all(name).iter().count() > 1;
        let Some(value) = headers.remove(name) else { return Ok(None) };
        match value.to_str() {
            Ok(url) if !several => Ok(Some(url.to_owned())),
            _ => {
                Err(Fault::new(fault::BAD_REQUEST).because(format!("The header {name} names no single URL")))
            }
        }
    }

    /// The backend at a URL.
    pub(super) fn group(&self, url: &str) -> Result<Arc<Group>, Fault> {
        if let Some(group) = self.backends.find(url) {
            return Ok(group);
        }
        let forbidden = |why: String| {
            let fault = Fault::new(fault::TRANSPORT_FORBIDDEN)
                .because("The backend that was named may not be called");
            fault.detail(format!("{url:?}: {why}"))
        };
        let wanted = place(url).map_err(|error| forbidden(error.to_string()))?;
        if !self.allowed.iter().any(|allowed| covers(allowed, &wanted)) {
            return Err(forbidden("nothing that is allowed covers it".to_owned()));
        }
        self.backends.resolve(url).map_err(|error| forbidden(error.to_string()))
    }
}

/// A URL whose path cannot mean another one to the backend.
fn place(url: &str) -> Result<Place, BuildError> {
    let place = Place::parse(url)?;
    let lower = place.base.to_ascii_lowercase();
    let dotted = lower.split('/').any(|segment| matches!(segment, "." | ".."));
    let hidden = ["%2e", "%2f", "%5c", "\\", "//", ";", "%00"].iter().any(|piece| lower.contains(piece));
    match dotted || hidden {
        true => Err(BuildError::at("url", "its path is ambiguous")),
        false => Ok(place),
    }
}

/// Whether a place is that which is allowed, or below it.
fn covers(allowed: &Place, wanted: &Place) -> bool {
    let below = wanted.base.strip_prefix(&*allowed.base);
    allowed.secure == wanted.secure
        && allowed.host.eq_ignore_ascii_case(&wanted.host)
        && allowed.port == wanted.port
        && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn nothing_beside_what_is_allowed_is_covered() {
        let allowed = place("https://pets.example/v1").unwrap();
        let is_covered = |url: &str| place(url).is_ok_and(|wanted| covers(&allowed, &wanted));
        for url in ["https://pets.example/v1", "https://PETS.example:443/v1/", "https://pets.example/v1/cats"]
        {
            assert!(is_covered(url), "{url}");
        }
        for url in [
            "http://pets.example:443/v1",
            "http://pets.example/v1",
            "https://pets.example:8443/v1",
            "https://pets.example/v10",
            "https://pets.example/",
            "https://pets.example/v1/../admin",
            "https://pets.example/v1/%2e%2e/admin",
            "https://pets.example/v1/..;/admin",
            "https://pets.example.evil/v1",
            "https://pets.example@evil/v1",
            "https://evil/https://pets.example/v1",
            "//pets.example/v1",
            "https://pets.example/v1?x",
        ] {
            assert!(!is_covered(url), "{url}");
        }
    }
}
