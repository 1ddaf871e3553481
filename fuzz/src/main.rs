//! libFuzzer over one target of the table: `LECTERN_FUZZ_TARGET=name lectern-fuzz [libFuzzer options] [corpus folder]`.
//! `scripts/fuzz` builds it with coverage and calls it.
#![no_main]

use std::sync::LazyLock;

static RUN: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("LECTERN_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = lectern_fuzz::target(&name) else {
        let known: Vec<_> = lectern_fuzz::targets().iter().map(|target| target.name).collect();
        eprintln!("LECTERN_FUZZ_TARGET must be one of: {}", known.join(", "));
        std::process::exit(2);
    };
    target.run
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| RUN(data));
