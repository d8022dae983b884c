//! Limits: who has used how much of what, and whether one more is let through.

use crate::clock::Timestamp;
use crate::handler::Step;
use crate::model::Quota;

/// Decides whether a request is within its limits.
///
/// Called once per request, on the hot path, with all limits that apply, in the order in which they are to
/// be reported. An implementation must decide *all of them or none*: when one refuses, the others must not
/// have been used up. It must be exact across all threads of the process, and should answer
/// [`Step::Done`] from memory; only a shared counter on another machine is worth a wait.
///
/// Dropping an unfinished [`Step::Wait`] may leave the request counted.
///
/// ```
/// use apim_core::throttle::{Cost, Decision, Key, ThrottleEngine};
/// use apim_core::Step;
///
/// /// For a gateway without limits.
/// struct Generous;
///
/// impl ThrottleEngine for Generous {
///     fn take<'a>(&'a self, _: &'a [Key<'a>], _: Cost) -> Step<'a, Decision> {
///         Step::Done(Decision::Allowed)
///     }
/// }
/// ```
pub trait ThrottleEngine: Send + Sync + 'static {
    /// Counts the request against every key, or against none and says which refused.
    fn take<'a>(&'a self, keys: &'a [Key<'a>], cost: Cost) -> Step<'a, Decision>;

    /// The same for callers that must not wait: decides from memory, or counts nothing and answers `None`,
    /// and then [`take`](Self::take) is called. An engine that usually decides from memory implements this
    /// as well, since keys that nobody has to wait for need not be boxed.
    fn take_now(&self, _keys: &[Key<'_>], _cost: Cost) -> Option<Decision> {
        None
    }
}

/// How much one request uses. Requests for now; bytes and tokens are counted by other policies later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost {
    /// How many requests it counts as.
    pub requests: u64,
}

impl Cost {
    /// One request.
    pub const ONE: Self = Self { requests: 1 };
}

/// One counter that a request is counted on, with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// Which level of limit it is; counters of different levels are never shared.
    pub level: Level,
    /// Who is counted together. The texts that make up the key, unused ones empty; the level says what
    /// they are.
    pub subject: [&'a str; 3],
    /// How much is let through.
    pub quota: Quota,
    /// Whether going over only counts, and refuses nobody (a plan that does not stop on quota reach).
    pub lenient: bool,
}

/// Levels of limits, in the order in which they are checked (spec: throttling, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// All calls of an API version: `[versioned context]`.
    Api,
    /// All calls of an operation: `[versioned context, path template, method]`.
    Operation,
    /// All calls of an application to an API version: `[application, versioned context, plan]`.
    Subscription,
    /// The same, over a short time against spikes.
    SubscriptionBurst,
    /// All calls from one address to an API version, in place of a subscription's where nobody has said who
    /// calls: `[address, versioned context, plan]`. Addresses cost their owner nothing, so an engine keeps
    /// them from crowding out everybody else.
    Anonymous,
    /// The same, over a short time against spikes.
    AnonymousBurst,
    /// All calls of one user inside one application: `[application, user]`.
    Application,
    /// The same, over a short time against spikes.
    ApplicationBurst,
}

/// What an engine decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is counted, and may pass.
    Allowed,
    /// It is not counted, and must not pass.
    Refused(Refusal),
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The index of the key in the slice that was asked about.
    pub index: usize,
    /// Its level.
    pub level: Level,
    /// The limit.
    pub quota: Quota,
    /// How many were counted in this window.
    pub used: u64,
    /// When the next window begins.
    pub retry_at: Timestamp,
}
