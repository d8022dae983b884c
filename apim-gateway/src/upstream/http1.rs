//! A connection to a backend that speaks HTTP/1.1: one request at a time.
//!
//! Whoever has the connection polls it: first whoever waits for the head of a response, then the response's body. So
//! the rest of a request's body is sent by them too, and a backend may answer before it has all of it; see `relay` for
//! who reads the response then.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use apim_core::{Body, BoxError};
use bytes::Bytes;
use http::{Method, Request, StatusCode, response};
use http_body::Body as _;

use super::failure::Broken;
use crate::transport::dial::Stream;
use crate::transport::http1::decoder::{Decoded, Decoder};
use crate::transport::http1::encoder::Address;
use crate::transport::http1::outgoing::{Outgoing, Unfinished};
use crate::transport::http1::{Endings, ReadError, Wire, encoder, head, with_output};
use crate::transport::upgrade::{Raw, Rewound};
use crate::transport::watch::{Sweep, Watch};

/// How many interim responses may come before the one that counts.
const INTERIM: usize = 16;

/// The connection.
pub(super) struct H1 {
    wire: Wire<Stream>,
    /// What is left of the request's body.
    upload: Option<Outgoing<Body>>,
    /// What is left of the response's.
    decoder: Decoder,
    persistent: bool,
    used: bool,
    /// The deadline of what is going on.
    pub(super) watch: Arc<Watch>,
    /// When a connection that rests has rested for too long, by the sweep's clock.
    pub(super) rests_until: u64,
    head_bytes: usize,
}

/// How long a response may take to begin.
#[derive(Clone, Copy)]
pub(super) struct Patience<'a> {
    pub(super) sweep: &'a Sweep,
    pub(super) wait: Duration,
}

/// Why there is no response.
pub(super) enum Failure {
    /// It did not begin in time.
    Late,
    /// The connection broke. Nothing was sent, and the request is whole again; or something may have been.
    Broken { error: Broken, unsent: bool },
}

impl Failure {
    fn sent(error: Broken) -> Self {
        Self::Broken { error, unsent: false }
    }
}

impl H1 {
    pub(super) fn new(stream: Stream, watch: Arc<Watch>, head_bytes: usize) -> Self {
        Self {
            wire: Wire::new(stream, Endings::LENIENT),
            upload: None,
            decoder: Decoder::Ended,
            persistent: true,
            used: false,
            watch,
            rests_until: 0,
            head_bytes,
        }
    }

    /// Whether it has been used before, and so may have been closed at the other end.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// Whether it can take a request, as far as is known; to be asked of one that rests.
    pub(super) fn is_good(&mut self) -> bool {
        !self.watch.is_expired() && !self.wire.is_disturbed()
    }

    /// Whether both bodies have ended and the backend takes another request.
    pub(super) fn is_free(&self) -> bool {
        self.persistent
            && self.decoder.is_ended()
            && self.upload.is_none()
            && self.wire.is_flushed()
            && !self.wire.has_input()
    }

    /// Whether the request's body has not been sent whole.
    pub(super) fn is_uploading(&self) -> bool {
        self.upload.is_some() || !self.wire.is_flushed()
    }

    /// How many bytes of the response's body are to come, if that is known.
    pub(super) fn left(&self) -> Option<u64> {
        self.decoder.left()
    }

    /// Sends a request and waits for the head of its response. Of the request its body is taken, unless nothing was
    /// sent.
    pub(super) async fn exchange(
        &mut self,
        request: &mut Request<Body>,
        to: Address<'_>,
        patience: Patience<'_>,
    ) -> Result<response::Parts, Failure> {
        let mut begun = false;
        std::future::poll_fn(|cx| {
            if !std::mem::replace(&mut begun, true) {
                self.begin(cx, request, to)?;
            }
            match self.poll_response(cx, request.method(), patience) {
                Poll::Ready(response) => {
                    self.watch.disarm();
                    Poll::Ready(response.map_err(Failure::sent))
                }
                Poll::Pending => self.watch.poll_expired(cx).map(|()| Err(Failure::Late)),
            }
        })
        .await
    }

    /// Writes the head and what is in memory of the body.
    fn begin(
        &mut self,
        cx: &mut Context<'_>,
        request: &mut Request<Body>,
        to: Address<'_>,
    ) -> Result<(), Failure> {
        self.used = true;
        let length = request.body().size_hint().exact();
        let in_memory = !request.body().is_stream();
        let again = if in_memory { request.body().replay(usize::MAX) } else { None };
        let body = std::mem::take(request.body_mut());
        let (body, written) = with_output(|out| {
            let coding =
                encoder::request(out, request.method(), request.uri(), request.headers(), to, length);
            let mut upload = Outgoing::new(body, coding);
            // A stream is left alone until its head has left: only then can it not be sent on another connection.
            let collected = match in_memory {
                true => upload.collect(cx, out),
                false => Ok((Bytes::new(), &b""[..])),
            };
            let written = match collected {
                Ok((data, tail)) => self.wire.write(cx, out, data, tail).map_err(Broken::Write),
                Err(error) => Err(body_failed(error)),
            };
            (upload, written)
        });
        match written {
            Ok(()) => {
                self.upload = Some(body).filter(|body| !body.is_ended());
                Ok(())
            }
            Err(error @ Broken::Write(_)) => {
                let unsent = again.is_some() || !in_memory;
                *request.body_mut() = again.unwrap_or_else(|| body.into_body());
                Err(Failure::Broken { error, unsent })
            }
            Err(error) => Err(Failure::sent(error)),
        }
    }

    fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
        patience: Patience<'_>,
    ) -> Poll<Result<response::Parts, Broken>> {
        let mut unsent = None;
        if let Poll::Ready(Err(error)) = self.poll_upload(cx, Some(patience)) {
            if matches!(error, Broken::Body(_)) {
                return Poll::Ready(Err(error));
            }
            // A backend that takes no more may have said why.
            unsent = Some(error);
        }
        for _ in 0..INTERIM {
            let answered = match self.wire.poll_head(cx, self.head_bytes) {
                Poll::Ready(Ok(Some(bytes))) => head::response(&bytes, method).inspect(|answered| {
                    if answered.length < bytes.len() {
                        self.wire.put_back(&bytes[answered.length..]);
                    }
                }),
                Poll::Ready(Ok(None)) => Err(ReadError::Io(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Err(error)) => Err(error),
                Poll::Pending => return unsent.map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
            };
            let answered = match answered {
                Ok(answered) => answered,
                Err(error) => return Poll::Ready(Err(unsent.unwrap_or(Broken::Read(error)))),
            };
            let status = answered.head.status;
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                self.decoder = answered.body;
                self.persistent = answered.persistent && unsent.is_none();
                return Poll::Ready(Ok(answered.head));
            }
        }
        Poll::Ready(Err(Broken::Read(ReadError::Malformed("there is no end of interim responses"))))
    }

    /// Sends what there is of the request's body. Ready when all of it has left. As long as it makes progress, the
    /// wait for a response has not begun.
    pub(super) fn poll_upload(
        &mut self,
        cx: &mut Context<'_>,
        patience: Option<Patience<'_>>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            ready!(self.wire.poll_flush(cx)).map_err(Broken::Write)?;
            let Some(upload) = self.upload.as_mut().filter(|upload| !upload.is_ended()) else {
                self.upload = None;
                return Poll::Ready(Ok(()));
            };
            let moved = with_output(|out| {
                let (data, tail) = upload.collect(cx, out).map_err(body_failed)?;
                let moved = !out.is_empty() || !data.is_empty();
                self.wire.write(cx, out, data, tail).map_err(Broken::Write)?;
                Ok::<_, Broken>(moved || upload.is_ended())
            })?;
            if !moved {
                return Poll::Pending;
            }
            if let Some(Patience { sweep, wait }) = patience {
                self.watch.arm(sweep.after(wait));
            }
        }
    }

    /// All of the response's body, if all of it has arrived.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        match self.decoder.is_ended() {
            true => Some(Bytes::new()),
            false => self.wire.whole(&mut self.decoder),
        }
    }

    /// Sends what there is of the request's body while the response's is on its way.
    pub(super) fn upload(&mut self, cx: &mut Context<'_>) -> Result<(), BoxError> {
        if self.is_uploading()
            && let Poll::Ready(Err(error)) = self.poll_upload(cx, None)
        {
            // The response may be whole nevertheless.
            self.persistent = false;
            self.upload = None;
            if let Broken::Body(error) = error {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Waits for the next piece of the response's body.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Decoded, BoxError>> {
        self.upload(cx)?;
        let piece = ready!(self.wire.poll_body(cx, &mut self.decoder))?;
        self.wire.pass_end(&mut self.decoder);
        Poll::Ready(Ok(piece))
    }

    /// Whether the response's body has ended.
    pub(super) fn is_read(&self) -> bool {
        self.decoder.is_ended()
    }

    /// The connection itself, for another protocol.
    pub(super) fn into_raw(self) -> Raw {
        Box::new(Rewound::new(self.wire.into_parts()))
    }
}

fn body_failed(error: Unfinished<BoxError>) -> Broken {
    match error {
        Unfinished::Body(error) => Broken::Body(error),
        Unfinished::Length(error) => Broken::Body(error.into()),
    }
}
