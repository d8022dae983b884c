//! PKCS #8 in PEM (RFC 7468 section 10).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

pub(super) fn encode(der: &[u8]) -> Zeroizing<String> {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(text.len() + text.len() / 32 + 64));
    pem.push_str(BEGIN);
    for (position, digit) in text.chars().enumerate() {
        if position % 64 == 0 {
            pem.push('\n');
        }
        pem.push(digit);
    }
    pem.push('\n');
    pem.push_str(END);
    pem.push('\n');
    pem
}

pub(super) fn decode(pem: &str) -> Option<Zeroizing<Vec<u8>>> {
    let inner = pem.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let text = Zeroizing::new(inner.split_ascii_whitespace().collect::<String>());
    STANDARD.decode(text.as_bytes()).map(Zeroizing::new).ok()
}
