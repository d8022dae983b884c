//! The registry of everything in this crate that a configuration can name.

use apim_core::{Link, Registry};

use crate::analytics::Analytics;
use crate::auth::{Anonymous, Authentication, Authorization, Subscription};
use crate::cors::Cors;
use crate::deny::{Deny, DenyCaller};
use crate::headers::Hygiene;
use crate::resource::Resource;
use crate::status::Status;
use crate::throttle::Throttle;

/// Every link of this crate. Add your own with [`Registry::with`].
///
/// ```
/// let links = apim_gateway::builtin::links();
/// assert!(apim_gateway::chain::USUAL.iter().all(|name| links.names().any(|known| known == *name)));
/// ```
pub fn links() -> Registry<Link> {
    Registry::default()
        .with::<Analytics>()
        .with::<Anonymous>()
        .with::<Authentication>()
        .with::<Authorization>()
        .with::<Cors>()
        .with::<Deny>()
        .with::<DenyCaller>()
        .with::<Hygiene>()
        .with::<Resource>()
        .with::<Status>()
        .with::<Subscription>()
        .with::<Throttle>()
}
