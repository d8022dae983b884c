//! Who calls the control plane.

use apim_core::Claims;
use apim_core::key_manager::Login;
use apim_core::model::{Role, Scope, Tenant, UserName};

/// A caller whose token or password was verified, or a duty of the platform itself.
///
/// Having one is the proof: it is made from verified [`Claims`] or a [`Login`] only, or by [`Principal::platform`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Principal {
    /// The tenant whose things are meant.
    pub tenant: Tenant,
    /// The user.
    pub user: UserName,
    /// The user's roles, as they are now and not as they were when the token was issued.
    pub roles: Vec<Role>,
    /// The scopes of the token, or those that one could have had.
    pub scopes: Vec<Scope>,
}

impl Principal {
    /// Who a token speaks for.
    pub fn of(claims: &Claims, roles: Vec<Role>) -> Self {
        let (user, tenant) = split(claims.subject.as_str());
        Self { tenant, user, roles, scopes: claims.scopes.clone() }
    }

    /// Who has shown their password.
    pub fn logged_in(login: Login, roles: Vec<Role>) -> Self {
        let (user, tenant) = split(login.subject.as_str());
        Self { tenant, user, roles, scopes: login.scopes }
    }

    /// The platform itself, in a tenant.
    pub fn platform(tenant: Tenant) -> Self {
        let roles = vec![Role::from(Self::ADMIN)];
        Self { tenant, user: UserName::from("apim.platform"), roles, scopes: Vec::new() }
    }

    /// Somebody who showed no token; they have no roles and no scopes.
    pub fn anonymous(tenant: Tenant) -> Self {
        Self { tenant, user: UserName::from("anonymous"), roles: Vec::new(), scopes: Vec::new() }
    }

    /// The role that may do everything in its tenant.
    pub const ADMIN: &'static str = "admin";

    /// Whether the caller administers the tenant.
    pub fn is_admin(&self) -> bool {
        self.has_role(Self::ADMIN)
    }

    /// Whether the caller has a role. Roles are compared as WSO2 does, without regard to case.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|mine| mine.as_str().eq_ignore_ascii_case(role))
    }

    /// Whether the token carries a scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|mine| mine.as_str() == scope)
    }
}

/// A token of another tenant than the first names it behind the last `@`; names of the first tenant may
/// carry it too, and may be e-mail addresses.
pub(crate) fn split(subject: &str) -> (UserName, Tenant) {
    let tenant = Tenant::default();
    let user = subject.strip_suffix(tenant.as_str()).and_then(|user| user.strip_suffix('@'));
    (UserName::from(user.unwrap_or(subject)), tenant)
}
