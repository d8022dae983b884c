//! The journey that the whole platform is for: from an OpenAPI document to a call with a token.

use http::Method;
use serde_json::{Value, json};

use crate::Client;

/// Scopes of the administrator's own token.
const SCOPES: &str = "apim:api_create apim:api_publish apim:api_manage apim:api_view apim:api_delete apim:subscribe \
                      apim:app_manage apim:sub_manage apim:api_key apim:admin apim:tier_view apim:subscription_block \
                      apim:subscription_view apim:bl_manage apim:bl_view";

/// An administrator who knows the way.
#[derive(Clone)]
pub struct Journey {
    /// Speaks to control plane and gateway.
    pub client: Client,
    /// The control plane's URL.
    pub control: String,
    /// The administrator's token.
    pub token: String,
}

/// What an application's developer gets.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The OAuth client's id.
    pub consumer_key: String,
    /// Its secret.
    pub consumer_secret: String,
    /// The token that came with them.
    pub access_token: String,
}

/// A published API, and an application that has subscribed to it.
#[derive(Debug, Clone)]
pub struct Published {
    /// The API's id.
    pub api: String,
    /// The application's id.
    pub application: String,
    /// The application's keys.
    pub keys: Keys,
}

impl Journey {
    /// Registers a client and gets the administrator a token.
    pub async fn begin(control: &str, ca: &str) -> Self {
        Self::logged_in(Client::trusting(ca), control, ("admin", "admin-of-the-test"), SCOPES).await
    }

    /// The same platform for another user, with a token for these scopes.
    pub async fn by(&self, user: &str, password: &str, scopes: &str) -> Self {
        Self::logged_in(self.client.clone(), &self.control, (user, password), scopes).await
    }

    /// The client belongs to the administrator; the token is the user's.
    async fn logged_in(client: Client, control: &str, (user, password): (&str, &str), scopes: &str) -> Self {
        let registration = json!({
            "clientName": format!("driver of {user}"), "owner": "admin",
            "grantType": "password refresh_token", "saasApp": true,
        });
        let url = format!("{control}/client-registration/v0.17/register");
        let headers = [
            ("authorization", &*crate::client::basic("admin", "admin-of-the-test")),
            ("content-type", "application/json"),
        ];
        let registered = client.send(Method::POST, &url, &headers, registration.to_string()).await;
        assert!(registered.status.is_success(), "{}", registered.text());
        let registered = registered.json();
        let form = format!("grant_type=password&username={user}&password={password}&scope={scopes}");
        let url = format!("{control}/oauth2/token");
        let token =
            client.form(&url, text(&registered, "clientId"), text(&registered, "clientSecret"), &form).await;
        let token = text(&token.expect(200).json(), "access_token").to_owned();
        Self { client, control: control.to_owned(), token }
    }

    /// Goes all the way: imports a document as `/petstore`, deploys and publishes it, and subscribes the
    /// application `shop`.
    pub async fn publish(&self, document: &str, backend: &str) -> Published {
        let api = self.import(document, "Petstore", "/petstore", backend).await;
        self.deploy(&api).await;
        self.lifecycle(&api, "Publish").await;
        let application = self.application("shop", "Unlimited").await;
        self.subscribe(&application, &api).await;
        let keys = self.keys(&application).await;
        Published { api, application, keys }
    }

    /// Calls an operation of the publisher with a JSON body.
    pub async fn publisher(&self, method: Method, path: &str, body: Value) -> crate::Reply {
        self.client
            .json(method, &format!("{}/api/am/publisher/v4{path}", self.control), &self.token, &body)
            .await
    }

    /// Calls an operation of the developer portal with a JSON body.
    pub async fn devportal(&self, method: Method, path: &str, body: Value) -> crate::Reply {
        self.client
            .json(method, &format!("{}/api/am/devportal/v3{path}", self.control), &self.token, &body)
            .await
    }

    /// Calls an operation of the administration with a JSON body.
    pub async fn admin(&self, method: Method, path: &str, body: Value) -> crate::Reply {
        self.client.json(method, &format!("{}/api/am/admin/v4{path}", self.control), &self.token, &body).await
    }

    /// Calls an operation for those who keep the platform running, with a JSON body.
    pub async fn devops(&self, method: Method, path: &str, body: Value) -> crate::Reply {
        self.client
            .json(method, &format!("{}/api/am/devops/v0{path}", self.control), &self.token, &body)
            .await
    }

    /// Imports an OpenAPI document; answers the API's id.
    pub async fn import(&self, document: &str, name: &str, context: &str, backend: &str) -> String {
        let properties = json!({
            "name": name, "version": "1.0.0", "context": context, "policies": ["Unlimited", "Gold"],
            "endpointConfig": {"endpoint_type": "http", "production_endpoints": {"url": backend}},
        })
        .to_string();
        let url = format!("{}/api/am/publisher/v4/apis/import-openapi", self.control);
        let parts =
            [("file", Some("petstore.yaml"), document), ("additionalProperties", None, properties.as_str())];
        let api = self.client.multipart(&url, &self.token, &parts).await.expect(201);
        text(&api.json(), "id").to_owned()
    }

    /// Makes a revision and deploys it; answers the revision's id.
    pub async fn deploy(&self, api: &str) -> String {
        let made = self
            .publisher(Method::POST, &format!("/apis/{api}/revisions"), json!({"description": "first"}))
            .await;
        let revision = text(&made.expect(201).json(), "id").to_owned();
        let where_to = json!([{"name": "Default", "vhost": "localhost", "displayOnDevportal": true}]);
        let path = format!("/apis/{api}/deploy-revision?revisionId={revision}");
        self.publisher(Method::POST, &path, where_to).await.expect(201);
        revision
    }

    /// Moves an API along its life cycle.
    pub async fn lifecycle(&self, api: &str, action: &str) {
        let action = action.replace(' ', "%20");
        let path = format!("/apis/change-lifecycle?action={action}&apiId={api}");
        self.publisher(Method::POST, &path, Value::Null).await.expect(200);
    }

    /// Makes an application; answers its id.
    pub async fn application(&self, name: &str, policy: &str) -> String {
        let body = json!({"name": name, "throttlingPolicy": policy, "tokenType": "JWT"});
        let application = self.devportal(Method::POST, "/applications", body).await.expect(201);
        text(&application.json(), "applicationId").to_owned()
    }

    /// Subscribes an application to an API; answers the subscription's id.
    pub async fn subscribe(&self, application: &str, api: &str) -> String {
        let body = json!({"applicationId": application, "apiId": api, "throttlingPolicy": "Unlimited"});
        let subscription = self.devportal(Method::POST, "/subscriptions", body).await.expect(201);
        text(&subscription.json(), "subscriptionId").to_owned()
    }

    /// Generates an application's production keys.
    pub async fn keys(&self, application: &str) -> Keys {
        let body = json!({
            "keyType": "PRODUCTION", "grantTypesToBeSupported": ["client_credentials"], "validityTime": 3600,
        });
        let path = format!("/applications/{application}/generate-keys");
        let keys = self.devportal(Method::POST, &path, body).await.expect(200).json();
        Keys {
            consumer_key: text(&keys, "consumerKey").to_owned(),
            consumer_secret: text(&keys, "consumerSecret").to_owned(),
            access_token: text(&keys["token"], "accessToken").to_owned(),
        }
    }

    /// Gets a token for an application.
    pub async fn token(&self, keys: &Keys, scope: &str) -> String {
        let form = format!("grant_type=client_credentials&scope={scope}");
        let url = format!("{}/oauth2/token", self.control);
        let token = self.client.form(&url, &keys.consumer_key, &keys.consumer_secret, &form).await;
        text(&token.expect(200).json(), "access_token").to_owned()
    }

    /// Revokes a token of an application.
    pub async fn revoke(&self, keys: &Keys, token: &str) {
        let url = format!("{}/oauth2/revoke", self.control);
        let form = format!("token={token}&token_type_hint=access_token");
        self.client.form(&url, &keys.consumer_key, &keys.consumer_secret, &form).await.expect(200);
    }
}

#[track_caller]
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key:?} in {value}"))
}
