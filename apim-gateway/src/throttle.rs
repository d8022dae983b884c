//! Limits on calls.
