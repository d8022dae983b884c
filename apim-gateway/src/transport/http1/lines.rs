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

    /// Looks at all that has arrived of a head.
    pub(super) fn scan(&mut self, bytes: &[u8], limit: usize) -> Result<Scanned, ReadError> {
        if self.at == 0
            && let Some(end) = usual_end(bytes).filter(|end| *end <= limit)
        {
            return Ok(Scanned::Whole { begin: 0, end });
        }
        self.scan_lines(bytes, limit)
    }

    /// The same, line by line.
    fn scan_lines(&mut self, bytes: &[u8], limit: usize) -> Result<Scanned, ReadError> {
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

/// Where a head ends that has arrived whole, as nearly every one does, and in which every line ends with `\r\n`. To
/// find that out in two passes over all its bytes is several times cheaper than to look for each line's end.
fn usual_end(bytes: &[u8]) -> Option<usize> {
    static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\r\n\r\n"));
    let end = END.find(bytes)? + 4;
    let head = bytes.get(..end)?;
    // Without an early end, so that many bytes are looked at at once.
    let bare = head.windows(2).fold(false, |bare, pair| bare | ((pair[1] == b'\n') & (pair[0] != b'\r')));
    let begins = !matches!(head.first(), Some(b'\r' | b'\n'));
    (begins && !bare).then_some(end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line_however_it_arrives() {
        for (mut lines, text, begin) in [
            (Lines::STRICT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0),
            (Lines::STRICT, "\r\n\r\nGET / HTTP/1.1\r\n\r\n", 4),
            (Lines::LENIENT, "HTTP/1.1 200 OK\nServer: old\r\n\n", 0),
        ] {
            let bytes = text.as_bytes();
            for end in 1..bytes.len() {
                let scanned = lines.scan(&bytes[..end], 99).unwrap();
                assert!(matches!(scanned, Scanned::Part | Scanned::Nothing(_)), "{end} of {text:?}");
            }
            assert_eq!(lines.scan(bytes, 99).unwrap(), Scanned::Whole { begin, end: bytes.len() });
        }
    }

    #[test]
    fn a_whole_head_ends_where_its_lines_do() {
        let words = |length: u32| {
            (0..3_usize.pow(length)).map(move |number| {
                let letter = |place: u32| b"a\r\n"[number / 3_usize.pow(place) % 3];
                (0..length).map(letter).collect::<Vec<_>>()
            })
        };
        for word in (1..=9).flat_map(words) {
            for limit in [5, 99] {
                for bare in [false, true] {
                    let at_once = Lines { at: 0, bare }.scan(&word, limit);
                    let by_line = Lines { at: 0, bare }.scan_lines(&word, limit);
                    assert_eq!(format!("{at_once:?}"), format!("{by_line:?}"), "{:?}", word.escape_ascii());
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
