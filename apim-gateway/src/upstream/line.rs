//! Connections to backends.

use std::io;
use std::sync::Arc;

use apim_core::Fault;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::body::{Course, Upload};
use super::failure;
use super::http1::H1;
use super::pool::{Own, Streams};
use super::target::Target;
use crate::transport::dial::{self, DialError, Stream};
use crate::transport::watch::{Sweep, Watch};

/// An open connection.
pub(super) enum Line {
    /// For one request at a time.
    H1(Box<H1>),
    /// For many. Apart, so that moving a connection of either kind moves little.
    H2(Box<H2>),
}

impl Line {
    /// Whether it has been used before, and so may have been closed at the other end.
    pub(super) fn is_used(&self) -> bool {
        match self {
            Self::H1(line) => line.is_used(),
            Self::H2(line) => line.used,
        }
    }
}

/// An open HTTP/2 connection, as the pool keeps it.
pub(super) struct Trunk {
    sender: http2::SendRequest<Upload>,
    streams: Arc<Streams>,
    sweep: Arc<Sweep>,
}

impl Trunk {
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn has_room(&self) -> bool {
        self.streams.has_room()
    }

    /// Room for one request.
    pub(super) fn share(&self, used: bool) -> Box<H2> {
        self.streams.one_more();
        let (sender, streams) = (self.sender.clone(), self.streams.clone());
        Box::new(H2 { sender, watch: self.sweep.watch(), course: Arc::default(), streams, used })
    }
}

/// Room for one request on an HTTP/2 connection, until it is dropped.
pub(super) struct H2 {
    sender: http2::SendRequest<Upload>,
    /// The deadline of the request in flight.
    pub(super) watch: Arc<Watch>,
    /// How far it is.
    pub(super) course: Arc<Course>,
    streams: Arc<Streams>,
    used: bool,
}

impl H2 {
    /// Sends a request.
    pub(super) fn send(
        &mut self,
        request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>> + use<> {
        self.sender.try_send_request(request)
    }
}

impl Drop for H2 {
    fn drop(&mut self) {
        self.streams.one_less();
    }
}

/// Opens a connection. With `h1_only` it can be upgraded.
pub(super) async fn open(own: &Arc<Own>, target: &Arc<Target>, h1_only: bool) -> Result<Line, Fault> {
    let pool = &target.pool;
    let failed = |error| failure::connecting(target, error);
    // A burst of requests to a backend that speaks HTTP/2 needs one connection, not one each. A large one
    // may fill the connection that it waited for; who finds no room twice opens one of its own.
    for _ in 0..2 {
        if h1_only || !pool.may_speak_h2() {
            break;
        }
        if let Some(line) = pool.take_new() {
            return Ok(line);
        }
        pool.opening(|| open_shared(own.clone(), target.clone())).await.map_err(failed)?;
    }
    if !h1_only && let Some(line) = pool.take_new() {
        return Ok(line);
    }
    let line = connect(own, target, h1_only).await.map_err(|error| failed(Arc::new(error)))?;
    Ok(match line {
        New::H1(line) => Line::H1(line),
        New::H2(trunk) => {
            let share = trunk.share(false);
            pool.keep(trunk);
            Line::H2(share)
        }
    })
}

/// Opens a connection for whoever of those waiting comes first, or all of them if it serves many.
async fn open_shared(own: Arc<Own>, target: Arc<Target>) -> Result<(), Arc<DialError>> {
    match connect(&own, &target, false).await? {
        New::H1(line) => {
            let rest = own.settings.idle_timeout;
            target.pool.give_back(line, own.sweep.after(rest), rest);
        }
        New::H2(trunk) => target.pool.keep(trunk),
    }
    Ok(())
}

/// A connection that nobody has used.
enum New {
    H1(Box<H1>),
    H2(Trunk),
}

async fn connect(own: &Own, target: &Target, h1_only: bool) -> Result<New, DialError> {
    let pool = &target.pool;
    let to = if h1_only { &pool.to_h1 } else { &pool.to };
    let stream = dial::dial(to, target.connect_timeout).await?;
    let h2 = stream.is_h2() || (pool.prior_knowledge && !h1_only);
    if !h1_only {
        pool.learned(h2);
    }
    if h2 {
        let trunk = speak_h2(own, stream).await;
        return trunk.map(New::H2).map_err(|error| DialError::Failed(io::Error::other(error)));
    }
    Ok(New::H1(Box::new(H1::new(stream, own.sweep.watch(), own.settings.head_bytes))))
}

async fn speak_h2(own: &Own, stream: Stream) -> hyper::Result<Trunk> {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(own.settings.head_bytes).unwrap_or(u32::MAX))
        // A backend that is gone without a word is found out, and its connection not used for ever.
        .keep_alive_interval(own.settings.idle_timeout)
        .keep_alive_timeout(own.settings.connect_timeout)
        .handshake(TokioIo::new(stream))
        .await?;
    let trunk = Trunk { sender, streams: Arc::default(), sweep: own.sweep.clone() };
    let streams = trunk.streams.clone();
    tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        let ended = std::future::poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            streams.allow(connection.current_max_send_streams());
            ended
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, "an HTTP/2 connection to a backend ended");
        }
    });
    Ok(trunk)
}
