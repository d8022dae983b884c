//! Digest authentication (RFC 7616): MD5 or SHA-256, `qop=auth`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use apim_core::model::BackendSecret;
use apim_core::{Fault, fault};
use arc_swap::ArcSwapOption;
use aws_lc_rs::rand;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method};
use md5::Digest as _;
use md5::Md5;

use super::super::challenge::Challenge;

/// Answers the challenges of one endpoint. The last one is remembered, and answered before it is asked again.
pub(in super::super) struct Digest {
    username: String,
    password: BackendSecret,
    session: ArcSwapOption<Session>,
}

/// A challenge that is being answered.
pub(in super::super) struct Session {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// Whether the name is sent as a hash (RFC 7616 section 3.4.4).
    hides_user: bool,
    /// Whether the algorithm was named, and so has to be named back.
    names_algorithm: bool,
    count: AtomicU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        match name {
            _ if name.eq_ignore_ascii_case("MD5") => Some(Self::Md5),
            _ if name.eq_ignore_ascii_case("SHA-256") => Some(Self::Sha256),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => {
                hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
            }
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Digest {
    pub(super) fn new(username: &str, password: BackendSecret) -> Self {
        Self { username: username.to_owned(), password, session: ArcSwapOption::empty() }
    }

    /// The challenge that is answered now.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.session.load_full()
    }

    /// The value of `Authorization` for a request.
    pub(super) fn answer(
        &self,
        session: &Session,
        method: &Method,
        target: &str,
    ) -> Result<HeaderValue, Fault> {
        let mut cnonce = [0; 16];
        rand::fill(&mut cnonce).map_err(|_| unanswerable("there is no randomness"))?;
        let count = session.count.fetch_add(1, Relaxed).wrapping_add(1);
        let text = self.text(session, method, target, count, &hex(&cnonce));
        let mut value = HeaderValue::from_str(&text).map_err(|_| unanswerable("no header can carry it"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn text(&self, session: &Session, method: &Method, target: &str, count: u32, cnonce: &str) -> String {
        let hash = |text: &str| session.algorithm.hash(text);
        let Session { realm, nonce, .. } = session;
        let secret = hash(&format!("{}:{realm}:{}", self.username, self.password.expose()));
        let asked = hash(&format!("{method}:{target}"));
        let response = hash(&format!("{secret}:{nonce}:{count:08x}:{cnonce}:auth:{asked}"));
        let username = match session.hides_user {
            true => hash(&format!("{}:{realm}", self.username)),
            false => self.username.clone(),
        };
        let mut text = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", qop=auth, nc={count:08x}, \
             cnonce=\"{cnonce}\", response=\"{response}\"",
            quoted(&username),
            quoted(realm),
            quoted(nonce),
            quoted(target),
        );
        if session.names_algorithm {
            text.push_str(&format!(", algorithm={}", session.algorithm.name()));
        }
        if let Some(opaque) = &session.opaque {
            text.push_str(&format!(", opaque=\"{}\"", quoted(opaque)));
        }
        if session.hides_user {
            text.push_str(", userhash=true");
        }
        text
    }

    /// Takes a new challenge up. False if there is none that can be answered, or if it says no more than that the
    /// last answer was wrong.
    pub(super) fn challenged(&self, answered: Option<&Arc<Session>>, headers: &HeaderMap) -> bool {
        let Some((session, stale)) = strongest(headers) else { return false };
        if answered.is_some_and(|before| before.realm == session.realm && !stale && before.is_fresh()) {
            return false;
        }
        self.session.store(Some(Arc::new(session)));
        true
    }
}

impl Session {
    fn of(challenge: &Challenge) -> Option<(Self, bool)> {
        let algorithm = challenge.parameter("algorithm");
        let offers_auth =
            |offered: &str| offered.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth"));
        if !challenge.is("Digest") || !challenge.parameter("qop").is_some_and(offers_auth) {
            return None;
        }
        let is_true =
            |name| challenge.parameter(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let session = Self {
            realm: challenge.parameter("realm")?.to_owned(),
            nonce: challenge.parameter("nonce")?.to_owned(),
            opaque: challenge.parameter("opaque").map(str::to_owned),
            algorithm: algorithm.map_or(Some(Algorithm::Md5), Algorithm::parse)?,
            hides_user: is_true("userhash"),
            names_algorithm: algorithm.is_some(),
            count: AtomicU32::new(0),
        };
        Some((session, is_true("stale")))
    }

    /// Whether it has been answered but once, so that another 401 means the password.
    fn is_fresh(&self) -> bool {
        self.count.load(Relaxed) <= 1
    }
}

/// The strongest challenge that can be answered, and whether it only replaces an old nonce.
fn strongest(headers: &HeaderMap) -> Option<(Session, bool)> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let sessions = values.flat_map(Challenge::parse).filter_map(|challenge| Session::of(&challenge));
    sessions.max_by_key(|(session, _)| session.algorithm)
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn unanswerable(why: &'static str) -> Fault {
    Fault::new(fault::BACKEND_SECURITY).detail(format!("the backend's challenge cannot be answered: {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The example of RFC 7616 section 3.9.1.
    fn example(algorithm: &str) -> (Session, Digest) {
        let challenge = format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        let (session, _) = Session::of(&Challenge::parse(&challenge)[0]).unwrap();
        (session, Digest::new("Mufasa", "Circle of Life".into()))
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let (session, digest) = example(algorithm);
            let text = digest.text(&session, &Method::GET, "/dir/index.html", 1, cnonce);
            assert!(text.contains(&format!("response=\"{response}\"")), "{text}");
            assert!(
                text.contains(&format!("algorithm={algorithm}")) && text.contains("nc=00000001"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_strongest_challenge_that_is_known_is_answered() {
        let mut headers = HeaderMap::new();
        for value in [
            "Digest realm=a, nonce=weak, qop=auth",
            "Digest realm=a, nonce=strong, qop=auth, algorithm=SHA-256",
            "Digest realm=a, nonce=unknown, qop=auth, algorithm=SHA-512-256",
            "Digest realm=a, nonce=old, algorithm=SHA-256",
            "Basic realm=a",
        ] {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        assert_eq!(strongest(&headers).unwrap().0.nonce, "strong");
    }
}
