//! A client that opens a connection for each request, so that no test depends on another's.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// No answer in a test takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Speaks HTTP/1.1 to a server whose certificate a given authority signed.
#[derive(Clone)]
pub struct Client {
    tls: Arc<ClientConfig>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Reply {
    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Insists on a status, and passes the reply on.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }

    /// A header's text, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Client {
    /// Trusts one authority, given as PEM, and nobody else.
    pub fn trusting(ca: &str) -> Self {
        Self { tls: Arc::new(trusting(roots(ca)).with_no_client_auth()) }
    }

    /// The same, with a certificate of its own to show, both in PEM.
    pub fn presenting(ca: &str, certificate: &str, key: &str) -> Self {
        let certificate =
            CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate in PEM");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key in PEM");
        let tls = trusting(roots(ca)).with_client_auth_cert(vec![certificate], key);
        Self { tls: Arc::new(tls.expect("a key that fits the certificate")) }
    }

    /// For clear text only.
    pub fn trusting_nobody() -> Self {
        Self { tls: Arc::new(trusting(RootCertStore::empty()).with_no_client_auth()) }
    }

    /// Its TLS, for connections of the caller's own.
    pub fn tls(&self) -> Arc<ClientConfig> {
        self.tls.clone()
    }

    /// Sends a request; panics if there is no answer.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        match self.try_send(method.clone(), url, headers, body.into()).await {
            Ok(reply) => reply,
            Err(error) => panic!("{method} {url}: {error}"),
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn try_send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        tokio::time::timeout(PATIENCE, self.exchange(method, url, headers, body)).await?
    }

    /// GET with a bearer token.
    pub async fn get(&self, url: &str, token: &str) -> Reply {
        self.send(Method::GET, url, &[(AUTHORIZATION.as_str(), &bearer(token))], "").await
    }

    /// A request with a bearer token and a JSON body.
    pub async fn json(&self, method: Method, url: &str, token: &str, body: &Value) -> Reply {
        let headers =
            [(AUTHORIZATION.as_str(), bearer(token)), (CONTENT_TYPE.as_str(), "application/json".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, url, &headers, body).await
    }

    /// A request without a body, with HTTP Basic authentication.
    pub async fn by_password(&self, method: Method, url: &str, user: &str, password: &str) -> Reply {
        self.send(method, url, &[(AUTHORIZATION.as_str(), &basic(user, password))], "").await
    }

    /// POST of a form with HTTP Basic authentication. The body is sent as it is.
    pub async fn form(&self, url: &str, user: &str, password: &str, body: &str) -> Reply {
        let headers = [
            ("authorization", &*basic(user, password)),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.send(Method::POST, url, &headers, body.to_owned()).await
    }

    /// POST of `multipart/form-data` with a bearer token: each part a name, a file name if it is a file, and text.
    pub async fn multipart(&self, url: &str, token: &str, parts: &[(&str, Option<&str>, &str)]) -> Reply {
        let boundary = "----driver-boundary-7d1b";
        let mut body = String::new();
        for (name, file, text) in parts {
            let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
            body.push_str(&format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n"
            ));
        }
        body.push_str(&format!("--{boundary}--\r\n"));
        let kind = format!("multipart/form-data; boundary={boundary}");
        self.send(Method::POST, url, &[("authorization", &bearer(token)), ("content-type", &kind)], body)
            .await
    }

    async fn exchange(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let uri: Uri = url.parse()?;
        let host = uri.host().ok_or("no host")?.to_owned();
        let tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let mut request =
            Request::builder().method(method).uri(target).header(HOST, format!("{host}:{port}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body))?;
        let socket = TcpStream::connect((host.as_str(), port)).await?;
        if tls {
            let name = ServerName::try_from(host)?;
            finish(TlsConnector::from(self.tls.clone()).connect(name, socket).await?, request).await
        } else {
            finish(socket, request).await
        }
    }
}

async fn finish(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Reply { status: head.status, headers: head.headers, body })
}

fn roots(ca: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(ca.as_bytes()).expect("the authority's certificate is PEM");
    roots.add(ca).expect("the authority's certificate is one");
    roots
}

fn trusting(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_root_certificates(roots)
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}
