//! Tells the analytics sink of each call.
