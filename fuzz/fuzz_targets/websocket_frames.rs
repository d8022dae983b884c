//! WebSocket frames: where they end does not depend on the pieces in which they pass, nor on whether they are
//! passed or finished one after the other.
#![no_main]

use apim_gateway::transport::frames::Frames;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut whole = Frames::default();
    whole.pass(bytes);
    let mut slow = Frames::default();
    bytes.chunks(1).for_each(|byte| slow.pass(byte));
    let mut single = Frames::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let passed = single.finish(rest);
        assert!(passed > 0 && passed <= rest.len());
        assert!(single.is_between() || passed == rest.len());
        rest = &rest[passed..];
    }
    for other in [slow, single] {
        assert_eq!((whole.is_between(), whole.is_closed()), (other.is_between(), other.is_closed()));
    }
});
