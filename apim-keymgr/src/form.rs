//! The parameters of a request, each at most once.

use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::error::OAuthError;

/// More parameters than any grant has; what comes beyond is an attack on somebody's patience.
const MOST: usize = 64;

/// Decoded parameters, from a body or a query.
///
/// Literal spaces, `@` and `:` are taken as they are, since existing clients send them unescaped.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        let mut pairs: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if pairs.len() == MOST {
                return Err(OAuthError::request("too many parameters"));
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(OAuthError::request("a parameter is repeated"));
            }
            // No parameter has a use for NUL, and databases choke on it.
            if value.contains('\0') || name.contains('\0') {
                return Err(OAuthError::request("a parameter holds a NUL"));
            }
            pairs.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        Ok(Self(pairs))
    }

    /// A parameter. Without a value it counts as left out (RFC 6749 section 3.2).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    pub(crate) fn need(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::request(format!("the parameter {name} is missing")))
    }
}
