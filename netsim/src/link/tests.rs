use super::*;
use lectern_media::{Bitrate, DataSize};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// Sends `count` packets of `len_bytes` every `gap`, then lets everything arrive. Arrivals as (moment, number).
fn run(link: &mut Link<u64>, count: u64, len_bytes: u64, gap: Duration) -> Vec<(Duration, u64)> {
    let mut arrived = Vec::new();
    for n in 0..count {
        let now = gap * n as u32;
        collect(link, now, &mut arrived);
        let _ = link.push(now, len_bytes, n);
    }
    collect(link, Duration::from_secs(100_000), &mut arrived);
    arrived
}

fn collect(link: &mut Link<u64>, until: Duration, arrived: &mut Vec<(Duration, u64)>) {
    while let Some(due) = link.next_due().filter(|d| *d <= until) {
        while let Some(n) = link.pop(due) {
            arrived.push((due, n));
        }
    }
}

#[test]
fn single_packets_take_serialisation_plus_delay() {
    // (link, bytes, want µs)
    for (config, len, want_us) in [
        (LinkConfig::default(), 1500, 0),
        (LinkConfig::default().delay_ms(40), 1500, 40_000),
        (LinkConfig::kbps(800), 1000, 10_000),
        (LinkConfig::kbps(800).delay_ms(40), 1000, 50_000),
        (LinkConfig::kbps(250).delay_ms(5).queue_ms(1), 1500, 53_000), // longer than the queue, and yet it passes
    ] {
        let mut link = Link::new(config, 1);
        let arrived = run(&mut link, 1, len, MS);
        assert_eq!(arrived, [(Duration::from_micros(want_us), 0)], "{config:?}");
        assert_eq!(link.counters().delay_us_max, want_us);
    }
}

#[test]
fn the_queue_drops_its_tail() {
    let config = LinkConfig { queue: QueueLimit::Bytes(DataSize::bytes(3000)), ..LinkConfig::kbps(8) };
    let mut link = Link::new(config, 1);
    let fates: Vec<_> = (0..5).map(|n| link.push(Duration::ZERO, 1000, n)).collect();
    assert_eq!(fates, [Ok(()), Ok(()), Ok(()), Err(DropReason::QueueFull), Err(DropReason::QueueFull)]);
    assert_eq!(link.queued_bytes(), 3000);
    assert_eq!(link.counters().dropped_packets.queue_full, 2);
}

#[test]
fn a_new_rate_acts_on_what_waits() {
    let mut link = Link::new(LinkConfig::kbps(8).queue_ms(10_000), 1); // 1,000 bytes take a second
    link.push(Duration::ZERO, 1000, 0).unwrap();
    link.push(Duration::ZERO, 1000, 1).unwrap();
    link.set_config(500 * MS, LinkConfig::kbps(80)); // half of the first is out; the rest takes 50 ms, the second 100
    let mut arrived = Vec::new();
    collect(&mut link, Duration::from_secs(9), &mut arrived);
    assert_eq!(arrived, [(550 * MS, 0), (650 * MS, 1)]);
}

#[test]
fn a_cut_loses_what_waits_and_what_comes_but_not_what_flies() {
    let mut link = Link::new(LinkConfig::kbps(8).delay_ms(5000), 1);
    link.push(Duration::ZERO, 100, 0).unwrap(); // off the wire after 100 ms
    link.push(Duration::ZERO, 100, 1).unwrap();
    let cut = LinkConfig { cut: true, ..*link.config() };
    link.set_config(150 * MS, cut);
    assert_eq!(link.push(160 * MS, 100, 2), Err(DropReason::Cut));
    link.set_config(200 * MS, LinkConfig { cut: false, ..cut });
    link.push(200 * MS, 100, 3).unwrap();
    let mut arrived = Vec::new();
    collect(&mut link, Duration::from_secs(9), &mut arrived);
    assert_eq!(arrived, [(5100 * MS, 0), (5300 * MS, 3)]);
    assert_eq!(link.counters().dropped_packets.cut, 2);
}

#[test]
fn a_rate_of_zero_holds_everything() {
    let mut link = Link::new(LinkConfig { rate: Some(Bitrate::ZERO), ..LinkConfig::default() }, 1);
    link.push(Duration::ZERO, 100, 0).unwrap();
    assert_eq!(link.next_due(), None);
    assert_eq!(link.pop(Duration::from_secs(9)), None);
}

#[test]
fn what_is_commanded_is_counted() {
    // (link, lost share wanted, tolerance)
    for (config, want, tolerance) in [
        (LinkConfig::default(), 0.0, 0.0),
        (LinkConfig::default().loss_percent(2.0), 0.02, 0.003),
        (LinkConfig::default().loss_percent(100.0), 1.0, 0.0),
        (LinkConfig::default().burst_loss_percent(2.0, 4.0), 0.02, 0.006),
        (LinkConfig::default().burst_loss_percent(10.0, 8.0), 0.10, 0.02),
    ] {
        let mut link = Link::new(config, 7);
        run(&mut link, 40_000, 1000, MS);
        let loss = link.counters().loss();
        assert!((loss - want).abs() <= tolerance, "{config:?}: lost {loss}");
    }
}

#[test]
fn bursts_are_as_long_as_asked() {
    let mut link = Link::new(LinkConfig::default().burst_loss_percent(5.0, 4.0), 3);
    let arrived: Vec<u64> = run(&mut link, 100_000, 100, MS).into_iter().map(|(_, n)| n).collect();
    let (mut bursts, mut lost) = (0u32, 0u64);
    for pair in arrived.windows(2) {
        if pair[1] > pair[0] + 1 {
            bursts += 1;
            lost += pair[1] - pair[0] - 1;
        }
    }
    let mean = lost as f64 / f64::from(bursts);
    assert!((3.5..4.5).contains(&mean), "mean burst {mean}");
}

#[test]
fn a_full_link_delivers_its_rate() {
    // 2 Mbit/s offered into 1 Mbit/s for 20 s
    let mut link = Link::new(LinkConfig::kbps(1000).delay_ms(30), 1);
    let arrived = run(&mut link, 5000, 1000, 4 * MS);
    let (first, last) = (arrived[0].0, arrived[arrived.len() - 1].0);
    let rate = DataSize::bytes((arrived.len() as u64 - 1) * 1000) / (last - first);
    assert!((995_000..=1_005_000).contains(&rate.as_bps()), "{rate:?}");
    let c = link.counters();
    assert_eq!(c.queue_bytes_max, 25_000, "200 ms at 1 Mbit/s");
    assert!(c.delay_us_max <= 230_000 + 8_000 && c.delay_us_max >= 225_000, "{}", c.delay_us_max);
    assert!((c.loss() - 0.5).abs() < 0.01);
}

#[test]
fn jitter_keeps_order_unless_told_otherwise() {
    let in_order = LinkConfig::default().delay_ms(20).jitter_ms(30);
    let mut link = Link::new(in_order, 5);
    let arrived = run(&mut link, 2000, 100, MS);
    assert!(arrived.is_sorted_by_key(|(_, n)| *n));
    assert_eq!(link.counters().reordered_packets, 0);

    let mut link = Link::new(LinkConfig { reorder: true, ..in_order }, 5);
    let arrived = run(&mut link, 2000, 100, MS);
    assert!(!arrived.is_sorted_by_key(|(_, n)| *n));
    assert!(link.counters().reordered_packets > 0);
    let mean = link.counters().delay_us_mean();
    assert!((34_000..36_000).contains(&mean), "20 ms and half of 30: {mean}");
}

#[test]
fn the_flight_is_bounded() {
    let mut link = Link::new(LinkConfig::default().delay_ms(1000), 1);
    for n in 0..IN_FLIGHT_PACKETS_MAX as u64 {
        link.push(Duration::ZERO, 1, n).unwrap();
    }
    assert_eq!(link.push(Duration::ZERO, 1, 0), Err(DropReason::InFlightFull));
}

fn configs() -> impl Strategy<Value = LinkConfig> {
    (prop::option::of(1_000u64..5_000_000), 0u64..400, 0u64..100, 0u64..100, any::<bool>(), 0.0..0.5f64, 0.0..0.3f64)
        .prop_map(|(bps, queue, delay, jitter, reorder, loss, burst)| LinkConfig {
            rate: bps.map(Bitrate::bps),
            reorder,
            ..LinkConfig::default()
                .queue_ms(queue)
                .delay_ms(delay)
                .jitter_ms(jitter)
                .loss_percent(loss * 100.0)
                .burst_loss_percent(burst * 100.0, 3.0)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_lost_without_a_reason(
        seed: u64,
        steps in prop::collection::vec((configs(), any::<bool>(), 1u64..40, 40u64..1500, 0u32..30), 1..12),
    ) {
        let mut link = Link::new(LinkConfig::default(), seed);
        let (mut now, mut n, mut arrived) = (Duration::ZERO, 0, Vec::new());
        for (config, cut, count, len, gap) in steps {
            link.set_config(now, LinkConfig { cut, ..config });
            for _ in 0..count {
                let _ = link.push(now, len, n);
                n += 1;
                now += gap * MS;
                collect(&mut link, now, &mut arrived);
            }
        }
        link.set_config(now, LinkConfig::default());
        collect(&mut link, now + Duration::from_secs(3600), &mut arrived);
        let c = link.counters();
        prop_assert_eq!(c.offered_packets, n);
        prop_assert_eq!(c.delivered_packets, arrived.len() as u64);
        prop_assert_eq!(c.delivered_packets + c.dropped_packets.total(), n);
        prop_assert_eq!(link.queued_bytes(), 0);
        prop_assert_eq!(c.late_us_max, 0);
        prop_assert!(arrived.is_sorted_by_key(|(at, _)| *at));
    }

    #[test]
    fn no_faster_than_the_rate_and_no_sooner_than_the_delay(
        seed: u64, bps in 10_000u64..10_000_000, delay in 0u32..200, len in 40u64..1500, gap in 0u32..20,
    ) {
        let config = LinkConfig { rate: Some(Bitrate::bps(bps)), ..LinkConfig::default().delay_ms(u64::from(delay)) };
        let mut link = Link::new(config, seed);
        let arrived = run(&mut link, 200, len, gap * MS);
        let wire = DataSize::bytes(len) / Bitrate::bps(bps);
        for (at, n) in &arrived {
            prop_assert!(*at >= gap * MS * *n as u32 + delay * MS + wire);
        }
        for pair in arrived.windows(2) {
            prop_assert!(pair[1].0 - pair[0].0 + Duration::from_nanos(1) >= wire);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_run(seed: u64, config in configs()) {
        let once = run(&mut Link::new(config, seed), 300, 700, 5 * MS);
        let again = run(&mut Link::new(config, seed), 300, 700, 5 * MS);
        prop_assert_eq!(once, again);
    }
}
