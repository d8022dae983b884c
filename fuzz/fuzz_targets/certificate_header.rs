//! Certificates that a balancer tells of in a header: read within bounds, and alike however they are packed.
#![no_main]

use apim_gateway::gateway::read_certificates;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let escaped: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    let plain = read_certificates(bytes, false);
    // Three times as long, it may be too long.
    if let Some(chain) = read_certificates(escaped.as_bytes(), true) {
        assert_eq!(plain.as_ref(), Some(&chain));
    }
    let all: usize = plain.iter().flatten().map(|der| der.len()).sum();
    assert!(all <= bytes.len());
});
