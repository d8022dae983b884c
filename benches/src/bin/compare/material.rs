//! Keys and tokens that all proxies are given.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use benches::issuer::Issuer;

use crate::world::{CLIENTS, client};

/// Different tokens in the secured scenario.
const TOKENS: usize = 1_000;

/// Tokens in the scenario of tokens never seen: more than any memory of tokens here holds, so that when they
/// come round again they are forgotten.
pub(crate) const FRESH: usize = 200_000;

/// Files and tokens.
pub(crate) struct Material {
    /// Good tokens.
    pub(crate) tokens: Vec<String>,
    /// Good tokens that nobody has seen, if any were asked for.
    pub(crate) fresh_tokens: Vec<String>,
    /// Signed by the right key, and expired.
    pub(crate) expired: String,
    /// Signed by another key.
    pub(crate) forged: String,
    /// The public key, for those who want a JSON Web Key Set.
    pub(crate) jwks: PathBuf,
    /// Requests without a token.
    pub(crate) open: PathBuf,
    /// Requests with one of a thousand tokens.
    pub(crate) secured: PathBuf,
    /// Requests with tokens that are not seen twice.
    pub(crate) fresh: PathBuf,
    folder: PathBuf,
}

impl Material {
    pub(crate) fn make(folder: &Path, fresh: usize) -> Self {
        let issuer = Issuer::default();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        write("pub.pem", &issuer.public_pem());
        let tokens: Vec<_> =
            (0..TOKENS).map(|number| issuer.token(&client(number % CLIENTS), number)).collect();
        let fresh_tokens = sign(&issuer, fresh);
        Self {
            expired: issuer.expired_token(&client(0)),
            forged: Issuer::default().token(&client(0), 0),
            jwks: write("jwks.json", &issuer.config().jwks.to_string()),
            open: write("open.txt", &requests(&[String::new()])),
            secured: write("secured.txt", &requests(&tokens)),
            fresh: write("fresh.txt", &requests(&fresh_tokens)),
            fresh_tokens,
            tokens,
            folder: folder.to_owned(),
        }
    }

    /// Requests to so many APIs in turn.
    pub(crate) fn apis(&self, apis: usize) -> PathBuf {
        // Not one after the other, or the next API's memory would be fetched ahead.
        let paths = (0..apis).map(|n| n * 7919 % apis).fold(String::new(), |mut text, api| {
            let _ = writeln!(text, "/api-{api}/1.0.0/items/17");
            text
        });
        let path = self.folder.join(format!("apis-{apis}.txt"));
        fs::write(&path, paths).unwrap();
        path
    }
}

fn sign(issuer: &Issuer, tokens: usize) -> Vec<String> {
    if tokens > 0 {
        eprintln!("signing {tokens} tokens, which takes a while …");
    }
    let halves = [0..tokens / 2, tokens / 2..tokens];
    std::thread::scope(|scope| {
        let sign = |numbers: std::ops::Range<usize>| {
            numbers.map(|number| issuer.token(&client(number % CLIENTS), TOKENS + number)).collect::<Vec<_>>()
        };
        let signing = halves.map(|numbers| scope.spawn(move || sign(numbers)));
        signing.into_iter().flat_map(|half| half.join().unwrap()).collect()
    })
}

fn requests(tokens: &[String]) -> String {
    let lines = tokens.iter().map(|token| format!("/api-0/1.0.0/items/17 {token}\n"));
    lines.collect()
}
