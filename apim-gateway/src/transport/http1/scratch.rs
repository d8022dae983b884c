//! Buffers that all connections of a thread share, because each needs one for the length of one call only.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// The most that is read at once.
const INPUT: usize = 64 << 10;

/// What a buffer for writing may keep of what it has grown to.
const OUTPUT: usize = 64 << 10;

/// How much memory is taken for copies at once. Each keeps all of it for as long as it lives.
const BLOCK: usize = 8 << 10;

thread_local! {
    static COPIES: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    static IN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Room to read into. What is left in it from others is never looked at.
pub(super) fn with_input<R>(read: impl FnOnce(&mut [u8]) -> R) -> R {
    IN.with(|buffer| match buffer.try_borrow_mut() {
        Ok(mut buffer) => {
            if buffer.is_empty() {
                buffer.resize(INPUT, 0);
            }
            read(&mut buffer)
        }
        // A transport that reads from another of our connections while it is read from.
        Err(_) => read(&mut vec![0; INPUT]),
    })
}

/// An empty list of bytes to write a message into.
pub(crate) fn with_output<R>(write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    OUT.with(|buffer| match buffer.try_borrow_mut() {
        Ok(mut buffer) => {
            buffer.clear();
            let result = write(&mut buffer);
            buffer.shrink_to(OUTPUT);
            result
        }
        // A body that is made by writing to another of our connections.
        Err(_) => write(&mut Vec::new()),
    })
}

/// A copy, next to those made before: what is cut off a block needs no allocation of its own.
pub(super) fn copy(bytes: &[u8]) -> Bytes {
    if bytes.len() > BLOCK / 4 {
        return Bytes::copy_from_slice(bytes);
    }
    COPIES.with_borrow_mut(|block| {
        if block.capacity() < bytes.len() {
            *block = BytesMut::with_capacity(BLOCK);
        }
        block.extend_from_slice(bytes);
        block.split().freeze()
    })
}
