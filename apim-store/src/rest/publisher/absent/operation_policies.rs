//! Policies of operations, of single APIs and common ones, and of gateways.

use crate::rest::operation::{Operation, absent};
use crate::rest::scope::*;

pub(super) fn operations() -> Vec<Operation> {
    let reason = "Policies of operations and gateways are not offered yet";
    vec![
        absent(
            "GET /apis/{apiId}/operation-policies",
            &[
                API_VIEW,
                API_MANAGE,
                MEDIATION_POLICY_VIEW,
                MEDIATION_POLICY_MANAGE,
                API_MEDIATION_POLICY_MANAGE,
            ],
            reason,
        ),
        absent(
            "POST /apis/{apiId}/operation-policies",
            &[API_MANAGE, MEDIATION_POLICY_CREATE, MEDIATION_POLICY_MANAGE, API_MEDIATION_POLICY_MANAGE],
            reason,
        ),
        absent(
            "DELETE /apis/{apiId}/operation-policies/{operationPolicyId}",
            &[API_MANAGE, MEDIATION_POLICY_CREATE, MEDIATION_POLICY_MANAGE, API_MEDIATION_POLICY_MANAGE],
            reason,
        ),
        absent(
            "GET /apis/{apiId}/operation-policies/{operationPolicyId}",
            &[
                API_VIEW,
                API_MANAGE,
                MEDIATION_POLICY_VIEW,
                MEDIATION_POLICY_MANAGE,
                API_MEDIATION_POLICY_MANAGE,
            ],
            reason,
        ),
        absent(
            "GET /apis/{apiId}/operation-policies/{operationPolicyId}/content",
            &[
                API_VIEW,
                API_MANAGE,
                MEDIATION_POLICY_VIEW,
                MEDIATION_POLICY_MANAGE,
                API_MEDIATION_POLICY_MANAGE,
            ],
            reason,
        ),
        absent("GET /gateway-policies", &[GATEWAY_POLICY_VIEW, GATEWAY_POLICY_MANAGE], reason),
        absent("POST /gateway-policies", &[GATEWAY_POLICY_MANAGE], reason),
        absent("DELETE /gateway-policies/{gatewayPolicyMappingId}", &[GATEWAY_POLICY_MANAGE], reason),
        absent(
            "GET /gateway-policies/{gatewayPolicyMappingId}",
            &[GATEWAY_POLICY_VIEW, GATEWAY_POLICY_MANAGE],
            reason,
        ),
        absent("PUT /gateway-policies/{gatewayPolicyMappingId}", &[GATEWAY_POLICY_MANAGE], reason),
        absent("POST /gateway-policies/{gatewayPolicyMappingId}/deploy", &[GATEWAY_POLICY_MANAGE], reason),
        absent(
            "GET /operation-policies",
            &[COMMON_OPERATION_POLICY_VIEW, COMMON_OPERATION_POLICY_MANAGE, POLICIES_IMPORT_EXPORT],
            reason,
        ),
        absent("POST /operation-policies", &[COMMON_OPERATION_POLICY_MANAGE], reason),
        absent("GET /operation-policies/export", &[POLICIES_IMPORT_EXPORT], reason),
        absent("POST /operation-policies/import", &[POLICIES_IMPORT_EXPORT], reason),
        absent(
            "DELETE /operation-policies/{operationPolicyId}",
            &[COMMON_OPERATION_POLICY_MANAGE, POLICIES_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "GET /operation-policies/{operationPolicyId}",
            &[COMMON_OPERATION_POLICY_VIEW, COMMON_OPERATION_POLICY_MANAGE, POLICIES_IMPORT_EXPORT],
            reason,
        ),
        absent(
            "GET /operation-policies/{operationPolicyId}/content",
            &[COMMON_OPERATION_POLICY_VIEW, COMMON_OPERATION_POLICY_MANAGE],
            reason,
        ),
    ]
}
