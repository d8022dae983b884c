//! Short texts that live as long as a request.

use std::cell::RefCell;

use bytes::{BufMut as _, Bytes, BytesMut};

/// Bytes of a block. Whoever keeps one text that was cut from it keeps all of it.
const BLOCK: usize = 8 << 10;

/// Longer texts get memory of their own, or they would waste what is left of a block.
const LONGEST: usize = BLOCK / 4;

thread_local! {
    static TEXTS: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// The pieces, one behind the other.
///
/// The texts that requests need, as heads, ids and paths, are cut from one block of memory of this thread after the
/// other, so that hardly any request allocates one.
pub(crate) fn cut(pieces: &[&[u8]]) -> Bytes {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    if length > LONGEST {
        return Bytes::from(pieces.concat());
    }
    TEXTS.with_borrow_mut(|block| {
        if block.capacity() < length {
            *block = BytesMut::with_capacity(BLOCK);
        }
        pieces.iter().for_each(|piece| block.put_slice(piece));
        block.split().freeze()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_what_they_were_and_seldom_cost_an_allocation() {
        let mut kept = Vec::with_capacity(1000);
        let cost = allocation_counter::measure(|| {
            for number in 0..1000_u16 {
                kept.push(cut(&[b"/pets/", &number.to_be_bytes(), b"?page=2"]));
            }
        });
        for (number, text) in (0..1000_u16).zip(&kept) {
            assert_eq!(**text, *[b"/pets/", &number.to_be_bytes()[..], b"?page=2"].concat());
        }
        assert!(cost.count_total < 20, "{}", cost.count_total);
    }

    #[test]
    fn a_long_text_has_memory_of_its_own() {
        let before = TEXTS.with_borrow(BytesMut::capacity);
        assert_eq!(cut(&[&[b'x'; 5000], b"y"]).len(), 5001);
        assert_eq!(TEXTS.with_borrow(BytesMut::capacity), before);
    }
}
