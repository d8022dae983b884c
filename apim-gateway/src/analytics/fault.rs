//! The classes of faults (spec: gateway-observability, "Fault classification").

use apim_core::{CallFault, fault};

/// The class of a fault, by the number that its caller is told.
pub(super) fn classify(error_code: u32) -> CallFault {
    let (error_type, error_message) = match error_code {
        900_900..=900_999 => ("AUTH", authentication(error_code)),
        900_800..=900_899 => ("THROTTLED", throttling(error_code)),
        101_500..=101_599 | 303_001 => ("TARGET_CONNECTIVITY", connectivity(error_code)),
        404 => ("OTHER", "RESOURCE_NOT_FOUND"),
        405 => ("OTHER", "METHOD_NOT_ALLOWED"),
        _ => ("OTHER", "UNCLASSIFIED"),
    };
    CallFault { error_type, error_code, error_message }
}

fn authentication(error_code: u32) -> &'static str {
    match error_code {
        900_900..=900_904 => "AUTHENTICATION_FAILURE",
        900_905 | 900_910 => "AUTHORIZATION_FAILURE",
        900_907..=900_909 => "SUBSCRIPTION_VALIDATION_FAILURE",
        _ => "OTHER",
    }
}

fn throttling(error_code: u32) -> &'static str {
    const LEVELS: [(u32, &str); 6] = [
        (fault::API_THROTTLED.number, "API_LEVEL_LIMIT_EXCEEDED"),
        (fault::OPERATION_THROTTLED.number, "RESOURCE_LEVEL_LIMIT_EXCEEDED"),
        (fault::APPLICATION_THROTTLED.number, "APPLICATION_LEVEL_LIMIT_EXCEEDED"),
        (fault::SUBSCRIPTION_THROTTLED.number, "SUBSCRIPTION_LIMIT_EXCEEDED"),
        (fault::DENIED.number, "BLOCKED"),
        (fault::BURST_THROTTLED.number, "BURST_CONTROL_LIMIT_EXCEEDED"),
    ];
    LEVELS.iter().find(|(code, _)| *code == error_code).map_or("OTHER", |(_, level)| level)
}

fn connectivity(error_code: u32) -> &'static str {
    match error_code {
        101_504 | 101_508 => "CONNECTION_TIMEOUT",
        303_001 => "CONNECTION_SUSPENDED",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_the_class_that_the_original_gives_it() {
        for (code, error_type, error_message) in [
            (fault::MISSING_CREDENTIALS, "AUTH", "AUTHENTICATION_FAILURE"),
            (fault::MISSING_SCOPE, "AUTH", "AUTHORIZATION_FAILURE"),
            (fault::WRONG_TOKEN_TYPE, "AUTH", "AUTHORIZATION_FAILURE"),
            (fault::SUBSCRIPTION_BLOCKED, "AUTH", "SUBSCRIPTION_VALIDATION_FAILURE"),
            (fault::WRONG_AUDIENCE, "AUTH", "OTHER"),
            (fault::SUBSCRIPTION_THROTTLED, "THROTTLED", "SUBSCRIPTION_LIMIT_EXCEEDED"),
            (fault::DENIED, "THROTTLED", "BLOCKED"),
            (fault::BACKEND_CONNECT_TIMEOUT, "TARGET_CONNECTIVITY", "CONNECTION_TIMEOUT"),
            (fault::BACKEND_SUSPENDED, "TARGET_CONNECTIVITY", "CONNECTION_SUSPENDED"),
            (fault::BACKEND_CONNECT, "TARGET_CONNECTIVITY", "OTHER"),
            (fault::NO_SUCH_OPERATION, "OTHER", "RESOURCE_NOT_FOUND"),
            (fault::METHOD_NOT_ALLOWED, "OTHER", "METHOD_NOT_ALLOWED"),
            (fault::API_BLOCKED, "OTHER", "UNCLASSIFIED"),
        ] {
            let error_code = code.number;
            assert_eq!(classify(error_code), CallFault { error_type, error_code, error_message });
        }
    }
}
