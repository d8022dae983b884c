//! HTTP/1.1 on a connection (RFC 9112), for both ends of it: our server's clients and our backends.
//!
//! What a proxy does is copy heads and bodies, and a proxy can be no cheaper than the way it does that. So this is
//! done here and not by hyper, which serves HTTP/2: a [`Wire`] reads into a buffer that all connections of a thread
//! share, copies a head once and to its size, writes a head together with what is there of its body, and is polled
//! by whoever uses it, with no task, no channel and no allocation of its own. A connection that waits holds nothing.
//!
//! It is strict about what a message's length is, since two servers that disagree on it see two different requests
//! (section 11.2): what is not clear beyond doubt is refused by [`head`], [`chunk`] and [`decoder`], and nothing
//! that a peer has sent as framing is ever passed on; [`encoder`] writes our own.

pub(crate) mod chunk;
pub(crate) mod decoder;
pub(crate) mod encoder;
pub(crate) mod head;
mod lines;
mod names;
pub(crate) mod outgoing;
mod output;
mod scratch;

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use decoder::{Decoded, Decoder};
use lines::{Lines, Scanned};
use output::Output;

use crate::text;

/// The most that is read of a body at once.
const PIECE: usize = 64 << 10;

/// Room beyond what is expected: a read that leaves some tells tokio that nothing more is there, which saves the
/// system call that would.
const SLACK: usize = 512;

/// Why no message could be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The connection broke, or ended within a message.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// A head has more bytes or lines than it may.
    #[error("the head is too large")]
    TooLarge,
    /// It is no HTTP/1.1, or could be read in two ways.
    #[error("{0}")]
    Malformed(&'static str),
}

impl ReadError {
    fn eof() -> Self {
        Self::Io(io::ErrorKind::UnexpectedEof.into())
    }
}

/// A connection that speaks HTTP/1.1.
pub(crate) struct Wire<T> {
    io: T,
    /// What has arrived and nobody has taken. Nearly always empty.
    input: BytesMut,
    lines: Lines,
    output: Output,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    pub(crate) fn new(io: T, lines: Lines) -> Self {
        Self { io, input: BytesMut::new(), lines, output: Output::default() }
    }

    /// The connection, with what has arrived and nobody has taken.
    pub(crate) fn into_parts(self) -> (T, Bytes) {
        (self.io, self.input.freeze())
    }

    /// Whether something has arrived that nobody has taken.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Whether all that was to be written has left.
    pub(crate) fn is_flushed(&self) -> bool {
        self.output.is_empty()
    }

    /// Waits for a whole head of at most so many bytes; none, if the connection ends before it begins. What ends its
    /// lines has yet to be looked at, by [`head`].
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
    ) -> Poll<Result<Option<Bytes>, ReadError>> {
        loop {
            if !self.input.is_empty() {
                match self.lines.scan_head(&self.input, limit)? {
                    Scanned::Whole { begin, end } => {
                        self.input.advance(begin);
                        return Poll::Ready(Ok(Some(self.input.split_to(end - begin).freeze())));
                    }
                    Scanned::Nothing(skipped) => self.input.advance(skipped),
                    Scanned::Part => {}
                }
            }
            let Self { io, input, lines, .. } = self;
            let head = scratch::with_input(|room| {
                let mut buffer = ReadBuf::new(room);
                ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
                let bytes = buffer.filled();
                if bytes.is_empty() {
                    let ended = if input.is_empty() { Ok(None) } else { Err(ReadError::eof()) };
                    return Poll::Ready(ended.map(Some));
                }
                if input.is_empty()
                    && let Scanned::Whole { begin, end } = lines.scan_head(bytes, limit)?
                {
                    let (head, rest) = bytes.split_at(end);
                    input.extend_from_slice(rest);
                    return Poll::Ready(Ok(Some(Some(text::cut(&[&head[begin..]])))));
                }
                input.extend_from_slice(bytes);
                // Looked at again as a whole.
                lines.restart();
                Poll::Ready(Ok(None))
            });
            if let Some(head) = ready!(head)? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// Puts back what turned out to come behind the head that it was taken for.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        let rest = std::mem::take(&mut self.input);
        self.input.extend_from_slice(bytes);
        self.input.extend_from_slice(&rest);
    }

    /// Waits for the next of a body.
    pub(crate) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        decoder: &mut Decoder,
    ) -> Poll<Result<Decoded, ReadError>> {
        loop {
            if let Some(decoded) = decoder.decode(&mut self.input)? {
                return Poll::Ready(Ok(decoded));
            }
            let expected = decoder.expected().min(PIECE);
            self.input.reserve(expected + SLACK);
            let read = pin!(self.io.read_buf(&mut self.input)).poll(cx);
            if ready!(read)? == 0 {
                return Poll::Ready(decoder.end());
            }
        }
    }

    /// All of a body, if it is known how long it is and all of it has arrived.
    pub(crate) fn whole(&mut self, decoder: &mut Decoder) -> Option<Bytes> {
        let Decoder::Length(length) = *decoder else { return None };
        if (self.input.len() as u64) < length {
            return None;
        }
        match decoder.decode(&mut self.input) {
            Ok(Some(Decoded::Data(data))) => Some(data),
            _ => None,
        }
    }

    /// Passes over what ends a body, if that is what comes next of what has arrived.
    pub(crate) fn pass_end(&mut self, decoder: &mut Decoder) {
        decoder.pass_end(&mut self.input);
    }

    /// Ready when the other end has gone. What arrives is kept, up to so many bytes; then nobody looks any more.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>, most: usize) -> Poll<()> {
        while self.input.len() < most {
            let Self { io, input, .. } = self;
            let read = scratch::with_input(|room| {
                let mut buffer = ReadBuf::new(room);
                ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
                input.extend_from_slice(buffer.filled());
                Poll::Ready(io::Result::Ok(buffer.filled().len()))
            });
            if let Ok(0) | Err(_) = ready!(read) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// Reads and forgets what arrives; ready when nothing more will.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.clear();
        scratch::with_input(|room| {
            let mut buffer = ReadBuf::new(room);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }

    /// Whether the other end has said something, or gone, while it had nothing to say.
    pub(crate) fn is_disturbed(&mut self) -> bool {
        if !self.input.is_empty() {
            return true;
        }
        let mut byte = [0];
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        Pin::new(&mut self.io).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_ready()
    }

    /// Writes a piece, or as much of it as the system takes; the rest is kept for [`poll_flush`](Self::poll_flush).
    pub(crate) fn write(
        &mut self,
        cx: &mut Context<'_>,
        head: &[u8],
        data: Bytes,
        tail: &'static [u8],
    ) -> io::Result<()> {
        self.output.write(Pin::new(&mut self.io), cx, head, data, tail)
    }

    /// Waits until all that was written has left.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_flush(Pin::new(&mut self.io), cx)
    }

    /// Says that nothing more will be written.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

pub(crate) use lines::Lines as Endings;
pub(crate) use scratch::with_output;
