//! What is to be written.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite;

/// What the system has not taken yet. Nearly always nothing.
#[derive(Debug, Default)]
pub(super) struct Output {
    queue: VecDeque<Bytes>,
    /// Whether something was written that may still be in a buffer of the transport, as of TLS.
    buffered: bool,
}

impl Output {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Writes three pieces one behind the other, or keeps what the system does not take.
    pub(super) fn write<W: AsyncWrite>(
        &mut self,
        io: Pin<&mut W>,
        cx: &mut Context<'_>,
        head: &[u8],
        data: Bytes,
        tail: &'static [u8],
    ) -> io::Result<()> {
        let written = match self.queue.is_empty() {
            true => try_write(io, cx, head, &data, tail)?,
            false => 0,
        };
        self.buffered = true;
        let mut skip = written;
        let mut keep = |piece: &[u8], make: &dyn Fn(usize) -> Bytes| {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            if skipped < piece.len() {
                self.queue.push_back(make(skipped));
            }
        };
        if written < head.len() + data.len() + tail.len() {
            keep(head, &|from| Bytes::copy_from_slice(&head[from..]));
            keep(&data, &|from| data.slice(from..));
            keep(tail, &|from| Bytes::from_static(&tail[from..]));
        }
        Ok(())
    }

    pub(super) fn poll_flush<W: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut W>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(piece) = self.queue.front_mut() {
            let written = ready!(io.as_mut().poll_write(cx, piece))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            piece.advance(written);
            if piece.is_empty() {
                self.queue.pop_front();
            }
        }
        if self.buffered {
            ready!(io.poll_flush(cx))?;
            self.buffered = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// `writev` costs the system more than `write` does, so a single piece is written as one.
fn try_write<W: AsyncWrite>(
    io: Pin<&mut W>,
    cx: &mut Context<'_>,
    head: &[u8],
    data: &[u8],
    tail: &[u8],
) -> io::Result<usize> {
    let written = match (data.is_empty(), tail.is_empty()) {
        (true, true) if head.is_empty() => return Ok(0),
        (true, true) => io.poll_write(cx, head),
        _ => io.poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(data), IoSlice::new(tail)]),
    };
    match written {
        Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
        Poll::Ready(written) => written,
        Poll::Pending => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::task::Waker;

    use super::*;

    /// Takes so many bytes at a time, every other time.
    struct Slow {
        most: usize,
        taken: Vec<u8>,
        ready: bool,
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.ready = !self.ready;
            if !self.ready {
                return Poll::Pending;
            }
            let taken = bytes.len().min(self.most);
            self.taken.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_the_system_does_not_take_at_once_leaves_in_order_later() {
        let cx = &mut Context::from_waker(Waker::noop());
        for most in 1..20 {
            let mut io = Slow { most, taken: Vec::new(), ready: false };
            let mut output = Output::default();
            output.write(Pin::new(&mut io), cx, b"head", Bytes::from_static(b"data"), b"\r\n").unwrap();
            output.write(Pin::new(&mut io), cx, b"more", Bytes::new(), b"").unwrap();
            let mut patience = 99;
            while output.poll_flush(Pin::new(&mut io), cx).is_pending() {
                patience -= 1;
                assert!(patience > 0);
            }
            assert_eq!(io.taken, b"headdata\r\nmore");
            assert!(output.is_empty());
        }
    }
}
