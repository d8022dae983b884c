//! Heads of HTTP/1.1 requests that two servers could read in two ways (RFC 9112 section 11.2).
//!
//! hyper is strict about most of it, and repairs the rest: of `Content-Length` beside `Transfer-Encoding` it
//! believes the latter, equal lengths it merges, a bare line feed ends a line. What stands in front of us
//! may have believed the other. So the lines that frame a message are looked at here as they arrive.

use memchr::memchr;

use super::chunk;

/// Follows the bytes of a connection from head to head.
///
/// ```
/// use apim_gateway::server::framing::Framing;
///
/// let mut framing = Framing::default();
/// assert!(framing.read(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n").is_ok());
/// assert!(framing.read(b"Transfer-Encoding: chunked\r\n\r\n").is_err());
/// ```
#[derive(Debug, Default)]
pub struct Framing {
    state: State,
    /// The last byte seen, since a line may end in another read than it began.
    last: u8,
    /// Begin of the header line, as far as it can matter.
    line: Line,
    lengths: u8,
    encodings: u8,
    length: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a request line.
    #[default]
    Request,
    /// In a header line, which is being kept.
    Kept,
    /// In a header line that does not matter.
    Other,
    /// At the begin of a header line.
    Start,
    /// In a body of so many more bytes.
    Body(u64),
    /// In the line before a chunk, which tells its size.
    Size,
    /// In a chunk of so many more bytes, the end of its line included.
    Chunk(u64),
    /// In the trailers behind the last chunk.
    Trailer,
}

/// Enough of a header line to hold a name and a value that frame a message.
#[derive(Debug, Clone, Copy)]
struct Line {
    bytes: [u8; Self::MOST],
    used: usize,
}

impl Line {
    const MOST: usize = 64;

    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(free) = self.bytes.get_mut(self.used) {
                *free = *byte;
            }
            self.used += 1;
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self { bytes: [0; Self::MOST], used: 0 }
    }
}

/// Bytes that must be refused, and whatever follows them.
#[derive(Debug, PartialEq, Eq)]
pub struct Ambiguous;

impl Framing {
    /// Follows what was read. It makes no difference in which pieces the bytes arrive.
    ///
    /// # Errors
    ///
    /// [`Ambiguous`], after which nothing more may be made of what arrives.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<(), Ambiguous> {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Body(left) => {
                    let (left, rest) = skip(left, bytes);
                    self.state = if left == 0 { State::Request } else { State::Body(left) };
                    rest
                }
                State::Chunk(left) => {
                    let (left, rest) = skip(left, bytes);
                    self.state = if left == 0 { State::Size } else { State::Chunk(left) };
                    rest
                }
                State::Start => {
                    // Of all lines only two can matter, and their first letter tells them from most.
                    let matters = matches!(bytes.first(), Some(b'c' | b'C' | b't' | b'T' | b'\r' | b'\n'));
                    self.state = if matters { State::Kept } else { State::Other };
                    self.line.used = 0;
                    bytes
                }
                State::Request | State::Kept | State::Other | State::Size | State::Trailer => {
                    self.line_goes_on(bytes)?
                }
            };
        }
        Ok(())
    }

    fn line_goes_on<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Ambiguous> {
        let end = memchr(b'\n', bytes);
        let here = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        if self.state != State::Other {
            self.line.push(here);
        }
        if let Some(last) = here.last() {
            self.last = *last;
        }
        let Some(end) = end else { return Ok(&[]) };
        // An empty line before a request line is allowed (RFC 9112 section 2.2), a bare line feed is not.
        if self.last != b'\r' {
            return Err(Ambiguous);
        }
        self.last = b'\n';
        self.line_ends()?;
        Ok(bytes.get(end + 1..).unwrap_or_default())
    }

    fn line_ends(&mut self) -> Result<(), Ambiguous> {
        match self.state {
            State::Request if self.line.used == 1 => self.line.used = 0,
            State::Kept if self.line.used == 1 => return self.head_ends(),
            State::Size => return self.chunk_begins(),
            State::Trailer if self.line.used == 1 => self.begin(State::Request),
            State::Trailer => {
                self.trailer()?;
                self.line.used = 0;
            }
            State::Kept => {
                self.header()?;
                self.state = State::Start;
            }
            _ => self.state = State::Start,
        }
        Ok(())
    }

    fn header(&mut self) -> Result<(), Ambiguous> {
        let kept = self.line.bytes.get(..self.line.used.min(Line::MOST)).unwrap_or_default();
        let Some(colon) = memchr(b':', kept) else { return Ok(()) };
        let (name, value) = kept.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let whole = self.line.used <= Line::MOST;
        if is_like(name, LENGTH) {
            self.lengths = self.lengths.saturating_add(1);
            let digits =
                std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            self.length = digits.and_then(|text| text.parse().ok()).filter(|_| whole).ok_or(Ambiguous)?;
        } else if is_like(name, ENCODING) {
            self.encodings = self.encodings.saturating_add(1);
            // Any other coding would have to be undone here, and nobody sends one.
            if !whole || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Ambiguous);
            }
        } else {
            return Ok(());
        }
        // Backends that read CGI variables cannot tell an underscore from a hyphen; we can.
        if name.contains(&b'_') { Err(Ambiguous) } else { Ok(()) }
    }

    /// What says how a message ends and where it goes comes before its body (RFC 9110 section 6.5.1). Who
    /// merges trailers into headers would read another message.
    fn trailer(&self) -> Result<(), Ambiguous> {
        let kept = self.line.bytes.get(..self.line.used.min(Line::MOST)).unwrap_or_default();
        let name = memchr(b':', kept).and_then(|colon| kept.get(..colon)).unwrap_or_default();
        if [LENGTH, ENCODING, b"host", b"authorization"].iter().any(|frames| is_like(name, frames)) {
            return Err(Ambiguous);
        }
        Ok(())
    }

    fn head_ends(&mut self) -> Result<(), Ambiguous> {
        let next = match (self.lengths, self.encodings) {
            (0, 0) => State::Request,
            (1, 0) if self.length == 0 => State::Request,
            (1, 0) => State::Body(self.length),
            (0, 1) => State::Size,
            _ => return Err(Ambiguous),
        };
        self.begin(next);
        Ok(())
    }

    /// The line of a chunk's size has ended.
    fn chunk_begins(&mut self) -> Result<(), Ambiguous> {
        // Extensions that need more room than this are nobody's.
        let line = self.line.bytes.get(..self.line.used).and_then(|line| line.strip_suffix(b"\r"));
        let next = match line.and_then(chunk::size).ok_or(Ambiguous)? {
            0 => State::Trailer,
            size => State::Chunk(size.checked_add(2).ok_or(Ambiguous)?),
        };
        self.begin(next);
        Ok(())
    }

    /// Forgets what a line or a head has told.
    fn begin(&mut self, state: State) {
        *self = Self { state, last: b'\n', ..Self::default() };
    }
}

const LENGTH: &[u8] = b"content-length";
const ENCODING: &[u8] = b"transfer-encoding";

/// Whether a name is this one, to those too who take underscores for hyphens.
fn is_like(name: &[u8], this: &[u8]) -> bool {
    let like = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == this.len() && name.iter().map(like).eq(this.iter().copied())
}

/// How many of so many bytes are still to come, and what follows those that are here.
fn skip(left: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    (left - here as u64, bytes.get(here..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In one piece and byte by byte: the outcome may not depend on how the bytes arrive.
    fn read(text: &str) -> Result<State, Ambiguous> {
        let mut whole = Framing::default();
        let at_once = whole.read(text.as_bytes()).map(|()| whole.state);
        let mut pieces = Framing::default();
        let slowly = text.as_bytes().chunks(1).try_for_each(|byte| pieces.read(byte)).map(|()| pieces.state);
        assert_eq!(at_once, slowly, "{text:?}");
        at_once
    }

    #[test]
    fn ordinary_heads_pass_one_after_the_other() {
        assert_eq!(
            read("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nCookie: x\r\n\r\n"),
            Ok(State::Request)
        );
        assert_eq!(
            read("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n"),
            Ok(State::Request)
        );
        let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc";
        assert_eq!(read(chunked), Ok(State::Chunk(2)));
        assert_eq!(read(&format!("{chunked}\r\n00a;x=y\r\n0\n2345678")), Ok(State::Chunk(3)));
        assert_eq!(read(&format!("{chunked}\r\n0\r\nX: y\r\nContent: 1\r\n")), Ok(State::Trailer));
        assert_eq!(
            read(&format!("{chunked}\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n\r\n")),
            Ok(State::Request)
        );
        assert_eq!(read("\r\nGET / HTTP/1.1\r\n\r\n"), Ok(State::Request));
        assert_eq!(read("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na\nb"), Ok(State::Body(6)));
    }

    #[test]
    fn two_ways_to_end_a_body_are_refused() {
        for head in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: 3, 3",
            "Content-Length: +3",
            "Content-Length: 0x3",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Content_Length: 3",
            "TRANSFER_encoding: chunked",
        ] {
            assert_eq!(
                read(&format!("POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n")),
                Err(Ambiguous),
                "{head}"
            );
        }
    }

    #[test]
    fn what_two_servers_could_read_in_two_ways_is_found_behind_a_chunked_body() {
        for behind in [
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
        ] {
            let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
            assert_eq!(read(&format!("{chunked}{behind}")), Err(Ambiguous), "{behind}");
        }
    }

    #[test]
    fn a_chunk_without_a_clear_size_is_refused() {
        for size in ["", "x", "-1", "0x3", "3 x\n", "ffffffffffffffff", "10000000000000000", "3\n"] {
            let chunked = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n");
            assert_eq!(read(&chunked), Err(Ambiguous), "{size:?}");
        }
    }

    #[test]
    fn a_trailer_says_nothing_about_how_its_message_ends() {
        for trailer in ["Content-Length: 1", "transfer_encoding: chunked", "Host: b", "Authorization: x"] {
            let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
            assert_eq!(read(&format!("{chunked}{trailer}\r\n\r\n")), Err(Ambiguous), "{trailer}");
        }
    }

    #[test]
    fn a_bare_line_feed_is_refused() {
        assert_eq!(read("GET / HTTP/1.1\nHost: a\r\n\r\n"), Err(Ambiguous));
        assert_eq!(read("GET / HTTP/1.1\r\nHost: a\n\r\n"), Err(Ambiguous));
        assert_eq!(read("GET / HTTP/1.1\r\nHost: a\r\n\n"), Err(Ambiguous));
    }
}
