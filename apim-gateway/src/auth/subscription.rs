//! Finds the caller's application, and its leave to call the API.

use std::sync::Arc;

use apim_core::model::{
    Api, Application, AuthType, KeyType, LifecycleState, Subscription as Leave, SubscriptionState,
};
use apim_core::{BuildError, Exchange, Fault, Filter, Flow, Link, Parts, Principal, Provide, fault};

use super::acquainted;
use super::mutual::ByCertificate;
use crate::deploy::{Site, View};
use crate::fetch::Fetch;

/// Subscription validation (spec: gateway-security, section 3), entirely in memory.
///
/// It applies to tokens and to API keys alike. APIs without business plans, and prototypes, need no
/// subscription; the application is then learned if there is one.
#[derive(Debug)]
pub struct Subscription;

impl Subscription {
    fn find(view: &View, api: &Api, principal: &Principal) -> Result<Found, Fault> {
        let needed = is_needed(api);
        let (application, mapped) = match (&principal.application, &principal.claims) {
            (Some(application), _) => (Some(application.clone()), None),
            (None, Some(claims)) => {
                let mapping = view.mapping(&claims.key_manager, &claims.client);
                let application = mapping.and_then(|mapping| view.application(&mapping.application));
                (application.cloned(), mapping.map(|mapping| mapping.key_type))
            }
            // Whoever was let in by some other link brings an application along, or needs none.
            (None, None) => (None, None),
        };
        let key_type = match api.state {
            LifecycleState::Prototyped => Some(KeyType::Production),
            _ => mapped,
        };
        let Some(application) = application else {
            return if needed {
                let refused = refused("no application has this key");
                Err(match &principal.client {
                    Some(client) => refused.found(client),
                    None => refused,
                })
            } else {
                Ok(Found { key_type, ..Found::default() })
            };
        };
        let subscription = match view.subscription(&application.id, &api.id) {
            Some(subscription) => subscription,
            None if needed => {
                return Err(refused("the application has not subscribed").found(&application.id));
            }
            None => return Ok(Found { application: Some(application), subscription: None, key_type }),
        };
        allows(subscription, key_type.unwrap_or(principal.key_type))?;
        Ok(Found { application: Some(application), subscription: Some(subscription.clone()), key_type })
    }

    /// Whether a caller who has been let in would be today: by the same key for the same application, with a leave
    /// if he had one and needs one. Whose application nobody asked for needs none now.
    pub(crate) fn still_holds(api: &Api, view: &View, principal: &Principal) -> bool {
        let Some(application) = &principal.application else { return true };
        let mapped = principal.claims.as_ref().is_none_or(|claims| {
            let mapping = view.mapping(&claims.key_manager, &claims.client);
            mapping.is_some_and(|mapping| mapping.application == application.id)
        });
        let leave = || {
            let leave = view.subscription(&application.id, &api.id);
            leave.is_some_and(|leave| allows(leave, principal.key_type).is_ok())
        };
        mapped
            && view.application(&application.id).is_some()
            && (principal.subscription.is_none() || !is_needed(api) || leave())
    }
}

/// Whether callers of an API need a subscription.
fn is_needed(api: &Api) -> bool {
    api.subscriptions && api.state != LifecycleState::Prototyped
}

/// Whether calls with a key of this type may pass.
fn allows(subscription: &Leave, key_type: KeyType) -> Result<(), Fault> {
    let code = match subscription.state {
        SubscriptionState::Unblocked => return Ok(()),
        SubscriptionState::ProdOnlyBlocked if key_type == KeyType::Sandbox => return Ok(()),
        SubscriptionState::Blocked | SubscriptionState::ProdOnlyBlocked => fault::SUBSCRIPTION_BLOCKED,
        SubscriptionState::OnHold | SubscriptionState::Rejected => fault::SUBSCRIPTION_INACTIVE,
    };
    Err(Fault::new(code).rule("subscription.state").found(&subscription.id))
}

/// What was found of a caller.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    application: Option<Arc<Application>>,
    subscription: Option<Arc<Leave>>,
    key_type: Option<KeyType>,
}

impl Found {
    /// Asks for what the links behind this one are about to look at.
    pub(super) fn fetch(&self) {
        let mut fetch = Fetch::default();
        if let Some(application) = &self.application {
            fetch.text(&application.id).text(&application.policy).text(&application.owner);
        }
        if let Some(subscription) = &self.subscription {
            fetch.text(&subscription.plan);
        }
    }
}

impl Filter for Subscription {
    fn request(&self, exchange: &mut Exchange) -> Result<Flow, Fault> {
        let context = exchange.context();
        let (Some(view), Some(principal)) = (View::of(context), &context.principal) else {
            return Err(
                Fault::new(fault::UNCLASSIFIED).detail("nobody was authenticated before `subscription`")
            );
        };
        if context.operation().is_some_and(|operation| operation.auth == AuthType::None) {
            return Ok(Flow::Continue);
        }
        // Certificates are the API's own, and need no subscription (spec: gateway-security, section 7).
        if ByCertificate::of(context).is_some() {
            return Ok(Flow::Continue);
        }
        let site = Site::of(context)?;
        let find = || Self::find(view, &site.api, principal);
        let found = match (&principal.application, &principal.claims) {
            (None, Some(claims)) => acquainted::with(view.number(), claims, site, find)?,
            _ => find()?,
        };
        if let Some(principal) = &mut exchange.context_mut().principal {
            principal.application = found.application;
            principal.subscription = found.subscription;
            principal.key_type = found.key_type.unwrap_or(principal.key_type);
        }
        Ok(Flow::Continue)
    }
}

impl Provide<Link> for Subscription {
    const NAME: &'static str = "subscription";
    type Config = ();

    async fn build((): (), _: &Parts) -> Result<Link, BuildError> {
        Ok(Link::filter(Self).shared())
    }
}

fn refused(why: &'static str) -> Fault {
    Fault::new(fault::FORBIDDEN)
        .because("User is NOT authorized to access the Resource. API Subscription validation failed.")
        .rule("api.subscriptions")
        .detail(why)
}
