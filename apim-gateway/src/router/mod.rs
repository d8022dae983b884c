//! From a request to the operation that serves it.
//!
//! A request's [`Path`] and [`Host`] are brought into their one canonical form, or refused; that form is
//! what everybody further on sees. [`Bases`] finds the API by host and base path, [`Resources`] the
//! operation by method and [`Template`]. Both look up without allocating.

mod base;
mod host;
mod path;
mod resources;
mod template;

pub use base::{Base, BaseError, Bases, Taken};
pub use host::Host;
pub use path::{Ambiguous, Path};
pub use resources::{Found, ResourceError, Resources};
pub use template::{Template, TemplateError};
