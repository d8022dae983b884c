//! Headers that are not for everybody.
