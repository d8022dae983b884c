//! Short texts that live as long as a request.

use std::fmt;

use apim_core::{PerWorker, Worker};
use bytes::{BufMut as _, Bytes, BytesMut};

/// Cuts the texts that requests need, as ids and paths, from one block of memory after the other, so that
/// hardly any request allocates one.
///
/// A block lives until the last text that was cut from it is gone: who keeps one text for long keeps 4 KiB.
pub(crate) struct Texts(PerWorker<BytesMut>);

impl Texts {
    /// Bytes of a block.
    const BLOCK: usize = 4096;
    /// Longer texts get memory of their own, or they would waste what is left of a block.
    const LONGEST: usize = Self::BLOCK / 8;

    pub(crate) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers, BytesMut::new))
    }

    /// The pieces, one behind the other.
    pub(crate) fn cut(&self, worker: Worker, pieces: &[&[u8]]) -> Bytes {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if length > Self::LONGEST {
            return Bytes::from(pieces.concat());
        }
        let mut block = self.0.of(worker);
        if block.capacity() < length {
            *block = BytesMut::with_capacity(Self::BLOCK);
        }
        pieces.iter().for_each(|piece| block.put_slice(piece));
        block.split().freeze()
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Texts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_what_they_were_and_seldom_cost_an_allocation() {
        let texts = Texts::new(1);
        let mut kept = Vec::with_capacity(1000);
        let cost = allocation_counter::measure(|| {
            for number in 0..1000_u16 {
                kept.push(texts.cut(Worker(0), &[b"/pets/", &number.to_be_bytes(), b"?page=2"]));
            }
        });
        for (number, text) in (0..1000_u16).zip(&kept) {
            assert_eq!(**text, *[b"/pets/", &number.to_be_bytes()[..], b"?page=2"].concat());
        }
        assert!(cost.count_total < 20, "{}", cost.count_total);
    }

    #[test]
    fn a_long_text_has_memory_of_its_own() {
        let texts = Texts::new(1);
        assert_eq!(texts.cut(Worker(0), &[&[b'x'; 5000], b"y"]).len(), 5001);
        assert!(texts.0.of(Worker(0)).capacity() == 0);
    }
}
