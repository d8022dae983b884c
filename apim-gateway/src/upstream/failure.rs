//! What went wrong with a backend, as a fault with the original's code.

use std::error::Error;
use std::io;
use std::sync::Arc;

use apim_core::BoxError;
use apim_core::fault::{self, Code, Fault};

use super::target::Target;
use crate::transport::dial::DialError;
use crate::transport::http1::ReadError;

/// No connection, for all who waited for it.
pub(super) fn connecting(target: &Target, error: Arc<DialError>) -> Fault {
    let code = match &*error {
        DialError::Timeout(_) => fault::BACKEND_CONNECT_TIMEOUT,
        DialError::Failed(_) => fault::BACKEND_CONNECT,
    };
    about(target, code, error)
}

/// Why a request got no response on a connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The request could not be sent.
    #[error("the request could not be sent")]
    Write(#[source] io::Error),
    /// No response could be read.
    #[error("no response could be read")]
    Read(#[source] ReadError),
    /// The request's own body failed: that is between the client and us.
    #[error("the request's body failed")]
    Body(#[source] BoxError),
    /// HTTP/2 failed.
    #[error(transparent)]
    Http2(hyper::Error),
}

impl Broken {
    /// Whether the backend went away, as opposed to having said something wrong.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Write(error) | Self::Read(ReadError::Io(error)) => is_end(error),
            Self::Read(_) | Self::Body(_) => false,
            Self::Http2(error) => {
                let ended = find::<io::Error>(error).is_some_and(is_end);
                error.is_incomplete_message() || error.is_canceled() || error.is_closed() || ended
            }
        }
    }

    fn is_malformed(&self) -> bool {
        match self {
            Self::Read(error) => !matches!(error, ReadError::Io(_)),
            Self::Http2(error) => error.is_parse(),
            _ => false,
        }
    }

    fn is_clients(&self) -> bool {
        match self {
            Self::Body(_) => true,
            Self::Http2(error) => error.is_user(),
            _ => false,
        }
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
    )
}

/// A connection, but no response.
pub(super) fn sending(target: &Target, error: Broken) -> Fault {
    // The request's own body failed: that is between the client and us.
    if let Some(client) = find::<Fault>(&error) {
        return Fault::new(client.code()).because(client.description().to_owned()).caused_by(error);
    }
    match code(&error) {
        fault::BAD_REQUEST => {
            Fault::new(fault::BAD_REQUEST).because("The body of the request ended too early").caused_by(error)
        }
        code => about(target, code, error),
    }
}

/// What it is called.
pub(super) fn code(error: &Broken) -> Code {
    match error {
        _ if error.is_clients() => fault::BAD_REQUEST,
        _ if error.is_malformed() => fault::BACKEND_PROTOCOL,
        _ if error.is_closed() => fault::BACKEND_CLOSED,
        _ => fault::BACKEND_SEND,
    }
}

/// A 101 that nobody asked for, or to another protocol than the one asked for.
pub(super) fn unasked_upgrade(target: &Target) -> Fault {
    Fault::new(fault::BACKEND_PROTOCOL)
        .detail(format!("{} switched protocols without having been asked", target.destination))
}

fn about(target: &Target, code: Code, error: impl Error + Send + Sync + 'static) -> Fault {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Fault::new(code).detail(format!("{}: {text}", target.destination)).caused_by(error)
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        source = cause.source();
    }
    None
}
