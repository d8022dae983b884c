//! Which of the wanted scopes somebody gets.

use std::collections::BTreeSet;

use apim_core::model::{Role, Scope};
use apim_core::store::ScopeBinding;

use crate::error::{Kind, OAuthError};
use crate::server::Core;

/// Stands in a token when nothing else does (spec: key-manager, section 4).
pub(crate) const DEFAULT: &str = "default";
/// Asks for an ID token.
pub(crate) const OPENID: &str = "openid";

/// More than anybody has a use for; each one costs a look-up, and all of them stand in the token.
const MOST: usize = 256;
const LONGEST: usize = 8 * 1024;

/// Reads a `scope` parameter (RFC 6749 section 3.3), in its order and without repetitions.
pub(crate) fn parse(text: Option<&str>) -> Result<Vec<Scope>, OAuthError> {
    let malformed = || OAuthError::new(Kind::InvalidScope, "the scope parameter is malformed or too long");
    let text = text.unwrap_or_default();
    if text.len() > LONGEST {
        return Err(malformed());
    }
    let mut seen = BTreeSet::new();
    let mut scopes = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !is_one(word) || scopes.len() == MOST {
            return Err(malformed());
        }
        if seen.insert(word) {
            scopes.push(Scope::from(word));
        }
    }
    Ok(scopes)
}

/// Whether a text is one scope (RFC 6749 section 3.3). A text with a space in it would be two as soon as it
/// stands in a token, of which nobody would have looked at the second.
pub(crate) fn is_one(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// A token's `scope` claim.
pub(crate) fn join(scopes: &[Scope]) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

impl Core {
    /// Leaves out what somebody with these roles may not have. Never an error: clients ask for all they
    /// might need and are content with less.
    pub(crate) async fn allowed_scopes(
        &self,
        wanted: &[Scope],
        roles: &[Role],
    ) -> Result<Vec<Scope>, OAuthError> {
        let bindings = match wanted {
            [] => Vec::new(),
            wanted => self.stores.users.scope_bindings(&self.config.tenant, wanted).await?,
        };
        let mut allowed: Vec<_> =
            wanted.iter().filter(|scope| self.allows(scope, &bindings, roles)).cloned().collect();
        if allowed.is_empty() {
            allowed.push(Scope::from(DEFAULT));
        }
        Ok(allowed)
    }

    fn allows(&self, scope: &Scope, bindings: &[ScopeBinding], roles: &[Role]) -> bool {
        if !is_one(scope) {
            return false;
        }
        match bindings.iter().find(|binding| binding.scope == *scope) {
            Some(binding) => {
                binding.roles.is_empty() || binding.roles.iter().any(|role| has_role(roles, role))
            }
            // Anybody gets a scope that nobody registered, for its meaning is between the client and the
            // API. Not so the platform's own: a registration that is missing there must not open a door.
            None => !self.config.reserved_scopes.iter().any(|prefix| scope.starts_with(prefix.as_str())),
        }
    }
}

/// Whether a role is among these. As in the control plane, case does not matter.
pub(crate) fn has_role(roles: &[Role], wanted: &Role) -> bool {
    roles.iter().any(|role| role.eq_ignore_ascii_case(wanted))
}
