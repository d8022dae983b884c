//! Where a gateway learns what to serve.
//!
//! * [`Files`]: a folder of YAML. The immutable gateway, without a control plane.
//! * [`Remote`]: a control plane, over HTTP.
//! * [`Saved`]: either of them, remembered on disk, so that a gateway also starts while its control plane is
//!   away.

mod files;
mod log;
mod remote;
mod saved;

pub use files::{Files, FilesError, Mistake};
pub use remote::{Join, Remote, RemoteError};
pub use saved::Saved;
