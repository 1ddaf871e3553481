//! The `lectern-loadtest` binary.
fn main() {}
