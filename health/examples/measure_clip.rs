//! Measures the keyframes of Annex B files (H.264) one after the other as if one camera had sent them, prints what was seen
//! and what is said, and what it costs: `measure_clip [--looped] FILE...`. With `--looped`, that a file repeats itself is not held against it.

use lectern_health::{
    HealthCore, Meter, Observation, edges,
    wire::{Outcome, keyframes},
    worker::measure_here,
};
use lectern_media::{CameraId, UnixMillis};
use std::time::Duration;

/// CPU time of this thread: other work on the machine does not count.
fn cpu() -> Duration {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is written, and lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut t) };
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

fn main() {
    let (mut core, mut meter, camera) = (HealthCore::new(), Meter::default(), CameraId::generate());
    let (mut n, mut spent) = (0, Duration::ZERO);
    let looped = std::env::args().any(|a| a == "--looped");
    let mut first: Option<Box<[f32; edges::CELLS]>> = None;
    for path in std::env::args().skip(1).filter(|a| a != "--looped") {
        let clip = std::fs::read(&path).expect("a file");
        for keyframe in keyframes(&clip) {
            let began = cpu();
            let outcome = measure_here(&mut meter, keyframe);
            spent += cpu() - began;
            let Outcome::Measured(mut m) = outcome else {
                println!("{path}: {outcome:?}");
                continue;
            };
            m.repeats &= !looped;
            let places = edges::places(&m.edges.0.map(f32::from));
            let fit = edges::best_fit(first.get_or_insert_with(|| places.clone()), &places);
            let mut sharp = m.sharpness.0.to_vec();
            sharp.sort_unstable();
            println!(
                "{path}: {} kB mean {:.0} contrast {:.0} dark {:.2} bright {:.2} chroma {:.0?} sharpness {} {} {} change {:.3?} fit {fit:.2?}",
                keyframe.len() / 1_000,
                m.mean,
                m.contrast,
                m.dark,
                m.bright,
                m.chroma,
                sharp[sharp.len() / 5],
                sharp[sharp.len() / 2],
                sharp[sharp.len() * 4 / 5],
                m.change.as_ref().map(|c| (c.mean, c.block)),
            );
            for v in core.observe(UnixMillis(n * 2_000), camera, Observation::Picture(&m)) {
                println!(
                    "    {} {:?} since {} s, measure {:.2}",
                    v.fault.label(),
                    v.state,
                    v.since.0 / 1_000,
                    v.measure
                );
            }
            n += 1;
        }
    }
    let each = spent / (n as u32).max(1);
    println!("{n} keyframes, {each:?} each: {:.0} cameras a core at one in two seconds", 2.0 / each.as_secs_f64());
}
