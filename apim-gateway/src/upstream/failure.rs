//! What went wrong with a backend, as a fault with the original's code.

use std::error::Error;
use std::io;
use std::sync::Arc;

use apim_core::fault::{self, Code, Fault};

use super::target::Target;
use crate::transport::dial::DialError;

/// No connection, for all who waited for it.
pub(super) fn connecting(target: &Target, error: Arc<DialError>) -> Fault {
    let code = match &*error {
        DialError::Timeout(_) => fault::BACKEND_CONNECT_TIMEOUT,
        DialError::Failed(_) => fault::BACKEND_CONNECT,
    };
    about(target, code, error)
}

/// A connection, but no response.
pub(super) fn sending(target: &Target, error: Option<hyper::Error>) -> Fault {
    let Some(error) = error else {
        let gone = format!("{}: the connection had gone", target.destination);
        return Fault::new(fault::BACKEND_CLOSED).detail(gone);
    };
    // The request's own body failed: that is between the client and us.
    if let Some(client) = find::<Fault>(&error) {
        return Fault::new(client.code()).because(client.description().to_owned()).caused_by(error);
    }
    if error.is_user() {
        return Fault::new(fault::BAD_REQUEST)
            .because("The body of the request ended too early")
            .caused_by(error);
    }
    let code = if error.is_parse() {
        fault::BACKEND_PROTOCOL
    } else if is_closed(&error) {
        fault::BACKEND_CLOSED
    } else {
        fault::BACKEND_SEND
    };
    about(target, code, error)
}

/// A 101 that nobody asked for, or to another protocol than the one asked for.
pub(super) fn unasked_upgrade(target: &Target) -> Fault {
    Fault::new(fault::BACKEND_PROTOCOL)
        .detail(format!("{} switched protocols without having been asked", target.destination))
}

/// Whether the backend went away, as opposed to having said something wrong.
pub(super) fn is_closed(error: &hyper::Error) -> bool {
    let closed_socket = find::<io::Error>(error).is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::NotConnected
        )
    });
    error.is_incomplete_message() || error.is_canceled() || error.is_closed() || closed_socket
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

fn find<E: Error + 'static>(error: &hyper::Error) -> Option<&E> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        source = cause.source();
    }
    None
}
