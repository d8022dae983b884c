//! What the publisher contract has and we do not offer yet: each row answers 501, to those who could call it.
//!
//! A group of rows goes when what it names comes; the large ones have a file each.

mod api_products;
mod mcp_servers;
mod operation_policies;

use crate::rest::operation::{Operation, absent};
use crate::rest::scope::*;

/// All of it.
pub(super) fn operations() -> Vec<Operation> {
    let groups = [
        streaming_apis(),
        soap(),
        the_rest(),
        comments(),
        graphql(),
        aws_lambda(),
        monetization(),
        documents(),
        external_stores_and_audits(),
        archives(),
        mcp_servers::operations(),
        certificates(),
        api_products::operations(),
        operation_policies::operations(),
        separate_endpoints(),
        ai(),
    ];
    groups.into_iter().flatten().collect()
}

fn streaming_apis() -> Vec<Operation> {
    let reason = "Streaming APIs are not offered yet";
    vec![
        absent("POST /apis/import-asyncapi", &[API_CREATE, API_MANAGE], reason),
        absent("POST /apis/validate-asyncapi", &[API_CREATE, API_MANAGE], reason),
        absent("GET /apis/{apiId}/asyncapi", &[API_VIEW, API_MANAGE, API_DEFINITION_VIEW], reason),
        absent("PUT /apis/{apiId}/asyncapi", &[API_CREATE, API_MANAGE], reason),
        absent("PUT /apis/{apiId}/topics", &[API_CREATE, API_MANAGE, API_IMPORT_EXPORT], reason),
        absent(
            "GET /throttling-policies/streaming/subscription",
            &[API_VIEW, TIER_VIEW, TIER_MANAGE],
            reason,
        ),
    ]
}

fn soap() -> Vec<Operation> {
    let reason = "SOAP APIs are not offered yet";
    vec![
        absent("POST /apis/import-wsdl", &[API_CREATE, API_MANAGE], reason),
        absent("POST /apis/validate-wsdl", &[API_CREATE, API_MANAGE], reason),
        absent("GET /apis/{apiId}/resource-policies", &[API_VIEW, API_MANAGE], reason),
        absent("GET /apis/{apiId}/resource-policies/{resourcePolicyId}", &[API_VIEW, API_MANAGE], reason),
        absent("PUT /apis/{apiId}/resource-policies/{resourcePolicyId}", &[API_CREATE, API_MANAGE], reason),
        absent(
            "GET /apis/{apiId}/sequence-backend",
            &[API_VIEW, API_MANAGE, API_IMPORT_EXPORT, API_PRODUCT_IMPORT_EXPORT],
            reason,
        ),
        absent("PUT /apis/{apiId}/sequence-backend", &[API_CREATE, API_MANAGE, API_PUBLISH], reason),
        absent(
            "DELETE /apis/{apiId}/sequence-backend/{type}",
            &[API_DELETE, API_MANAGE, API_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "GET /apis/{apiId}/sequence-backend/{type}/content",
            &[API_VIEW, API_MANAGE, API_IMPORT_EXPORT, API_PRODUCT_IMPORT_EXPORT],
            reason,
        ),
        absent("GET /apis/{apiId}/wsdl", &[API_VIEW, API_MANAGE], reason),
        absent("PUT /apis/{apiId}/wsdl", &[API_CREATE, API_MANAGE], reason),
        absent("GET /apis/{apiId}/wsdl-info", &[API_VIEW, API_MANAGE], reason),
    ]
}

fn the_rest() -> Vec<Operation> {
    let reason = "Not offered yet";
    vec![
        absent("GET /api-categories", &[API_VIEW, API_MANAGE], reason),
        absent("POST /apis/import-service", &[API_CREATE, API_MANAGE], reason),
        absent("POST /apis/validate-endpoint", &[API_CREATE, API_MANAGE], reason),
        absent(
            "DELETE /apis/{apiId}/cancel-revision-workflow/{revisionId}/{envName}",
            &[API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent(
            "PUT /apis/{apiId}/deployments/{deploymentId}",
            &[API_CREATE, API_MANAGE, API_PUBLISH],
            reason,
        ),
        absent("GET /apis/{apiId}/environments/{envId}/keys", &[API_CREATE, API_MANAGE], reason),
        absent("PUT /apis/{apiId}/environments/{envId}/keys", &[API_CREATE, API_MANAGE], reason),
        absent("POST /apis/{apiId}/generate-key", &[API_GENERATE_KEY, API_MANAGE], reason),
        absent("POST /apis/{apiId}/generate-mock-scripts", &[API_CREATE, API_MANAGE], reason),
        absent("GET /apis/{apiId}/generated-mock-scripts", &[API_CREATE, API_MANAGE], reason),
        absent("DELETE /apis/{apiId}/lifecycle-state/pending-tasks", &[API_PUBLISH, API_MANAGE], reason),
        absent("PUT /apis/{apiId}/reimport-service", &[API_CREATE, API_MANAGE], reason),
        absent("GET /apis/{apiId}/resource-paths", &[API_VIEW, API_MANAGE], reason),
        absent("GET /apis/{apiId}/thumbnail", &[API_VIEW, API_MANAGE], reason),
        absent("PUT /apis/{apiId}/thumbnail", &[API_CREATE, API_MANAGE, API_PUBLISH], reason),
        absent("GET /key-managers", &[API_VIEW, API_CREATE, API_MANAGE], reason),
        absent("GET /linter-custom-rules", &[API_VIEW], reason),
        absent(
            "GET /organizations",
            &[
                API_VIEW,
                API_MANAGE,
                API_IMPORT_EXPORT,
                API_PRODUCT_IMPORT_EXPORT,
                PUBLISHER_ORGANIZATION_READ,
            ],
            reason,
        ),
        absent("GET /scopes/{scopeId}/usage", &[API_VIEW, API_MANAGE, SHARED_SCOPE_MANAGE], reason),
        absent(
            "GET /subscriptions/{subscriptionId}/subscriber-info",
            &[API_VIEW, SUBSCRIPTION_VIEW, SUBSCRIPTION_MANAGE],
            reason,
        ),
        absent("GET /tenants", &[API_VIEW, API_MANAGE], reason),
        absent("HEAD /tenants/{tenantDomain}", &[API_VIEW, API_MANAGE], reason),
    ]
}

fn comments() -> Vec<Operation> {
    let reason = "Comments are not offered yet";
    vec![
        absent("GET /apis/{apiId}/comments", &[API_VIEW, COMMENT_VIEW, COMMENT_MANAGE], reason),
        absent("POST /apis/{apiId}/comments", &[COMMENT_WRITE, COMMENT_MANAGE], reason),
        absent("DELETE /apis/{apiId}/comments/{commentId}", &[COMMENT_WRITE, COMMENT_MANAGE, ADMIN], reason),
        absent("GET /apis/{apiId}/comments/{commentId}", &[API_VIEW, COMMENT_VIEW, COMMENT_MANAGE], reason),
        absent("PATCH /apis/{apiId}/comments/{commentId}", &[COMMENT_WRITE, COMMENT_MANAGE], reason),
        absent(
            "GET /apis/{apiId}/comments/{commentId}/replies",
            &[API_VIEW, COMMENT_VIEW, COMMENT_MANAGE],
            reason,
        ),
    ]
}

fn graphql() -> Vec<Operation> {
    let reason = "GraphQL APIs are not offered yet";
    vec![
        absent("POST /apis/import-graphql-schema", &[API_CREATE, API_MANAGE], reason),
        absent("POST /apis/validate-graphql-schema", &[API_CREATE, API_MANAGE], reason),
        absent(
            "GET /apis/{apiId}/graphql-policies/complexity",
            &[API_VIEW, API_CREATE, API_MANAGE, API_PUBLISH],
            reason,
        ),
        absent("PUT /apis/{apiId}/graphql-policies/complexity", &[API_CREATE, API_MANAGE], reason),
        absent(
            "GET /apis/{apiId}/graphql-policies/complexity/types",
            &[API_VIEW, API_CREATE, API_MANAGE, API_PUBLISH],
            reason,
        ),
        absent("GET /apis/{apiId}/graphql-schema", &[API_VIEW, API_MANAGE], reason),
        absent("PUT /apis/{apiId}/graphql-schema", &[API_CREATE, API_MANAGE], reason),
    ]
}

fn aws_lambda() -> Vec<Operation> {
    let reason = "AWS Lambda endpoints are not offered";
    vec![absent("GET /apis/{apiId}/amznResourceNames", &[API_VIEW, API_MANAGE], reason)]
}

fn monetization() -> Vec<Operation> {
    let reason = "Monetization is not offered yet";
    vec![
        absent("GET /apis/{apiId}/monetization", &[API_VIEW, API_PUBLISH, API_MANAGE], reason),
        absent("POST /apis/{apiId}/monetize", &[API_PUBLISH, API_MANAGE], reason),
        absent("GET /apis/{apiId}/revenue", &[API_VIEW, API_PUBLISH, API_MANAGE], reason),
        absent(
            "GET /subscriptions/{subscriptionId}/usage",
            &[API_VIEW, SUBSCRIPTION_VIEW, SUBSCRIPTION_MANAGE],
            reason,
        ),
    ]
}

fn documents() -> Vec<Operation> {
    let reason = "Documents of APIs are not offered yet";
    vec![
        absent("GET /apis/{apiId}/documents", &[API_VIEW, API_MANAGE, DOCUMENT_MANAGE], reason),
        absent(
            "POST /apis/{apiId}/documents",
            &[API_CREATE, API_MANAGE, DOCUMENT_CREATE, DOCUMENT_MANAGE],
            reason,
        ),
        absent(
            "POST /apis/{apiId}/documents/validate",
            &[API_CREATE, API_MANAGE, DOCUMENT_MANAGE, DOCUMENT_CREATE],
            reason,
        ),
        absent(
            "DELETE /apis/{apiId}/documents/{documentId}",
            &[API_CREATE, API_MANAGE, DOCUMENT_MANAGE],
            reason,
        ),
        absent("GET /apis/{apiId}/documents/{documentId}", &[API_VIEW, API_MANAGE, DOCUMENT_MANAGE], reason),
        absent(
            "PUT /apis/{apiId}/documents/{documentId}",
            &[API_CREATE, API_MANAGE, DOCUMENT_MANAGE],
            reason,
        ),
        absent(
            "GET /apis/{apiId}/documents/{documentId}/content",
            &[API_VIEW, API_MANAGE, DOCUMENT_MANAGE],
            reason,
        ),
        absent(
            "POST /apis/{apiId}/documents/{documentId}/content",
            &[API_CREATE, API_MANAGE, DOCUMENT_CREATE, DOCUMENT_MANAGE],
            reason,
        ),
    ]
}

fn external_stores_and_audits() -> Vec<Operation> {
    let reason = "External stores and audits are not offered";
    vec![
        absent("GET /apis/{apiId}/auditapi", &[API_VIEW, API_MANAGE], reason),
        absent("GET /apis/{apiId}/external-stores", &[API_VIEW, API_MANAGE], reason),
        absent("POST /apis/{apiId}/publish-to-external-stores", &[API_PUBLISH, API_MANAGE], reason),
        absent("GET /external-stores", &[API_VIEW, API_MANAGE], reason),
    ]
}

fn archives() -> Vec<Operation> {
    let reason = "Export and import of archives are not offered yet";
    vec![
        absent(
            "GET /apis/export",
            &[API_VIEW, API_PUBLISH, API_CREATE, API_IMPORT_EXPORT, API_MANAGE],
            reason,
        ),
        absent("POST /apis/import", &[API_IMPORT_EXPORT, ADMIN], reason),
    ]
}

fn certificates() -> Vec<Operation> {
    let reason = "Certificates of endpoints are not offered yet";
    vec![
        absent(
            "GET /endpoint-certificates",
            &[API_VIEW, API_MANAGE, EP_CERTIFICATES_VIEW, EP_CERTIFICATES_MANAGE],
            reason,
        ),
        absent(
            "POST /endpoint-certificates",
            &[API_CREATE, API_MANAGE, EP_CERTIFICATES_ADD, EP_CERTIFICATES_MANAGE],
            reason,
        ),
        absent(
            "DELETE /endpoint-certificates/{alias}",
            &[API_CREATE, API_MANAGE, EP_CERTIFICATES_UPDATE, EP_CERTIFICATES_MANAGE],
            reason,
        ),
        absent(
            "GET /endpoint-certificates/{alias}",
            &[API_VIEW, API_MANAGE, EP_CERTIFICATES_VIEW, EP_CERTIFICATES_MANAGE],
            reason,
        ),
        absent(
            "PUT /endpoint-certificates/{alias}",
            &[API_CREATE, API_MANAGE, EP_CERTIFICATES_UPDATE, EP_CERTIFICATES_MANAGE],
            reason,
        ),
        absent(
            "GET /endpoint-certificates/{alias}/content",
            &[API_VIEW, API_MANAGE, EP_CERTIFICATES_VIEW, EP_CERTIFICATES_MANAGE],
            reason,
        ),
        absent(
            "GET /endpoint-certificates/{alias}/usage",
            &[API_VIEW, API_MANAGE, EP_CERTIFICATES_VIEW, EP_CERTIFICATES_MANAGE],
            reason,
        ),
    ]
}

fn separate_endpoints() -> Vec<Operation> {
    let reason = "Endpoints apart from the API are not offered yet";
    vec![
        absent(
            "GET /apis/{apiId}/endpoints",
            &[API_VIEW, API_CREATE, API_MANAGE, API_PUBLISH, API_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "POST /apis/{apiId}/endpoints",
            &[API_CREATE, API_MANAGE, API_PUBLISH, API_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "DELETE /apis/{apiId}/endpoints/{endpointId}",
            &[API_CREATE, API_MANAGE, API_PUBLISH, API_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "GET /apis/{apiId}/endpoints/{endpointId}",
            &[API_VIEW, API_CREATE, API_MANAGE, API_PUBLISH, API_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "PUT /apis/{apiId}/endpoints/{endpointId}",
            &[API_CREATE, API_MANAGE, API_PUBLISH, API_IMPORT_EXPORT],
            reason,
        ),
    ]
}

fn ai() -> Vec<Operation> {
    let reason = "AI service providers are not offered yet";
    vec![
        absent("GET /ai-service-providers", &[LLM_PROVIDER_READ], reason),
        absent("GET /ai-service-providers/{aiServiceProviderId}", &[LLM_PROVIDER_READ], reason),
        absent(
            "GET /ai-service-providers/{aiServiceProviderId}/api-definition",
            &[LLM_PROVIDER_READ],
            reason,
        ),
        absent(
            "GET /ai-service-providers/{aiServiceProviderId}/endpoint-configuration",
            &[LLM_PROVIDER_READ],
            reason,
        ),
        absent("GET /ai-service-providers/{aiServiceProviderId}/models", &[LLM_PROVIDER_READ], reason),
    ]
}
