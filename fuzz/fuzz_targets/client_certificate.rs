//! Certificates that publishers upload: what is accepted is accepted again, byte for byte, in DER.
#![no_main]

use apim_store::service::client_certificate::Certificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = Certificate::read(bytes) else { return };
    assert!(read.der.len() <= bytes.len());
    assert_eq!(Certificate::read(&read.der).as_ref(), Ok(&read));
});
