//! What has been learned of an API's backends, for the next pipeline that is built of the API.
//!
//! Neither another list of handlers nor another revision is a reason to call a member again that has been left alone,
//! or to close a breaker.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use apim_core::model::{Endpoint, Endpoints};

use super::Inner;
use super::group::Group;

/// Endpoints of one API of which there is something to learn, by their names. It belongs to one revision of the API, so
/// that a name always means the same endpoint.
#[derive(Default)]
pub(crate) struct Known(Mutex<Vec<Entry>>);

struct Entry {
    name: Box<str>,
    group: Weak<Group>,
    /// Whether it is the endpoint itself, and not merely one that had its name in the revision before.
    same: bool,
}

/// An endpoint as it was served before.
pub(super) enum Former {
    /// Nothing about it has changed: it can be served on.
    Same(Arc<Group>),
    /// Members that both have are what they were.
    Akin(Arc<Group>),
}

impl Known {
    /// What a revision can take over from the one before, of whose endpoints this is known.
    pub(crate) fn hand_on(&self, before: &Endpoints, now: &Endpoints) -> Self {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let handed = all.iter().filter_map(|entry| {
            let (before, now) = (named(before, &entry.name)?, named(now, &entry.name)?);
            is_akin(before, now).then(|| Entry {
                name: entry.name.clone(),
                group: entry.group.clone(),
                same: entry.same && before == now,
            })
        });
        Self(Mutex::new(handed.collect()))
    }

    /// The endpoint as it was served before, if that was by the same upstream.
    pub(super) fn former(&self, name: &str, upstream: &Inner) -> Option<Former> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = all.iter().find(|entry| *entry.name == *name)?;
        let group = entry.group.upgrade().filter(|group| group.belongs_to(upstream))?;
        Some(if entry.same { Former::Same(group) } else { Former::Akin(group) })
    }

    /// The endpoint is served by these.
    pub(super) fn remember(&self, name: &str, group: &Arc<Group>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|entry| *entry.name != *name);
        if group.learns() {
            all.push(Entry { name: name.into(), group: Arc::downgrade(group), same: true });
        }
    }
}

fn named<'a>(endpoints: &'a Endpoints, name: &str) -> Option<&'a Endpoint> {
    endpoints.all().find(|(known, _)| known == name).map(|(_, endpoint)| endpoint)
}

/// Whether what was learned of the members of one is true of those of the other: they are called in the same way, and
/// judged by the same rules.
fn is_akin(one: &Endpoint, other: &Endpoint) -> bool {
    fn rules(of: &Endpoint) -> impl PartialEq + '_ {
        (of.http2, &of.tls, &of.suspension, &of.ejection, &of.breaker, &of.health)
    }
    rules(one) == rules(other)
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}
