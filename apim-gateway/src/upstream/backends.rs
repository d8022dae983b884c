//! Backends that requests have named, remembered with what was learned of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apim_core::BuildError;
use apim_core::model::Endpoint;

use super::group::Group;
use super::{Inner, Upstream};

/// Backends that are remembered. Beyond it all are forgotten, with what was known of their health.
const MOST: usize = 1_000;

/// The backends of one endpoint, by the URLs that requests name them by.
pub(super) struct Backends {
    /// How they are called.
    like: Endpoint,
    upstream: Upstream,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    groups: HashMap<Box<str>, Arc<Group>>,
    /// Those of the revision before that nobody has named since.
    former: HashMap<Box<str>, Arc<Group>>,
}

impl Backends {
    /// Backends that are called like this endpoint, whatever its own URL.
    pub(super) fn like(like: Endpoint, upstream: &Upstream) -> Self {
        Self { like, upstream: upstream.clone(), known: Mutex::default() }
    }

    /// The same, with what is known of those that are called alike and judged by the same rules.
    pub(super) fn after(self, akin: &Self) -> Self {
        let known = akin.lock();
        let mut former = known.former.clone();
        former.extend(known.groups.iter().map(|(url, group)| (url.clone(), group.clone())));
        Self { known: Mutex::new(Known { former, ..Known::default() }), ..self }
    }

    /// The backend at a URL, if it has been named before.
    pub(super) fn find(&self, url: &str) -> Option<Arc<Group>> {
        self.lock().groups.get(url).cloned()
    }

    /// The backend at a URL that may be called.
    pub(super) fn resolve(&self, url: &str) -> Result<Arc<Group>, BuildError> {
        let former = self.lock().former.get(url).cloned();
        let group = self.upstream.begin(&self.at(url), former.as_deref())?;
        let mut known = self.lock();
        known.former.remove(url);
        if known.groups.len() + known.former.len() >= MOST {
            *known = Known::default();
        }
        Ok(known.groups.entry(url.into()).or_insert(group).clone())
    }

    /// Says why none could ever be called, if that is so, and else whether calls teach anything of them.
    pub(super) fn check(&self, url: &str) -> Result<bool, BuildError> {
        self.upstream.resolve(&self.at(url)).map(|group| group.learns())
    }

    /// Whether they were resolved by this upstream.
    pub(super) fn belong_to(&self, upstream: &Inner) -> bool {
        Arc::ptr_eq(&self.upstream.0.settings, &upstream.settings)
    }

    fn at(&self, url: &str) -> Endpoint {
        Endpoint { url: url.to_owned(), ..self.like.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
