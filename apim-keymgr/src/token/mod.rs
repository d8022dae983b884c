//! Tokens: what they say, how they are signed, and how they come about.

mod claims;
mod issue;
pub(crate) mod jws;

pub(crate) use claims::read;
pub(crate) use issue::{Leave, Session};
