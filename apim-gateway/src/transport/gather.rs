//! Writing a head with its body.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

/// Pieces that together have no more bytes than this are copied into one.
const SMALL: usize = 2048;

/// Writes pieces at once. `writev` costs the system more than `write` does, and more than it costs to copy a
/// head and a short body next to each other, so only what is long is written in pieces.
pub(crate) fn poll_write<W: AsyncWrite + ?Sized>(
    io: Pin<&mut W>,
    cx: &mut Context<'_>,
    pieces: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if let [only] = pieces {
        return io.poll_write(cx, only);
    }
    let mut whole = [0; SMALL];
    let mut length = 0;
    for piece in pieces {
        let Some(place) = whole.get_mut(length..length + piece.len()) else {
            return io.poll_write_vectored(cx, pieces);
        };
        place.copy_from_slice(piece);
        length += piece.len();
    }
    io.poll_write(cx, &whole[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, and remembers whether they came in pieces.
    struct Sink {
        most: usize,
        taken: Vec<u8>,
        pieces: Vec<usize>,
    }

    impl AsyncWrite for Sink {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.most);
            self.taken.extend_from_slice(&bytes[..taken]);
            self.pieces.push(1);
            Poll::Ready(Ok(taken))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            pieces: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all = pieces.iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<_>>();
            let taken = all.len().min(self.most);
            self.taken.extend_from_slice(&all[..taken]);
            self.pieces.push(pieces.len());
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn write(most: usize, pieces: &[&[u8]]) -> (usize, Vec<u8>, Vec<usize>) {
        let mut sink = Sink { most, taken: Vec::new(), pieces: Vec::new() };
        let pieces: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(Ok(written)) = poll_write(Pin::new(&mut sink), cx, &pieces) else {
            panic!("the sink is always ready")
        };
        (written, sink.taken, sink.pieces)
    }

    #[test]
    fn what_is_short_is_written_in_one_piece_and_what_is_long_as_it_is() {
        assert_eq!(write(99, &[b"head", b"body"]), (8, b"headbody".to_vec(), vec![1]));
        assert_eq!(write(6, &[b"head", b"body"]), (6, b"headbo".to_vec(), vec![1]));
        assert_eq!(write(99, &[b"only"]), (4, b"only".to_vec(), vec![1]));
        let long = [b'x'; SMALL];
        assert_eq!(write(9999, &[b"head", &long]).2, [2]);
        assert_eq!(write(9999, &[&long]), (SMALL, long.to_vec(), vec![1]));
        assert_eq!(write(9999, &[&long[4..], b"head"]).2, [1]);
    }
}
