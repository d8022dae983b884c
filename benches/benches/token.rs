//! See `benches::token`.
#![allow(missing_docs)]

fn main() {
    benches::bench("token", benches::token::subjects());
}
