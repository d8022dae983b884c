//! Descriptions of APIs that publishers bring along, and those we write for them.
//!
//! A definition is a stranger's document. It is read once, under [`Limits`], into a [`serde_json::Value`]
//! that is kept and handed back as it was written, and into a small typed view of what the platform acts
//! on. Nothing in it is ever fetched: a reference leads to a place in the same document or is refused.

pub mod openapi;

mod generate;
mod parse;
mod portal;
mod reference;
mod sample;

use std::fmt;

pub use generate::generate;
pub(crate) use parse::parse;
pub use portal::portal_copy;
pub use sample::Samples;

/// How much of a definition is read before it is refused.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of the document.
    pub bytes: usize,
    /// Nesting of lists and objects.
    pub depth: usize,
    /// Values in the document, after YAML's aliases have been written out.
    pub nodes: usize,
    /// Paths.
    pub paths: usize,
    /// Operations over all paths.
    pub operations: usize,
    /// References.
    pub references: usize,
    /// Scopes, and alternatives of one security requirement.
    pub scopes: usize,
    /// Findings reported; the search ends there.
    pub findings: usize,
}

impl Default for Limits {
    /// Several times what the largest public definitions need.
    fn default() -> Self {
        Self {
            bytes: 8 << 20,
            depth: 100,
            nodes: 500_000,
            paths: 2_000,
            operations: 5_000,
            references: 50_000,
            scopes: 1_000,
            findings: 50,
        }
    }
}

/// Something wrong at one place of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: a JSON pointer (RFC 6901); empty for the whole document.
    pub path: String,
    /// What.
    pub message: String,
}

impl Finding {
    /// Says what is wrong where.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// One more step of a JSON pointer.
pub(crate) fn step(path: &str, key: impl fmt::Display) -> String {
    format!("{path}/{}", key.to_string().replace('~', "~0").replace('/', "~1"))
}
