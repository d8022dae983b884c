//! Publishers' OpenAPI documents: what is understood of them, and what is refused.

use std::fmt::Write as _;

use apim_store::definition::openapi::{self, DefinedOperation, SpecVersion};
use apim_store::definition::{Finding, Limits, generate, portal_copy};
use serde_json::{Value, json};

const PETSTORE_2: &str = r##"{
  "swagger": "2.0",
  "info": {"title": "Pets", "version": "1.0.0", "description": "Everybody's pets"},
  "host": "pets.example", "basePath": "/v1", "schemes": ["https", "http"],
  "security": [{"login": ["pets:read"]}],
  "paths": {
    "/pets": {
      "get": {"responses": {"200": {"description": "pets"}}, "x-throttling-tier": "Gold"},
      "post": {"security": [{"login": ["pets:write"]}], "x-auth-type": "Application User",
               "parameters": [{"name": "pet", "in": "body", "schema": {"$ref": "#/definitions/Pet"}}]}
    },
    "/pets/{id}": {"get": {"security": [], "x-auth-type": "None"}}
  },
  "definitions": {"Pet": {"type": "object", "properties": {"mother": {"$ref": "#/definitions/Pet"}}}},
  "securityDefinitions": {"login": {"type": "oauth2", "flow": "implicit",
    "authorizationUrl": "https://login.example", "scopes": {"pets:read": "See pets", "pets:write": "Own pets"},
    "x-scopes-bindings": {"pets:write": "owner, admin"}}}
}"##;

const PETSTORE_3: &str = r##"
openapi: 3.0.3
x-wso2-basePath: /pets/{version}
x-wso2-production-endpoints: {urls: [https://backend.internal], type: http}
x-wso2-auth-header: X-Token
info: {title: Pets, version: 1.0}
servers:
  - url: https://{region}.pets.example/v1/
    variables: {region: {default: eu}}
paths:
  /pets/{id}:
    get:
      x-wso2-disable-security: true
      x-wso2-note: not for developers
      servers: [{url: https://backend.internal}]
      responses: {200: {description: a pet, content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}
    delete:
      security: [{default: ['pets:write']}, {other: ['pets:write', admin]}]
  /more: {$ref: '#/paths/~1pets~1%7Bid%7D'}
components:
  schemas: {Pet: {type: object, properties: {name: {type: string}}}}
  securitySchemes:
    default:
      type: oauth2
      flows:
        implicit:
          authorizationUrl: https://login.example
          scopes: {'pets:write': Own pets}
          x-scopes-bindings: {'pets:write': owner}
"##;

const PETSTORE_31: &str = r##"
openapi: 3.1.0
info: {title: Pets, version: '1'}
paths:
  /pets: {$ref: '#/components/pathItems/pets'}
components:
  pathItems: {pets: {get: {}, head: {}}}
  schemas: {Pet: {$anchor: pet, properties: {mother: {$ref: '#pet'}}}}
"##;

fn read(text: &str) -> Result<openapi::Definition, Vec<Finding>> {
    openapi::read(text.as_bytes(), &Limits::default())
}

fn findings(text: &str) -> Vec<String> {
    read(text).unwrap_err().iter().map(Finding::to_string).collect()
}

/// A sound document with these paths.
fn with_paths(paths: &str) -> String {
    format!("openapi: 3.0.3\ninfo: {{title: t, version: '1'}}\npaths: {paths}\n")
}

fn operation(method: &str, path: &str) -> DefinedOperation {
    DefinedOperation { method: method.to_owned(), path: path.to_owned(), ..DefinedOperation::default() }
}

#[test]
fn a_petstore_in_version_2_says_where_it_is_and_who_may_do_what() {
    let pets = read(PETSTORE_2).unwrap();
    assert_eq!(pets.version, SpecVersion::V2_0);
    assert_eq!((pets.title.as_str(), pets.api_version.as_str()), ("Pets", "1.0.0"));
    assert_eq!(pets.servers, ["https://pets.example/v1", "http://pets.example/v1"]);
    assert_eq!(pets.base_path.as_deref(), Some("/v1"));
    let expected = [
        DefinedOperation {
            scopes: vec!["pets:read".to_owned()],
            throttling: Some("Gold".to_owned()),
            ..operation("GET", "/pets")
        },
        DefinedOperation {
            scopes: vec!["pets:write".to_owned()],
            auth: Some("Application User".to_owned()),
            ..operation("POST", "/pets")
        },
        DefinedOperation { auth: Some("None".to_owned()), ..operation("GET", "/pets/{id}") },
    ];
    assert_eq!(pets.operations, expected);
    assert_eq!(pets.scopes[1].name, "pets:write");
    assert_eq!(pets.scopes[1].roles, ["owner", "admin"]);
}

#[test]
fn a_petstore_in_yaml_3_0_is_read_with_its_extensions() {
    let pets = read(PETSTORE_3).unwrap();
    assert_eq!(pets.version, SpecVersion::V3_0);
    assert_eq!(pets.api_version, "1.0", "what YAML takes for a number is text again");
    assert_eq!(pets.servers, ["https://eu.pets.example/v1/"]);
    assert_eq!(pets.base_path.as_deref(), Some("/v1"));
    assert_eq!(pets.extensions.base_path.as_deref(), Some("/pets/{version}"));
    assert_eq!(pets.extensions.auth_header.as_deref(), Some("X-Token"));
    assert_eq!(pets.extensions.production_endpoints.unwrap()["type"], "http");
    assert_eq!(pets.operations.len(), 4, "a referred path counts as if it were written out");
    assert_eq!(pets.operations[0].auth.as_deref(), Some("None"));
    assert_eq!(pets.operations[1].scopes, ["pets:write", "admin"]);
    assert_eq!(
        pets.operations[3],
        DefinedOperation { path: "/more".to_owned(), ..pets.operations[1].clone() }
    );
    assert!(pets.document.pointer("/paths/~1pets~1{id}/get/responses/200").is_some());
}

#[test]
fn a_petstore_in_3_1_may_keep_its_paths_among_the_components() {
    let pets = read(PETSTORE_31).unwrap();
    assert_eq!(pets.version, SpecVersion::V3_1);
    assert_eq!(pets.operations, [operation("GET", "/pets"), operation("HEAD", "/pets")]);
}

#[test]
fn keys_keep_their_authors_order() {
    let pets = read(PETSTORE_2).unwrap();
    let keys: Vec<_> = pets.document.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys[..4], ["swagger", "info", "host", "basePath"]);
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let text = "openapi: 3.0.0\ninfo: {title: ' '}\npaths: {pets: {}, '/a{': {}, /b: 5, '/{x}': {}, '/{y}': {get: 7}}";
    assert_eq!(
        findings(text),
        [
            "/info/title: is required",
            "/info/version: is required",
            "/paths/pets: does not begin with /",
            "/paths/~1a{: has braces that do not match",
            "/paths/~1b: is not an object",
            "/paths/~1{y}: matches the same calls as /{x}",
            "/paths/~1{y}/get: is not an object",
        ]
    );
}

#[test]
fn what_is_no_openapi_document_is_refused() {
    for text in
        ["", "[]", "7", "{}", "hello", "\u{0}", "{\"openapi\": \"2.0\"}", "swagger: '3.0'", "openapi: 3.2.0"]
    {
        assert_eq!(findings(text).len(), 1, "{text:?}");
    }
    assert_eq!(openapi::read(b"\xff\xfe", &Limits::default()).unwrap_err()[0].message, "not UTF-8");
}

#[test]
fn references_out_of_the_document_are_refused_by_place() {
    for out in ["file:///etc/passwd", "http://169.254.169.254/latest", "other.yaml#/Pet", "//host/x", ""] {
        let text = with_paths(&format!("{{/pets: {{get: {{parameters: [{{$ref: '{out}'}}]}}}}}}"));
        assert_eq!(
            findings(&text),
            ["/paths/~1pets/get/parameters/0/$ref: leads out of this document; files and URLs are not read"]
        );
    }
}

#[test]
fn references_into_nothing_and_in_circles_are_refused() {
    let text = with_paths("{/a: {$ref: '#/paths/~1b'}, /b: {$ref: '#/paths/~1a'}, /c: {$ref: '#/nowhere'}}");
    assert_eq!(
        findings(&text),
        [
            "/paths/~1a/$ref: leads in a circle",
            "/paths/~1b/$ref: leads in a circle",
            "/paths/~1c/$ref: leads to nothing in this document",
        ]
    );
    assert!(
        findings(&with_paths("{/a: {$ref: '#/%zz'}, /b: {$ref: '#/%'}, /c: {$ref: '#/%ff'}}")).len() == 3
    );
}

#[test]
fn a_key_that_stands_twice_is_refused_in_both_languages() {
    let json = r#"{"openapi": "3.0.0", "info": {"title": "a", "title": "b"}}"#;
    assert_eq!(findings(json), ["/info/title: this key stands here twice"]);
    let yaml = "openapi: 3.0.0\npaths:\n  /a: {}\n  /a: {get: {}}";
    assert!(findings(yaml)[0].contains("duplicate"), "{:?}", findings(yaml));
    let mixed = "openapi: 3.0.0\nx: {1: a, '1': b}";
    assert_eq!(findings(mixed).len(), 1);
}

#[test]
fn bombs_of_anchors_nesting_and_size_are_refused_in_little_time() {
    let mut anchors = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let last = format!("*a{}", n - 1);
        writeln!(anchors, "a{n}: &a{n} [{}]", [last.as_str(); 10].join(", ")).unwrap();
    }
    let started = std::time::Instant::now();
    assert_eq!(findings(&anchors).len(), 1);
    let hostile = [
        "[".repeat(1_000_000),
        "{\"a\":".repeat(100_000),
        format!("a: {}", "[".repeat(100_000)),
        format!("{{\"a\": [{}1]}}", "1,".repeat(1_000_000)),
        (0..20_000).map(|n| format!("{:n$}a:\n", "", n = n % 5_000)).take(400).collect(),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        "&a *a".to_owned(),
        "a: &a [*a]".to_owned(),
        "&".repeat(100_000),
        "!!binary a".to_owned(),
        "a: .inf".to_owned(),
        " ".repeat(9 << 20),
        "\"\\ud800\"".to_owned(),
        "<<: *x".to_owned(),
    ];
    for text in &hostile {
        assert!(!findings(text).is_empty(), "{:.40}", text);
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_document_as_deep_as_allowed_is_read_on_a_small_stack() {
    let deep = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let flow = |levels: usize| {
        let body = format!("{}1{}", "{a: ".repeat(levels), "}".repeat(levels));
        with_paths(&format!("{{}}\nx-deep: {body}"))
    };
    let handle = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        assert!(findings(&deep(100))[0].contains("openapi"));
        assert!(findings(&deep(101))[0].contains("nested deeper"));
        assert!(read(&flow(90)).is_ok());
        assert!(read(&flow(150)).is_err());
    });
    handle.unwrap().join().unwrap();
}

#[test]
fn counts_are_bounded() {
    let many: String = (0..3_000).map(|n| format!("/p{n}: {{get: {{}}}}, ")).collect();
    assert_eq!(findings(&with_paths(&format!("{{{many}}}"))), ["/paths: more than 2000 paths"]);
    // A few bytes of reference multiply operations; they count as if written out.
    let all = "get: {}, put: {}, post: {}, delete: {}, options: {}, head: {}, patch: {}, trace: {}";
    let same: String = (0..1_500).map(|n| format!("/p{n}: {{$ref: '#/paths/~1all'}}, ")).collect();
    let text = with_paths(&format!("{{/all: {{{all}}}, {same}}}"));
    assert_eq!(findings(&text), ["/paths: more than 5000 operations"]);
    let scopes: String = (0..2_000).map(|n| format!("s{n},")).collect();
    let text = with_paths(&format!("{{/a: {{get: {{security: [{{default: [{scopes}]}}]}}}}}}"));
    assert_eq!(findings(&text), ["/paths/~1a/get/security: more than 64 alternatives"]);
    let bad: String = (0..200).map(|n| format!("/p{n}: {{$ref: 'http://x'}}, ")).collect();
    assert_eq!(findings(&with_paths(&format!("{{{bad}}}"))).len(), 50);
}

#[test]
fn every_prefix_of_a_good_document_is_read_or_refused_without_a_panic() {
    for text in [PETSTORE_2, PETSTORE_3, PETSTORE_31] {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = read(&text[..end]);
        }
    }
}

#[test]
fn thousands_of_broken_documents_are_read_or_refused_without_a_panic() {
    // Always the same ones: a failure can be looked at again.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 1_000_003).unwrap() % below
    };
    let pieces: [&[u8]; 12] =
        [b"$ref", b"'#/'", b"{", b"}", b"[", b"]", b": ", b"- ", b"&a *a", b"~1", b"%2", b"null"];
    for seed in [PETSTORE_2, PETSTORE_3, PETSTORE_31] {
        for _ in 0..1_500 {
            let mut bytes = seed.as_bytes().to_vec();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                let end = (at + random(12)).min(bytes.len());
                let piece = pieces[random(pieces.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
            if let Ok(read) = openapi::read(&bytes, &Limits::default()) {
                portal_copy(&read.document, &[]);
            }
        }
    }
}

#[test]
fn developers_see_the_gateway_and_nothing_of_the_backend() {
    let pets = read(PETSTORE_3).unwrap();
    let copy = portal_copy(&pets.document, &["https://gw.example:8243/pets/1.0".to_owned()]);
    let text = copy.to_string();
    assert!(!text.contains("internal") && !text.contains("x-wso2"), "{text}");
    assert_eq!(copy["servers"], json!([{"url": "https://gw.example:8243/pets/1.0"}]));
    assert_eq!(copy["paths"]["/pets/{id}"]["get"]["responses"]["200"]["description"], "a pet");

    let old =
        portal_copy(&read(PETSTORE_2).unwrap().document, &["https://gw.example:8243/pets/1.0".to_owned()]);
    let place = (&old["host"], &old["basePath"], &old["schemes"]);
    assert_eq!(place, (&json!("gw.example:8243"), &json!("/pets/1.0"), &json!(["https"])));
}

#[test]
fn an_api_without_a_document_gets_one_that_can_be_read_again() {
    let api = json!({
        "name": "Pets", "version": "1", "description": "d",
        "operations": [
            {"target": "/pets/{id}", "verb": "GET", "authType": "None", "throttlingPolicy": "Gold", "scopes": []},
            {"target": "/pets/{id}", "verb": "DELETE", "scopes": ["pets:write"]},
            {"target": "/*", "verb": "POST"},
        ],
        "scopes": [{"scope": {"name": "pets:write", "description": "Own pets", "bindings": ["owner", "admin"]}}],
    });
    let document = generate(&api);
    let read = openapi::read_document(document, &Limits::default()).unwrap();
    assert_eq!(read.title, "Pets");
    let calls: Vec<_> = read.operations.iter().map(|o| format!("{} {}", o.method, o.path)).collect();
    assert_eq!(calls, ["GET /pets/{id}", "DELETE /pets/{id}", "POST /*"]);
    assert_eq!(read.operations[0].auth.as_deref(), Some("None"));
    assert_eq!(read.operations[1].scopes, ["pets:write"]);
    assert_eq!(read.scopes[0].roles, ["owner", "admin"]);
    assert_eq!(
        read.document.pointer("/paths/~1pets~1{id}/get/parameters/0/required"),
        Some(&Value::Bool(true))
    );
}
