//! Both directions of each scheme.
