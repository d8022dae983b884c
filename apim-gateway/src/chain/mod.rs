//! From a list of entries to the pipeline of an API.
