//! Finds out who calls.

use std::sync::Arc;

use apim_core::handler::Prompt;
use apim_core::model::{AuthType, UserName};
use apim_core::{
    BuildError, Claims, Clock, Context, Exchange, Fact, Fault, Filter, Flow, Link, Parts, Principal, Provide,
    Step, TokenVerifier, fault,
};
use http::header::REFERER;
use schemars::JsonSchema;
use serde::Deserialize;

use super::credential::Credential;
use super::jwt::invalid;
use super::mutual::ByCertificate;
use crate::deploy::{KeyDigest, Site, View};
use crate::gateway::{CertificateHeader, Opening, Unlocked};

/// Takes the credential out of the request and makes a principal of it.
///
/// Which header counts as a candidate follows spec gateway-security, section 1: what no scheme of the API
/// reads is missing (900902), what one reads and cannot accept is invalid (900901). A credential that was
/// presented is never ignored in favour of another; a client certificate, which is presented to every API alike,
/// counts where there is none. On operations for everybody the principal is anonymous,
/// whatever was presented.
pub struct Authentication {
    verifier: Arc<dyn TokenVerifier>,
    clock: Arc<dyn Clock>,
    anonymous: Principal,
    keep_credentials: bool,
    /// How backends are told of certificates, if they are told at all.
    certificates: Option<Arc<CertificateHeader>>,
}

/// What `use: authentication` can be told.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether the caller's token or API key is passed on to the backend. Default: no.
    pub keep_credentials: bool,
}

impl Authentication {
    fn take(&self, site: &Site, exchange: &mut Exchange) -> Result<Option<Credential>, Fault> {
        let original = self.keep_credentials.then(|| (exchange.headers().clone(), exchange.uri().clone()));
        let credential = site.readers.take(exchange);
        if let Some((headers, uri)) = original {
            let head = exchange.head_mut();
            (head.headers, head.uri) = (headers, uri);
        }
        credential
    }

    /// What the caller's certificate is worth: whether it is demanded is decided before anything else
    /// (spec: gateway-security, sections 1 and 7).
    fn certificate(&self, site: &Site, context: &mut Context) -> Result<Option<ByCertificate>, Fault> {
        let Some(mutual) = &site.mutual else { return Ok(None) };
        let certificate = mutual.check(context, self.clock.now())?;
        if let (Some(header), Some(_)) = (&self.certificates, &certificate)
            && let Some(vouched) = context.slots.get().and_then(|shown| header.vouch(shown))
        {
            context.slots.insert(vouched);
        }
        Ok(certificate.filter(|_| !mutual.wants_credential()))
    }

    fn let_in(site: &Site, exchange: &mut Exchange, certificate: ByCertificate) -> Flow {
        let mut principal = Principal::new(certificate.user().into());
        principal.key_type = certificate.key_type().unwrap_or(site.open_to);
        let context = exchange.context_mut();
        context.principal = Some(principal);
        context.slots.insert(certificate);
        Flow::Continue
    }

    fn identify(site: &Site, exchange: &mut Exchange, claims: Arc<Claims>) -> Result<Flow, Fault> {
        let trusted = &site.api.key_managers;
        if !trusted.is_empty() && !trusted.contains(&claims.key_manager) {
            return Err(invalid("the API does not accept tokens of this key manager")
                .rule("api.key_managers")
                .wanted(Fact::list(trusted))
                .found(&claims.key_manager));
        }
        let mut principal = Principal::new(claims.subject.clone());
        principal.client = Some(claims.client.clone());
        principal.claims = Some(claims);
        exchange.context_mut().principal = Some(principal);
        Ok(Flow::Continue)
    }

    /// An API key is known by its digest only, and looked up by it, so that the time it takes tells nothing
    /// about any key.
    fn unlock(&self, site: &Site, exchange: &mut Exchange, presented: &str) -> Result<Flow, Fault> {
        let context = exchange.context();
        let view = View::of(context).ok_or_else(|| Fault::new(fault::UNCLASSIFIED))?;
        let digest = KeyDigest::of(presented.as_bytes());
        let key = view.key(&digest).ok_or_else(|| invalid("unknown API key").rule("api-key.known"))?;
        if key.expires_at.is_some_and(|at| at <= self.clock.now()) {
            let expired = Fault::new(fault::TOKEN_EXPIRED).because("Renew the API key and try again");
            let expired = expired.rule("api-key.expires").wanted(self.clock.now()).found(&key.id);
            return Err(expired);
        }
        let forbidden = |rule: &'static str, why: &'static str| {
            let fault = Fault::new(fault::FORBIDDEN).because("Access forbidden for the invocations");
            fault.rule(rule).found(&key.id).detail(why)
        };
        if key.api.as_ref().is_some_and(|api| *api != site.api.id) {
            return Err(forbidden("api-key.api", "it is for another API"));
        }
        if !key.permits_address(context.client_ip) {
            return Err(forbidden("api-key.addresses", "not from this address"));
        }
        let referer = exchange.headers().get(REFERER).and_then(|value| value.to_str().ok());
        if !key.permits_referer(referer) {
            return Err(forbidden("api-key.referers", "not from this page"));
        }
        let application = view
            .application(&key.application)
            .ok_or_else(|| forbidden("api-key.application", "its application is gone"))?;
        let mut principal = Principal::new(application.owner.clone());
        principal.application = Some(application.clone());
        principal.key_type = key.key_type;
        let context = exchange.context_mut();
        context.principal = Some(principal);
        if context.slots.get::<Opening>().is_some() {
            context.slots.insert(Unlocked(digest));
        }
        Ok(Flow::Continue)
    }
}

impl Prompt for Authentication {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>> {
        // Its own, since what is found in the request is taken out of it.
        let site = match Site::held(exchange.context()) {
            Ok(site) => site,
            Err(fault) => return Step::Done(Err(fault)),
        };
        let open = exchange.context().operation().is_some_and(|operation| operation.auth == AuthType::None);
        let credential = self.take(&site, exchange);
        if open {
            exchange.context_mut().principal = Some(nobody(&self.anonymous, &site));
            return Step::Done(Ok(Flow::Continue));
        }
        let certificate = match self.certificate(&site, exchange.context_mut()) {
            Ok(certificate) => certificate,
            Err(fault) => return Step::Done(Err(fault)),
        };
        let credential = match (credential, certificate) {
            (Ok(Some(credential)), _) => credential,
            (Ok(None), Some(certificate)) => {
                return Step::Done(Ok(Self::let_in(&site, exchange, certificate)));
            }
            (Ok(None), None) => {
                return Step::Done(Err(Fault::new(fault::MISSING_CREDENTIALS)
                    .because(site.readers.missing())
                    .rule("api.schemes")));
            }
            (Err(fault), _) => return Step::Done(Err(fault)),
        };
        let token = match credential {
            Credential::Token(token) => token,
            Credential::ApiKey(key) => return Step::Done(self.unlock(&site, exchange, key.as_str())),
        };
        let worker = exchange.context().worker;
        if let Step::Done(claims) = self.verifier.verify_on(token.as_str(), worker) {
            return Step::Done(claims.and_then(|claims| Self::identify(&site, exchange, claims)));
        }
        // What was not polled has had no effect, and can be asked for again by a future that owns the token.
        Step::wait(async move {
            let claims = self.verifier.verify_on(token.as_str(), worker).await?;
            Self::identify(&site, exchange, claims)
        })
    }
}

impl Provide<Link> for Authentication {
    const NAME: &'static str = "authentication";
    type Config = Config;

    async fn build(config: Config, parts: &Parts) -> Result<Link, BuildError> {
        let keep_credentials = config.keep_credentials;
        let (verifier, clock, anonymous) = (parts.get()?, parts.clock(), anonymous());
        let certificates = parts.get()?;
        Ok(Link::prompt(Self { verifier, clock, anonymous, keep_credentials, certificates }).shared())
    }
}

/// Lets everybody in, as nobody. For gateways in front of which somebody else authenticates.
///
/// It stands in place of `authentication`, `subscription` and `authorization`: the principal behind it has no
/// application, so the others would refuse it. A list of links without any of them is accepted, and refuses every call.
#[derive(Debug)]
pub struct Anonymous(Principal);

impl Filter for Anonymous {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let principal = nobody(&self.0, Site::of(exchange.context())?);
        exchange.context_mut().principal = Some(principal);
        Ok(Flow::Continue)
    }
}

impl Provide<Link> for Anonymous {
    const NAME: &'static str = "anonymous";
    type Config = ();

    async fn build((): (), _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self(anonymous())).shared())
    }
}

/// Nobody in particular.
fn anonymous() -> Principal {
    Principal::new(UserName::from("anonymous"))
}

/// The same, as a caller of this API.
fn nobody(anonymous: &Principal, site: &Site) -> Principal {
    let mut principal = anonymous.clone();
    principal.key_type = site.open_to;
    principal
}
