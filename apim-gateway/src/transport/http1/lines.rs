//! Where a head ends.

use std::sync::LazyLock;

use memchr::memchr;
use memchr::memmem::Finder;

use super::ReadError;

/// Looks for the empty line that ends a head, each byte once, however the bytes arrive.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Where the line begins that has not ended yet.
    at: usize,
    /// Whether a line may end without a carriage return.
    bare: bool,
}

/// What there is of a head.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// It has arrived.
    Whole { begin: usize, end: usize },
    /// It has begun.
    Part,
    /// It has not; so many bytes before it mean nothing.
    Nothing(usize),
}

impl Lines {
    /// Of requests: every line ends with `\r\n`, and nothing else ends one. Who takes a bare line feed for an end
    /// sees other requests than who does not.
    pub(crate) const STRICT: Self = Self { at: 0, bare: false };

    /// Of responses: old backends end lines with a bare line feed (RFC 9112 section 2.2), and there is nobody
    /// between us and them who could read it otherwise.
    pub(crate) const LENIENT: Self = Self { at: 0, bare: true };

    /// Begins anew.
    pub(super) fn restart(&mut self) {
        self.at = 0;
    }

    /// Looks at all that has arrived of a head. How its lines end is looked at here only if it is slow to arrive:
    /// whoever [reads](super::head) a head comes by each of them anyway, and that is several times cheaper.
    pub(super) fn scan_head(&mut self, bytes: &[u8], limit: usize) -> Result<Scanned, ReadError> {
        if self.at == 0
            && let Some(end) = usual_end(bytes).filter(|end| *end <= limit)
        {
            return Ok(Scanned::Whole { begin: 0, end });
        }
        self.scan(bytes, limit)
    }

    /// Looks at all that has arrived, line by line, and at how each of them ends.
    pub(super) fn scan(&mut self, bytes: &[u8], limit: usize) -> Result<Scanned, ReadError> {
        // Empty lines before a message are passed over (section 2.2).
        let begin = bytes.chunks_exact(2).take_while(|pair| *pair == b"\r\n").count() * 2;
        if bytes.len() - begin <= 1 && matches!(bytes.get(begin), None | Some(b'\r')) {
            return Ok(Scanned::Nothing(begin));
        }
        let mut at = self.at.max(begin);
        while let Some(length) = memchr(b'\n', bytes.get(at..).unwrap_or_default()) {
            let end = at + length;
            let line = bytes.get(at..end).unwrap_or_default();
            let line = match line.strip_suffix(b"\r") {
                Some(line) => line,
                None if self.bare => line,
                None => return Err(ReadError::Malformed("a line ends with a bare line feed")),
            };
            at = end + 1;
            if line.is_empty() {
                self.at = 0;
                return if at - begin > limit {
                    Err(ReadError::TooLarge)
                } else {
                    Ok(Scanned::Whole { begin, end: at })
                };
            }
        }
        self.at = at;
        if bytes.len() - begin > limit { Err(ReadError::TooLarge) } else { Ok(Scanned::Part) }
    }
}

/// Where a head ends that has arrived whole, as nearly every one does.
fn usual_end(bytes: &[u8]) -> Option<usize> {
    static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\r\n\r\n"));
    let end = END.find(bytes)? + 4;
    (!matches!(bytes.first(), Some(b'\r' | b'\n'))).then_some(end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;
    use http::{Method, Request};

    use super::*;
    use crate::transport::http1::head;

    #[test]
    fn a_head_ends_with_an_empty_line_however_it_arrives() {
        for (mut lines, text, begin) in [
            (Lines::STRICT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0),
            (Lines::STRICT, "\r\n\r\nGET / HTTP/1.1\r\n\r\n", 4),
            (Lines::LENIENT, "HTTP/1.1 200 OK\nServer: old\r\n\n", 0),
        ] {
            let bytes = text.as_bytes();
            for end in 1..bytes.len() {
                let scanned = lines.scan_head(&bytes[..end], 99).unwrap();
                assert!(matches!(scanned, Scanned::Part | Scanned::Nothing(_)), "{end} of {text:?}");
            }
            assert_eq!(lines.scan_head(bytes, 99).unwrap(), Scanned::Whole { begin, end: bytes.len() });
        }
    }

    /// Where a head ends to its reader; none if it is refused.
    fn read(bytes: &[u8], scanned: Result<Scanned, ReadError>, bare: bool) -> Result<Option<usize>, Scanned> {
        let (begin, end) = match scanned {
            Ok(Scanned::Whole { begin, end }) => (begin, end),
            Ok(other) => return Err(other),
            Err(_) => return Ok(None),
        };
        let head = Bytes::copy_from_slice(&bytes[begin..end]);
        Ok(match bare {
            false => head::request(&head, 99, &mut Request::new(())).ok().map(|_| end),
            true => head::response(&head, &Method::GET).ok().map(|answered| begin + answered.length),
        })
    }

    #[test]
    fn a_whole_head_ends_where_its_lines_do() {
        let words = |length: u32| {
            (0..4_usize.pow(length)).map(move |number| {
                let letter = |place: u32| ["a:b", "a", "\r", "\n"][number / 4_usize.pow(place) % 4];
                (0..length).map(letter).collect::<String>()
            })
        };
        for (first, bare) in [("GET / HTTP/1.1", false), ("HTTP/1.1 200", true)] {
            for word in (1..=8).flat_map(words) {
                for text in [format!("{first}{word}"), format!("{word}{first}\r\n\r\n")] {
                    let bytes = text.as_bytes();
                    let at_once = Lines { at: 0, bare }.scan_head(bytes, 99);
                    let by_line = Lines { at: 0, bare }.scan(bytes, 99);
                    assert_eq!(read(bytes, at_once, bare), read(bytes, by_line, bare), "{text:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_too_long_or_ends_a_line_otherwise_is_refused() {
        let mut lines = Lines::STRICT;
        assert!(matches!(lines.scan(b"GET / HTTP/1.1\n", 99), Err(ReadError::Malformed(_))));
        let mut lines = Lines::STRICT;
        assert!(matches!(lines.scan(b"GET / HTTP/1.1", 9), Err(ReadError::TooLarge)));
    }
}
