//! The gateway's configuration: the file as written, and as it is run.
