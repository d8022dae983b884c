//! Gets answers from backends.
