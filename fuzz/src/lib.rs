//! Every parser of bytes that come from a network or from a disk that others can write, as a table of fuzz targets.
//!
//! A target is a name, a function that must not panic whatever it is given, and seeds: valid inputs to mutate. Two runners
//! use the table: the smoke run in `tests/smoke.rs` (seeded, a bounded number of inputs, part of `cargo test`) and libFuzzer
//! in `src/main.rs` (`scripts/fuzz TARGET`). Inputs that once broke something stay in `fuzz/corpus/TARGET/` and are always run.
//!
//! Belongs here: the table, seeds, mutation. Does not belong here: what a parser promises beyond not panicking; oracles such
//! as round trips stand in the target function of the crate that owns the parser.

pub mod mutate;
mod seeds;
mod targets;

/// One parser under test.
pub struct Target {
    /// Unique; names the corpus folder and the libFuzzer run.
    pub name: &'static str,
    /// Must return, whatever the bytes.
    pub run: fn(&[u8]),
    /// Valid inputs, from which mutation starts.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// One input costs as much as so many of a plain parser: the smoke run tries so many times fewer.
    pub weight: u64,
}

/// All targets.
#[must_use]
pub fn targets() -> Vec<Target> {
    targets::all()
}

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    targets().into_iter().find(|target| target.name == name)
}
