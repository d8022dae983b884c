//! An HTTP/1.1 connection of a client: one request after the other (RFC 9112 section 9).

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use apim_core::Body;
use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::Serve;
use super::arriving::{Intake, Turn};
use super::body::Leaving;
use super::connection::{self, Seen};
use super::date;
use super::socket::{Slot, Socket};
use super::worker::{CLOSING, Shared};
use crate::transport::http1::decoder::Decoder;
use crate::transport::http1::encoder::{self, Question};
use crate::transport::http1::head::{self, Asked};
use crate::transport::http1::outgoing::Outgoing;
use crate::transport::http1::{Endings, ReadError, Wire, with_output};
use crate::transport::upgrade::{Offer, Raw, Rewound};

/// Bytes of later requests that are read while one is being answered; more wait in the system.
const AHEAD: usize = 16 << 10;

/// Serves a connection until one of both ends closes it.
pub(super) async fn serve<S, T>(seen: Arc<Seen<S>>, io: Socket<T>)
where
    S: Serve,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut talk = Talk { wire: Wire::new(io, Endings::STRICT), slot: seen.slot.clone(), intake: None };
    let mut request = Request::new(Body::empty());
    loop {
        match talk.one(&seen, &mut request).await {
            Ok(Next::Request) => {}
            Ok(Next::Handed(to)) => {
                let raw: Raw = Box::new(Rewound::new(talk.wire.into_parts()));
                let _ = to.send(raw);
                return;
            }
            Ok(Next::End { unread }) => return talk.end(unread).await,
            Err(Gone) => return,
        }
    }
}

/// What a connection does after an answer.
enum Next {
    /// It waits for the next request.
    Request,
    /// It ends, perhaps with something from the client that nobody has read.
    End { unread: bool },
    /// It becomes something else.
    Handed(oneshot::Sender<Raw>),
}

/// The client has gone, or must be left.
struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// One connection.
struct Talk<T> {
    wire: Wire<Socket<T>>,
    slot: Arc<Slot>,
    /// The body of the request that is being answered, if it did not come with its head.
    intake: Option<Intake>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Talk<T> {
    /// Answers one request, whose head is read into a place that waits for it.
    async fn one<S: Serve>(
        &mut self,
        seen: &Arc<Seen<S>>,
        request: &mut Request<Body>,
    ) -> Result<Next, Gone> {
        let shared = &*seen.shared;
        if self.wire.has_input() {
            self.slot.received();
        }
        let asked = match std::future::poll_fn(|cx| self.poll_head(cx, request, shared)).await {
            Ok(Some(asked)) => asked,
            Ok(None) => return Ok(Next::End { unread: false }),
            Err(error) => return self.refuse(&error).await,
        };
        let Asked { body, persistent, expects, upgrades, trailers } = asked;
        if body.is_none() {
            self.slot.set_ambiguous();
        }
        let to = Question {
            head: request.method() == Method::HEAD,
            old: request.version() < Version::HTTP_11,
            trailers,
        };
        let lower = body.as_ref().and_then(Decoder::left).unwrap_or_default();
        let body = body.unwrap_or(Decoder::length(0));
        *request.body_mut() = self.receive(body, expects, shared.limits.body_bytes);
        let offered = upgrades.then(|| {
            let (offer, to) = Offer::new();
            request.extensions_mut().insert(offer);
            to
        });
        let mut reply = {
            let mut answering = pin!(connection::answer(seen, request, lower));
            std::future::poll_fn(|cx| self.poll_answer(cx, answering.as_mut())).await?
        };
        // What nobody has taken of it is not kept while it is answered.
        drop(std::mem::take(request));
        let upgraded = reply.status() == StatusCode::SWITCHING_PROTOCOLS;
        let stays = self.respond(&mut reply, to, persistent, shared).await?;
        drop(reply);
        match offered {
            Some(to) if upgraded => Ok(Next::Handed(to)),
            _ if stays && !upgraded => self.rest().await,
            _ => Ok(self.last()),
        }
    }

    fn last(&self) -> Next {
        Next::End {
            unread: self.wire.has_input() || self.intake.as_ref().is_some_and(|intake| !intake.is_ended()),
        }
    }

    fn poll_head<S>(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Request<Body>,
        shared: &Shared<S>,
    ) -> Poll<Result<Option<Asked>, ReadError>> {
        match self.wire.poll_head(cx, shared.limits.head_bytes) {
            Poll::Ready(Ok(Some(head))) => {
                Poll::Ready(head::request(&head, shared.limits.headers, into).map(Some))
            }
            Poll::Ready(Ok(None)) => Poll::Ready(Ok(None)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // Looked for before it is left: a request that has arrived already is answered.
            Poll::Pending if shared.stage.load(Relaxed) >= CLOSING && !self.wire.has_input() => {
                Poll::Ready(Ok(None))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// What a request's handlers get for its body.
    fn receive(&mut self, mut decoder: Decoder, expects: bool, room: u64) -> Body {
        if decoder.is_ended() {
            return Body::empty();
        }
        if decoder.left().is_some_and(|length| length <= room)
            && let Some(whole) = self.wire.whole(&mut decoder)
        {
            return whole.into();
        }
        let (intake, body) = Intake::new(decoder, expects, room, &self.slot);
        self.intake = Some(intake);
        body
    }

    /// Waits for an answer, and sees to the request's body meanwhile, or to whether the client is still there.
    fn poll_answer<F: Future>(
        &mut self,
        cx: &mut Context<'_>,
        mut answering: Pin<&mut F>,
    ) -> Poll<Result<F::Output, Gone>> {
        loop {
            if let Poll::Ready(answer) = answering.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            match self.poll_intake(cx) {
                Turn::Moved => {}
                Turn::Still => return Poll::Pending,
                Turn::Gone => return Poll::Ready(Err(Gone)),
            }
        }
    }

    /// Sees to the request's body while the client takes nothing.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some(intake) = self.intake.as_mut().filter(|intake| !intake.is_ended()) else {
            return Turn::Still;
        };
        let turn = intake.poll(cx, &mut self.wire, &self.slot);
        if turn == Turn::Moved {
            self.slot.sent();
        }
        turn
    }

    /// Sees to the request's body, or to whether the client is still there.
    fn poll_intake(&mut self, cx: &mut Context<'_>) -> Turn {
        if let Some(intake) = &mut self.intake
            && !intake.is_ended()
        {
            let turn = intake.poll(cx, &mut self.wire, &self.slot);
            return match self.wire.poll_flush(cx) {
                Poll::Ready(Err(_)) => Turn::Gone,
                _ => turn,
            };
        }
        if self.wire.poll_gone(cx, AHEAD).is_ready() { Turn::Gone } else { Turn::Still }
    }

    /// Sends an answer; whether the connection may stay.
    async fn respond<S: Serve>(
        &mut self,
        reply: &mut Leaving<S::Reply>,
        to: Question,
        persistent: bool,
        shared: &Shared<S>,
    ) -> Result<bool, Gone> {
        let (mut reply, mut leaving) = (Some(reply), None);
        let mut stays = persistent;
        std::future::poll_fn(|cx| {
            if leaving.is_none() {
                stays &= self.can_go_on(cx);
                if let Some(intake) = &mut self.intake {
                    intake.answered();
                }
            }
            loop {
                while self.wire.poll_flush(cx)?.is_pending() {
                    // A client may send all that it has before it takes anything.
                    match self.poll_upload(cx) {
                        Turn::Moved => {}
                        Turn::Still => return Poll::Pending,
                        Turn::Gone => return Poll::Ready(Err(Gone)),
                    }
                }
                if leaving.as_ref().is_some_and(Outgoing::is_ended) {
                    return Poll::Ready(Ok::<_, Gone>(()));
                }
                let wrote = with_output(|out| {
                    if let Some(reply) = reply.take() {
                        let head = (reply.status(), reply.headers());
                        let length = reply.size_hint().exact();
                        let now = shared.sweep.now();
                        let coding = date::with(now, |date| {
                            encoder::response(out, head, length, to, date, &mut stays)
                        });
                        leaving = Some(Outgoing::new(reply, coding));
                    }
                    let Some(leaving) = &mut leaving else { return Err(Gone) };
                    let (data, tail) = leaving.collect(cx, out).map_err(|_| Gone)?;
                    let wrote = !out.is_empty() || !data.is_empty();
                    self.wire.write(cx, out, data, tail)?;
                    Ok(wrote || leaving.is_ended())
                })?;
                // The rest of the request may be what the answer is made of.
                if !wrote {
                    match self.poll_intake(cx) {
                        Turn::Moved => {}
                        Turn::Still => return Poll::Pending,
                        Turn::Gone => return Poll::Ready(Err(Gone)),
                    }
                }
            }
        })
        .await?;
        Ok(stays)
    }

    /// Whether another request can follow the one that is being answered, as far as is known now.
    fn can_go_on(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(intake) = &mut self.intake else { return true };
        intake.is_ended() || !intake.is_unread() || intake.skip(cx, &mut self.wire)
    }

    /// Waits until the request's body has ended, which somebody may still read.
    async fn rest(&mut self) -> Result<Next, Gone> {
        let stays = std::future::poll_fn(|cx| {
            loop {
                let Some(intake) = &mut self.intake else { return Poll::Ready(Ok(true)) };
                if intake.is_ended() {
                    return Poll::Ready(Ok(true));
                }
                match intake.poll(cx, &mut self.wire, &self.slot) {
                    Turn::Moved => {}
                    Turn::Gone => return Poll::Ready(Err(Gone)),
                    Turn::Still if intake.is_unread() => {
                        return Poll::Ready(Ok(intake.skip(cx, &mut self.wire)));
                    }
                    Turn::Still => return Poll::Pending,
                }
            }
        })
        .await?;
        let next = if stays { Next::Request } else { self.last() };
        self.intake = None;
        Ok(next)
    }

    /// Tells that what arrived is no request.
    async fn refuse(&mut self, error: &ReadError) -> Result<Next, Gone> {
        let (status, words) = match error {
            ReadError::Io(_) => return Err(Gone),
            ReadError::TooLarge => ("431 Request Header Fields Too Large", HEAD_TOO_LARGE),
            ReadError::Malformed(_) => ("400 Bad Request", MALFORMED),
        };
        tracing::debug!(%error, "what a client sent is no request");
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{words}",
            words.len()
        );
        std::future::poll_fn(|cx| Poll::Ready(self.wire.write(cx, head.as_bytes(), Bytes::new(), b"")))
            .await?;
        std::future::poll_fn(|cx| self.wire.poll_flush(cx)).await?;
        Ok(Next::End { unread: true })
    }

    /// Closes the connection in a way that lets the client read the last answer: what it has sent and nobody has
    /// read would make the system take the answer back (RFC 9112 section 9.6).
    async fn end(&mut self, unread: bool) {
        if std::future::poll_fn(|cx| self.wire.poll_shutdown(cx)).await.is_err() || !unread {
            return;
        }
        self.slot.linger();
        std::future::poll_fn(|cx| {
            for _ in 0..LAST_READS {
                if let Ok(0) | Err(_) = ready!(self.wire.poll_discard(cx)) {
                    break;
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// How much of what a client sends in vain is read before its connection is closed.
const LAST_READS: usize = 64;

const MALFORMED: &str = r#"{"code":"400","type":"Status report","message":"Bad Request","description":"What was sent is no HTTP/1.1 request"}"#;
const HEAD_TOO_LARGE: &str = r#"{"code":"431","type":"Status report","message":"Request Header Fields Too Large","description":"The head of the request is larger than this server takes"}"#;
