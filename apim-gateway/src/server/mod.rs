//! Listens, accepts, drains.
