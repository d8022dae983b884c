//! Subscriptions of applications to APIs.
