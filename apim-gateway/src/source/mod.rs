//! Where a gateway learns what to serve.
