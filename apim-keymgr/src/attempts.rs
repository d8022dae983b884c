//! Wrong passwords, counted, so that guessing takes years.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use apim_core::Timestamp;
use apim_core::model::UserName;

/// How many wrong passwords are too many.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Within how long they are counted, and how long one waits after too many. Default: 5 minutes.
    pub window: Duration,
    /// For one user from one address. Default: 10.
    pub per_user: u32,
    /// From one address, whoever the user. Default: 100.
    pub per_address: u32,
    /// So many counts are kept at most. Default: 100,000.
    pub remembered: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { window: Duration::from_secs(300), per_user: 10, per_address: 100, remembered: 100_000 }
    }
}

/// Counts attempts by user and address. It never locks a user out as such, for then anybody could lock out
/// anybody: whoever guesses from one address is stopped, the user at another is not.
pub(crate) struct Attempts {
    limits: Limits,
    counts: Mutex<HashMap<Key, Count>>,
}

/// Who tries: a user from an address, or an address.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key(Option<UserName>, Option<IpAddr>);

struct Count {
    attempts: u32,
    since: Timestamp,
}

impl Attempts {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, counts: Mutex::default() }
    }

    /// Counts an attempt before it is made, since a thousand at once must not all be let through.
    ///
    /// # Errors
    ///
    /// Too many; how long to wait.
    pub(crate) fn begin(
        &self,
        user: &UserName,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let address = address.map(network);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        self.make_room(&mut counts, now);
        let pair = (Key(Some(user.clone()), address), self.limits.per_user);
        let alone = address.map(|_| (Key(None, address), self.limits.per_address));
        for (key, limit) in [Some(pair), alone].into_iter().flatten() {
            let count = counts.entry(key).or_insert(Count { attempts: 0, since: now });
            if self.is_over(count, now) {
                *count = Count { attempts: 0, since: now };
            }
            if count.attempts >= limit {
                return Err(self.limits.window.saturating_sub(now.since(count.since)));
            }
            count.attempts += 1;
        }
        Ok(())
    }

    /// Takes an attempt back that turned out well. The address keeps its other failures, so that an
    /// attacker cannot wash it clean by logging in as themselves.
    pub(crate) fn succeed(&self, user: &UserName, address: Option<IpAddr>) {
        let address = address.map(network);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(&Key(Some(user.clone()), address));
        if let Some(count) = counts.get_mut(&Key(None, address)) {
            count.attempts = count.attempts.saturating_sub(1);
        }
    }

    /// Also when the clock was set back: otherwise a count would last until it caught up.
    fn is_over(&self, count: &Count, now: Timestamp) -> bool {
        now < count.since || now.since(count.since) >= self.limits.window
    }

    /// Under a flood of names the small counts go first, so that it cannot wash away the large ones.
    fn make_room(&self, counts: &mut HashMap<Key, Count>, now: Timestamp) {
        if counts.len() + 2 <= self.limits.remembered {
            return;
        }
        counts.retain(|_, count| !self.is_over(count, now));
        let mut least = 1;
        while counts.len() > self.limits.remembered / 2 {
            counts.retain(|_, count| count.attempts > least);
            least *= 2;
        }
    }
}

/// What one person can hold at will: an IPv4 address, or an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}
