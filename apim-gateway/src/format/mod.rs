//! Builders and formatters of payloads.
