//! The `a3` command.
fn main() {}
