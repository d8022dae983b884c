//! A body on its way out.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Body;

use super::encoder::{Coding, WrongLength};

/// The longest piece that is copied behind what was written before it. To write pieces as pieces costs the system
/// more than it costs to copy what is short.
const SHORT: usize = 12 << 10;

/// What is collected before it is written.
const COLLECTED: usize = 16 << 10;

/// A body, and how much of what its message announced has been written.
pub(crate) struct Outgoing<B> {
    body: B,
    coding: Coding,
    ended: bool,
}

/// Why a message cannot be ended as it was begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfinished<E> {
    /// Its body failed.
    #[error("the body failed")]
    Body(E),
    /// Its body is another.
    #[error(transparent)]
    Length(#[from] WrongLength),
}

/// What is to be written behind the collected bytes as it is: a long piece, and what frames its end.
pub(crate) type Long = (Bytes, &'static [u8]);

impl<B: Body<Data = Bytes> + Unpin> Outgoing<B> {
    pub(crate) fn new(body: B, coding: Coding) -> Self {
        Self { body, ended: coding.is_ended(), coding }
    }

    /// The body, as far as it has not been collected.
    pub(crate) fn into_body(self) -> B {
        self.body
    }

    /// Whether all of it has been collected.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Takes what is there of the body.
    pub(crate) fn collect(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Long, Unfinished<B::Error>> {
        while !self.ended && out.len() < COLLECTED {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(frame)) => frame.map_err(Unfinished::Body)?,
                Poll::Ready(None) => {
                    self.end(out, None)?;
                    break;
                }
            };
            match frame.into_data() {
                Ok(data) => {
                    let tail = self.coding.frame(out, &data)?;
                    if data.len() > SHORT {
                        return Ok((data, tail));
                    }
                    out.extend_from_slice(&data);
                    out.extend_from_slice(tail);
                }
                Err(frame) => self.end(out, frame.trailers_ref())?,
            }
            if !self.ended && (self.coding.is_ended() || self.body.is_end_stream()) {
                if !self.body.is_end_stream() {
                    // Whoever made the body learns that all of it was taken.
                    let _ = Pin::new(&mut self.body).poll_frame(cx);
                }
                self.end(out, None)?;
            }
        }
        Ok((Bytes::new(), b""))
    }

    fn end(&mut self, out: &mut Vec<u8>, trailers: Option<&http::HeaderMap>) -> Result<(), WrongLength> {
        self.ended = true;
        self.coding.end(out, trailers)
    }
}
