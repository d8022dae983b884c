//! Which roles may have which scopes of the REST contracts (spec: lifecycle-and-artifacts, section 15).
//!
//! These are the product's defaults. They are not rows of the database, so that an upgrade that adds an
//! operation grants its scope, too.

use apim_core::model::Role;

use crate::principal::Principal;

/// The roles that exist without being created, besides `admin`.
pub const DEFAULT: &[&str] =
    &[CREATOR, PUBLISHER, SUBSCRIBER, DEVOPS, OBSERVER, ANALYTICS, INTEGRATION_DEV, "Internal/everyone"];

const CREATOR: &str = "Internal/creator";
const PUBLISHER: &str = "Internal/publisher";
const SUBSCRIBER: &str = "Internal/subscriber";
const DEVOPS: &str = "Internal/devops";
const OBSERVER: &str = "Internal/observer";
const ANALYTICS: &str = "Internal/analytics";
const INTEGRATION_DEV: &str = "Internal/integration_dev";

/// Scopes of each role, without the prefix `apim:`; a role may stand here several times.
const GRANTS: &[(&str, &str)] = &[
    (
        CREATOR,
        "api_create api_delete api_generate_key api_view tier_view subscription_view mediation_policy_view
         mediation_policy_create mediation_policy_manage api_mediation_policy_manage document_create
         document_manage ep_certificates_view ep_certificates_add ep_certificates_update
         ep_certificates_manage client_certificates_view client_certificates_add client_certificates_update
         client_certificates_manage threat_protection_policy_create threat_protection_policy_manage
         publisher_settings pub_alert_manage comment_view comment_write comment_manage
         throttling_policy_manage common_operation_policy_view common_operation_policy_manage
         gateway_policy_view llm_provider_read gov_rule_read gov_result_read gov_policy_read
         mcp_server_create mcp_server_view mcp_server_delete mcp_server_generate_key",
    ),
    (
        PUBLISHER,
        "api_publish api_generate_key api_view tier_view subscription_view subscription_block
         subscription_manage monetization_usage_publish document_create document_manage publisher_settings
         comment_view comment_write comment_manage throttling_policy_manage common_operation_policy_view
         gateway_policy_view llm_provider_read gov_rule_read gov_result_read gov_policy_read mcp_server_view
         mcp_server_publish mcp_server_generate_key",
    ),
    (SUBSCRIBER, "subscribe app_update app_manage sub_manage store_settings api_key sub_alert_manage"),
    (
        DEVOPS,
        "subscribe app_manage sub_manage app_import_export api_import_export api_product_import_export
         policies_import_export mcp_server_import_export",
    ),
    (
        OBSERVER,
        "api_view publisher_settings common_operation_policy_view gateway_policy_view gov_rule_read
         gov_result_read gov_policy_read mcp_server_view",
    ),
    (ANALYTICS, "api_view throttling_policy_manage mcp_server_view"),
    (INTEGRATION_DEV, "mcp_server_list_view"),
    // The two scopes that an administrator does not have by default.
    (INTEGRATION_DEV, "api_list_view api_definition_view"),
];

/// Scopes that `admin` does not have.
const NOT_FOR_ADMIN: &[&str] = &["api_list_view", "api_definition_view"];

/// The service catalog has its own prefix.
const CATALOG: &[(&str, &[&str])] =
    &[("service_catalog:service_view", &[CREATOR, PUBLISHER]), ("service_catalog:service_write", &[CREATOR])];

/// The roles that may have a scope of the REST contracts; none if it is not one of theirs.
pub fn of_scope(scope: &str) -> Option<Vec<Role>> {
    if let Some((_, roles)) = CATALOG.iter().find(|(name, _)| *name == scope) {
        return Some(with_admin(roles.iter().copied()));
    }
    let name = scope.strip_prefix("apim:")?;
    let roles = GRANTS.iter().filter(|(_, scopes)| scopes.split_whitespace().any(|s| s == name));
    let roles = roles.map(|(role, _)| *role);
    if NOT_FOR_ADMIN.contains(&name) {
        return Some(roles.map(Role::from).collect());
    }
    Some(with_admin(roles))
}

fn with_admin<'a>(roles: impl Iterator<Item = &'a str>) -> Vec<Role> {
    roles.chain([Principal::ADMIN]).map(Role::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(role: &str, scope: &str) -> bool {
        of_scope(scope).is_some_and(|roles| roles.contains(&Role::from(role)))
    }

    #[test]
    fn roles_have_the_scopes_that_the_product_gives_them() {
        assert!(may(CREATOR, "apim:api_create") && !may(CREATOR, "apim:api_publish"));
        assert!(may(PUBLISHER, "apim:api_publish") && !may(PUBLISHER, "apim:api_create"));
        assert!(may(SUBSCRIBER, "apim:subscribe") && !may(SUBSCRIBER, "apim:api_view"));
        assert!(may("admin", "apim:tier_manage") && !may("admin", "apim:api_list_view"));
        assert!(may(CREATOR, "service_catalog:service_write"));
        assert_eq!(of_scope("pets:read"), None);
    }
}
