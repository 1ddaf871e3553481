//! libFuzzer over one target of the table: `LECTERN_FUZZ_TARGET=name lectern-fuzz [libFuzzer options] [corpus folder]`.
//! With `LECTERN_FUZZ_SEEDS=folder` the target's seeds are written there first. `scripts/fuzz` builds it with coverage and
//! calls it.
#![no_main]

use std::{fs, path::Path, sync::LazyLock};

static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("LECTERN_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = lectern_fuzz::target(&name) else {
        let known: Vec<_> = lectern_fuzz::targets().iter().map(|target| target.name).collect();
        eprintln!("LECTERN_FUZZ_TARGET must be one of: {}", known.join(", "));
        std::process::exit(2);
    };
    if let Some(folder) = std::env::var_os("LECTERN_FUZZ_SEEDS") {
        for (index, seed) in (target.seeds)().iter().enumerate() {
            if let Err(error) = fs::write(Path::new(&folder).join(format!("seed-{index}")), seed) {
                eprintln!("a seed could not be written: {error}");
            }
        }
    }
    target.run
});

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&RUN); }, |data: &[u8]| RUN(data));
