//! A figure of a proxy that does not do the work is worth nothing.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::contender::{Contender, body};
use crate::material::Material;

/// Sees that each proxy passes what it must, and refuses what it must.
pub(crate) fn of_work(contenders: &[Contender], material: &Material) {
    for contender in contenders {
        let name = contender.kind.name();
        let good = Some(material.tokens[0].as_str());
        // It listens before it has loaded what it serves.
        let until = Instant::now() + Duration::from_secs(120);
        while ask(contender.port, "GET", good, &[]).0 == 503 && Instant::now() < until {
            sleep(Duration::from_millis(100));
        }
        let (status, text) = ask(contender.port, "GET", good, &[]);
        assert_eq!(status, 200, "{name} does not pass a good call: {text}");
        assert!(text.ends_with(&body()), "{name} does not pass the answer: {text}");
        assert_eq!(ask(contender.port, "POST", good, &[b'x'; 10_240]).0, 200, "{name} does not pass a body");
        if !contender.kind.checks_tokens() {
            continue;
        }
        let changed = changed(&material.tokens[1]);
        let bad = [
            ("no", None),
            ("an expired", Some(material.expired.as_str())),
            ("a forged", Some(material.forged.as_str())),
            ("a changed", Some(changed.as_str())),
        ];
        for (what, token) in bad {
            let (status, _) = ask(contender.port, "GET", token, &[]);
            assert!(matches!(status, 401 | 403), "{name} answers {what} token with {status}");
        }
    }
}

/// A token with another signature.
fn changed(token: &str) -> String {
    let at = token.rfind('.').unwrap() + 9;
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

/// The status, and the whole answer.
fn ask(port: u16, method: &str, token: Option<&str>, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let token = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let path = "/api-0/1.0.0/items/17";
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: bench.local\r\nConnection: close\r\n{token}{length}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    // Who closes without reading all of a refused body resets the connection; what came before counts.
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text)
}
