//! Limits on calls (spec: throttling, sections 2 and 5).

use std::net::IpAddr;
use std::sync::Arc;

use apim_core::handler::Prompt;
use apim_core::model::{AuthType, Policy, PolicyKind, Quota};
use apim_core::throttle::{Cost, Decision, Key, Level, Refusal};
use apim_core::{
    BuildError, Context, Exchange, Fault, Flow, Link, Parts, Provide, Step, ThrottleEngine, fault,
};
use smallvec::SmallVec;

use crate::address::AddressText;
use crate::auth::ByCertificate;
use crate::deploy::{SUBSCRIPTIONLESS, Site, UNAUTHENTICATED, UNLIMITED, View};
use crate::metrics::Metrics;

/// Asks the throttle engine about every limit that a call is under, all at once.
///
/// In this order: the API's own policy, or else the operation's; the subscription and its burst; the
/// application (for each of its users) and its burst. Calls without a credential are counted by the client's
/// address against the tier `Unauthenticated`, those to APIs without business plans against
/// `DefaultSubscriptionless`. A policy that is named and not known refuses the call: a limit that cannot be
/// enforced is no leave to go without.
pub struct Throttle {
    engine: Arc<dyn ThrottleEngine>,
    metrics: Option<Metrics>,
}

/// The engine of a gateway that was given none: without limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unlimited;

impl ThrottleEngine for Unlimited {
    fn take<'a>(&'a self, _: &'a [Key<'a>], _: Cost) -> Step<'a, Decision> {
        Step::Done(Decision::Allowed)
    }

    fn take_now(&self, _: &[Key<'_>], _: Cost) -> Option<Decision> {
        Some(Decision::Allowed)
    }
}

/// The limits of one call: at most six, so they need no allocation.
#[derive(Default)]
struct Keys<'a>(SmallVec<[Key<'a>; 6]>);

impl<'a> Keys<'a> {
    fn add(&mut self, level: Level, subject: [&'a str; 3], quota: Option<Quota>, lenient: bool) {
        if let Some(quota) = quota {
            self.0.push(Key { level, subject, quota, lenient });
        }
    }
}

/// Who is counted where there is no application. An IPv6 network of 64 bits counts as one caller: whoever has one
/// address of it has them all.
fn caller(address: IpAddr) -> AddressText {
    AddressText::of(match address {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    })
}

impl Throttle {
    /// Adds every limit that a call is under. Who is counted by address has it written down in `address`.
    fn limits<'a>(
        &'a self,
        context: &'a Context,
        address: &'a mut Option<AddressText>,
        keys: &mut Keys<'a>,
    ) -> Result<(), Fault> {
        let view =
            View::of(context).ok_or_else(|| Fault::new(fault::UNAVAILABLE).detail("there is no view"))?;
        let site = Site::of(context)?;
        advanced(keys, view, site, context)?;
        let Some(principal) = &context.principal else { return Ok(()) };
        let open = context.operation().is_some_and(|operation| operation.auth == AuthType::None);
        let application = principal.application.as_deref();
        let (known, plan) = match (application, &principal.subscription) {
            _ if open => (None, UNAUTHENTICATED),
            (Some(application), Some(subscription)) => (Some(&*application.id), &*subscription.plan),
            (Some(application), None) => (Some(&*application.id), SUBSCRIPTIONLESS),
            (None, _) => match ByCertificate::of(context) {
                Some(by) => (Some(by.name()), by.tier().map_or(SUBSCRIPTIONLESS, |tier| &**tier)),
                None => (principal.client.as_deref(), SUBSCRIPTIONLESS),
            },
        };
        let (level, burst, subject) = match known {
            Some(subject) => (Level::Subscription, Level::SubscriptionBurst, subject),
            None => {
                let subject = address.insert(caller(context.client_ip)).as_str();
                (Level::Anonymous, Level::AnonymousBurst, subject)
            }
        };
        let policy = policy(view, PolicyKind::Subscription, plan)?;
        let counted = [subject, &*site.context, plan];
        let lenient = !policy.stop_on_quota_reach;
        keys.add(level, counted, policy.quota, lenient);
        keys.add(burst, counted, policy.burst, lenient);
        if let Some(application) = application {
            let policy = self::policy(view, PolicyKind::Application, &application.policy)?;
            let counted = [&*application.id, &*principal.user, ""];
            keys.add(Level::Application, counted, policy.quota, false);
            keys.add(Level::ApplicationBurst, counted, policy.burst, false);
        }
        Ok(())
    }

    fn count(&self, context: &Context, keys: &Keys<'_>, decision: &Decision) {
        if let Some(metrics) = &self.metrics {
            metrics.throttled(context.worker, &keys.0, decision);
        }
    }
}

impl Prompt for Throttle {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>> {
        let context = exchange.context();
        let (mut address, mut keys) = (None, Keys::default());
        if let Err(fault) = self.limits(context, &mut address, &mut keys) {
            return Step::Done(Err(fault));
        }
        if keys.0.is_empty() {
            return Step::Done(Ok(Flow::Continue));
        }
        if let Some(decision) = self.engine.take_now(&keys.0, Cost::ONE) {
            self.count(context, &keys, &decision);
            return Step::Done(outcome(decision));
        }
        Step::wait(async move {
            let (mut address, mut keys) = (None, Keys::default());
            self.limits(context, &mut address, &mut keys)?;
            let decision = self.engine.take(&keys.0, Cost::ONE).await;
            self.count(context, &keys, &decision);
            outcome(decision)
        })
    }
}

/// The API's own policy makes the operations' ineffective.
fn advanced<'a>(keys: &mut Keys<'a>, view: &View, site: &'a Site, context: &'a Context) -> Result<(), Fault> {
    let limited = |name: &&apim_core::model::PolicyName| name.as_str() != UNLIMITED;
    if let Some(name) = site.policy.as_ref().filter(limited) {
        let quota = policy(view, PolicyKind::Advanced, name)?.quota;
        keys.add(Level::Api, [&*site.context, "", ""], quota, false);
        return Ok(());
    }
    if let Some(operation) = context.operation()
        && let Some(name) = operation.policy.as_ref().filter(limited)
    {
        let quota = policy(view, PolicyKind::Advanced, name)?.quota;
        let counted = [&*site.context, &*operation.path, &*operation.method];
        keys.add(Level::Operation, counted, quota, false);
    }
    Ok(())
}

fn policy<'v>(view: &'v View, kind: PolicyKind, name: &str) -> Result<&'v Policy, Fault> {
    view.policies().get(kind, name).ok_or_else(|| {
        Fault::new(fault::UNAVAILABLE)
            .rule("policies")
            .found(name.to_owned())
            .detail(format!("the {kind:?} policy is not known here"))
    })
}

fn outcome(decision: Decision) -> Result<Flow, Fault> {
    let Decision::Refused(refusal) = decision else { return Ok(Flow::Continue) };
    let Refusal { level, quota, used, retry_at, .. } = refusal;
    let code = match level {
        Level::Api => fault::API_THROTTLED,
        Level::Operation => fault::OPERATION_THROTTLED,
        Level::Subscription | Level::Anonymous => fault::SUBSCRIPTION_THROTTLED,
        Level::Application => fault::APPLICATION_THROTTLED,
        _ => fault::BURST_THROTTLED,
    };
    let fault =
        Fault::new(code).because("You have exceeded your quota").rule(rule(level)).wanted(quota).found(used);
    // A burst's window is too short to be worth a date (spec: throttling, section 10).
    Err(if code.number == fault::BURST_THROTTLED.number { fault } else { fault.retry_at(retry_at) })
}

/// The rule by which a call was counted.
fn rule(level: Level) -> &'static str {
    match level {
        Level::Api => "api.policy",
        Level::Operation => "operation.policy",
        Level::Subscription => "subscription.plan",
        Level::SubscriptionBurst => "subscription.plan.burst",
        Level::Application => "application.policy",
        Level::ApplicationBurst => "application.policy.burst",
        Level::Anonymous => "unauthenticated.plan",
        Level::AnonymousBurst => "unauthenticated.plan.burst",
        _ => "policy",
    }
}

impl Provide<Link> for Throttle {
    const NAME: &'static str = "throttle";
    type Config = ();

    async fn build((): (), parts: &Parts) -> Result<Link, BuildError> {
        let metrics = parts.get().ok();
        Ok(Link::prompt(Self { engine: parts.get()?, metrics }).shared())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_counted_by_address_and_by_network() {
        let text = |address: &str| caller(address.parse().expect("an address")).as_str().to_owned();
        assert_eq!(text("255.255.255.255"), "255.255.255.255");
        assert_eq!(text("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(text("2001:db8:1:2::1"), text("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    }
}
