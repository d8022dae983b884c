//! Which endpoint a call leads to (spec: gateway-flow, section 8).

use apim_core::model::{AuthType, Endpoint, KeyType, LifecycleState};
use apim_core::{Context, Fault, fault};

/// The endpoint for this caller's key.
pub(super) fn endpoint(context: &Context) -> Result<&Endpoint, Fault> {
    let api = context
        .api
        .as_deref()
        .ok_or_else(|| Fault::new(fault::INTERNAL).detail("a request without an API reached the upstream"))?;
    let endpoints = &api.endpoints;
    if api.state == LifecycleState::Prototyped
        && let Some(production) = &endpoints.production
    {
        return Ok(production);
    }
    let open = context.operation().is_some_and(|operation| operation.auth == AuthType::None);
    let found = match context.key_type() {
        KeyType::Production if open => endpoints.production.as_ref().or(endpoints.sandbox.as_ref()),
        KeyType::Production => endpoints.production.as_ref(),
        KeyType::Sandbox => endpoints.sandbox.as_ref(),
    };
    found.ok_or_else(|| {
        Fault::new(fault::WRONG_ENVIRONMENT).because(match context.key_type() {
            KeyType::Production => "Production key offered to an API with no production endpoint",
            KeyType::Sandbox => "Sandbox key offered to an API with no sandbox endpoint",
        })
    })
}
