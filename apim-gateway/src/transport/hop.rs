//! Headers that mean one hop only (RFC 9110 section 7.6.1), and what is left of them at the next.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

/// Drops what the client meant for this hop alone, so that nothing added later can be named away.
///
/// `Connection: X-JWT-Assertion` would otherwise strip what the gateway itself wrote for the backend. To be
/// called on a request before anything else looks at it; our own server does. A wish to upgrade survives as
/// `Connection: upgrade` with `Upgrade`; `TE` survives as `trailers`, which gRPC asks for.
pub fn clean_request(headers: &mut HeaderMap) {
    let found = Found::among(headers);
    let upgrades = found.connection && drop_named(headers) && found.upgrade;
    if upgrades {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    } else if found.upgrade {
        headers.remove(header::UPGRADE);
    }
    if found.others {
        drop_others(headers);
    }
    if found.te {
        keep_only_trailers(headers);
    }
}

/// Drops what the backend meant for us alone.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    let found = Found::among(headers);
    if found.connection {
        drop_named(headers);
    }
    if found.upgrade {
        headers.remove(header::UPGRADE);
    }
    if found.others {
        drop_others(headers);
    }
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Which of these headers there are. Looking at each name once is cheaper than asking for names that are
/// hardly ever there.
#[derive(Default)]
struct Found {
    connection: bool,
    upgrade: bool,
    te: bool,
    others: bool,
}

impl Found {
    fn among(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        for name in headers.keys() {
            match *name {
                header::CONNECTION => found.connection = true,
                header::UPGRADE => found.upgrade = true,
                header::TE => found.te = true,
                header::PROXY_AUTHORIZATION | header::PROXY_AUTHENTICATE => found.others = true,
                _ => found.others |= matches!(name.as_str(), "keep-alive" | "proxy-connection"),
            }
        }
        found
    }
}

fn drop_others(headers: &mut HeaderMap) {
    for name in [KEEP_ALIVE, PROXY_CONNECTION, header::PROXY_AUTHORIZATION, header::PROXY_AUTHENTICATE] {
        headers.remove(name);
    }
}

fn keep_only_trailers(headers: &mut HeaderMap) {
    let Some(te) = headers.get(header::TE) else { return };
    let trailers = te
        .as_bytes()
        .split(|byte| *byte == b',')
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    } else {
        headers.remove(header::TE);
    }
}

/// Drops `Connection` and all headers it names. Says whether it named an upgrade.
///
/// Nearly every message that has the header says `keep-alive` in it, so nothing here allocates.
fn drop_named(headers: &mut HeaderMap) -> bool {
    let header::Entry::Occupied(entry) = headers.entry(header::CONNECTION) else { return false };
    let values: SmallVec<[HeaderValue; 2]> = entry.remove_entry_mult().1.collect();
    let mut upgrade = false;
    for token in values.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
        let token = token.trim_ascii();
        if token.eq_ignore_ascii_case(b"upgrade") {
            upgrade = true;
        } else if may_be_named(token)
            && let Ok(name) = std::str::from_utf8(token)
        {
            headers.remove(name);
        }
    }
    upgrade
}

/// What frames or addresses a message belongs to every hop; naming it away would change what the message is.
/// What a proxy in front of us says about its client was not the client's to take away. `Keep-Alive` goes
/// in any case, so there is no need to look for it once more.
fn may_be_named(name: &[u8]) -> bool {
    const FORWARDED: &[u8] = b"x-forwarded-";
    let needed: [&[u8]; 8] = [
        b"keep-alive",
        b"host",
        b"content-length",
        b"content-type",
        b"transfer-encoding",
        b"te",
        b"forwarded",
        b"x-real-ip",
    ];
    let is_forwarded = name.get(..FORWARDED.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(FORWARDED));
    !is_forwarded && !needed.iter().any(|needed| name.eq_ignore_ascii_case(needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn headers_named_by_connection_go_with_it() {
        let mut request = headers(&[("connection", "close, X-Secret"), ("x-secret", "1"), ("accept", "*/*")]);
        clean_request(&mut request);
        assert_eq!(request, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn the_framing_cannot_be_named_away() {
        let mut request = headers(&[("connection", "content-length, host"), ("content-length", "3")]);
        clean_request(&mut request);
        assert_eq!(request, headers(&[("content-length", "3")]));
    }

    #[test]
    fn what_a_proxy_says_about_the_client_cannot_be_named_away() {
        let told = [
            ("forwarded", "for=198.51.100.7"),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "198.51.100.7"),
        ];
        let mut request = headers(&told);
        let names = "Forwarded, X-Forwarded-For, X-Forwarded-Proto, X-Real-IP";
        request.append(header::CONNECTION, HeaderValue::from_static(names));
        clean_request(&mut request);
        assert_eq!(request, headers(&told));
    }

    #[test]
    fn an_upgrade_survives_only_if_connection_names_it() {
        let mut wanted = headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        clean_request(&mut wanted);
        assert_eq!(wanted, headers(&[("connection", "upgrade"), ("upgrade", "websocket")]));

        let mut unnamed = headers(&[("upgrade", "h2c")]);
        clean_request(&mut unnamed);
        assert!(unnamed.is_empty());
    }

    #[test]
    fn of_te_only_trailers_are_left() {
        let mut request = headers(&[("te", "gzip, trailers")]);
        clean_request(&mut request);
        assert_eq!(request, headers(&[("te", "trailers")]));
    }
}
