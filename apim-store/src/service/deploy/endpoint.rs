//! What a publisher's document says about backends (spec: lifecycle-and-artifacts, section 8; gateway-flow,
//! section 8), as gateways understand it.

use std::collections::BTreeMap;

use apim_core::fault;
use apim_core::model::{
    BackendSecret, Dynamic, Endpoint, EndpointSecurity, Endpoints, Function, KeyPlace, Lambda, Member, Retry,
    Suspension, TokenGrant,
};
use serde_json::Value;
use url::Url;

use super::Reader;
use crate::service::api::text;

const ROOT: &str = "/endpointConfig";
/// The names of WSO2's own class for taking turns.
const ROUND_ROBIN: &str = "roundrobin";

impl Reader {
    /// The endpoints of a document whose secrets are open.
    pub(super) fn endpoints(&mut self, doc: &Value) -> Endpoints {
        if self.is_mocked(doc) {
            let mock = Endpoint { mock: true, ..Endpoint::new("") };
            return Endpoints { production: Some(mock.clone()), sandbox: Some(mock), ..Endpoints::default() };
        }
        let config = &doc["endpointConfig"];
        if config.is_null() {
            return Endpoints::default();
        }
        let side = |reader: &mut Self, side: Side| {
            let mut endpoint = match text(config, "endpoint_type") {
                "" | "http" | "address" => reader.single(config, &side),
                "load_balance" => reader.balanced(config, &side),
                "failover" => reader.failover(config, &side),
                "default" => reader.dynamic(config),
                "awslambda" => reader.lambda(config),
                other => {
                    let offered = "http, address, load_balance, failover, default and awslambda are offered";
                    reader.refuse(format!("{ROOT}/endpoint_type"), format!("{other} is not; {offered}"));
                    None
                }
            }?;
            endpoint.security = reader.security(config, side.name).map(Box::new);
            Some(endpoint)
        };
        Endpoints {
            production: side(self, Side::PRODUCTION),
            sandbox: side(self, Side::SANDBOX),
            ..Endpoints::default()
        }
    }

    /// The function of AWS Lambda that an operation is.
    pub(super) fn function(&mut self, operation: &Value, path: &str) -> Option<Function> {
        let name = Some(text(operation, "amznResourceName")).filter(|name| !name.is_empty())?;
        let timeout = number(&operation["amznResourceTimeout"]).filter(|seconds| *seconds > 0.0);
        if timeout.is_some_and(|seconds| !(1.0..=900.0).contains(&seconds)) {
            self.refuse(format!("{path}/amznResourceTimeout"), "must be from 1 to 900 seconds");
        }
        Some(Function { name: name.to_owned(), timeout_s: timeout.map(|seconds| seconds as u32) })
    }

    fn single(&mut self, config: &Value, side: &Side) -> Option<Endpoint> {
        match side.of(config, side.endpoints) {
            // The portal writes lists for one kind of endpoint and objects for the other; some clients always one.
            Some(Value::Array(list)) if list.len() > 1 => {
                self.refuse(
                    side.path(side.endpoints),
                    "several backends need the endpoint_type load_balance",
                );
                None
            }
            Some(Value::Array(list)) => {
                let first = list.first()?;
                self.one(first, &format!("{}/0", side.path(side.endpoints)))
            }
            Some(one) => self.one(one, &side.path(side.endpoints)),
            None => None,
        }
    }

    fn balanced(&mut self, config: &Value, side: &Side) -> Option<Endpoint> {
        let given = self.list(config, side, side.endpoints);
        let class = text(config, "algoClassName").to_ascii_lowercase();
        let chosen = text(config, "algoCombo").to_ascii_lowercase();
        for (name, value) in [("algoClassName", class), ("algoCombo", chosen)] {
            let known = value.is_empty() || value.replace(['_', '-', '.'], "").contains(ROUND_ROBIN);
            if !known && !value.ends_with("roundrobin") {
                self.refuse(format!("{ROOT}/{name}"), "only members in turn (RoundRobin) are offered");
            }
        }
        if !matches!(text(config, "sessionManagement"), "" | "none") {
            self.refuse(format!("{ROOT}/sessionManagement"), "sessions are not kept to one member");
        }
        let mut endpoint = self.several(given)?;
        if is_true(&config["failOver"]) && endpoint.members.len() > 1 {
            endpoint.retry = Some(Box::new(every_member(endpoint.members.len())));
        }
        Some(endpoint)
    }

    fn failover(&mut self, config: &Value, side: &Side) -> Option<Endpoint> {
        let mut given = self.list(config, side, side.endpoints);
        given.extend(self.list(config, side, side.failovers));
        let mut endpoint = self.several(given)?;
        if endpoint.members.len() > 1 {
            endpoint.policy = apim_core::model::Balance::Failover;
        }
        Some(endpoint)
    }

    /// All endpoints under one name, each with its place.
    fn list(&mut self, config: &Value, side: &Side, name: &str) -> Vec<(String, Endpoint)> {
        let path = side.path(name);
        let given: Vec<(String, &Value)> = match side.of(config, name) {
            None => Vec::new(),
            Some(Value::Array(list)) => {
                list.iter().enumerate().map(|(index, one)| (format!("{path}/{index}"), one)).collect()
            }
            Some(one) => vec![(path, one)],
        };
        given.into_iter().filter_map(|(path, one)| Some((path.clone(), self.one(one, &path)?))).collect()
    }

    /// One endpoint of several, which must have the same settings.
    fn several(&mut self, given: Vec<(String, Endpoint)>) -> Option<Endpoint> {
        let (_, first) = given.first()?;
        let mut whole = first.clone();
        for (path, other) in &given[1..] {
            if (Endpoint { url: String::new(), ..other.clone() })
                != (Endpoint { url: String::new(), ..first.clone() })
            {
                self.refuse(format!("{path}/config"), "must be as that of the first: they are one endpoint");
            }
        }
        if given.len() > 1 {
            whole.url = String::new();
            whole.members = given.into_iter().map(|(_, one)| Member::new(one.url)).collect();
        }
        Some(whole)
    }

    fn one(&mut self, endpoint: &Value, path: &str) -> Option<Endpoint> {
        let at = format!("{path}/url");
        let Some(url) = endpoint["url"].as_str().filter(|url| !url.is_empty()) else {
            self.refuse(at, "must be one URL");
            return None;
        };
        let schemes = ["http", "https", "ws", "wss"];
        match Url::parse(url) {
            Ok(parsed) if schemes.contains(&parsed.scheme()) && parsed.has_host() => {}
            _ => self.refuse(at, "must be an absolute http, https, ws or wss URL"),
        }
        let mut served = Endpoint::new(url);
        self.settings(&mut served, &endpoint["config"], &format!("{path}/config"));
        Some(served)
    }

    /// What is said of time-outs, retries and suspension, unless it asks for nothing, as WSO2's forms do when nobody
    /// chose anything.
    fn settings(&mut self, served: &mut Endpoint, config: &Value, path: &str) {
        let chosen = |name: &str| Some(&config[name]).filter(|value| !is_usual(name, value));
        if let Some(action) = chosen("actionSelect") {
            match action.as_str() {
                Some("neverTimeout") => served.timeout_ms = 0,
                _ => self.refuse(
                    format!("{path}/actionSelect"),
                    "fault and neverTimeout are offered; callers are always answered",
                ),
            }
        }
        if let Some(millis) = number(&config["actionDuration"]).filter(|millis| *millis > 0.0)
            && served.timeout_ms != 0
        {
            served.timeout_ms = millis as u64;
        }
        let known = [
            "actionSelect",
            "actionDuration",
            "suspendErrorCode",
            "suspendDuration",
            "suspendMaxDuration",
            "factor",
            "retryErroCode",
            "retryTimeOut",
            "retryDelay",
        ];
        for (name, value) in config.as_object().into_iter().flatten() {
            if !known.contains(&name.as_str()) && !is_usual(name, value) {
                self.refuse(format!("{path}/{name}"), "is not offered");
            }
        }
        let suspends = known[2..].iter().filter(|name| **name != "factor").any(|name| chosen(name).is_some());
        if suspends {
            served.suspension = self.suspension(config, path).map(Box::new);
        }
    }

    fn suspension(&mut self, config: &Value, path: &str) -> Option<Suspension> {
        let mut positive = |name: &str| {
            let value = Some(&config[name]).filter(|value| !is_usual(name, value))?;
            let found = number(value).filter(|number| *number >= 0.0);
            if found.is_none() {
                self.refuse(format!("{path}/{name}"), "must be a number, and not negative");
            }
            found
        };
        let usual = Suspension::default();
        let never = number(&config["suspendDuration"]) == Some(0.0);
        let rule = Suspension {
            initial_ms: positive("suspendDuration").map_or(usual.initial_ms, |millis| millis as u64),
            max_ms: positive("suspendMaxDuration").map(|millis| millis as u64),
            factor: positive("factor").unwrap_or(usual.factor).max(1.0),
            patience: positive("retryTimeOut").map_or(0, |count| count as u32),
            patience_delay_ms: positive("retryDelay").map_or(0, |millis| millis as u64),
            errors: self.codes(&config["suspendErrorCode"], &format!("{path}/suspendErrorCode")),
            patient_errors: match self.codes(&config["retryErroCode"], &format!("{path}/retryErroCode")) {
                codes if codes.is_empty() => usual.patient_errors,
                codes => codes,
            },
        };
        (!never).then_some(rule)
    }

    /// Numbers of errors: a list, or one text with commas.
    fn codes(&mut self, value: &Value, path: &str) -> Vec<u32> {
        let texts: Vec<String> = match value {
            Value::Array(list) => list.iter().map(plain).collect(),
            other => plain(other).split(',').map(|code| code.trim().to_owned()).collect(),
        };
        let given: Vec<_> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        let codes: Vec<u32> = given.iter().flat_map(|text| text.parse()).collect();
        if codes.len() != given.len() {
            self.refuse(path, "must hold the numbers of errors, as 101503");
        }
        codes
    }

    fn dynamic(&mut self, config: &Value) -> Option<Endpoint> {
        let allow: Vec<String> = config["allowed_urls"].as_array().into_iter().flatten().map(plain).collect();
        if allow.is_empty() {
            self.refuse(
                format!("{ROOT}/allowed_urls"),
                "must list the URLs that the policy set-endpoint may choose; nothing else is ever called",
            );
        }
        let dynamic = Some(Box::new(Dynamic { header: None, allow }));
        Some(Endpoint { dynamic, ..Endpoint::new("") })
    }

    fn lambda(&mut self, config: &Value) -> Option<Endpoint> {
        if text(config, "access_method") != "stored" {
            self.refuse(format!("{ROOT}/access_method"), "stored keys are needed; roles are not taken on");
        }
        for name in ["assume_role", "amznRoleArn", "amznRoleSessionName", "amznRoleRegion"] {
            if !is_usual(name, &config[name]) {
                self.refuse(format!("{ROOT}/{name}"), "roles are not taken on");
            }
        }
        let mut required = |name: &str| {
            let value = text(config, name);
            if value.is_empty() {
                self.refuse(format!("{ROOT}/{name}"), "must be given");
            }
            value.to_owned()
        };
        let lambda = Lambda {
            region: required("amznRegion"),
            access_key: required("amznAccessKey"),
            secret_key: BackendSecret::new(required("amznSecretKey")),
            url: None,
        };
        Some(Endpoint { lambda: Some(Box::new(lambda)), ..Endpoint::new("") })
    }

    fn security(&mut self, config: &Value, side: &str) -> Option<EndpointSecurity> {
        let given = &config["endpoint_security"][side];
        let path = format!("{ROOT}/endpoint_security/{side}");
        if !is_true(&given["enabled"]) {
            return None;
        }
        let own = |name: &str| text(given, name).to_owned();
        let secret = |name: &str| BackendSecret::new(text(given, name));
        match text(given, "type").to_ascii_lowercase().as_str() {
            "basic" => Some(EndpointSecurity::Basic {
                username: self.given(given, "username", &path),
                password: secret("password"),
            }),
            "digest" => Some(EndpointSecurity::Digest {
                username: self.given(given, "username", &path),
                password: secret("password"),
            }),
            "apikey" | "api_key" => {
                let place = match text(given, "apiKeyIdentifierType").to_ascii_uppercase().as_str() {
                    "" | "HEADER" => KeyPlace::Header,
                    "QUERY_PARAMETER" | "QUERY" => KeyPlace::Query,
                    _ => {
                        self.refuse(
                            format!("{path}/apiKeyIdentifierType"),
                            "must be HEADER or QUERY_PARAMETER",
                        );
                        KeyPlace::Header
                    }
                };
                let name = self.given(given, "apiKeyIdentifier", &path);
                Some(EndpointSecurity::ApiKey { name, value: secret("apiKeyValue"), place })
            }
            "oauth" | "oauth2" => {
                let by_user = match text(given, "grantType").to_ascii_uppercase().as_str() {
                    "" | "CLIENT_CREDENTIALS" => false,
                    "PASSWORD" => true,
                    _ => {
                        let offered = "CLIENT_CREDENTIALS and PASSWORD are offered";
                        self.refuse(format!("{path}/grantType"), offered);
                        false
                    }
                };
                Some(EndpointSecurity::Oauth2(TokenGrant {
                    token_url: self.given(given, "tokenUrl", &path),
                    client_id: self.given(given, "clientId", &path),
                    client_secret: secret("clientSecret"),
                    username: by_user.then(|| own("username")),
                    password: by_user.then(|| secret("password")),
                    scopes: Vec::new(),
                    parameters: self
                        .parameters(&given["customParameters"], &format!("{path}/customParameters")),
                }))
            }
            other => {
                let offered = "BASIC, DIGEST, OAUTH and APIKEY are offered";
                self.refuse(format!("{path}/type"), format!("`{other}` is not; {offered}"));
                None
            }
        }
    }

    fn given(&mut self, security: &Value, name: &str, path: &str) -> String {
        let value = text(security, name);
        if value.is_empty() {
            self.refuse(format!("{path}/{name}"), "must be given");
        }
        value.to_owned()
    }

    /// Parameters for a token server; some clients send the object as text.
    fn parameters(&mut self, given: &Value, path: &str) -> BTreeMap<String, BackendSecret> {
        let parsed = given.as_str().filter(|text| !text.is_empty()).map(serde_json::from_str::<Value>);
        let object = match parsed {
            None => given.clone(),
            Some(Ok(parsed)) => parsed,
            Some(Err(_)) => Value::Bool(true),
        };
        match object {
            Value::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), BackendSecret::new(plain(value)))).collect()
            }
            Value::Null | Value::String(_) => BTreeMap::new(),
            _ => {
                self.refuse(path, "must be an object");
                BTreeMap::new()
            }
        }
    }

    fn is_mocked(&mut self, doc: &Value) -> bool {
        match text(doc, "endpointImplementationType") {
            "" | "ENDPOINT" => false,
            "MOCKED_OAS" | "INLINE" => true,
            other => {
                self.refuse("/endpointImplementationType", format!("{other} is not offered"));
                false
            }
        }
    }
}

/// Production or sandbox, by the names that a document has for them.
struct Side {
    name: &'static str,
    endpoints: &'static str,
    failovers: &'static str,
}

impl Side {
    const PRODUCTION: Self =
        Self { name: "production", endpoints: "production_endpoints", failovers: "production_failovers" };
    const SANDBOX: Self =
        Self { name: "sandbox", endpoints: "sandbox_endpoints", failovers: "sandbox_failovers" };

    fn of<'a>(&self, config: &'a Value, name: &str) -> Option<&'a Value> {
        config.get(name).filter(|endpoint| !endpoint.is_null())
    }

    fn path(&self, name: &str) -> String {
        format!("{ROOT}/{name}")
    }
}

/// What `failOver` asks for: whatever error there is, the next member is tried, each once.
fn every_member(count: usize) -> Retry {
    let errors = [
        fault::BACKEND_SEND,
        fault::BACKEND_CONNECT,
        fault::BACKEND_TIMEOUT,
        fault::BACKEND_CLOSED,
        fault::BACKEND_PROTOCOL,
        fault::BACKEND_CONNECT_TIMEOUT,
    ];
    Retry {
        retries: u32::try_from(count - 1).unwrap_or(1).min(10),
        errors: errors.map(|code| code.number).to_vec(),
        statuses: Vec::new(),
        ..Retry::default()
    }
}

fn is_true(value: &Value) -> bool {
    value == &Value::Bool(true) || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// A number; clients send them as text, too.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|number: &f64| number.is_finite())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Whether a setting of an endpoint asks for nothing.
fn is_usual(name: &str, value: &Value) -> bool {
    let text = match value {
        Value::Null => return true,
        Value::Array(list) => return list.is_empty(),
        Value::Object(members) => return members.is_empty(),
        Value::Bool(on) => return !on,
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
    };
    let usual: &[&str] = match name {
        "actionSelect" => &["", "fault"],
        "format" | "optimize" => &["", "leave-as-is"],
        "factor" => &["", "0", "1", "1.0"],
        _ => &["", "0"],
    };
    usual.contains(&text.as_str())
}
