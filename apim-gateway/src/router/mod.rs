//! From a request to the operation that serves it.
