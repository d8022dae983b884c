//! Why something could not be built.

use std::fmt;

use crate::BoxError;

/// Why something could not be built: where, and what is wrong.
///
/// In a `build`, [`AtKey::at_key`] makes one of any error, and `?` one of a `Box<dyn Error + Send + Sync>`, which says
/// no key.
#[derive(Debug)]
pub struct BuildError {
    path: String,
    error: BoxError,
}

impl BuildError {
    /// At a key of the configuration.
    pub fn at(path: impl Into<String>, error: impl Into<BoxError>) -> Self {
        Self { path: path.into(), error: error.into() }
    }

    /// Of a configuration that does not fit its type.
    pub(super) fn misfit(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        // The top is written as a dot there, and an empty path here.
        let path = Some(error.path().to_string()).filter(|path| path != ".").unwrap_or_default();
        Self { path, error: error.into_inner().into() }
    }

    /// The same, seen from one level further out.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => outer.to_owned(),
            path if path.starts_with('[') => format!("{outer}{path}"),
            path => format!("{outer}.{path}"),
        };
        self
    }

    /// Where, as `apis[2].handlers[0].timeout.after`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "{}", self.error)
        } else {
            write!(f, "{}: {}", self.path, self.error)
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

// The compiler shows the next line to whoever writes `?` on an error of another type.
impl From<BoxError> for BuildError /* other errors: .at_key("key")? of AtKey */ {
    fn from(error: BoxError) -> Self {
        Self::at("", error)
    }
}

/// Says which key of the configuration an error is about: `config.header.parse().at_key("header")?`.
pub trait AtKey<T> {
    /// Refuses the configuration for what stands at a key, as `header` or `limits[2].after`.
    ///
    /// # Errors
    ///
    /// The same one, with its place.
    fn at_key(self, key: impl Into<String>) -> Result<T, BuildError>;
}

impl<T, E: Into<BoxError>> AtKey<T> for Result<T, E> {
    fn at_key(self, key: impl Into<String>) -> Result<T, BuildError> {
        self.map_err(|error| BuildError::at(key, error))
    }
}
