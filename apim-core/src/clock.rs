//! Time comes in through the door, so that tests need no sleeping.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::civil::Civil;

/// A moment: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the Unix epoch, the unit of JWT claims. Saturates.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Date and time of day, in UTC.
    pub fn civil(self) -> Civil {
        Civil::of(self)
    }

    /// So much later. Saturates.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::default().plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// Says what time it is.
///
/// Called on the hot path, several times per request, from any thread: it must not block. It may go
/// backwards, as system clocks do.
///
/// ```
/// use apim_core::{Clock, Timestamp};
///
/// /// It is always noon on the first of January 1970.
/// struct Noon;
///
/// impl Clock for Noon {
///     fn now(&self) -> Timestamp {
///         Timestamp::from_secs(12 * 60 * 60)
///     }
/// }
/// assert_eq!(Noon.now().as_millis(), 43_200_000);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// The present moment or one shortly before it, for whoever asks in every request and to whom some milliseconds
    /// mean nothing. It may be earlier than what [`now`](Self::now) answered before.
    fn coarse(&self) -> Timestamp {
        self.now()
    }
}

/// So that what keeps a clock can derive `Debug`.
impl fmt::Debug for dyn Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The machine's own clock. On Linux its [`coarse`](Clock::coarse) time is that of the last tick, at most ten
/// milliseconds ago and usually four, and costs a fifth.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    #[cfg(target_os = "linux")]
    fn coarse(&self) -> Timestamp {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Timestamp::default().plus(Duration::try_from(time).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_time_is_a_little_behind() {
        let (before, coarse, after) = (SystemClock.now(), SystemClock.coarse(), SystemClock.now());
        let late = coarse.plus(Duration::from_secs(1));
        assert!(coarse <= after && before <= late, "{before:?} {coarse:?} {after:?}");
    }
}
