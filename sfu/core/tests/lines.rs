//! How a subscriber fares on thin lines: virtual time, a deterministic line, the whole core from publisher to viewer.

mod sim;

use lectern_sfu_core::{
    allocate::Priority,
    subscriber::{SubscriberConfig, Wish},
};
use sim::{Link, Sim, VIDEO};

fn describe(sim: &Sim, to: u64) -> String {
    let s = &sim.seen;
    let gap = s.audio_ms.windows(2).max_by_key(|w| w[1] - w[0]).map(|w| w[0]);
    let full =
        s.queue_ms.iter().filter(|(_, q)| *q > 100.0).map(|(t, q)| (*t, *q as u64)).step_by(5).collect::<Vec<_>>();
    println!("widest audio gap at {gap:?}, long queues {full:?}");
    let estimates: Vec<_> = (0..to / 1_000).map(|t| s.estimate_at(t * 1_000)).collect();
    format!(
        "layers {:?}\nestimates {estimates:?}\nqueue p50 {:.0} p95 {:.0} max {:.0}\naudio gap {} of {} sent {} arrived\nfreeze {} dropped {} nacked {} repaired {}\nstats {:?} refusals {:?}",
        s.layers,
        s.queue_quantile(0, to, 0.5),
        s.queue_quantile(0, to, 0.95),
        s.queue_quantile(0, to, 0.9999),
        s.audio_gap_ms(0, to),
        s.audio_sent,
        s.audio_ms.len(),
        s.freeze_ms(1_000, to),
        s.dropped,
        s.nacked,
        s.repaired,
        sim.subscriber.stats(VIDEO),
        sim.subscriber.refusals(),
    )
}

#[test]
fn each_line_settles_on_a_layer_that_fits_within_ten_seconds() {
    // (line, the best layer that fits beside the sound)
    for (kbps, layer) in [(4_000, 2), (800, 1), (250, 0)] {
        for seed in 1..=8 {
            let mut sim = Sim::new(seed, Link::kbps(kbps));
            sim.run_secs(30);
            let s = &sim.seen;
            let report = describe(&sim, 30_000);
            println!("{kbps}: {report}");
            let settled = (10_000..30_000).step_by(100).filter(|t| s.layer_at(*t) == Some(layer)).count();
            assert!(settled == 200, "{kbps} kbit/s: on layer {layer} {settled} of 200 times\n{report}");
            assert!(s.audio_gap_ms(0, 30_000) <= 100, "{kbps} kbit/s: sound has gaps\n{report}");
            assert!(s.audio_ms.len() as u64 + 15 >= s.audio_sent, "{kbps} kbit/s: sound is lost\n{report}");
            let p95 = s.queue_quantile(10_000, 30_000, 0.95);
            assert!(p95 < 60.0, "{kbps} kbit/s: the queue stands at {p95} ms\n{report}");
            assert!(s.freeze_ms(1_000, 30_000) < 400, "{kbps} kbit/s: the picture freezes\n{report}");
            assert!(s.estimate_at(29_000) <= kbps * 6 / 5, "{kbps} kbit/s: believes too much\n{report}");
        }
    }
}

#[test]
fn a_line_that_changes_is_followed_both_ways() {
    for seed in 1..=5 {
        let mut sim = Sim::new(seed, Link::kbps(4_000));
        sim.run_secs(10);
        assert_eq!(sim.seen.layer_at(9_999), Some(2));
        sim.set_link(Link::kbps(400));
        sim.run_secs(10);
        let report = describe(&sim, 20_000);
        assert_eq!(sim.seen.layer_at(12_000), Some(0), "down within two seconds\n{report}");
        assert!(sim.seen.queue_quantile(13_000, 20_000, 0.95) < 60.0, "the queue drains\n{report}");
        sim.set_link(Link::kbps(4_000));
        sim.run_secs(40);
        let report = describe(&sim, 60_000);
        println!("{report}");
        assert_eq!(sim.seen.layer_at(59_000), Some(2), "and up again\n{report}");
        assert!(sim.seen.audio_gap_ms(12_000, 60_000) <= 100, "{report}");
    }
}

#[test]
fn random_loss_is_repaired_and_is_no_reason_to_step_down() {
    for seed in 1..=5 {
        let mut sim = Sim::new(seed, Link::kbps(4_000).loss(0.03).delay_ms(40));
        sim.run_secs(30);
        let s = &sim.seen;
        let report = describe(&sim, 30_000);
        println!("{report}");
        assert_eq!(s.layer_at(20_000), Some(2), "{report}");
        // A probe or a repair may be lost as well, and a loss just before the end is not repaired any more.
        let pictures_lost = s.dropped - (s.audio_sent - s.audio_ms.len() as u64);
        assert!(s.repaired * 10 >= pictures_lost * 8, "losses of pictures are repaired\n{report}");
        assert!(s.freeze_ms(2_000, 30_000) < 500, "{report}");
    }
}

#[test]
fn a_single_layer_too_large_for_the_line_is_paused_and_sound_goes_on() {
    let mut sim = Sim::with(1, Link::kbps(300), &[(1_500, 720)], SubscriberConfig::default());
    sim.run_secs(20);
    let report = describe(&sim, 20_000);
    assert!(sim.subscriber.is_paused(VIDEO), "{report}");
    assert!(sim.seen.audio_gap_ms(5_000, 20_000) <= 100, "{report}");
    assert!(sim.seen.queue_quantile(5_000, 20_000, 0.95) < 60.0, "{report}");
    sim.set_link(Link::kbps(4_000));
    sim.run_secs(60);
    let report = describe(&sim, 80_000);
    println!("{report}");
    assert_eq!(sim.seen.layer_at(79_000), Some(0), "it comes back when the line widens\n{report}");
}

#[test]
fn a_single_layer_on_a_wide_line_is_shown_at_once() {
    let mut sim = Sim::with(1, Link::kbps(20_000), &[(1_500, 720)], SubscriberConfig::default());
    sim.run_secs(10);
    let report = describe(&sim, 10_000);
    println!("{report}");
    assert!(sim.seen.frames_ms[0] < 500, "{report}");
    assert!(sim.seen.freeze_ms(0, 10_000) < 300 && sim.seen.layers.len() == 2, "{report}");
    assert_eq!(sim.subscriber.refusals().iter().sum::<u64>(), 0, "{report}");
}

#[test]
fn lines_of_every_kind_settle() {
    type Kind = (&'static str, fn(Link) -> Link);
    let kinds: [Kind; 6] = [
        ("near", |l| l.delay_ms(5)),
        ("far", |l| l.delay_ms(120)),
        ("seldom reporting", |l| l.feedback_ms(250)),
        ("with a short queue", |l| l.queue_ms(60)),
        ("with a bloated queue", |l| l.queue_ms(800)),
        ("jittery and lossy, as over the air", |l| l.jitter_ms(15).loss(0.01)),
    ];
    let mut failed = Vec::new();
    for (what, kind) in kinds {
        for (kbps, layer) in [(8_000, 2), (2_500, 2), (1_000, 1), (300, 0)] {
            for seed in 1..=4 {
                let mut sim = Sim::new(seed, kind(Link::kbps(kbps)));
                sim.run_secs(30);
                let s = &sim.seen;
                let settled = (12_000..30_000).step_by(100).filter(|t| s.layer_at(*t) == Some(layer)).count();
                let p95 = s.queue_quantile(10_000, 30_000, 0.95);
                let (gap, freeze) = (s.audio_gap_ms(5_000, 30_000), s.freeze_ms(5_000, 30_000));
                if settled < 170 || p95 > 80.0 || gap > 130 || freeze > 700 {
                    let told = describe(&sim, 30_000);
                    failed.push(format!("{kbps} kbit/s {what}, seed {seed}: {settled} of 180, queue {p95}, gap {gap}, freeze {freeze}\n{told}"));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// A busy viewer looks like a queue: the picture may go down to its lowest layer, but a thin line that carries that one keeps
/// it, and what was paused by mistake comes back by itself.
#[test]
fn a_busy_viewer_is_no_thin_line() {
    for seed in 1..=6 {
        for stall_ms in [60, 120, 250] {
            let mut sim = Sim::with(
                seed,
                Link::kbps(250).stall_ms(stall_ms),
                &[(75, 180), (500, 360), (1_500, 720)],
                SubscriberConfig::default(),
            );
            sim.run_secs(60);
            sim.set_link(Link::kbps(250));
            sim.run_secs(20);
            let s = &sim.seen;
            let report = describe(&sim, 80_000);
            let shown = (5_000..60_000).step_by(100).filter(|t| s.layer_at(*t).is_some()).count();
            println!("stalls of {stall_ms} ms, shown {shown} of 550, {report}");
            assert!(shown > 400, "stalls of {stall_ms} ms: shown {shown} of 550\n{report}");
            assert!(s.freeze_ms(65_000, 80_000) < 400, "back by itself\n{report}");
        }
    }
}

/// The class's lowest layer beside its sound on 250 kbit/s.
const LAYERS: [(u64, u16); 3] = [(75, 180), (500, 360), (1_500, 720)];

/// The picture is back within so many seconds after a time, and stays.
fn comes_back(sim: &Sim, what: &str, after: u64, within: u64, to: u64) {
    let s = &sim.seen;
    let report = describe(sim, to);
    println!("{what}: {report}");
    let back = s.frames_ms.iter().find(|t| **t > after).copied();
    assert!(back.is_some_and(|t| t < after + within), "{what}: no picture before {back:?}\n{report}");
    let freeze = s.freeze_ms(after + within, to);
    assert!(freeze < 1_000, "{what}: it does not stay, {freeze} ms\n{report}");
}

#[test]
fn a_picture_comes_back_whatever_stopped_it() {
    for seed in 1..=6 {
        // A line that carried nothing but the sound for a while: the estimate is as low as it goes.
        let mut sim = Sim::with(seed, Link::kbps(250), &LAYERS, SubscriberConfig::default());
        sim.run_secs(10);
        sim.set_link(Link::kbps(90));
        sim.run_secs(20);
        assert!(sim.subscriber.is_paused(VIDEO), "{}", describe(&sim, 30_000));
        sim.set_link(Link::kbps(250));
        sim.run_secs(40);
        comes_back(&sim, "after a narrow line", 30_000, 21_000, 70_000);

        // The same without any sound: once the picture is paused nothing is sent, and nothing is heard.
        let mut sim = Sim::with(seed, Link::kbps(250), &LAYERS, SubscriberConfig::default());
        sim.mute = true;
        sim.run_secs(10);
        sim.set_link(Link::kbps(40));
        sim.run_secs(20);
        assert!(sim.subscriber.is_paused(VIDEO), "{}", describe(&sim, 30_000));
        sim.set_link(Link::kbps(250));
        sim.run_secs(40);
        comes_back(&sim, "after a narrow line without sound", 30_000, 25_000, 70_000);

        // A cut of five seconds, with bursts of loss around it.
        let mut sim = Sim::with(seed, Link::kbps(250), &LAYERS, SubscriberConfig::default());
        sim.run_secs(10);
        for loss in [0.4, 1.0, 1.0, 1.0, 1.0, 1.0, 0.4] {
            sim.set_link(Link::kbps(250).loss(loss));
            sim.run_secs(1);
        }
        sim.set_link(Link::kbps(250));
        sim.run_secs(30);
        comes_back(&sim, "after a cut", 17_000, 6_000, 47_000);

        // The publisher stops the lowest layer, and all of them, for a while.
        for silent in [[true, false, false], [true; 3]] {
            let mut sim = Sim::with(seed, Link::kbps(250), &LAYERS, SubscriberConfig::default());
            sim.run_secs(10);
            sim.silent = silent;
            sim.run_secs(10);
            sim.silent = [false; 3];
            sim.run_secs(30);
            comes_back(&sim, "after the publisher's pause", 20_000, 6_000, 50_000);
            let layers = &sim.seen.layers;
            assert!(layers.iter().all(|(_, l)| *l <= Some(0)), "none that the line can't carry: {layers:?}");
        }

        // Keyframes that were asked for are lost on their way to the server.
        let mut sim = Sim::with(seed, Link::kbps(250), &LAYERS, SubscriberConfig::default());
        sim.run_secs(10);
        let subscriber = &mut sim.subscriber;
        subscriber.set_wish(VIDEO, Wish { tile_height: 0, priority: Priority::Speaker, thumbnail: false });
        sim.run_secs(1);
        sim.lose_keyframes = 3;
        let subscriber = &mut sim.subscriber;
        subscriber.set_wish(VIDEO, Wish { tile_height: 720, priority: Priority::Speaker, thumbnail: false });
        sim.run_secs(20);
        comes_back(&sim, "after lost keyframes", 11_000, 6_000, 31_000);
    }
}

/// A viewer whose machine stalls all the time gets probes wrong; a paused picture is tried again all the same.
#[test]
fn a_picture_comes_back_on_a_busy_machine() {
    for seed in 1..=6 {
        let mut sim = Sim::with(seed, Link::kbps(250), &LAYERS, SubscriberConfig::default());
        sim.run_secs(10);
        sim.set_link(Link::kbps(90).stall_ms(60));
        sim.run_secs(20);
        sim.set_link(Link::kbps(250).stall_ms(60));
        sim.run_secs(60);
        let s = &sim.seen;
        let report = describe(&sim, 90_000);
        let shown = (50_000..90_000).step_by(100).filter(|t| s.layer_at(*t).is_some()).count();
        println!("shown {shown} of 400, {report}");
        assert!(shown > 300, "shown {shown} of 400\n{report}");
    }
}
