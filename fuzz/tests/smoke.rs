//! Each target against everything in its corpus and a bounded number of seeded mutations. `LECTERN_FUZZ_SEED` chooses other
//! inputs, `LECTERN_FUZZ_INPUTS` how many; a failure prints both and the input.

use lectern_fuzz::{Target, mutate::Mutator, targets};
use std::{
    collections::HashSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

const INPUTS_DEFAULT: u64 = 20_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs one input; says where it came from if the target panics.
fn must_return(target: &Target, input: &[u8], origin: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("{} panicked on {origin}, {} bytes: {}", target.name, input.len(), hex(input));
    }
}

#[test]
fn no_target_panics_on_its_corpus() {
    for target in targets() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("the corpus can be listed").path();
            must_return(&target, &fs::read(&path).expect("a corpus file can be read"), &path.display().to_string());
        }
    }
}

#[test]
fn no_target_panics_on_damaged_input() {
    let (seed, inputs) = (number("LECTERN_FUZZ_SEED", 1), number("LECTERN_FUZZ_INPUTS", INPUTS_DEFAULT));
    for target in targets() {
        for (index, input) in (target.seeds)().iter().enumerate() {
            must_return(&target, input, &format!("its own seed {index}"));
        }
        let mut mutator = Mutator::new(seed, (target.seeds)());
        for index in 0..(inputs / target.weight).max(1) {
            must_return(&target, &mutator.next_input(), &format!("input {index} of LECTERN_FUZZ_SEED={seed}"));
        }
    }
}

#[test]
fn names_are_unique_and_every_target_has_a_seed() {
    let mut names = HashSet::new();
    for target in targets() {
        assert!(names.insert(target.name), "{} twice", target.name);
        assert!(!(target.seeds)().is_empty(), "{} has no seed", target.name);
    }
}
