//! The programs of this package, run for a moment.
#![allow(clippy::unwrap_used, missing_docs)]

mod soak;
