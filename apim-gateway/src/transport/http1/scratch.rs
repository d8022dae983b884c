//! Buffers that all connections of a thread share, because each needs one for the length of one call only.

use std::cell::RefCell;

/// The most that is read at once.
const INPUT: usize = 64 << 10;

/// What a buffer for writing may keep of what it has grown to.
const OUTPUT: usize = 64 << 10;

thread_local! {
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
