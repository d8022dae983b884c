//! What the gateway serves: immutable views, and how changes reach them.
//!
//! A [`View`] is everything that one request may have to look up, at one revision. The deployer builds what
//! a change brings (an API's [`Site`] and pipeline, a key manager's keys), puts it into a copy of the view
//! that shares all the rest, and swaps it in. What cannot be built is refused and reported, and what was
//! served before is served on.

mod current;
mod denies;
mod deployer;
mod follow;
mod index;
mod key;
mod key_managers;
mod policies;
mod revocations;
mod shards;
mod site;
mod view;

pub use current::Current;
pub use denies::Denies;
pub(crate) use deployer::Deployer;
pub use deployer::{Refused, Report};
pub(crate) use follow::follow;
pub(crate) use key::network;
pub use key::{Key, KeyDigest};
pub use key_managers::KeyManagers;
pub use policies::{Policies, SUBSCRIPTIONLESS, UNAUTHENTICATED, UNLIMITED};
pub use revocations::Revocations;
pub use shards::Shards;
pub use site::{Deployed, Site};
pub use view::View;
pub(crate) use view::{Pinned, ViewNumber};
