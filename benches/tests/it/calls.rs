//! System calls, counted by strace on the worker of the real process. Under strace everything is slow but the
//! clock, so the thread that writes events four times a second is left out; for each request it has next to
//! nothing to do.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use benches::issuer::Issuer;

const CONNECTIONS: usize = 64;
const REQUESTS: usize = 50;
/// What goes through sockets for each request: two reads and two writes.
const SOCKETS: f64 = 4.01;
/// With all others: waiting for news of many connections at a time, timers, waking the writer of events.
const ALL: f64 = 4.1;

/// A backend that answers each request with a kilobyte.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n{}", "x".repeat(1_024));
    let (mut buffer, mut filled) = ([0; 8192], 0);
    while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]) {
        filled += read;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            stream.write_all(response.as_bytes()).unwrap();
        }
    }
}

/// The gateway of the comparison, until it is dropped.
struct Gateway(Child);

impl Gateway {
    /// Its one worker's thread.
    fn worker(&self) -> PathBuf {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        let is_worker = |task: &PathBuf| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim_end() == "gateway-worker")
        };
        tasks.map(|task| task.unwrap().path()).find(is_worker).unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(stream: &mut TcpStream, request: &[u8]) -> bool {
    stream.write_all(request).unwrap();
    let (mut buffer, mut filled) = ([0; 8192], 0);
    loop {
        let read = stream.read(&mut buffer[filled..]).unwrap();
        assert_ne!(read, 0, "the gateway closed the connection");
        filled += read;
        let end = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n");
        if !buffer.starts_with(b"HTTP/1.1 200") {
            return false;
        }
        if end.is_some_and(|end| filled >= end + 4 + 1024) {
            return true;
        }
    }
}

/// Whether a process may be traced here; some containers forbid it.
fn may_trace() -> bool {
    let traced =
        Command::new("strace").args(["-c", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    match traced {
        Ok(status) => status.success(),
        Err(error) => panic!("strace is needed to count system calls: {error}"),
    }
}

#[test]
fn a_call_through_all_built_in_links_costs_four_system_calls() {
    let _alone = super::alone();
    if !may_trace() {
        eprintln!("SKIPPED: no process may be traced here, so system calls cannot be counted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::default();
    let jwks = folder.path().join("jwks.json");
    std::fs::write(&jwks, issuer.config().jwks.to_string()).unwrap();
    let backend = backend().to_string();
    let start = || {
        // A port that was free a moment ago; the gateway's own start from 8280.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let offset = port.checked_sub(8280).filter(|offset| *offset <= 50_000).unwrap_or(31_000);
        let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
        command
            .args(["gateway", "--secured", "--log", "error", "--backend", &backend])
            // Never too long for a worker that is stopped four times for each request.
            .args(["--delay-ms", "60000"])
            .args(["--offset", &offset.to_string(), "--jwks", jwks.to_str().unwrap()])
            .args(["--data", folder.path().join("data").to_str().unwrap()])
            .stdout(Stdio::null());
        (Gateway(command.spawn().unwrap()), SocketAddr::from((Ipv4Addr::LOCALHOST, 8280 + offset)))
    };
    let (mut gateway, mut address) = start();
    let request = format!(
        "GET /api-0/1.0.0/items/17 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        issuer.token("client-0", 0)
    );
    let until = Instant::now() + Duration::from_secs(60);
    while !TcpStream::connect(address).is_ok_and(|mut stream| ask(&mut stream, request.as_bytes())) {
        assert!(Instant::now() < until, "the gateway does not answer");
        thread::sleep(Duration::from_millis(50));
        // Another of its ports was taken.
        if gateway.0.try_wait().unwrap().is_some() {
            (gateway, address) = start();
        }
    }
    let mut streams: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut send = |times: usize| {
        thread::scope(|scope| {
            for stream in &mut streams {
                scope.spawn(|| (0..times).for_each(|_| assert!(ask(stream, request.as_bytes()), "refused")));
            }
        });
    };
    send(20);

    let counts = folder.path().join("counts");
    let mut strace = Command::new("strace");
    let worker = gateway.worker();
    strace.args(["-c", "-U", "calls,name", "-o"]).arg(&counts).stderr(Stdio::null());
    strace.arg("-p").arg(worker.file_name().unwrap());
    let mut strace = strace.spawn().unwrap();
    let traced = || {
        let status = std::fs::read_to_string(worker.join("status")).unwrap();
        !status.lines().any(|line| line.split_ascii_whitespace().eq(["TracerPid:", "0"]))
    };
    while !traced() {
        assert!(strace.try_wait().unwrap().is_none() && Instant::now() < until, "strace does not attach");
        thread::sleep(Duration::from_millis(10));
    }
    send(REQUESTS);
    Command::new("kill").args(["-INT", &strace.id().to_string()]).status().unwrap();
    strace.wait().unwrap();

    let text = std::fs::read_to_string(&counts).unwrap();
    let count = |line: &str| -> Option<(u64, String)> {
        let mut words = line.split_ascii_whitespace();
        Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
    };
    let calls: Vec<_> = text.lines().filter_map(count).filter(|(_, name)| name != "total").collect();
    let each = |counted: &dyn Fn(&str) -> bool| {
        let counted = calls.iter().filter(|(_, name)| counted(name)).map(|(calls, _)| calls);
        counted.sum::<u64>() as f64 / (CONNECTIONS * REQUESTS) as f64
    };
    let through_sockets = ["recvfrom", "recvmsg", "read", "readv", "sendto", "sendmsg", "writev"];
    let (sockets, all) = (each(&|name| through_sockets.contains(&name)), each(&|_| true));
    eprintln!("{sockets:.3} system calls on sockets for each request, {all:.3} in all");
    assert!((4.0..=SOCKETS).contains(&sockets), "{sockets} on sockets for each request:\n{text}");
    assert!(all <= ALL, "{all} system calls for each request:\n{text}");
}
