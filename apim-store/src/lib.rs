//! The control plane: APIs as publishers manage them, and what developers and administrators do with them.

pub mod definition;
