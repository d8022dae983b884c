//! An IP address as text, without memory of its own.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};

/// What an address prints as. It lives on the stack, since it is needed for every call and only for so long.
pub(crate) struct AddressText {
    text: [u8; AddressText::LONGEST],
    length: usize,
}

impl AddressText {
    /// The longest there is: an IPv6 address that embeds one of IPv4.
    const LONGEST: usize = 45;

    pub(crate) fn of(address: IpAddr) -> Self {
        let mut text = Self { text: [0; Self::LONGEST], length: 0 };
        match address {
            IpAddr::V4(address) => text.v4(address),
            // The longest fits, so writing cannot fail.
            IpAddr::V6(address) => drop(write!(text, "{address}")),
        }
        text
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }

    pub(crate) fn as_str(&self) -> &str {
        // Digits, colons and dots are ASCII.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// What its `Display` writes, at a tenth of its cost.
    fn v4(&mut self, address: Ipv4Addr) {
        for (index, octet) in address.octets().into_iter().enumerate() {
            if index > 0 {
                self.push(b'.');
            }
            if octet >= 100 {
                self.push(b'0' + octet / 100);
            }
            if octet >= 10 {
                self.push(b'0' + octet / 10 % 10);
            }
            self.push(b'0' + octet % 10);
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }
}

impl fmt::Write for AddressText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.text.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_address_is_written_as_it_prints() {
        for text in [
            "0.0.0.0",
            "9.10.99.100",
            "255.255.255.255",
            "::",
            "2001:db8::1",
            "::ffff:192.0.2.255",
            "1111:2222:3333:4444:5555:6666:7777:8888",
        ] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(AddressText::of(address).as_str(), address.to_string());
        }
    }
}
