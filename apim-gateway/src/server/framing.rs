//! What the server takes the bytes of a connection for: where its requests begin and end.
//!
//! Two servers that disagree on that see different requests (RFC 9112 section 11.2). Whoever puts ours behind
//! another can ask here what it would make of the same bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{Method, Request, Uri};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::http1::decoder::{Decoded, Decoder};
use crate::transport::http1::head::{self, Asked};
use crate::transport::http1::{Endings, ReadError, Wire};

/// Bytes of a head, and its lines.
const LIMITS: (usize, usize) = (64 << 10, 100);

/// A request on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    /// Its method.
    pub method: Method,
    /// Its target.
    pub target: Uri,
    /// Its body, without what frames it.
    pub body: Vec<u8>,
}

/// How the bytes of a connection end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the last request.
    Whole,
    /// Within a request, which is not answered.
    Part,
    /// With something that is refused, and nothing behind it is read.
    Refused,
}

/// Reads the requests of a connection on which these pieces arrive, one after the other. How the bytes are cut makes
/// no difference.
///
/// ```
/// use apim_gateway::server::framing::{End, requests};
///
/// let (read, end) = requests(&[b"POST /a HTTP/1.1\r\nContent-Len", b"gth: 2\r\n\r\nhiGET /b HTTP/1.1\r\n\r\n"]);
/// assert_eq!((read.len(), &read[0].body[..], read[1].target.path(), end), (2, &b"hi"[..], "/b", End::Whole));
///
/// let both = b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
/// assert_eq!(requests(&[both]), (vec![], End::Refused));
/// ```
pub fn requests(pieces: &[&[u8]]) -> (Vec<Framed>, End) {
    let mut wire = Wire::new(Pieces { pieces: pieces.iter(), piece: b"" }, Endings::STRICT);
    let mut read = Vec::new();
    loop {
        match next(&mut wire) {
            Ok(Some(request)) => read.push(request),
            Ok(None) => return (read, End::Whole),
            Err(ReadError::Io(_)) => return (read, End::Part),
            Err(_) => return (read, End::Refused),
        }
    }
}

fn next(wire: &mut Wire<Pieces<'_>>) -> Result<Option<Framed>, ReadError> {
    let Some(head) = now(|cx| wire.poll_head(cx, LIMITS.0))? else { return Ok(None) };
    let mut request = Request::new(());
    let Asked { body, .. } = head::request(&head, LIMITS.1, &mut request)?;
    let mut decoder: Decoder = body.ok_or(ReadError::Malformed("the body could end in two places"))?;
    let mut body = Vec::new();
    loop {
        match now(|cx| wire.poll_body(cx, &mut decoder))? {
            Decoded::Data(data) => body.extend_from_slice(&data),
            Decoded::Trailers(_) => {}
            Decoded::End => {
                let (head, ()) = request.into_parts();
                return Ok(Some(Framed { method: head.method, target: head.uri, body }));
            }
        }
    }
}

/// Nothing here ever waits.
fn now<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<Result<T, ReadError>>) -> Result<T, ReadError> {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(ready) => ready,
        Poll::Pending => Err(ReadError::Io(io::ErrorKind::WouldBlock.into())),
    }
}

/// A connection on which pieces arrive, and which ends behind the last.
struct Pieces<'a> {
    pieces: std::slice::Iter<'a, &'a [u8]>,
    piece: &'a [u8],
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.piece.is_empty()
            && let Some(piece) = self.pieces.next()
        {
            self.piece = piece;
        }
        let (now, later) = self.piece.split_at(self.piece.len().min(buf.remaining()));
        buf.put_slice(now);
        self.piece = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
