//! Real processes, started for a test and ended with it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::Client;

/// Ports of a server at offset 0.
const PORTS: [u16; 4] = [8280, 8243, 9443, 9090];

/// An offset at which all ports are free, and which no other test of this process was given.
pub fn free_offset() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 900).unwrap_or(0) * 40 + 1000;
    for _ in 0..2000 {
        let offset = start + NEXT.fetch_add(7, Ordering::Relaxed) % 12_000;
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if PORTS.iter().all(|port| free(port + offset)) {
            return offset;
        }
    }
    panic!("no free ports")
}

/// The program of another example, beside the one that is being tested; built if it is not there yet, in the
/// same profile.
pub fn sibling(binary: &str, name: &str) -> String {
    let path = Path::new(binary).with_file_name(name);
    if !path.exists() {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut build = std::process::Command::new(cargo);
        build.args(["build", "--quiet", "--package", name]);
        if path.parent().is_some_and(|folder| folder.ends_with("release")) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "{name} does not build");
    }
    path.to_str().expect("the path is text").to_owned()
}

/// A server's process. It is killed when this is dropped.
pub struct Process {
    child: Child,
    /// The offset of its ports.
    pub offset: u16,
    started: Instant,
}

impl Process {
    /// Starts a server on a data folder and waits until it says that it is ready.
    pub async fn start(binary: &str, data: &Path, offset: u16, more: &[&str]) -> Self {
        let mut process = Self::launch(binary, data, offset, more);
        process.ready().await;
        process
    }

    /// Starts a server without waiting.
    pub fn launch(binary: &str, data: &Path, offset: u16, more: &[&str]) -> Self {
        let child = Command::new(binary)
            .arg("--data")
            .arg(data)
            .args(["--offset", &offset.to_string()])
            .args(more)
            .env("APIM_ADMIN_PASSWORD", "admin-of-the-test")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {binary}: {error}"));
        Self { child, offset, started: Instant::now() }
    }

    /// Waits until `/readyz` answers 200, and says how long that took since the start.
    pub async fn ready(&mut self) -> Duration {
        let url = format!("http://127.0.0.1:{}/readyz", 9090 + self.offset);
        let client = Client::trusting_nobody();
        while self.started.elapsed() < Duration::from_secs(60) {
            if let Some(status) = self.child.try_wait().expect("the process can be waited for") {
                panic!("the server ended before it was ready: {status}");
            }
            let reply = client.try_send(Method::GET, &url, &[], Bytes::new()).await;
            if reply.is_ok_and(|reply| reply.status == 200) {
                return self.started.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the server was not ready within a minute");
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("the process can be killed");
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        let kill = Command::new("kill").arg(self.id().to_string()).status().await.expect("kill runs");
        assert!(kill.success());
        let ended = tokio::time::timeout(Duration::from_secs(40), self.child.wait()).await;
        ended.expect("the server ends when asked to").expect("the process can be waited for")
    }

    /// Runs a program that is expected to fail, and answers what it wrote to standard error.
    pub async fn failing(binary: &str, arguments: &[&str]) -> String {
        let mut child = Command::new(binary)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let mut stderr = child.stderr.take().expect("standard error is a pipe");
        let mut text = String::new();
        let reading = async {
            stderr.read_to_string(&mut text).await.expect("standard error is text");
            child.wait().await.expect("the process can be waited for")
        };
        let status = tokio::time::timeout(Duration::from_secs(30), reading).await.expect("the program ends");
        assert!(!status.success(), "the program was expected to fail");
        text
    }

    /// The URL of the control plane.
    pub fn control(&self) -> String {
        format!("https://localhost:{}", 9443 + self.offset)
    }

    /// The URL of API traffic over TLS.
    pub fn gateway(&self) -> String {
        format!("https://localhost:{}", 8243 + self.offset)
    }

    /// The URL of API traffic in clear text.
    pub fn gateway_http(&self) -> String {
        format!("http://127.0.0.1:{}", 8280 + self.offset)
    }
}

/// The smallest backend: answers every request 200 with a pet, on a port of its own choosing.
pub struct Petstore {
    /// Where it is.
    pub url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Petstore {
    /// Starts it inside the test's runtime.
    pub async fn start() -> Self {
        use http_body_util::Full;
        use hyper::service::service_fn;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let _ = socket.set_nodelay(true);
                let service = service_fn(async |_| {
                    let pet = Bytes::from_static(br#"{"id":1,"name":"Rex"}"#);
                    let mut response = http::Response::new(Full::new(pet));
                    let json = http::HeaderValue::from_static("application/json");
                    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
                    Ok::<_, std::convert::Infallible>(response)
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(hyper_util::rt::TokioIo::new(socket), service);
                tokio::spawn(connection);
            }
        });
        Self { url, task }
    }
}

impl Drop for Petstore {
    fn drop(&mut self) {
        self.task.abort();
    }
}
