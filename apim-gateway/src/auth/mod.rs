//! Who calls: credentials, and what they allow.

mod jwt;
mod keys;
mod memory;
mod verifier;

pub use jwt::{Malformed, Unverified};
pub use keys::KeySet;
pub use verifier::{JwtVerifier, Trust};

#[cfg(test)]
mod tests;
