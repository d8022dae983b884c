//! Proxies as processes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::machine::{self, pinned};
use crate::material::Material;
use crate::scenario::{Kind, Scenario};
use crate::world::World;

/// Where the backend of all proxies is.
pub(crate) const BACKEND: u16 = 19_000;

/// The gateway's port is moved from this one.
const OURS: u16 = 8_280;

/// What every answer holds.
pub(crate) fn body() -> String {
    format!("{{\"items\":\"{}\"}}", "x".repeat(1_012))
}

/// Where everything runs.
pub(crate) struct Site {
    pub(crate) folder: PathBuf,
    pub(crate) envoy: PathBuf,
    pub(crate) proxy_core: usize,
    pub(crate) load_core: usize,
}

/// A proxy that listens. Dropping it ends its process.
pub(crate) struct Contender {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    process: Child,
    /// Memory before the first request, MiB.
    pub(crate) idle_memory: f64,
}

impl Contender {
    /// It and all that come from it.
    pub(crate) fn processes(&self) -> Vec<u32> {
        machine::tree(self.process.id())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

/// The backend of all proxies.
pub(crate) struct Backend(Child);

impl Backend {
    pub(crate) fn processes(&self) -> Vec<u32> {
        machine::tree(self.0.id())
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

/// Asks a process to end, and waits. Workers end with their master.
fn end(process: &mut Child) {
    let _ = Command::new("kill").arg(process.id().to_string()).status();
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        if matches!(process.try_wait(), Ok(Some(_))) {
            return;
        }
        sleep(Duration::from_millis(20));
    }
    let _ = process.kill();
    let _ = process.wait();
}

impl Site {
    pub(crate) fn backend(&self) -> Backend {
        let config = self.render("backend.conf", BACKEND, include_str!("../../../peers/backend.conf"), &[]);
        let mut command = pinned(self.load_core, "nginx");
        command.args(["-e", "stderr", "-c"]).arg(config);
        Backend(self.run(command, "backend", BACKEND))
    }

    /// Starts everybody whom a scenario compares.
    pub(crate) fn start(&self, scenario: &Scenario, material: &Material) -> Vec<Contender> {
        let all = scenario.contenders.iter().enumerate();
        let mut contenders: Vec<_> =
            all.filter_map(|(index, kind)| self.contender(*kind, index, material)).collect();
        sleep(Duration::from_secs(1));
        for contender in &mut contenders {
            contender.idle_memory = machine::memory(&contender.processes());
        }
        contenders
    }

    /// None if its program is not installed.
    fn contender(&self, kind: Kind, index: usize, material: &Material) -> Option<Contender> {
        let port = 20_000 + u16::try_from(index).unwrap() * 50;
        let command = match kind {
            Kind::Nginx => self.nginx("location / { proxy_pass http://b; }", port),
            Kind::NginxOfApis { apis, .. } => {
                // As with us, each of them leads below a base path.
                let location =
                    |api| format!("location /api-{api}/1.0.0/ {{ proxy_pass http://b/v2/; }}\n    ");
                self.nginx(&(0..apis).map(location).collect::<String>(), port)
            }
            Kind::Haproxy { auth } => self.haproxy(auth, port),
            Kind::Envoy { auth, cache } => self.envoy(auth, cache, port)?,
            Kind::Ours { world, redeploy_ms, .. } => self.ours(world, redeploy_ms, port, material),
        };
        let process = self.run(command, &format!("{index}-{}", kind.name()), port);
        Some(Contender { kind, port, process, idle_memory: 0.0 })
    }

    fn nginx(&self, locations: &str, port: u16) -> Command {
        let template = include_str!("../../../peers/nginx.conf");
        let config = self.render("nginx.conf", port, template, &[("LOCATIONS", locations)]);
        let mut command = pinned(self.proxy_core, "nginx");
        command.args(["-e", "stderr", "-c"]).arg(config);
        command
    }

    fn haproxy(&self, auth: bool, port: u16) -> Command {
        let table =
            "backend rl\n  stick-table type string len 64 size 100k expire 10s store http_req_rate(1s)";
        let check = include_str!("../../../peers/haproxy-auth.cfg");
        let values = if auth { [("AUTH", check), ("TABLE", table)] } else { [("AUTH", ""), ("TABLE", "")] };
        let config = self.render("haproxy.cfg", port, include_str!("../../../peers/haproxy.cfg"), &values);
        let mut command = pinned(self.proxy_core, "haproxy");
        command.args(["-q", "-db", "-f"]).arg(config);
        command
    }

    fn envoy(&self, auth: bool, cache: bool, port: u16) -> Option<Command> {
        if machine::version(self.envoy.to_str()?, "--version").is_none() {
            eprintln!("no Envoy at {}; its columns stay empty", self.envoy.display());
            return None;
        }
        let filters = if auth { include_str!("../../../peers/envoy-auth.yaml") } else { "" };
        let remembered = if cache { "jwt_cache_config: { jwt_cache_size: 10000 }," } else { "" };
        let values = [("FILTERS", filters), ("CACHE", remembered)];
        let config = self.render("envoy.yaml", port, include_str!("../../../peers/envoy.yaml"), &values);
        let mut command = pinned(self.proxy_core, self.envoy.to_str()?);
        command.args(["--concurrency", "1", "--disable-hot-restart", "-l", "error", "-c"]).arg(config);
        Some(command)
    }

    fn ours(&self, world: World, redeploy_ms: Option<u64>, port: u16, material: &Material) -> Command {
        let program = std::env::current_exe().unwrap();
        let mut command = pinned(self.proxy_core, program.to_str().unwrap());
        let backend = SocketAddr::from((Ipv4Addr::LOCALHOST, BACKEND));
        command
            .args(["gateway", "--log", "error"])
            .args(["--offset", &(port - OURS).to_string(), "--backend", &backend.to_string()])
            .args(["--apis", &world.apis.to_string(), "--applications", &world.applications.to_string()])
            .arg("--data")
            .arg(self.folder.join(format!("data-{port}")))
            .arg("--jwks")
            .arg(&material.jwks);
        if world.secured {
            command.arg("--secured");
        }
        if let Some(after) = redeploy_ms {
            command.args(["--redeploy-ms", &after.to_string()]);
        }
        command
    }

    /// Writes a configuration with its places filled in.
    fn render(&self, name: &str, port: u16, template: &str, values: &[(&str, &str)]) -> PathBuf {
        let mut text = template.to_owned();
        for (place, value) in values {
            text = text.replace(&format!("@{place}@"), value);
        }
        let text = text
            .replace("@PORT@", &port.to_string())
            .replace("@BACKEND@", &BACKEND.to_string())
            .replace("@ISSUER@", benches::issuer::ISSUER)
            .replace("@BODY@", &body())
            .replace("@DIR@", self.folder.to_str().unwrap());
        let path = self.folder.join(format!("{port}-{name}"));
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs a program until it listens.
    fn run(&self, mut command: Command, name: &str, port: u16) -> Child {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        assert!(TcpListener::bind(address).is_ok(), "port {port} is taken: is another comparison going on?");
        let log_path = self.folder.join(format!("{name}.log"));
        let log = fs::File::create(&log_path).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let until = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_err() {
            let ended = process.try_wait().unwrap();
            if ended.is_some() || Instant::now() > until {
                let _ = process.kill();
                panic!("{name} does not listen on port {port} ({ended:?}): {}", tail(&log_path));
            }
            sleep(Duration::from_millis(50));
        }
        process
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
