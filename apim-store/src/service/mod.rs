//! Rules and use cases. They know no HTTP and no SQL: REST, portals and tests call the same functions, with
//! a [`Read`](crate::db::Read), a [`Write`](crate::db::Write) or a [`Desk`](crate::db::Desk) that belongs to
//! the caller.

pub mod api;
pub(crate) mod api_key;
pub(crate) mod application;
pub mod client_certificate;
mod defaults;
pub mod definition;
pub(crate) mod denial;
pub mod deploy;
mod endpoint_secrets;
pub mod environment;
pub(crate) mod key;
pub(crate) mod key_manager;
pub mod lifecycle;
pub(crate) mod listing;
pub(crate) mod log_level;
pub(crate) mod password;
pub(crate) mod policy;
pub mod revision;
pub mod roles;
pub(crate) mod scope;
pub(crate) mod search;
pub mod seed;
pub(crate) mod shared_scope;
pub(crate) mod subscription;
pub mod transition;
pub mod users;

pub use lifecycle::State;

use crate::error::{Refusal, code};

/// Which versions of a thing its caller is willing to change.
#[derive(Debug, Clone, Default)]
pub struct Expected(Option<Vec<i64>>);

impl Expected {
    /// Whatever is there.
    pub fn any() -> Self {
        Self(None)
    }

    /// One of these.
    pub fn one_of(versions: Vec<i64>) -> Self {
        Self(Some(versions))
    }

    /// Refuses a version that was not expected.
    ///
    /// # Errors
    ///
    /// 412: somebody else has changed it.
    pub fn check(&self, version: i64) -> Result<(), Refusal> {
        match &self.0 {
            Some(versions) if !versions.contains(&version) => {
                Err(code::CHANGED_MEANWHILE.because(format!("It is at version {version} by now")))
            }
            _ => Ok(()),
        }
    }
}
