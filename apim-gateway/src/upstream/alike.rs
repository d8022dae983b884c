//! Endpoints that are alike, of which one is enough.

use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use foldhash::quality::RandomState;
use hashbrown::HashTable;

use super::group::Group;

/// Fewer are not worth looking for those that are gone.
const WORTH_SWEEPING: usize = 64;

/// The groups of which nothing is ever learned, so that all APIs that lead to one backend may have one in common:
/// it takes memory once, and stays in the processor's caches.
#[derive(Default)]
pub(super) struct Alike {
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    groups: HashTable<(u64, Weak<Group>)>,
    /// How many make it worth while to look for those that are gone.
    sweep_at: usize,
}

impl Alike {
    /// The group that is there already and does the same, or else this one.
    pub(super) fn one_of(&self, group: Group) -> Arc<Group> {
        let Some(url) = group.in_common() else { return Arc::new(group) };
        let hash = self.hasher.hash_one(url);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = |(_, other): &(u64, Weak<Group>)| other.upgrade().filter(|other| other.is_like(&group));
        if let Some(other) = known.groups.iter_hash(hash).find_map(alike) {
            return other;
        }
        if known.groups.len() >= known.sweep_at {
            known.groups.retain(|(_, group)| group.strong_count() > 0);
            known.sweep_at = (known.groups.len() * 2).max(WORTH_SWEEPING);
        }
        let group = Arc::new(group);
        known.groups.insert_unique(hash, (hash, Arc::downgrade(&group)), |(hash, _)| *hash);
        group
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use apim_core::SystemClock;
    use apim_core::model::Endpoint;
    use serde_json::{Value, json};

    use super::super::{Upstream, UpstreamConfig};
    use super::*;

    fn upstream() -> Upstream {
        let rescue = Arc::new(crate::rescue::Json);
        Upstream::new(UpstreamConfig::default(), 2, Arc::new(SystemClock), rescue)
    }

    fn group(upstream: &Upstream, endpoint: Value) -> Arc<Group> {
        upstream.resolve(&serde_json::from_value::<Endpoint>(endpoint).unwrap()).unwrap()
    }

    #[test]
    fn apis_that_lead_to_one_backend_have_it_in_common_unless_something_is_learned_of_it() {
        let upstream = upstream();
        let plain = json!({"url": "http://pets.example/v2"});
        let one = group(&upstream, plain.clone());
        assert!(Arc::ptr_eq(&one, &group(&upstream, plain.clone())));
        for (key, value) in [
            ("url", json!("http://pets.example/v3")),
            ("timeout_ms", json!(7)),
            ("connect_timeout_ms", json!(7)),
            ("body_timeout_ms", json!(7)),
            ("http2", json!(true)),
        ] {
            let mut other = plain.clone();
            other[key] = value;
            let group = group(&upstream, other.clone());
            assert!(!Arc::ptr_eq(&one, &group), "{other}");
        }
        for (key, value) in [
            ("max_requests", json!(7)),
            ("suspension", json!({"initial_ms": 7})),
            ("security", json!({"type": "basic", "username": "ann", "password": "secret"})),
        ] {
            let mut own = plain.clone();
            own[key] = value;
            assert!(!Arc::ptr_eq(&group(&upstream, own.clone()), &group(&upstream, own.clone())), "{own}");
        }
    }

    #[test]
    fn those_that_are_gone_are_forgotten() {
        let upstream = upstream();
        let kept = group(&upstream, json!({"url": "http://pets.example"}));
        for number in 0..10_000 {
            group(&upstream, json!({"url": format!("http://pets.example/{number}")}));
        }
        let known = upstream.0.alike.known.lock().unwrap();
        assert!(known.groups.len() <= 2 * WORTH_SWEEPING, "{}", known.groups.len());
        drop(known);
        assert!(Arc::ptr_eq(&kept, &group(&upstream, json!({"url": "http://pets.example"}))));
    }
}
