//! What the admin contract has and we do not offer yet: each row answers 501, to those who could call it.

use crate::rest::operation::{Operation, absent};
use crate::rest::scope::*;

/// All of it.
pub(super) fn operations() -> Vec<Operation> {
    let groups = [
        custom_rules(),
        mediation(),
        archives(),
        labels(),
        categories(),
        ai(),
        environments(),
        organizations(),
        monetization(),
        workflows(),
        scopes(),
        alerts(),
        tenants(),
        key_managers(),
        the_rest(),
    ];
    groups.into_iter().flatten().collect()
}

fn custom_rules() -> Vec<Operation> {
    let reason = "Custom rules are not offered";
    vec![
        absent("POST /throttling/policies/custom", &[ADMIN, TIER_MANAGE], reason),
        absent("GET /throttling/policies/custom/{ruleId}", &[ADMIN, TIER_VIEW], reason),
        absent("PUT /throttling/policies/custom/{ruleId}", &[ADMIN, TIER_MANAGE], reason),
        absent("DELETE /throttling/policies/custom/{ruleId}", &[ADMIN, TIER_MANAGE], reason),
    ]
}

fn mediation() -> Vec<Operation> {
    let reason = "Global mediation policies are not offered";
    vec![
        absent("GET /policies/mediation", &[ADMIN, MEDIATION_POLICY_VIEW], reason),
        absent("POST /policies/mediation", &[ADMIN, MEDIATION_POLICY_CREATE], reason),
        absent("GET /policies/mediation/{mediationPolicyId}", &[ADMIN, MEDIATION_POLICY_VIEW], reason),
        absent("PUT /policies/mediation/{mediationPolicyId}", &[ADMIN, MEDIATION_POLICY_CREATE], reason),
        absent("DELETE /policies/mediation/{mediationPolicyId}", &[ADMIN, MEDIATION_POLICY_CREATE], reason),
    ]
}

fn archives() -> Vec<Operation> {
    let reason = "Archives are imported and exported by the other contracts";
    vec![
        absent("GET /export/applications", &[ADMIN, APP_IMPORT_EXPORT], reason),
        absent("GET /export/api", &[ADMIN, API_IMPORT_EXPORT], reason),
        absent("GET /export/api-product", &[ADMIN, API_PRODUCT_IMPORT_EXPORT], reason),
        absent("POST /import/applications", &[ADMIN, APP_IMPORT_EXPORT], reason),
        absent("POST /import/api", &[ADMIN, API_IMPORT_EXPORT], reason),
        absent("POST /import/api-product", &[ADMIN, API_PRODUCT_IMPORT_EXPORT], reason),
    ]
}

fn labels() -> Vec<Operation> {
    let reason = "Labels are not offered yet";
    vec![
        absent("POST /labels", &[ADMIN, LABEL_MANAGE], reason),
        absent("PUT /labels/{labelId}", &[ADMIN, LABEL_MANAGE], reason),
        absent("DELETE /labels/{labelId}", &[ADMIN, LABEL_MANAGE], reason),
    ]
}

fn categories() -> Vec<Operation> {
    let reason = "API categories cannot be made yet";
    vec![
        absent("POST /api-categories", &[ADMIN, ADMIN_OPERATIONS], reason),
        absent("PUT /api-categories/{apiCategoryId}", &[ADMIN, ADMIN_OPERATIONS], reason),
        absent("DELETE /api-categories/{apiCategoryId}", &[ADMIN, ADMIN_OPERATIONS], reason),
    ]
}

fn ai() -> Vec<Operation> {
    let reason = "AI providers are not offered yet";
    vec![
        absent("GET /ai-service-providers", &[ADMIN], reason),
        absent("POST /ai-service-providers", &[ADMIN, LLM_PROVIDER_MANAGE], reason),
        absent("PUT /ai-service-providers/{aiServiceProviderId}", &[ADMIN, LLM_PROVIDER_MANAGE], reason),
        absent("DELETE /ai-service-providers/{aiServiceProviderId}", &[ADMIN, LLM_PROVIDER_MANAGE], reason),
        absent("GET /ai-service-providers/{aiServiceProviderId}", &[ADMIN], reason),
        absent("GET /llm-providers", &[ADMIN], reason),
        absent("POST /llm-providers", &[ADMIN, LLM_PROVIDER_MANAGE], reason),
        absent("PUT /llm-providers/{llmProviderId}", &[ADMIN, LLM_PROVIDER_MANAGE], reason),
        absent("DELETE /llm-providers/{llmProviderId}", &[ADMIN, LLM_PROVIDER_MANAGE], reason),
        absent("GET /llm-providers/{llmProviderId}", &[ADMIN], reason),
    ]
}

fn environments() -> Vec<Operation> {
    let reason = "There is one environment, Default; more are not offered yet";
    vec![
        absent("POST /environments", &[ADMIN, ENVIRONMENT_MANAGE], reason),
        absent("PUT /environments/{environmentId}", &[ADMIN, ENVIRONMENT_MANAGE], reason),
        absent("DELETE /environments/{environmentId}", &[ADMIN, ENVIRONMENT_MANAGE], reason),
        absent("GET /environments/{environmentId}/gateways", &[ADMIN, ENVIRONMENT_READ], reason),
    ]
}

fn organizations() -> Vec<Operation> {
    let reason = "Organizations are not offered yet";
    vec![
        absent("GET /organizations", &[ADMIN, ORGANIZATION_READ], reason),
        absent("POST /organizations", &[ADMIN, ORGANIZATION_MANAGE], reason),
        absent("GET /organizations/{organizationId}", &[ADMIN, ORGANIZATION_READ], reason),
        absent("PUT /organizations/{organizationId}", &[ADMIN, ORGANIZATION_MANAGE], reason),
        absent("DELETE /organizations/{organizationId}", &[ADMIN, ORGANIZATION_MANAGE], reason),
        absent("GET /me/organization-information", &[ADMIN, ADMIN_SETTINGS], reason),
    ]
}

fn monetization() -> Vec<Operation> {
    let reason = "Monetization is not offered yet";
    vec![
        absent("POST /monetization/publish-usage", &[ADMIN, MONETIZATION_USAGE_PUBLISH], reason),
        absent("GET /monetization/publish-usage/status", &[ADMIN, MONETIZATION_USAGE_PUBLISH], reason),
    ]
}

fn workflows() -> Vec<Operation> {
    let reason = "Approval is not offered; everything is approved at once";
    vec![
        absent("GET /workflows", &[ADMIN, API_WORKFLOW_VIEW], reason),
        absent("GET /workflows/{externalWorkflowRef}", &[ADMIN, API_WORKFLOW_VIEW], reason),
        absent("POST /workflows/update-workflow-status", &[ADMIN, API_WORKFLOW_APPROVE], reason),
    ]
}

fn scopes() -> Vec<Operation> {
    let reason = "The roles of scopes and their aliases cannot be changed yet";
    vec![
        absent("PUT /system-scopes", &[ADMIN, SCOPE_MANAGE], reason),
        absent("PUT /system-scopes/role-aliases", &[SCOPE_MANAGE, ADMIN], reason),
    ]
}

fn alerts() -> Vec<Operation> {
    let reason = "Alerts are not offered";
    vec![
        absent("GET /bot-detection-data", &[ADMIN, BOT_DATA], reason),
        absent("GET /alert-types", &[ADMIN, ADMIN_ALERT_MANAGE], reason),
        absent("GET /alert-subscriptions", &[ADMIN, ADMIN_ALERT_MANAGE], reason),
        absent("PUT /alert-subscriptions", &[ADMIN, ADMIN_ALERT_MANAGE], reason),
        absent("DELETE /alert-subscriptions", &[ADMIN, ADMIN_ALERT_MANAGE], reason),
        absent("GET /alert-subscriptions/bot-detection", &[ADMIN, ADMIN_ALERT_MANAGE], reason),
        absent("POST /alert-subscriptions/bot-detection", &[ADMIN, ADMIN_ALERT_MANAGE], reason),
        absent("DELETE /alert-subscriptions/bot-detection/{uuid}", &[ADMIN, ADMIN_ALERT_MANAGE], reason),
    ]
}

fn tenants() -> Vec<Operation> {
    let reason = "Themes, URLs and configurations of tenants are not offered";
    vec![
        absent("GET /custom-urls/{tenantDomain}", &[ADMIN, TENANT_INFO], reason),
        absent("GET /tenant-theme", &[ADMIN, TENANT_THEME_MANAGE], reason),
        absent("PUT /tenant-theme", &[ADMIN, TENANT_THEME_MANAGE], reason),
        absent("GET /tenant-config", &[ADMIN], reason),
        absent("PUT /tenant-config", &[ADMIN], reason),
        absent("GET /tenant-config-schema", &[ADMIN], reason),
    ]
}

fn key_managers() -> Vec<Operation> {
    let reason = "There is one key manager; more are not offered yet";
    vec![
        absent("POST /key-managers", &[ADMIN, ADMIN_OPERATIONS], reason),
        absent("PUT /key-managers/{keyManagerId}", &[ADMIN, ADMIN_OPERATIONS], reason),
        absent("DELETE /key-managers/{keyManagerId}", &[ADMIN, ADMIN_OPERATIONS], reason),
        absent("POST /key-managers/discover", &[ADMIN, ADMIN_OPERATIONS], reason),
    ]
}

fn the_rest() -> Vec<Operation> {
    let reason = "Not offered yet";
    vec![
        absent("GET /apis", &[ADMIN, API_PROVIDER_CHANGE], reason),
        absent("POST /apis/{apiId}/change-provider", &[ADMIN, API_PROVIDER_CHANGE], reason),
    ]
}
