//! A transport crate of one's own: `unix` sends requests to services that listen on a Unix socket.
//!
//! It depends on `apim-core` and an HTTP client. A gateway installs it with one line,
//! `.transports(Registry::default().with::<custom_transport::Unix>())`, and from then on its file can name it:
//!
//! ```yaml
//! transports:
//!   - use: unix
//!     folder: /run/backends
//! ```
//!
//! An API then has an endpoint like `unix:/run/backends/pets.sock`.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use apim_core::fault::{OrFault as _, Rescue};
use apim_core::model::Endpoint;
use apim_core::{Body, BuildError, Fault, Parts, Provide, Route, Transport, fault};
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::UnixStream;
use tower::service_fn;

/// What a file can say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the sockets are. Whoever publishes an API could otherwise reach every socket of the machine.
    folder: PathBuf,
}

/// Speaks HTTP/1.1 over Unix sockets, with a connection for each request.
pub struct Unix {
    folder: PathBuf,
    rescue: Arc<dyn Rescue>,
}

#[apim_core::async_trait]
impl Transport for Unix {
    fn scheme(&self) -> &str {
        "unix"
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Route, BuildError> {
        let socket = self.socket(&endpoint.url).map_err(|error| BuildError::at("url", error))?;
        let service = service_fn(move |request| call(socket.clone(), request));
        Ok(Route::from_service(service, self.rescue.clone()))
    }
}

impl Unix {
    /// The socket of an endpoint, if it is below the folder.
    fn socket(&self, url: &str) -> Result<Arc<Path>, String> {
        let path = url.split_once(':').map_or("", |(_, path)| path);
        let path = Path::new(path.strip_prefix("//").unwrap_or(path));
        let straight =
            path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        match straight && path.starts_with(&self.folder) && path != self.folder {
            true => Ok(path.into()),
            false => Err(format!("`{url}` is not below {}", self.folder.display())),
        }
    }
}

async fn call(socket: Arc<Path>, mut request: Request<Body>) -> Result<Response<Incoming>, Fault> {
    let path = std::mem::take(request.uri_mut()).into_parts().path_and_query;
    *request.uri_mut() = path.map(Uri::from).unwrap_or_default();
    *request.version_mut() = Version::HTTP_11;
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    let stream = UnixStream::connect(&socket).await.fault(fault::BACKEND_CONNECT)?;
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.fault(fault::BACKEND_CONNECT)?;
    tokio::spawn(connection);
    sender.send_request(request).await.fault(fault::BACKEND_SEND)
}

impl Provide<Arc<dyn Transport>> for Unix {
    const NAME: &'static str = "unix";
    type Config = Config;

    async fn build(config: Config, parts: &Parts) -> Result<Arc<dyn Transport>, BuildError> {
        if !config.folder.is_absolute() {
            return Err(BuildError::at("folder", "it must begin with a slash"));
        }
        Ok(Arc::new(Self { folder: config.folder, rescue: parts.get()? }))
    }
}
