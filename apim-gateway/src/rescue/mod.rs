//! How a fault looks to the caller.
