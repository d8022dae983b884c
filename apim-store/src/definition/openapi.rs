//! OpenAPI 2.0, 3.0 and 3.1: from a publisher's bytes to what the platform acts on.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{Finding, Limits, parse, reference, step};

/// A definition that was read and found sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The specification it follows.
    pub version: SpecVersion,
    /// The document itself, keys in its author's order.
    pub document: Value,
    /// `info.title`.
    pub title: String,
    /// `info.version`.
    pub api_version: String,
    /// `info.description`.
    pub description: Option<String>,
    /// Where the API is said to be; variables stand at their defaults.
    pub servers: Vec<String>,
    /// `basePath`, or the path of the first server, unless it is `/`.
    pub base_path: Option<String>,
    /// Operations in the document's order.
    pub operations: Vec<DefinedOperation>,
    /// Scopes of its OAuth 2.0 schemes.
    pub scopes: Vec<DefinedScope>,
    /// What WSO2's own keys at the document's root say.
    pub extensions: Extensions,
}

/// The specification a definition follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the version it names")]
pub enum SpecVersion {
    V2_0,
    V3_0,
    V3_1,
}

/// One method on one path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DefinedOperation {
    /// In capitals.
    pub method: String,
    /// The path template.
    pub path: String,
    /// Scopes of which a token must carry one.
    pub scopes: Vec<String>,
    /// `x-auth-type`.
    pub auth: Option<String>,
    /// `x-throttling-tier`.
    pub throttling: Option<String>,
}

/// A scope that a definition declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DefinedScope {
    /// The scope.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Roles it is bound to (`x-scopes-bindings`).
    pub roles: Vec<String>,
}

/// WSO2's keys at a document's root.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extensions {
    /// `x-wso2-basePath`: the context, possibly with the version in it.
    pub base_path: Option<String>,
    /// `x-wso2-production-endpoints`.
    pub production_endpoints: Option<Value>,
    /// `x-wso2-sandbox-endpoints`.
    pub sandbox_endpoints: Option<Value>,
    /// `x-wso2-cors`.
    pub cors: Option<Value>,
    /// `x-wso2-auth-header`.
    pub auth_header: Option<String>,
    /// `x-throttling-tier`.
    pub throttling: Option<String>,
}

/// Methods that can stand on a path, in the order the specification lists them.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// A security requirement may name so many scopes.
const ALTERNATIVES: usize = 64;
/// And so often, each time counted.
const MENTIONS: usize = 1024;
/// Longer ones are no scopes, and would be copied for each operation.
const LONGEST_SCOPE: usize = 256;

/// Reads a definition. Takes time and memory in proportion to `bytes`, whatever they are; never panics.
///
/// ```
/// use apim_store::definition::{Limits, openapi};
///
/// let text = "openapi: 3.0.3\ninfo: {title: Pets, version: '1'}\npaths: {/pets: {get: {}}}";
/// let pets = openapi::read(text.as_bytes(), &Limits::default()).unwrap();
/// assert_eq!(pets.operations[0].path, "/pets");
/// ```
///
/// # Errors
///
/// All that is wrong with it, up to [`Limits::findings`].
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Definition, Vec<Finding>> {
    let document = parse(bytes, limits).map_err(|finding| vec![finding])?;
    read_document(document, limits)
}

/// Reads a definition that has been parsed already.
///
/// # Errors
///
/// As [`read`].
pub fn read_document(document: Value, limits: &Limits) -> Result<Definition, Vec<Finding>> {
    let version = spec_version(&document).map_err(|finding| vec![finding])?;
    let mut reader = Reader { document: &document, version, limits, findings: Vec::new() };
    reference::check(&document, version == SpecVersion::V3_1, limits, &mut reader.findings);
    let (title, api_version, description) = reader.info();
    let servers = reader.servers();
    let operations = reader.operations();
    let scopes = reader.scopes();
    let findings = reader.findings;
    if !findings.is_empty() {
        return Err(findings);
    }
    Ok(Definition {
        version,
        title,
        api_version,
        description,
        base_path: base_path(&document, &servers),
        servers,
        operations,
        scopes,
        extensions: extensions(&document),
        document,
    })
}

fn spec_version(document: &Value) -> Result<SpecVersion, Finding> {
    if !document.is_object() {
        return Err(Finding::new("", "not an object"));
    }
    let swagger = text(document.get("swagger"));
    let openapi = text(document.get("openapi"));
    match (swagger.as_deref(), openapi.as_deref()) {
        (Some("2.0"), None) => Ok(SpecVersion::V2_0),
        (None, Some(version)) if minor(version, "3.0") => Ok(SpecVersion::V3_0),
        (None, Some(version)) if minor(version, "3.1") => Ok(SpecVersion::V3_1),
        (Some(_), Some(_)) => Err(Finding::new("", "both `swagger` and `openapi` are given")),
        (Some(_), None) => Err(Finding::new("/swagger", "only version 2.0 is understood")),
        (None, Some(_)) => Err(Finding::new("/openapi", "only versions 3.0 and 3.1 are understood")),
        (None, None) => Err(Finding::new("", "neither `openapi: 3.…` nor `swagger: \"2.0\"` is given")),
    }
}

fn minor(version: &str, wanted: &str) -> bool {
    version.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

struct Reader<'d> {
    document: &'d Value,
    version: SpecVersion,
    limits: &'d Limits,
    findings: Vec<Finding>,
}

impl<'d> Reader<'d> {
    fn found(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.findings.len() < self.limits.findings {
            self.findings.push(Finding::new(path, message));
        }
    }

    fn info(&mut self) -> (String, String, Option<String>) {
        let info = self.document.get("info");
        let mut required = |name: &str| {
            let value = text(info.and_then(|info| info.get(name))).filter(|value| !value.trim().is_empty());
            value.unwrap_or_else(|| {
                self.found(format!("/info/{name}"), "is required");
                String::new()
            })
        };
        let title = required("title");
        let version = required("version");
        (title, version, text(info.and_then(|info| info.get("description"))))
    }

    fn servers(&mut self) -> Vec<String> {
        if self.version == SpecVersion::V2_0 {
            return swagger_servers(self.document);
        }
        let servers = self.document.get("servers").and_then(Value::as_array);
        servers.into_iter().flatten().take(self.limits.scopes).filter_map(server).collect()
    }

    fn operations(&mut self) -> Vec<DefinedOperation> {
        let document = self.document;
        let Some(paths) = document.get("paths").and_then(Value::as_object) else {
            // A 3.1 document may consist of web hooks alone; there is nothing to route in it then.
            self.found("/paths", "is required, and is an object");
            return Vec::new();
        };
        if paths.len() > self.limits.paths {
            self.found("/paths", format!("more than {} paths", self.limits.paths));
            return Vec::new();
        }
        let general = self.required_scopes(document.get("security"), "/security");
        let mut shapes = HashMap::new();
        let mut operations = Vec::new();
        for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
            let place = step("/paths", path);
            match shape(path) {
                Err(message) => self.found(place.clone(), message),
                Ok(shape) => {
                    if let Some(other) = shapes.insert(shape, path) {
                        self.found(place.clone(), format!("matches the same calls as {other}"));
                    }
                }
            }
            self.on_path(path, item, &place, &general, &mut operations);
            if operations.len() > self.limits.operations {
                self.found("/paths", format!("more than {} operations", self.limits.operations));
                return Vec::new();
            }
        }
        self.bound_named_scopes(&operations);
        operations
    }

    fn on_path(
        &mut self,
        path: &str,
        item: &'d Value,
        place: &str,
        general: &[String],
        operations: &mut Vec<DefinedOperation>,
    ) {
        // A reference that leads nowhere has its finding already.
        let Some(item) = reference::resolve(self.document, item) else { return };
        if !item.is_object() {
            return self.found(place, "is not an object");
        }
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let place = step(place, method);
            if !operation.is_object() {
                self.found(place, "is not an object");
                continue;
            }
            let scopes = match operation.get("security") {
                None => general.to_vec(),
                security => self.required_scopes(security, &step(&place, "security")),
            };
            operations.push(DefinedOperation {
                method: method.to_ascii_uppercase(),
                path: path.to_owned(),
                scopes: with_legacy_scope(scopes, operation),
                auth: auth(operation),
                throttling: text(operation.get("x-throttling-tier")),
            });
        }
    }

    /// The scopes of all alternatives: the platform lets a token pass that carries any one of them.
    ///
    /// A reference lets thousands of operations share one list, so reading it ends where it is known to be
    /// too much: a definition would be cheap to write and dear to read else.
    fn required_scopes(&mut self, security: Option<&'d Value>, place: &str) -> Vec<String> {
        let alternatives = security.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let lists = alternatives.iter().filter_map(Value::as_object).flat_map(Map::values);
        let named = lists.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        let mut known = HashSet::new();
        let mut scopes = Vec::new();
        let mut mentions = 0;
        for scope in named.take(MENTIONS + 1) {
            mentions += 1;
            if scope.len() > LONGEST_SCOPE {
                self.found(place, format!("a scope is longer than {LONGEST_SCOPE} bytes"));
                return Vec::new();
            }
            if known.insert(scope) {
                scopes.push(scope.to_owned());
            }
            if scopes.len() > ALTERNATIVES {
                break;
            }
        }
        if scopes.len() > ALTERNATIVES || alternatives.len() > ALTERNATIVES || mentions > MENTIONS {
            self.found(place, format!("more than {ALTERNATIVES} alternatives"));
            return Vec::new();
        }
        scopes
    }

    /// Every scope that is named is registered, and looked up at each change; so what is named counts as
    /// what is declared does.
    fn bound_named_scopes(&mut self, operations: &[DefinedOperation]) {
        let named: HashSet<&str> = operations.iter().flat_map(|it| &it.scopes).map(String::as_str).collect();
        if named.len() > self.limits.scopes {
            self.found("/paths", format!("more than {} scopes", self.limits.scopes));
        }
    }

    fn scopes(&mut self) -> Vec<DefinedScope> {
        let document = self.document;
        for place in ["/components", "/components/securitySchemes", "/securityDefinitions"] {
            if document.pointer(place).is_some_and(|it| !it.is_object()) {
                self.found(place, "is not an object");
            }
        }
        let schemes = match self.version {
            SpecVersion::V2_0 => document.get("securityDefinitions"),
            _ => document.pointer("/components/securitySchemes"),
        };
        let mut scopes = Scopes { known: HashMap::new(), list: Vec::new() };
        for scheme in schemes.and_then(Value::as_object).into_iter().flat_map(Map::values) {
            let Some(scheme) = reference::resolve(document, scheme) else { continue };
            if text(scheme.get("type")).as_deref() != Some("oauth2") {
                continue;
            }
            scopes.add(scheme);
            let flows = scheme.get("flows").and_then(Value::as_object);
            flows.into_iter().flat_map(Map::values).for_each(|flow| scopes.add(flow));
            if scopes.list.len() > self.limits.scopes {
                break;
            }
        }
        scopes.add_legacy(document.pointer("/x-wso2-security/apim/x-wso2-scopes"));
        if scopes.list.len() > self.limits.scopes {
            self.found("", format!("more than {} scopes", self.limits.scopes));
        }
        scopes.list
    }
}

/// Scopes as they come together from several flows.
struct Scopes {
    known: HashMap<String, usize>,
    list: Vec<DefinedScope>,
}

impl Scopes {
    /// Takes what one flow declares: `scopes` with descriptions, `x-scopes-bindings` with roles.
    fn add(&mut self, flow: &Value) {
        let declared = flow.get("scopes").and_then(Value::as_object);
        let bindings = flow.get("x-scopes-bindings");
        for (name, description) in declared.into_iter().flatten() {
            let roles = roles(bindings.and_then(|bindings| bindings.get(name)));
            self.put(name, text(Some(description)).unwrap_or_default(), roles);
        }
    }

    /// Takes the list that WSO2's oldest exports carry at the root.
    fn add_legacy(&mut self, list: Option<&Value>) {
        for scope in list.and_then(Value::as_array).into_iter().flatten() {
            if let Some(name) = text(scope.get("key")).or_else(|| text(scope.get("name"))) {
                let description = text(scope.get("description")).unwrap_or_default();
                self.put(&name, description, roles(scope.get("roles")));
            }
        }
    }

    fn put(&mut self, name: &str, description: String, roles: Vec<String>) {
        let Some(index) = self.known.get(name) else {
            self.known.insert(name.to_owned(), self.list.len());
            return self.list.push(DefinedScope { name: name.to_owned(), description, roles });
        };
        let scope = &mut self.list[*index];
        if scope.roles.is_empty() {
            scope.roles = roles;
        }
        if scope.description.is_empty() {
            scope.description = description;
        }
    }
}

/// Roles as a list, or as WSO2 writes them: one text with commas.
fn roles(value: Option<&Value>) -> Vec<String> {
    let trimmed = |role: &str| Some(role.trim().to_owned()).filter(|role| !role.is_empty());
    match value {
        Some(Value::String(text)) => text.split(',').filter_map(trimmed).collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).filter_map(trimmed).collect(),
        _ => Vec::new(),
    }
}

fn with_legacy_scope(mut scopes: Vec<String>, operation: &Value) -> Vec<String> {
    let legacy = text(operation.get("x-scope")).unwrap_or_default();
    let fits = |scope: &&str| (1..=LONGEST_SCOPE).contains(&scope.len());
    for scope in legacy.split(',').map(str::trim).filter(fits).take(ALTERNATIVES) {
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    scopes
}

fn auth(operation: &Value) -> Option<String> {
    if operation.get("x-wso2-disable-security") == Some(&Value::Bool(true)) {
        return Some("None".to_owned());
    }
    text(operation.get("x-auth-type"))
}

/// A path template with its variables' names left out, so that equal ones can be told; or what ails it.
fn shape(path: &str) -> Result<String, &'static str> {
    if !path.starts_with('/') {
        return Err("does not begin with /");
    }
    if path.contains(['?', '#']) {
        return Err("holds a query or a fragment");
    }
    let mut shape = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match (c, inside) {
            ('{', false) => inside = true,
            ('}', true) => {
                inside = false;
                shape.push_str("{}");
            }
            ('{' | '}', _) | ('/', true) => return Err("has braces that do not match"),
            (_, true) => {}
            (c, false) => shape.push(c),
        }
    }
    if inside { Err("has braces that do not match") } else { Ok(shape) }
}

fn swagger_servers(document: &Value) -> Vec<String> {
    let Some(host) = text(document.get("host")) else { return Vec::new() };
    let base = text(document.get("basePath")).unwrap_or_default();
    let schemes = document.get("schemes").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut schemes: Vec<_> = schemes.iter().filter_map(Value::as_str).take(4).collect();
    if schemes.is_empty() {
        schemes.push("https");
    }
    schemes.iter().map(|scheme| format!("{scheme}://{host}{base}")).collect()
}

/// A server's URL with its variables at their defaults.
fn server(server: &Value) -> Option<String> {
    /// Longer ones are no URLs; and each variable may stand in a URL many times.
    const LONGEST: usize = 2048;
    let mut url = text(server.get("url")).filter(|url| url.len() <= LONGEST)?;
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten().take(16) {
        let default = text(variable.get("default")).unwrap_or_default();
        if default.len() <= LONGEST {
            url = url.replacen(&format!("{{{name}}}"), &default, 4);
        }
    }
    Some(url).filter(|url| url.len() <= LONGEST)
}

fn base_path(document: &Value, servers: &[String]) -> Option<String> {
    let base = text(document.get("basePath")).or_else(|| {
        let first = servers.first()?;
        match first.split_once("://") {
            Some((_, rest)) => rest.find('/').map(|at| rest[at..].to_owned()),
            None => Some(first.clone()),
        }
    });
    base.map(|base| base.trim_end_matches('/').to_owned()).filter(|base| base.starts_with('/'))
}

fn extensions(document: &Value) -> Extensions {
    Extensions {
        base_path: text(document.get("x-wso2-basePath")),
        production_endpoints: document.get("x-wso2-production-endpoints").cloned(),
        sandbox_endpoints: document.get("x-wso2-sandbox-endpoints").cloned(),
        cors: document.get("x-wso2-cors").cloned(),
        auth_header: text(document.get("x-wso2-auth-header")),
        throttling: text(document.get("x-throttling-tier")),
    }
}

/// Text, also where YAML made a number of it, as of `version: 1.0`.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
