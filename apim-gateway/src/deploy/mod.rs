//! What the gateway serves: immutable views, and how changes reach them.
