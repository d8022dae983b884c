//! The registry of everything in this crate that a configuration can name.
