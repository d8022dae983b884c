//! Runs an API's mediators.
