//! The context of a trace: whatever is read is written as one that is read again, and what is passed on is bounded.
#![no_main]

use apim_gateway::traces::{TraceParent, is_trace_state};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(parent) = TraceParent::parse(bytes) {
        assert!(parent.trace != 0 && parent.span != 0);
        let written = parent.digits();
        assert_eq!(TraceParent::parse(&written), Some(parent));
        // But for version and flags, and what a later version has to say, it is what it was.
        assert_eq!(written[2..53], bytes[2..53]);
    }
    let lines = bytes.split(|byte| *byte == b'\n');
    if is_trace_state(lines.clone()) {
        assert!(lines.clone().map(<[u8]>::len).sum::<usize>() <= 4096);
        let members = lines.flat_map(|line| line.split(|byte| *byte == b','));
        let members: Vec<_> = members.filter(|member| !member.trim_ascii().is_empty()).collect();
        assert!(members.len() <= 32);
        for member in members {
            assert!(member.iter().all(|byte| *byte == b'\t' || (0x20..0x7f).contains(byte)));
            assert_eq!(member.iter().filter(|byte| **byte == b'=').count(), 1);
        }
    }
});
