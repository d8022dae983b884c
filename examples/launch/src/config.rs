//! The settings file.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Authority, Failure, Flags, Identity, OrFail as _};

/// Bytes of a settings file; a larger one is a mistake.
const LARGEST: u64 = 1 << 20;

/// Reads the settings file that the flags name; without one, everything is as by default.
///
/// # Errors
///
/// If it cannot be read, is not YAML, or has a key that is unknown or does not fit; the text names the place.
pub fn read<T: DeserializeOwned + Default>(flags: &Flags) -> Result<T, Failure> {
    match &flags.config {
        Some(path) => parse(path),
        None => Ok(T::default()),
    }
}

fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let shown = path.display();
    let size = std::fs::metadata(path).or_fail(format!("cannot read the settings {shown}"))?.len();
    if size > LARGEST {
        return Err(Failure::new(format!("the settings {shown} are larger than {LARGEST} bytes")));
    }
    let text = std::fs::read_to_string(path).or_fail(format!("cannot read the settings {shown}"))?;
    serde_saphyr::from_str(&text).or_fail(format!("a mistake in the settings {shown}"))
}

/// A certificate of the user's own, instead of one from the folder's authority.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// A PEM file with the certificate and those between it and its authority.
    pub certificate: std::path::PathBuf,
    /// A PEM file with its key.
    pub key: std::path::PathBuf,
}

impl Tls {
    /// The identity of a server: the user's own, or a fresh one from the authority.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or none can be made.
    pub fn identity(own: Option<&Self>, authority: &Authority, flags: &Flags) -> Result<Identity, Failure> {
        match own {
            Some(own) => Identity::read(&own.certificate, &own.key),
            None => authority.issue(flags.bind),
        }
    }
}
