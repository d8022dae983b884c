//! A connection that becomes something else than HTTP: who asked for it gets it when the 101 has been written.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::Extensions;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// Bytes both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that is nobody's any more.
pub(crate) type Raw = Box<dyn Duplex>;

/// A connection that will be handed over, or not.
pub(crate) enum Upgrade {
    /// By hyper: of HTTP/2, or of whoever serves the gateway by it.
    Hyper(OnUpgrade),
    /// By our own HTTP/1.1.
    Own(oneshot::Receiver<Raw>),
    /// It has been already.
    Done(Raw),
}

impl Upgrade {
    /// Waits for it.
    pub(crate) async fn raw(self) -> io::Result<Raw> {
        match self {
            Self::Hyper(upgrade) => {
                let io = upgrade.await.map_err(io::Error::other)?;
                Ok(Box::new(TokioIo::new(io)))
            }
            Self::Own(upgrade) => upgrade.await.map_err(|_| io::ErrorKind::NotConnected.into()),
            Self::Done(raw) => Ok(raw),
        }
    }
}

/// Whether a request's connection can become something else. Of requests that name no upgrade there is not even a
/// table to look into.
pub(crate) fn is_offered(extensions: &Extensions) -> bool {
    extensions.get::<Offer>().is_some() || extensions.get::<OnUpgrade>().is_some()
}

/// Takes what becomes of a request's connection, once.
pub(crate) fn take(extensions: &mut Extensions) -> Option<Upgrade> {
    let by_hyper = extensions.remove::<OnUpgrade>().map(Upgrade::Hyper);
    by_hyper.or_else(|| extensions.remove::<Offer>()?.take())
}

/// In the extensions of a request that names an upgrade: what takes its connection.
#[derive(Clone)]
pub(crate) struct Offer(Arc<Mutex<Option<oneshot::Receiver<Raw>>>>);

impl Offer {
    /// An offer, and the other end of it.
    pub(crate) fn new() -> (Self, oneshot::Sender<Raw>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(receiver)))), sender)
    }

    /// Takes it, once.
    fn take(&self) -> Option<Upgrade> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map(Upgrade::Own)
    }
}

/// A connection of which some bytes have been read already.
pub(crate) struct Rewound<T> {
    read: Bytes,
    io: T,
}

impl<T> Rewound<T> {
    pub(crate) fn new((io, read): (T, Bytes)) -> Self {
        Self { read, io }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let count = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..count]);
        self.read.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
