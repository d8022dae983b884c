//! A connection to the gateway that can be slow on purpose.
//!
//! A real client library would do what it finds best. These programs want to say which byte leaves when, and
//! to hold ten thousand connections that cost next to nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// Bytes of an answer's head; the gateway's are a few hundred.
const HEAD: usize = 8 << 10;

/// Where the gateway is, and how it is spoken to.
#[derive(Clone)]
pub struct Door {
    address: SocketAddr,
    tls: Option<Arc<rustls::ClientConfig>>,
    /// Bytes that the system may hold for a client that does not read; none: as the system likes.
    receive_buffer: Option<u32>,
}

impl Door {
    /// A door in clear text.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None, receive_buffer: None }
    }

    /// A door over TLS, to a server that calls itself `localhost`.
    pub fn encrypted(address: SocketAddr, tls: Arc<rustls::ClientConfig>) -> Self {
        Self { address, tls: Some(tls), receive_buffer: None }
    }

    /// The same door for somebody who reads slowly: the system does not read ahead for him.
    pub fn narrow(&self) -> Self {
        Self { receive_buffer: Some(16 << 10), ..self.clone() }
    }

    async fn tcp(&self) -> io::Result<TcpStream> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One connection, which carries one exchange after another.
pub struct Connection {
    stream: Box<dyn Stream>,
    /// What has been read beyond the last head.
    ahead: Vec<u8>,
}

/// What an answer says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its status.
    pub status: u16,
    /// Bytes of its body.
    pub length: usize,
    /// Whether it is the connection's last.
    pub closes: bool,
    /// Whether it says when to come again.
    pub retry_after: bool,
}

impl Connection {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// If it is refused, or no TLS is agreed on.
    pub async fn open(door: &Door) -> io::Result<Self> {
        let tcp = door.tcp().await?;
        let stream: Box<dyn Stream> = match &door.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                Box::new(TlsConnector::from(tls.clone()).connect(name, tcp).await?)
            }
        };
        Ok(Self { stream, ahead: Vec::new() })
    }

    /// Sends bytes, whatever they are.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Waits for the head of the next answer. [`io::ErrorKind::UnexpectedEof`] if the connection ends without
    /// a byte of it.
    ///
    /// # Errors
    ///
    /// If the connection ends, or what comes is no head with a length.
    pub async fn head(&mut self) -> io::Result<Head> {
        loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = Head::parse(self.ahead.get(..end).unwrap_or_default())
                    .ok_or_else(|| io::Error::other(String::from_utf8_lossy(&self.ahead).into_owned()))?;
                self.ahead.drain(..end + 4);
                return Ok(head);
            }
            if self.ahead.len() > HEAD {
                return Err(io::Error::other("a head without an end"));
            }
            let mut piece = [0; 2048];
            let read = self.stream.read(&mut piece).await?;
            if read == 0 {
                let kind = match self.ahead.is_empty() {
                    true => io::ErrorKind::UnexpectedEof,
                    false => io::ErrorKind::InvalidData,
                };
                return Err(io::Error::new(kind, "the connection was closed before its answer"));
            }
            self.ahead.extend_from_slice(&piece[..read]);
        }
    }

    /// Reads so many bytes of a body.
    ///
    /// # Errors
    ///
    /// If the connection ends before.
    pub async fn body(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut body = std::mem::take(&mut self.ahead);
        if body.len() > length {
            self.ahead = body.split_off(length);
        }
        let filled = body.len();
        body.resize(length, 0);
        self.stream.read_exact(&mut body[filled..]).await?;
        Ok(body)
    }

    /// One exchange: sends a request, reads its answer whole.
    ///
    /// # Errors
    ///
    /// As [`head`](Self::head) and [`body`](Self::body).
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<(Head, Vec<u8>)> {
        self.send(request).await?;
        let head = self.head().await?;
        let body = self.body(head.length).await?;
        Ok((head, body))
    }
}

impl Head {
    fn parse(head: &[u8]) -> Option<Self> {
        let head = std::str::from_utf8(head).ok()?;
        let (line, headers) = head.split_once("\r\n")?;
        let status = line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let (mut length, mut closes, mut retry_after) = (None, false, false);
        for header in headers.split("\r\n") {
            let (name, value) = header.split_once(':')?;
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            } else if name.eq_ignore_ascii_case("retry-after") {
                retry_after = true;
            }
        }
        Some(Self { status, length: length?, closes, retry_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_its_status_its_length_and_what_becomes_of_the_connection() {
        let head = Head::parse(
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 7\r\nConnection: close\r\nretry-after: 1",
        );
        assert_eq!(head, Some(Head { status: 503, length: 7, closes: true, retry_after: true }));
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked"), None);
    }
}
