//! The CORS protocol (Fetch standard).
