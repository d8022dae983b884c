//! Bodies of messages, read.

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;

use super::lines::{Lines, Scanned};
use super::{ReadError, chunk, head};

/// The longest line that tells a chunk's size. Extensions that need more room are nobody's.
const SIZE_LINE: usize = 64;

/// Bytes of trailers.
const TRAILERS: usize = 16 << 10;

/// How far a body has been read.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Decoder {
    /// So many bytes are to come.
    Length(u64),
    /// Chunks are to come.
    Chunked(Chunked),
    /// Whatever comes until the connection ends belongs to it.
    UntilEnd,
    /// It has ended.
    Ended,
}

/// A body in chunks (section 7.1).
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Chunked {
    /// The line that tells the size.
    Size,
    /// So many bytes of a chunk.
    Data(u64),
    /// The end of its line.
    End,
    /// Trailers.
    Trailers,
}

/// A piece of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
}

impl Decoder {
    pub(crate) const fn length(length: u64) -> Self {
        if length == 0 { Self::Ended } else { Self::Length(length) }
    }

    pub(crate) const fn chunked() -> Self {
        Self::Chunked(Chunked::Size)
    }

    pub(crate) fn is_ended(&self) -> bool {
        *self == Self::Ended
    }

    /// How many bytes are to come, if that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Ended => Some(0),
            Self::Chunked(_) | Self::UntilEnd => None,
        }
    }

    /// How many bytes it is worth to be prepared for.
    pub(super) fn expected(&self) -> usize {
        match self {
            Self::Length(left) | Self::Chunked(Chunked::Data(left)) => {
                usize::try_from(*left).unwrap_or(usize::MAX)
            }
            Self::Chunked(_) => 4 << 10,
            Self::UntilEnd => 16 << 10,
            Self::Ended => 0,
        }
    }

    /// What the end of the connection means.
    pub(super) fn end(&mut self) -> Result<Decoded, ReadError> {
        match self {
            Self::UntilEnd | Self::Ended => {
                *self = Self::Ended;
                Ok(Decoded::End)
            }
            Self::Length(_) | Self::Chunked(_) => Err(ReadError::eof()),
        }
    }

    /// Passes over what ends a body in chunks, without trailers.
    pub(super) fn pass_end(&mut self, input: &mut BytesMut) {
        const END: &[u8] = b"\r\n0\r\n\r\n";
        if *self == Self::Chunked(Chunked::End) && input.starts_with(END) {
            input.advance(END.len());
            *self = Self::Ended;
        }
    }

    /// Takes the next piece off what has arrived; none if that is not enough.
    pub(crate) fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Decoded>, ReadError> {
        loop {
            match self {
                Self::Ended => return Ok(Some(Decoded::End)),
                Self::UntilEnd if input.is_empty() => return Ok(None),
                Self::UntilEnd => return Ok(Some(Decoded::Data(input.split().freeze()))),
                Self::Length(left) => {
                    let Some(data) = take(left, input) else { return Ok(None) };
                    *self = Self::length(*left);
                    return Ok(Some(Decoded::Data(data)));
                }
                Self::Chunked(Chunked::Data(left)) => {
                    let Some(data) = take(left, input) else { return Ok(None) };
                    if *left == 0 {
                        *self = Self::Chunked(Chunked::End);
                    }
                    return Ok(Some(Decoded::Data(data)));
                }
                Self::Chunked(Chunked::Size) => {
                    let Some(size) = size(input)? else { return Ok(None) };
                    let next = if size == 0 { Chunked::Trailers } else { Chunked::Data(size) };
                    *self = Self::Chunked(next);
                }
                Self::Chunked(Chunked::End) => {
                    match input.first_chunk() {
                        Some(b"\r\n") => input.advance(2),
                        None if matches!(**input, [] | [b'\r']) => return Ok(None),
                        _ => return Err(ReadError::Malformed("a chunk is longer than its size")),
                    }
                    *self = Self::Chunked(Chunked::Size);
                }
                Self::Chunked(Chunked::Trailers) => {
                    let Some(trailers) = trailers(input)? else { return Ok(None) };
                    *self = Self::Ended;
                    if !trailers.is_empty() {
                        return Ok(Some(Decoded::Trailers(trailers)));
                    }
                }
            }
        }
    }
}

fn take(left: &mut u64, input: &mut BytesMut) -> Option<Bytes> {
    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= here as u64;
    // All of a buffer is handed over with it, so that nothing of it is kept for later.
    let data = if here == input.len() { std::mem::take(input) } else { input.split_to(here) };
    (here > 0).then(|| data.freeze())
}

fn size(input: &mut BytesMut) -> Result<Option<u64>, ReadError> {
    let unclear = ReadError::Malformed("a chunk's size can be read in two ways");
    let line = input.get(..SIZE_LINE).unwrap_or(input);
    let Some(end) = memchr::memchr(b'\n', line) else {
        return if line.len() == SIZE_LINE { Err(unclear) } else { Ok(None) };
    };
    let line = line.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let Some(size) = line.and_then(chunk::size) else { return Err(unclear) };
    input.advance(end + 1);
    Ok(Some(size))
}

/// The trailers, once all are there: nearly always none.
fn trailers(input: &mut BytesMut) -> Result<Option<HeaderMap>, ReadError> {
    if input.starts_with(b"\r\n") {
        input.advance(2);
        return Ok(Some(HeaderMap::new()));
    }
    if matches!(**input, [] | [b'\r']) {
        return Ok(None);
    }
    let mut lines = Lines::STRICT;
    match lines.scan(input, TRAILERS)? {
        Scanned::Whole { end, .. } => head::trailers(&input.split_to(end)).map(Some),
        Scanned::Part | Scanned::Nothing(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Everything in a body, in one piece and byte by byte: how the bytes arrive may not matter.
    fn read(decoder: Decoder, text: &str) -> Result<(String, HeaderMap, String), ()> {
        let once = read_in(decoder, text, text.len().max(1));
        assert_eq!(once, read_in(decoder, text, 1), "{text:?}");
        assert_eq!(once, read_in(decoder, text, 7), "{text:?}");
        once
    }

    fn read_in(mut decoder: Decoder, text: &str, size: usize) -> Result<(String, HeaderMap, String), ()> {
        let (mut input, mut data, mut trailers) = (BytesMut::new(), Vec::new(), HeaderMap::new());
        for piece in text.as_bytes().chunks(size) {
            input.extend_from_slice(piece);
            while !decoder.is_ended() {
                match decoder.decode(&mut input).map_err(drop)? {
                    Some(Decoded::Data(bytes)) => data.extend_from_slice(&bytes),
                    Some(Decoded::Trailers(more)) => trailers = more,
                    Some(Decoded::End) => break,
                    None => break,
                }
            }
        }
        if !decoder.is_ended() {
            return Err(());
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok((text(&data), trailers, text(&input)))
    }

    #[test]
    fn a_body_ends_where_its_length_says_or_its_last_chunk() {
        let none = HeaderMap::new();
        let expected = ("hello".to_owned(), none, "GET".to_owned());
        assert_eq!(read(Decoder::length(5), "helloGET").unwrap(), expected);
        assert_eq!(read(Decoder::chunked(), "3\r\nhel\r\n02;x=y\r\nlo\r\n0\r\n\r\nGET").unwrap(), expected);
        let (data, trailers, rest) = read(Decoder::chunked(), "0\r\nX-Sum: 1\r\n\r\n").unwrap();
        assert_eq!((data.as_str(), &trailers["x-sum"], rest.as_str()), ("", &"1".parse().unwrap(), ""));
    }

    #[test]
    fn a_chunk_without_a_clear_size_is_refused() {
        for size in ["", "x", "-1", "0x3", "3 x\n", "3 ", "ffffffffffffffff0", "3\n"] {
            assert!(read(Decoder::chunked(), &format!("{size}\r\nabc\r\n0\r\n\r\n")).is_err(), "{size:?}");
        }
        let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(99));
        for body in ["3\r\nabcd\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", &long] {
            assert!(read(Decoder::chunked(), body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn a_trailer_says_nothing_about_how_its_message_ends() {
        for trailer in
            ["Content-Length: 1", "transfer_encoding: chunked", "Host: b", "Authorization: x", "x", "X: y\n"]
        {
            assert!(read(Decoder::chunked(), &format!("0\r\n{trailer}\r\n\r\n")).is_err(), "{trailer}");
        }
    }
}
