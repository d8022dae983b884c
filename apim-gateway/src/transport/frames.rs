//! Where one WebSocket frame ends and the next begins (RFC 6455 section 5.2): all that is read of a tunnel.

/// Opcode of a frame after which its sender sends no other (RFC 6455 section 5.5.1).
const CLOSE: u8 = 8;

/// Bytes of the longest reason: a control frame carries 125, of which two are the code.
const LONGEST_REASON: usize = 123;

/// Follows the frames of one direction, in whatever pieces they pass.
///
/// It keeps a few counters and no bytes, and costs a few instructions for each frame, however long that is.
#[derive(Debug, Clone, Default)]
pub struct Frames {
    place: Place,
    /// Bytes of the payload that have not passed; while its length is read, what is known of that.
    left: u64,
    masked: bool,
    closed: bool,
}

/// The part of a frame that comes next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    First,
    Length,
    /// So many bytes of an extended length.
    Extended(u8),
    /// So many bytes of a masking key.
    Key(u8),
    Payload,
}

impl Frames {
    /// These bytes have passed.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let passed = self.finish(bytes);
            bytes = bytes.get(passed..).unwrap_or_default();
        }
    }

    /// Passes of these bytes those that belong to the frame that has begun, or to the next one if none has;
    /// answers how many they were.
    pub fn finish(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while let Some(byte) = bytes.get(passed) {
            self.place = match self.place {
                Place::First => {
                    self.closed |= byte & 0x0f == CLOSE;
                    Place::Length
                }
                Place::Length => {
                    self.masked = byte & 0x80 != 0;
                    let length = byte & 0x7f;
                    self.left = if length < 126 { length.into() } else { 0 };
                    self.after_length(match length {
                        126 => 2,
                        127 => 8,
                        _ => 0,
                    })
                }
                Place::Extended(more) => {
                    self.left = self.left << 8 | u64::from(*byte);
                    self.after_length(more - 1)
                }
                Place::Key(more) => after_key(more - 1),
                Place::Payload => {
                    let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - passed);
                    self.left -= here as u64;
                    passed += here;
                    if self.left > 0 {
                        return passed;
                    }
                    self.place = Place::First;
                    return passed;
                }
            };
            passed += 1;
            if self.place == Place::Payload && self.left == 0 {
                self.place = Place::First;
                return passed;
            }
        }
        passed
    }

    /// Whether a frame has ended and none has begun, so that another may stand here.
    pub fn is_between(&self) -> bool {
        self.place == Place::First
    }

    /// Whether a close frame has begun, after which there is nothing to say.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn after_length(&self, more: u8) -> Place {
        match more {
            0 if self.masked => Place::Key(4),
            0 => Place::Payload,
            more => Place::Extended(more),
        }
    }
}

fn after_key(more: u8) -> Place {
    if more == 0 { Place::Payload } else { Place::Key(more) }
}

/// A close frame as servers send it, which mask nothing. Of a reason that is too long, the beginning.
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    let (length, payload) = closing(code, reason);
    [&[0x80 | CLOSE, length][..], &payload].concat()
}

/// The same as clients send it, who mask everything (RFC 6455 section 5.3).
pub fn close_masked(code: u16, reason: &str, key: [u8; 4]) -> Vec<u8> {
    let (length, mut payload) = closing(code, reason);
    payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    [&[0x80 | CLOSE, 0x80 | length][..], &key, &payload].concat()
}

fn closing(code: u16, reason: &str) -> (u8, Vec<u8>) {
    let reason = reason.as_bytes();
    let reason = reason.get(..LONGEST_REASON).unwrap_or(reason);
    let payload = [&code.to_be_bytes(), reason].concat();
    (u8::try_from(payload.len()).unwrap_or_default(), payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, mask: bool, payload: usize) -> Vec<u8> {
        let bit = if mask { 0x80 } else { 0 };
        let mut frame = vec![first];
        match payload {
            0..126 => frame.push(bit | u8::try_from(payload).unwrap_or_default()),
            126..65_536 => {
                frame.push(bit | 126);
                frame.extend(u16::try_from(payload).unwrap_or_default().to_be_bytes());
            }
            _ => {
                frame.push(bit | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend(vec![0x88; if mask { 4 } else { 0 } + payload]);
        frame
    }

    #[test]
    fn frames_of_every_kind_end_where_they_end() {
        for payload in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            for mask in [false, true] {
                let one = frame(0x81, mask, payload);
                for piece in [1, 2, 3, 1000, one.len() - 1] {
                    let mut frames = Frames::default();
                    let (before, last) = one.split_at(one.len() - 1);
                    for piece in before.chunks(piece) {
                        frames.pass(piece);
                        assert!(!frames.is_between(), "{payload} {mask}");
                    }
                    frames.pass(last);
                    assert!(frames.is_between() && !frames.is_closed(), "{payload} {mask}");
                }
                let two = [one.clone(), frame(0x02, mask, 3)].concat();
                let mut frames = Frames::default();
                assert_eq!(frames.finish(&two), one.len());
                assert!(frames.is_between());
            }
        }
    }

    #[test]
    fn a_close_frame_is_the_last() {
        let mut frames = Frames::default();
        let last = close(1008, "no longer");
        assert_eq!(last, b"\x88\x0b\x03\xf0no longer");
        frames.pass(&frame(0x81, false, 5));
        assert!(!frames.is_closed());
        frames.pass(&last);
        assert!(frames.is_between() && frames.is_closed());
    }

    #[test]
    fn a_client_masks_its_close_frame() {
        let mut frames = Frames::default();
        let last = close_masked(1001, "!!", [1, 2, 3, 4]);
        assert_eq!(last, [0x88, 0x84, 1, 2, 3, 4, 0x03 ^ 1, 0xe9 ^ 2, b'!' ^ 3, b'!' ^ 4]);
        frames.pass(&last);
        assert!(frames.is_between() && frames.is_closed());
    }

    #[test]
    fn a_reason_fits_into_a_control_frame() {
        let long = close(1001, &"x".repeat(500));
        assert_eq!((long.len(), long[1]), (127, 125));
    }
}
