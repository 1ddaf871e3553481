//! The `lectern` binary.
fn main() {}
