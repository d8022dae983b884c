//! Servers that speak the Model Context Protocol.

use crate::rest::operation::{Operation, absent};
use crate::rest::scope::*;

pub(super) fn operations() -> Vec<Operation> {
    let reason = "MCP servers are not offered yet";
    vec![
        absent("GET /apis/{apiId}/mcp-servers-usage", &[API_VIEW, API_MANAGE], reason),
        absent(
            "GET /mcp-servers",
            &[MCP_SERVER_VIEW, MCP_SERVER_MANAGE, MCP_SERVER_IMPORT_EXPORT, MCP_SERVER_LIST_VIEW],
            reason,
        ),
        absent(
            "POST /mcp-servers/change-lifecycle",
            &[MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE, MCP_SERVER_IMPORT_EXPORT],
            reason,
        ),
        absent("POST /mcp-servers/copy-mcp-server", &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE], reason),
        absent(
            "GET /mcp-servers/export",
            &[
                MCP_SERVER_VIEW,
                MCP_SERVER_PUBLISH,
                MCP_SERVER_CREATE,
                MCP_SERVER_IMPORT_EXPORT,
                MCP_SERVER_MANAGE,
            ],
            reason,
        ),
        absent("POST /mcp-servers/generate-from-api", &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE], reason),
        absent("POST /mcp-servers/generate-from-mcp-server", &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE], reason),
        absent("POST /mcp-servers/generate-from-openapi", &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE], reason),
        absent("POST /mcp-servers/import", &[MCP_SERVER_IMPORT_EXPORT, ADMIN], reason),
        absent("POST /mcp-servers/validate", &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE], reason),
        absent("POST /mcp-servers/validate-endpoint", &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE], reason),
        absent("POST /mcp-servers/validate-mcp-server", &[API_CREATE, API_MANAGE], reason),
        absent("POST /mcp-servers/validate-openapi", &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE], reason),
        absent(
            "DELETE /mcp-servers/{mcpServerId}",
            &[MCP_SERVER_DELETE, MCP_SERVER_MANAGE, MCP_SERVER_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}",
            &[MCP_SERVER_VIEW, MCP_SERVER_MANAGE, MCP_SERVER_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "PUT /mcp-servers/{mcpServerId}",
            &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE, MCP_SERVER_PUBLISH],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/backends",
            &[
                MCP_SERVER_VIEW,
                MCP_SERVER_CREATE,
                MCP_SERVER_MANAGE,
                MCP_SERVER_PUBLISH,
                MCP_SERVER_IMPORT_EXPORT,
            ],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/backends/{backendId}",
            &[
                MCP_SERVER_VIEW,
                MCP_SERVER_CREATE,
                MCP_SERVER_MANAGE,
                MCP_SERVER_PUBLISH,
                MCP_SERVER_IMPORT_EXPORT,
            ],
            reason,
        ),
        absent(
            "PUT /mcp-servers/{mcpServerId}/backends/{backendId}",
            &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE, MCP_SERVER_PUBLISH, MCP_SERVER_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "DELETE /mcp-servers/{mcpServerId}/cancel-revision-workflow/{revisionId}/{envName}",
            &[MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE, MCP_SERVER_CREATE],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/comments",
            &[MCP_SERVER_VIEW, COMMENT_VIEW, COMMENT_MANAGE],
            reason,
        ),
        absent("POST /mcp-servers/{mcpServerId}/comments", &[COMMENT_WRITE, COMMENT_MANAGE], reason),
        absent(
            "DELETE /mcp-servers/{mcpServerId}/comments/{commentId}",
            &[COMMENT_WRITE, COMMENT_MANAGE, ADMIN],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/comments/{commentId}",
            &[MCP_SERVER_VIEW, COMMENT_VIEW, COMMENT_MANAGE],
            reason,
        ),
        absent(
            "PATCH /mcp-servers/{mcpServerId}/comments/{commentId}",
            &[COMMENT_WRITE, COMMENT_MANAGE],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/comments/{commentId}/replies",
            &[MCP_SERVER_VIEW, COMMENT_VIEW, COMMENT_MANAGE],
            reason,
        ),
        absent(
            "POST /mcp-servers/{mcpServerId}/deploy-revision",
            &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE, MCP_SERVER_PUBLISH],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/deployments",
            &[MCP_SERVER_VIEW, MCP_SERVER_CREATE, MCP_SERVER_MANAGE, MCP_SERVER_PUBLISH],
            reason,
        ),
        absent(
            "PUT /mcp-servers/{mcpServerId}/deployments/{deploymentId}",
            &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE, MCP_SERVER_PUBLISH],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/documents",
            &[MCP_SERVER_VIEW, MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE],
            reason,
        ),
        absent("POST /mcp-servers/{mcpServerId}/documents", &[MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE], reason),
        absent(
            "POST /mcp-servers/{mcpServerId}/documents/validate",
            &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE, DOCUMENT_MANAGE, DOCUMENT_CREATE],
            reason,
        ),
        absent(
            "DELETE /mcp-servers/{mcpServerId}/documents/{documentId}",
            &[MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/documents/{documentId}",
            &[MCP_SERVER_VIEW, MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE],
            reason,
        ),
        absent(
            "PUT /mcp-servers/{mcpServerId}/documents/{documentId}",
            &[MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/documents/{documentId}/content",
            &[MCP_SERVER_VIEW, MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE],
            reason,
        ),
        absent(
            "POST /mcp-servers/{mcpServerId}/documents/{documentId}/content",
            &[MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE],
            reason,
        ),
        absent(
            "POST /mcp-servers/{mcpServerId}/generate-key",
            &[API_GENERATE_KEY, MCP_SERVER_MANAGE],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/lifecycle-history",
            &[MCP_SERVER_VIEW, MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/lifecycle-state",
            &[MCP_SERVER_VIEW, MCP_SERVER_PUBLISH, MCP_SERVER_CREATE, MCP_SERVER_MANAGE],
            reason,
        ),
        absent(
            "DELETE /mcp-servers/{mcpServerId}/lifecycle-state/pending-tasks",
            &[MCP_SERVER_PUBLISH, MCP_SERVER_MANAGE],
            reason,
        ),
        absent(
            "POST /mcp-servers/{mcpServerId}/restore-revision",
            &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE, MCP_SERVER_PUBLISH],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/revisions",
            &[
                MCP_SERVER_VIEW,
                MCP_SERVER_CREATE,
                MCP_SERVER_MANAGE,
                MCP_SERVER_PUBLISH,
                MCP_SERVER_IMPORT_EXPORT,
            ],
            reason,
        ),
        absent(
            "POST /mcp-servers/{mcpServerId}/revisions",
            &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE, MCP_SERVER_PUBLISH, MCP_SERVER_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "DELETE /mcp-servers/{mcpServerId}/revisions/{revisionId}",
            &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE, MCP_SERVER_PUBLISH, MCP_SERVER_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/revisions/{revisionId}",
            &[MCP_SERVER_VIEW, MCP_SERVER_CREATE, MCP_SERVER_MANAGE, MCP_SERVER_PUBLISH],
            reason,
        ),
        absent(
            "GET /mcp-servers/{mcpServerId}/subscription-policies",
            &[MCP_SERVER_VIEW, MCP_SERVER_MANAGE],
            reason,
        ),
        absent(
            "POST /mcp-servers/{mcpServerId}/undeploy-revision",
            &[MCP_SERVER_CREATE, MCP_SERVER_MANAGE, MCP_SERVER_PUBLISH, MCP_SERVER_IMPORT_EXPORT],
            reason,
        ),
    ]
}
