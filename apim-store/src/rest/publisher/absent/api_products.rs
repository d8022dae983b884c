//! API products: operations of several APIs under one name.

use crate::rest::operation::{Operation, absent};
use crate::rest::scope::*;

pub(super) fn operations() -> Vec<Operation> {
    let reason = "API products are not offered yet";
    vec![
        absent("GET /api-products", &[API_VIEW, API_MANAGE], reason),
        absent("POST /api-products", &[API_PUBLISH, API_MANAGE], reason),
        absent(
            "POST /api-products/change-lifecycle",
            &[API_PUBLISH, API_MANAGE, API_PRODUCT_IMPORT_EXPORT],
            reason,
        ),
        absent("POST /api-products/copy-api-products", &[API_PUBLISH, API_MANAGE], reason),
        absent("GET /api-products/export", &[API_VIEW, API_PRODUCT_IMPORT_EXPORT], reason),
        absent("POST /api-products/import", &[API_PRODUCT_IMPORT_EXPORT], reason),
        absent(
            "DELETE /api-products/{apiProductId}",
            &[API_PUBLISH, API_MANAGE, API_PRODUCT_IMPORT_EXPORT],
            reason,
        ),
        absent("GET /api-products/{apiProductId}", &[API_VIEW, API_PUBLISH, API_MANAGE], reason),
        absent("PUT /api-products/{apiProductId}", &[API_PUBLISH, API_MANAGE], reason),
        absent(
            "POST /api-products/{apiProductId}/deploy-revision",
            &[API_CREATE, API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent(
            "GET /api-products/{apiProductId}/deployments",
            &[API_VIEW, API_CREATE, API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent(
            "PUT /api-products/{apiProductId}/deployments/{deploymentId}",
            &[API_CREATE, API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent("GET /api-products/{apiProductId}/documents", &[API_VIEW, API_PUBLISH, API_MANAGE], reason),
        absent("POST /api-products/{apiProductId}/documents", &[API_PUBLISH, API_MANAGE], reason),
        absent(
            "DELETE /api-products/{apiProductId}/documents/{documentId}",
            &[API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent(
            "GET /api-products/{apiProductId}/documents/{documentId}",
            &[API_VIEW, API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent("PUT /api-products/{apiProductId}/documents/{documentId}", &[API_PUBLISH, API_MANAGE], reason),
        absent(
            "GET /api-products/{apiProductId}/documents/{documentId}/content",
            &[API_VIEW, API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent(
            "POST /api-products/{apiProductId}/documents/{documentId}/content",
            &[API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent("GET /api-products/{apiProductId}/is-outdated", &[API_VIEW, API_PUBLISH, API_MANAGE], reason),
        absent("GET /api-products/{apiProductId}/lifecycle-history", &[API_PUBLISH, API_MANAGE], reason),
        absent(
            "GET /api-products/{apiProductId}/lifecycle-state",
            &[API_PUBLISH, API_CREATE, API_MANAGE],
            reason,
        ),
        absent(
            "DELETE /api-products/{apiProductId}/lifecycle-state/pending-tasks",
            &[API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent(
            "POST /api-products/{apiProductId}/restore-revision",
            &[API_CREATE, API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent(
            "GET /api-products/{apiProductId}/revisions",
            &[API_VIEW, API_CREATE, API_PUBLISH, API_MANAGE, API_PRODUCT_IMPORT_EXPORT],
            reason,
        ),
        absent("POST /api-products/{apiProductId}/revisions", &[API_CREATE, API_PUBLISH, API_MANAGE], reason),
        absent(
            "DELETE /api-products/{apiProductId}/revisions/{revisionId}",
            &[API_CREATE, API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent(
            "GET /api-products/{apiProductId}/revisions/{revisionId}",
            &[API_VIEW, API_CREATE, API_PUBLISH, API_MANAGE],
            reason,
        ),
        absent("GET /api-products/{apiProductId}/swagger", &[API_VIEW, API_PUBLISH, API_MANAGE], reason),
        absent("GET /api-products/{apiProductId}/thumbnail", &[API_VIEW, API_PUBLISH, API_MANAGE], reason),
        absent("PUT /api-products/{apiProductId}/thumbnail", &[API_PUBLISH, API_MANAGE], reason),
        absent(
            "POST /api-products/{apiProductId}/undeploy-revision",
            &[API_CREATE, API_PUBLISH, API_MANAGE, API_PRODUCT_IMPORT_EXPORT],
            reason,
        ),
    ]
}
