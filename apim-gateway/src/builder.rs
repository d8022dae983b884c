//! Builds a gateway in code.
