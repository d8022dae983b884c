//! What has been learned of an API's backends, for the next pipeline that is built of the same API.
//!
//! Another list of handlers is no reason to call a member again that has been left alone, or to close a breaker.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Inner;
use super::group::Group;

/// Endpoints of one API of which there is something to learn, by their names. It belongs to one revision of the API, so
/// that a name always means the same endpoint.
#[derive(Default)]
pub(crate) struct Known(Mutex<Vec<(Box<str>, Weak<Group>)>>);

impl Known {
    /// The endpoint as it was served before, if that was by the same upstream.
    pub(super) fn group(&self, name: &str, upstream: &Inner) -> Option<Arc<Group>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, group) = all.iter().find(|(known, _)| **known == *name)?;
        group.upgrade().filter(|group| group.belongs_to(upstream))
    }

    /// The endpoint is served by these.
    pub(super) fn remember(&self, name: &str, group: &Arc<Group>) {
        if group.learns() {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|(known, _)| **known != *name);
            all.push((name.into(), Arc::downgrade(group)));
        }
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}
