//! What everybody who loads the gateway knows of it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use benches::load::{Connection, Door, Head};
use tokio::sync::watch;

use crate::ledger::Ledger;

/// Tokens that are in use at a time.
const TOKENS: usize = 50;

/// The gateway's doors, tokens for it, and the book in which is written what became of requests.
pub(crate) struct Site {
    doors: [Door; 2],
    backend: Door,
    tokens: RwLock<Vec<Arc<str>>>,
    next: AtomicUsize,
    leaving: watch::Sender<bool>,
    /// The book.
    pub(crate) ledger: Ledger,
}

impl Site {
    pub(crate) fn new(doors: [Door; 2], backend: Door, token: String) -> Self {
        Self {
            doors,
            backend,
            tokens: RwLock::new(vec![token.into()]),
            next: AtomicUsize::new(0),
            leaving: watch::Sender::new(false),
            ledger: Ledger::default(),
        }
    }

    /// The door in clear text and the one over TLS, by turns.
    pub(crate) fn door(&self, number: usize) -> &Door {
        &self.doors[number % 2]
    }

    /// The door of the backend itself.
    pub(crate) fn backend(&self) -> &Door {
        &self.backend
    }

    /// Puts a fresh token into use, and the oldest out of it.
    pub(crate) fn renew(&self, token: String) {
        let mut tokens = self.tokens.write().unwrap();
        if tokens.len() >= TOKENS {
            tokens.remove(0);
        }
        tokens.push(token.into());
    }

    /// A request's head, with one of the tokens.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &str) -> String {
        let token = {
            let tokens = self.tokens.read().unwrap();
            tokens[self.next.fetch_add(1, Relaxed) % tokens.len()].clone()
        };
        format!(
            "{method} /soak/1.0.0{path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: soak\r\n{headers}\
             Authorization: Bearer {token}\r\n\r\n"
        )
    }

    /// From now on the gateway is on its way out.
    pub(crate) fn leave(&self) {
        self.leaving.send_replace(true);
    }

    /// Whether it is.
    pub(crate) fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Rests for a while, or until the gateway is on its way out.
    pub(crate) async fn rest(&self, time: Duration) {
        let mut leaving = self.leaving.subscribe();
        let _ = tokio::time::timeout(time, leaving.wait_for(|leaving| *leaving)).await;
    }

    /// A short call, whole. Answers whether the connection can be used again.
    pub(crate) async fn call(&self, connection: &mut Connection) -> io::Result<(Head, Vec<u8>)> {
        let request = self.request("GET", "/pets/17", "");
        let (head, body) = connection.exchange(request.as_bytes()).await?;
        expect(head, &body)?;
        Ok((head, body))
    }
}

/// An error unless the answer is the backend's.
pub(crate) fn expect(head: Head, body: &[u8]) -> io::Result<()> {
    if head.status == 200 {
        return Ok(());
    }
    let body = String::from_utf8_lossy(body);
    Err(io::Error::other(format!("{} {body}", head.status)))
}
