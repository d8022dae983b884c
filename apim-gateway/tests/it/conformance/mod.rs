//! One request in is one request out, whatever bytes arrive: public test data, and variants of our own.

mod h2spec;
mod http2;
mod lanes;
mod llhttp;
mod variants;
