//! What the gateway serves: immutable views, and how changes reach them.

mod shards;

pub use shards::Shards;
