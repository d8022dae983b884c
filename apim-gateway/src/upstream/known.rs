//! What has been learned of an API's backends, for the next pipeline that is built of the API.
//!
//! Neither another list of handlers nor another revision is a reason to call a member again that has been left alone,
//! or to close a breaker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use apim_core::model::{Endpoint, Endpoints};

use super::Inner;
use super::backends::Backends;
use super::group::Group;

/// Endpoints of one API of which there is something to learn, by their names. It belongs to one revision of the API, so
/// that a name always means the same endpoint.
#[derive(Default)]
pub(crate) struct Known(Mutex<All>);

#[derive(Default)]
struct All {
    groups: Vec<Entry<Group>>,
    /// Of endpoints whose backends requests may name.
    dynamic: Vec<Entry<Backends>>,
}

struct Entry<T> {
    name: Box<str>,
    by: Weak<T>,
    /// Whether it is the endpoint itself, and not merely one that had its name in the revision before.
    same: bool,
}

/// An endpoint as it was served before.
pub(super) enum Former<T> {
    /// Nothing about it has changed: it can be served on.
    Same(Arc<T>),
    /// Members that both have are what they were.
    Akin(Arc<T>),
}

impl Known {
    /// What a revision can take over from the one before, of whose endpoints this is known.
    pub(crate) fn hand_on(&self, before: &Endpoints, now: &Endpoints) -> Self {
        let all = self.lock();
        let (groups, dynamic) = (handed(&all.groups, before, now), handed(&all.dynamic, before, now));
        Self(Mutex::new(All { groups, dynamic }))
    }

    /// The endpoint as it was served before, if that was by the same upstream.
    pub(super) fn former(&self, name: &str, upstream: &Inner) -> Option<Former<Group>> {
        former(&self.lock().groups, name, |group| group.belongs_to(upstream))
    }

    /// The endpoint is served by these.
    pub(super) fn remember(&self, name: &str, group: &Arc<Group>) {
        remember(&mut self.lock().groups, name, Some(group).filter(|group| group.learns()));
    }

    /// The backends that requests have named so far, if they were called by the same upstream.
    pub(super) fn named(&self, name: &str, upstream: &Inner) -> Option<Former<Backends>> {
        former(&self.lock().dynamic, name, |backends| backends.belong_to(upstream))
    }

    /// The backends that requests will name, if calls teach anything of them.
    pub(super) fn remember_named(&self, name: &str, backends: Option<&Arc<Backends>>) {
        remember(&mut self.lock().dynamic, name, backends);
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn handed<T>(entries: &[Entry<T>], before: &Endpoints, now: &Endpoints) -> Vec<Entry<T>> {
    let handed = entries.iter().filter_map(|entry| {
        let (before, now) = (named(before, &entry.name)?, named(now, &entry.name)?);
        is_akin(before, now).then(|| Entry {
            name: entry.name.clone(),
            by: entry.by.clone(),
            same: entry.same && before == now,
        })
    });
    handed.collect()
}

fn former<T>(entries: &[Entry<T>], name: &str, belongs: impl Fn(&T) -> bool) -> Option<Former<T>> {
    let entry = entries.iter().find(|entry| *entry.name == *name)?;
    let by = entry.by.upgrade().filter(|by| belongs(by))?;
    Some(if entry.same { Former::Same(by) } else { Former::Akin(by) })
}

fn remember<T>(entries: &mut Vec<Entry<T>>, name: &str, by: Option<&Arc<T>>) {
    entries.retain(|entry| *entry.name != *name);
    entries.extend(by.map(|by| Entry { name: name.into(), by: Arc::downgrade(by), same: true }));
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
