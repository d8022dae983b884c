//! Limits on calls (spec: throttling, sections 2 and 5).

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use apim_core::handler::Prompt;
use apim_core::model::{AuthType, Policy, PolicyKind, Quota};
use apim_core::throttle::{Cost, Decision, Key, Level, Refusal};
use apim_core::{
    BuildError, Context, Exchange, Fault, Flow, Link, Parts, Provide, Step, ThrottleEngine, fault,
};
use schemars::JsonSchema;
use serde::Deserialize;

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
    site: Arc<Site>,
    engine: Arc<dyn ThrottleEngine>,
    metrics: Option<Metrics>,
}

/// Nothing to configure.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {}

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

/// Who is counted where there is no application: its text lives on the stack, and is only written when it
/// is asked for.
#[derive(Default)]
struct Caller(OnceLock<Text>);

struct Text {
    text: [u8; 45],
    length: usize,
}

impl Caller {
    fn text(&self, address: IpAddr) -> &str {
        self.0.get_or_init(|| Text::of(address)).as_str()
    }
}

impl Text {
    /// An IPv6 network of 64 bits counts as one caller: whoever has one address of it has them all.
    fn of(address: IpAddr) -> Self {
        let address = match address {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            v4 => v4,
        };
        let mut text = Self { text: [0; 45], length: 0 };
        // The longest address has 45 characters, so it always fits.
        let _ = write!(text, "{address}");
        text
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.text.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// The limits of one call: at most six, so they need no allocation.
struct Keys<'a> {
    keys: [Key<'a>; 6],
    count: usize,
}

impl<'a> Keys<'a> {
    fn new() -> Self {
        let quota = Quota { requests: 0, window_ms: 1 };
        let unused = Key { level: Level::Api, subject: [""; 3], quota, lenient: false };
        Self { keys: [unused; 6], count: 0 }
    }

    fn add(&mut self, level: Level, subject: [&'a str; 3], quota: Option<Quota>, lenient: bool) {
        if let Some(quota) = quota
            && let Some(slot) = self.keys.get_mut(self.count)
        {
            *slot = Key { level, subject, quota, lenient };
            self.count += 1;
        }
    }

    fn as_slice(&self) -> &[Key<'a>] {
        &self.keys[..self.count]
    }
}

impl Throttle {
    fn keys<'a>(&'a self, context: &'a Context, caller: &'a Caller) -> Result<Keys<'a>, Fault> {
        let mut keys = Keys::new();
        let view =
            View::of(context).ok_or_else(|| Fault::new(fault::UNAVAILABLE).detail("there is no view"))?;
        self.advanced(&mut keys, view, context)?;
        let Some(principal) = &context.principal else { return Ok(keys) };
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
            None => (Level::Anonymous, Level::AnonymousBurst, caller.text(context.client_ip)),
        };
        let policy = policy(view, PolicyKind::Subscription, plan)?;
        let counted = [subject, &*self.site.context, plan];
        let lenient = !policy.stop_on_quota_reach;
        keys.add(level, counted, policy.quota, lenient);
        keys.add(burst, counted, policy.burst, lenient);
        if let Some(application) = application {
            let policy = self::policy(view, PolicyKind::Application, &application.policy)?;
            let counted = [&*application.id, &*principal.user, ""];
            keys.add(Level::Application, counted, policy.quota, false);
            keys.add(Level::ApplicationBurst, counted, policy.burst, false);
        }
        Ok(keys)
    }

    fn count(&self, context: &Context, keys: &Keys<'_>, decision: &Decision) {
        if let Some(metrics) = &self.metrics {
            metrics.throttled(context.worker, keys.as_slice(), decision);
        }
    }

    /// The API's own policy makes the operations' ineffective.
    fn advanced<'a>(&'a self, keys: &mut Keys<'a>, view: &View, context: &'a Context) -> Result<(), Fault> {
        let limited = |name: &&apim_core::model::PolicyName| name.as_str() != UNLIMITED;
        if let Some(name) = self.site.api.policy.as_ref().filter(limited) {
            let quota = policy(view, PolicyKind::Advanced, name)?.quota;
            keys.add(Level::Api, [&*self.site.context, "", ""], quota, false);
            return Ok(());
        }
        if let Some(operation) = context.operation()
            && let Some(name) = operation.policy.as_ref().filter(limited)
        {
            let quota = policy(view, PolicyKind::Advanced, name)?.quota;
            let counted = [&*self.site.context, &*operation.path, &*operation.method];
            keys.add(Level::Operation, counted, quota, false);
        }
        Ok(())
    }
}

impl Prompt for Throttle {
    fn request<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a, Result<Flow, Fault>> {
        let context = exchange.context();
        let caller = Caller::default();
        let decided = match self.keys(context, &caller) {
            Ok(keys) if keys.count == 0 => return Step::Done(Ok(Flow::Continue)),
            Ok(keys) => {
                let decided = self.engine.take_now(keys.as_slice(), Cost::ONE);
                decided.inspect(|decision| self.count(context, &keys, decision))
            }
            Err(fault) => return Step::Done(Err(fault)),
        };
        if let Some(decision) = decided {
            return Step::Done(outcome(decision));
        }
        Step::wait(async move {
            let caller = Caller::default();
            let keys = self.keys(context, &caller)?;
            let decision = self.engine.take(keys.as_slice(), Cost::ONE).await;
            self.count(context, &keys, &decision);
            outcome(decision)
        })
    }
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
    type Config = Config;

    async fn build(_: Config, parts: &Parts) -> Result<Link, BuildError> {
        let metrics = parts.get().ok();
        Ok(Link::prompt(Self { site: parts.get()?, engine: parts.get()?, metrics }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_counted_by_address_and_by_network() {
        let text = |address: &str| Text::of(address.parse().expect("an address")).as_str().to_owned();
        assert_eq!(text("255.255.255.255"), "255.255.255.255");
        assert_eq!(text("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(text("2001:db8:1:2::1"), text("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    }
}
