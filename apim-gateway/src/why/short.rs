//! A text of a fixed size.

/// The first bytes of a text, kept without an allocation and without holding on to where it came from: a
/// request's target would keep all the bytes of its head alive.
#[derive(Clone, Copy)]
pub(super) struct Short<const SIZE: usize> {
    bytes: [u8; SIZE],
    length: u8,
    whole: bool,
}

impl<const SIZE: usize> Short<SIZE> {
    /// Takes as much as there is room for.
    pub(super) fn of(text: &str) -> Self {
        let length = text.floor_char_boundary(SIZE.min(usize::from(u8::MAX)));
        let mut bytes = [0; SIZE];
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self { bytes, length: u8::try_from(length).unwrap_or(u8::MAX), whole: length == text.len() }
    }

    /// The text, with a mark if it was cut.
    pub(super) fn text(&self) -> String {
        let kept = String::from_utf8_lossy(&self.bytes[..usize::from(self.length)]);
        if self.whole { kept.into_owned() } else { format!("{kept}…") }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        assert_eq!(Short::<8>::of("/pets").text(), "/pets");
        assert_eq!(Short::<8>::of("/pets/42").text(), "/pets/42");
        assert_eq!(Short::<8>::of("/pets/täglich").text(), "/pets/t…");
    }
}
