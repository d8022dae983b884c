//! A response that has begun while its request is still being sent.
//!
//! Over HTTP/1.1 a connection is polled by whoever reads the response, and so is the rest of the request. But a client
//! may send all it has before it takes anything of the answer, and a backend may go on reading while it answers: if
//! nobody read from the one because the other's answer is not taken, all three would wait for each other. So a task
//! polls the connection then, and hands the response on piece by piece, never more than one ahead.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use apim_core::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc::{self, Permit, Receiver, Sender};

use super::body::Download;

/// A piece, and what is known to come after it.
struct Piece {
    frame: Option<Result<Frame<Bytes>, BoxError>>,
    rest: SizeHint,
    last: bool,
}

/// The reader's end.
pub(super) struct Relayed {
    pieces: Receiver<Piece>,
    rest: SizeHint,
    ended: bool,
}

impl Relayed {
    /// Begins.
    pub(super) fn new(download: Download) -> Self {
        let (sender, pieces) = mpsc::channel(1);
        let rest = download.size_hint();
        tokio::spawn(relay(download, sender));
        Self { pieces, rest, ended: false }
    }
}

/// Hands on all of a response. If its reader goes away the connection is closed, as if that had read it itself.
async fn relay(mut download: Download, reader: Sender<Piece>) {
    while let Some(room) = room(&mut download, &reader).await {
        let next = std::future::poll_fn(|cx| Pin::new(&mut download).poll_frame(cx));
        let frame = tokio::select! {
            biased;
            () = reader.closed() => return,
            frame = next => frame,
        };
        let last = download.is_end_stream() || !matches!(frame, Some(Ok(_)));
        room.send(Piece { frame, rest: download.size_hint(), last });
        if last {
            return;
        }
    }
}

/// Waits until there is room for a piece, and sends the request meanwhile. None: there is no reader, or the request
/// cannot be sent whole.
async fn room<'a>(download: &mut Download, reader: &'a Sender<Piece>) -> Option<Permit<'a, Piece>> {
    let mut reserved = pin!(reader.reserve());
    std::future::poll_fn(|cx| {
        if let Err(error) = download.upload(cx) {
            tracing::debug!(%error, "a request broke off while it was answered");
            return Poll::Ready(None);
        }
        reserved.as_mut().poll(cx).map(Result::ok)
    })
    .await
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let Some(piece) = ready!(self.pieces.poll_recv(cx)) else {
            self.ended = true;
            return Poll::Ready(Some(Err("the request could not be sent whole".into())));
        };
        self.rest = piece.rest;
        self.ended = piece.last;
        Poll::Ready(piece.frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.rest
    }
}
