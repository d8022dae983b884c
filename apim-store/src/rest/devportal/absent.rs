//! What the devportal contract has and we do not offer yet: each row answers 501, to those who could call it.

use crate::rest::operation::{Access, Operation, absent};
use crate::rest::scope::*;

/// All of it.
pub(super) fn operations() -> Vec<Operation> {
    let groups = [
        soap(),
        graphql(),
        mcp_servers(),
        comments(),
        ratings(),
        sdks(),
        documents(),
        archives(),
        client_secrets(),
        keys_of_apis(),
        streaming(),
        the_rest(),
    ];
    groups.into_iter().flatten().collect()
}

fn soap() -> Vec<Operation> {
    let reason = "SOAP APIs are not offered yet";
    vec![absent("GET /apis/{apiId}/wsdl", Access::Anyone, reason)]
}

fn graphql() -> Vec<Operation> {
    let reason = "GraphQL APIs are not offered yet";
    vec![
        absent("GET /apis/{apiId}/graphql-schema", Access::Anyone, reason),
        absent("GET /apis/{apiId}/graphql-policies/complexity", Access::Anyone, reason),
        absent("GET /apis/{apiId}/graphql-policies/complexity/types", Access::Anyone, reason),
    ]
}

fn mcp_servers() -> Vec<Operation> {
    let reason = "MCP servers are not offered yet";
    vec![
        absent("GET /mcp-servers", Access::Anyone, reason),
        absent("GET /mcp-servers/{mcpServerId}", Access::Anyone, reason),
        absent("GET /mcp-servers/{mcpServerId}/documents", Access::Anyone, reason),
        absent("GET /mcp-servers/{mcpServerId}/documents/{documentId}", Access::Anyone, reason),
        absent("GET /mcp-servers/{mcpServerId}/documents/{documentId}/content", Access::Anyone, reason),
        absent("GET /mcp-servers/{mcpServerId}/thumbnail", Access::Anyone, reason),
        absent("GET /mcp-servers/{mcpServerId}/ratings", Access::Anyone, reason),
        absent("GET /mcp-servers/{mcpServerId}/user-rating", &[SUBSCRIBE], reason),
        absent("PUT /mcp-servers/{mcpServerId}/user-rating", &[SUBSCRIBE], reason),
        absent("DELETE /mcp-servers/{mcpServerId}/user-rating", &[SUBSCRIBE], reason),
        absent("GET /mcp-servers/{mcpServerId}/comments", Access::Anyone, reason),
        absent("POST /mcp-servers/{mcpServerId}/comments", &[SUBSCRIBE], reason),
        absent("GET /mcp-servers/{mcpServerId}/comments/{commentId}", Access::Anyone, reason),
        absent("PATCH /mcp-servers/{mcpServerId}/comments/{commentId}", &[SUBSCRIBE], reason),
        absent("DELETE /mcp-servers/{mcpServerId}/comments/{commentId}", &[SUBSCRIBE, ADMIN], reason),
        absent("GET /mcp-servers/{mcpServerId}/comments/{commentId}/replies", Access::Anyone, reason),
        absent("GET /mcp-servers/{mcpServerId}/subscription-policies", Access::Anyone, reason),
    ]
}

fn comments() -> Vec<Operation> {
    let reason = "Comments are not offered yet";
    vec![
        absent("GET /apis/{apiId}/comments", Access::Anyone, reason),
        absent("POST /apis/{apiId}/comments", &[SUBSCRIBE], reason),
        absent("GET /apis/{apiId}/comments/{commentId}", Access::Anyone, reason),
        absent("PATCH /apis/{apiId}/comments/{commentId}", &[SUBSCRIBE], reason),
        absent("DELETE /apis/{apiId}/comments/{commentId}", &[SUBSCRIBE, ADMIN], reason),
        absent("GET /apis/{apiId}/comments/{commentId}/replies", Access::Anyone, reason),
    ]
}

fn ratings() -> Vec<Operation> {
    let reason = "Ratings are not offered yet";
    vec![
        absent("GET /apis/{apiId}/ratings", Access::Anyone, reason),
        absent("GET /apis/{apiId}/user-rating", &[SUBSCRIBE], reason),
        absent("PUT /apis/{apiId}/user-rating", &[SUBSCRIBE], reason),
        absent("DELETE /apis/{apiId}/user-rating", &[SUBSCRIBE], reason),
    ]
}

fn sdks() -> Vec<Operation> {
    let reason = "Client SDKs are not generated";
    vec![
        absent("GET /apis/{apiId}/sdks/{language}", &[SUBSCRIBE], reason),
        absent("GET /sdk-gen/languages", &[SUBSCRIBE], reason),
    ]
}

fn documents() -> Vec<Operation> {
    let reason = "Documents of APIs are not offered yet";
    vec![
        absent("GET /apis/{apiId}/documents", Access::Anyone, reason),
        absent("GET /apis/{apiId}/documents/{documentId}", Access::Anyone, reason),
        absent("GET /apis/{apiId}/documents/{documentId}/content", Access::Anyone, reason),
    ]
}

fn archives() -> Vec<Operation> {
    let reason = "Export and import of applications are not offered yet";
    vec![
        absent("GET /applications/export", &[APP_IMPORT_EXPORT], reason),
        absent("POST /applications/import", &[APP_IMPORT_EXPORT], reason),
    ]
}

fn client_secrets() -> Vec<Operation> {
    let reason = "Key managers do not tell the secrets of a client apart";
    vec![
        absent(
            "POST /applications/{applicationId}/oauth-keys/{keyMappingId}/generate-secret",
            &[SUBSCRIBE, APP_MANAGE],
            reason,
        ),
        absent(
            "GET /applications/{applicationId}/oauth-keys/{keyMappingId}/secrets",
            &[SUBSCRIBE, APP_MANAGE],
            reason,
        ),
        absent(
            "POST /applications/{applicationId}/oauth-keys/{keyMappingId}/revoke-secret",
            &[SUBSCRIBE, APP_MANAGE],
            reason,
        ),
    ]
}

fn keys_of_apis() -> Vec<Operation> {
    let reason = "API keys belong to applications; keys of one API are not offered yet";
    vec![
        absent("POST /apis/{apiId}/api-keys/generate", &[SUBSCRIBE, APP_MANAGE, API_KEY], reason),
        absent("POST /apis/{apiId}/api-keys/regenerate", &[SUBSCRIBE, APP_MANAGE, API_KEY], reason),
        absent("GET /apis/{apiId}/api-keys", &[SUBSCRIBE, APP_MANAGE, API_KEY], reason),
        absent("POST /apis/{apiId}/api-keys/revoke", &[SUBSCRIBE, APP_MANAGE, API_KEY], reason),
        absent("POST /apis/{apiId}/api-keys/associate", &[SUBSCRIBE, APP_MANAGE, API_KEY], reason),
        absent("POST /apis/{apiId}/api-keys/dissociate", &[SUBSCRIBE, APP_MANAGE, API_KEY], reason),
        absent(
            "GET /applications/{applicationId}/api-keys/{keyType}/subscriptions",
            &[SUBSCRIBE, APP_MANAGE, API_KEY],
            reason,
        ),
        absent(
            "POST /applications/{applicationId}/api-keys/{keyType}/associate",
            &[SUBSCRIBE, APP_MANAGE, API_KEY],
            reason,
        ),
        absent(
            "POST /applications/{applicationId}/api-keys/{keyType}/dissociate",
            &[SUBSCRIBE, APP_MANAGE, API_KEY],
            reason,
        ),
        absent(
            "GET /applications/{applicationId}/api-keys/{keyType}/associations",
            &[SUBSCRIBE, APP_MANAGE, API_KEY],
            reason,
        ),
    ]
}

fn streaming() -> Vec<Operation> {
    let reason = "Streaming APIs are not offered yet";
    vec![
        absent("GET /apis/{apiId}/topics", Access::Anyone, reason),
        absent("GET /webhooks/subscriptions", Access::Anyone, reason),
    ]
}

fn the_rest() -> Vec<Operation> {
    let reason = "Not offered yet";
    vec![
        absent("GET /apis/{apiId}/thumbnail", Access::Anyone, reason),
        absent("GET /subscriptions/{apiId}/additionalInfo", Access::Anyone, reason),
        absent("GET /subscriptions/{subscriptionId}/usage", &[SUBSCRIBE, SUB_MANAGE], reason),
        absent("POST /applications/{applicationId}/reset-throttle-policy", &[APP_MANAGE, SUBSCRIBE], reason),
        absent("GET /recommendations", &[SUBSCRIBE], reason),
        absent("GET /me/organization-information", &[SUBSCRIBE], reason),
    ]
}
