//! A subscriber from outside: layers, keyframes, repairs, round trips. Lines that fill and empty are in `tests/lines.rs`.

use super::*;
use crate::{
    allocate::LayerOffer,
    descriptor::PayloadShape,
    downtrack::{ExtensionIds, PayloadTypes},
    packet_ring::{PacketRing, TrackRings},
    rtcp::{Builder, Compound, Packet, ReportBlock, SenderInfo},
    testing::{packet, vp8_payload},
    time::{NtpTime, to_compact_ntp},
};
use lectern_media::{Codec, PayloadType, RtpView, UnixMillis};

const SOURCE: SourceId = SourceId(1);
const LINE: LineId = LineId(0);

fn subscriber(t0: Instant) -> Subscriber {
    let mut sub = Subscriber::new(t0, SubscriberConfig::default());
    let line = LineConfig {
        kind: TrackKind::Video,
        ssrc: Ssrc(100),
        rtx_ssrc: Some(Ssrc(101)),
        payload_types: vec![PayloadTypes { codec: Codec::Vp8, media: PayloadType(96), rtx: Some(PayloadType(97)) }],
        extensions: ExtensionIds { twcc: Some(3), ..ExtensionIds::default() },
        mid: None,
        seed: 42,
    };
    assert_eq!(sub.add_line(&line), Some(LINE));
    sub.set_source(t0, LINE, Some(SOURCE));
    sub.set_wish(LINE, Wish { tile_height: 360, priority: Priority::Speaker, thumbnail: false });
    sub
}

fn camera(_: SourceId) -> Offers {
    [(100, 180), (400, 360), (0, 0)].map(|(k, h)| LayerOffer::new(Bitrate::kbps(k), Some(h)))
}

fn tick(sub: &mut Subscriber, now: Instant) -> Vec<Ask> {
    let mut asks = Vec::new();
    sub.tick(now, camera, |a| asks.push(a));
    asks
}

/// Forwards one small frame and returns what was written.
fn frame(sub: &mut Subscriber, rings: &mut TrackRings, now: Instant, layer: u8, n: u64, key: bool) -> Option<Vec<u8>> {
    let payload = vp8_payload(n as u16, n as u8, key, true, 200);
    let mut p = packet(now, layer, 1_000 + n, 3_000 * n, true, &payload);
    p.meta.clock_offset = Some(1 << 40);
    rings.layers[usize::from(layer)].push(&p);
    let mut out = vec![0; 1_500];
    match sub.forward(now, LINE, &p, 0, &mut out) {
        Ok(Forwarded::Written(len)) => Some(out[..len].to_vec()),
        _ => None,
    }
}

fn rings() -> TrackRings {
    TrackRings { source: SOURCE, layers: (0..3).map(|_| PacketRing::new(64, 0)).collect() }
}

#[test]
fn a_viewer_gets_the_layer_of_its_tile_and_its_decoder_a_keyframe() {
    let t0 = Instant::now();
    let at = |ms| t0 + Duration::from_millis(ms);
    let (mut sub, mut rings) = (subscriber(t0), rings());
    assert_eq!(tick(&mut sub, t0), [Ask::Keyframe(SOURCE, Layer(1))]);
    assert_eq!(sub.showing(LINE), Showing::Waiting { layer: Layer(1), since: Some(t0) });
    assert!(frame(&mut sub, &mut rings, at(10), 1, 0, false).is_none());
    assert!(frame(&mut sub, &mut rings, at(40), 1, 1, true).is_some());
    assert_eq!((sub.layer(LINE), sub.showing(LINE)), (Some(Layer(1)), Showing::Layer(Layer(1))));
    assert!(tick(&mut sub, at(100)).is_empty());
    let mut buf = [0; 64];
    let mut b = Builder::new(&mut buf);
    b.pli(Ssrc(1), Ssrc(100)).unwrap();
    b.fir(Ssrc(1), Ssrc(100), 1).unwrap();
    b.pli(Ssrc(1), Ssrc(999)).unwrap();
    let mut asks = Vec::new();
    sub.on_rtcp(at(110), b.bytes(), |a| asks.push(a)).unwrap();
    assert_eq!(asks, [Ask::Keyframe(SOURCE, Layer(1)); 2], "the unknown stream is nobody's");
    sub.set_wish(LINE, Wish { tile_height: 0, priority: Priority::Rest, thumbnail: false });
    assert!(tick(&mut sub, at(200)).is_empty());
    assert!(frame(&mut sub, &mut rings, at(210), 1, 2, true).is_none(), "hidden");
}

#[test]
fn losses_come_back_as_rtx_and_only_once_per_round_trip() {
    let t0 = Instant::now();
    let at = |ms| t0 + Duration::from_millis(ms);
    let (mut sub, mut rings) = (subscriber(t0), rings());
    tick(&mut sub, t0);
    let sent: Vec<_> =
        (0..5).map(|n| frame(&mut sub, &mut rings, at(30 * n), 1, n, n == 0).expect("is sent")).collect();
    let lost = RtpView::parse(&sent[2]).unwrap();
    let mut buf = [0; 64];
    let mut b = Builder::new(&mut buf);
    b.nack(Ssrc(1), Ssrc(100), &[lost.seq(), lost.seq().wrapping_add(900)]).unwrap();
    for ms in [200, 210, 220] {
        sub.on_rtcp(at(ms), b.bytes(), |_| {}).unwrap();
    }
    let mut out = [0; 1_500];
    let len = sub.poll_transmit(at(230), &rings, &mut out).expect("the repair");
    let repair = RtpView::parse(&out[..len]).unwrap();
    assert_eq!((repair.ssrc(), &repair.payload()[2..]), (Ssrc(101), lost.payload()));
    assert_eq!(repair.payload()[..2], lost.seq().to_be_bytes());
    assert_eq!(sub.poll_transmit(at(230), &rings, &mut out), None);
    assert_eq!(sub.refusals()[DropReason::RecentlyRetransmitted.index()], 2);
    assert_eq!(sub.refusals()[DropReason::NotInHistory.index()], 3);
}

#[test]
fn every_line_is_reported_on_however_small_the_buffer() {
    let t0 = Instant::now();
    let mut sub = Subscriber::new(t0, SubscriberConfig::default());
    let payload = [0x55; 80];
    let lines = LINES_MAX as u32;
    for n in 0..lines {
        let pts = vec![PayloadTypes { codec: Codec::Opus, media: PayloadType(111), rtx: None }];
        let config = LineConfig {
            kind: TrackKind::Audio,
            ssrc: Ssrc(n),
            rtx_ssrc: None,
            payload_types: pts,
            extensions: ExtensionIds::default(),
            mid: None,
            seed: 7,
        };
        let line = sub.add_line(&config).unwrap();
        sub.set_source(t0, line, Some(SourceId(n)));
        let mut p = packet(t0, 0, 10, 0, true, &payload);
        (p.meta.codec, p.meta.shape, p.meta.clock_offset) = (Codec::Opus, PayloadShape::Opus, Some(1 << 40));
        sub.forward(t0, line, &p, 0, &mut [0; 1_500]).unwrap();
    }
    let mut reported = Vec::new();
    let mut more = true;
    while more {
        let mut buf = [0; 1_180];
        let mut b = Builder::new(&mut buf);
        let reports = sub.sender_reports(t0, NtpTime(0), &mut b);
        more = reports.more;
        assert!(reports.written > 0);
        for p in Compound::new(b.bytes()) {
            let Ok(Packet::SenderReport(info, _)) = p else { panic!("a sender report was built") };
            reported.push(info.ssrc.0);
        }
    }
    assert_eq!(reported, (0..lines).collect::<Vec<_>>());
}

#[test]
fn the_round_trip_is_measured_by_sender_reports() {
    let t0 = Instant::now();
    let at = |ms| t0 + Duration::from_millis(ms);
    let (mut sub, mut rings) = (subscriber(t0), rings());
    tick(&mut sub, t0);
    frame(&mut sub, &mut rings, at(0), 1, 0, true).expect("is sent");
    let mut buf = [0; 200];
    let mut b = Builder::new(&mut buf);
    let wall = NtpTime::from(UnixMillis(1_700_000_000_000));
    assert_eq!(sub.sender_reports(at(1_000), wall, &mut b).written, 1);
    assert_eq!(sub.sender_reports(at(1_001), wall, &mut b).written, 0, "nothing was sent since");
    let Some(Ok(Packet::SenderReport(SenderInfo { ntp, packets, .. }, _))) = Compound::new(b.bytes()).next() else {
        panic!("a sender report was built");
    };
    assert_eq!(packets, 1);
    let block = ReportBlock {
        ssrc: Ssrc(100),
        fraction_lost: 0,
        cumulative_lost: 0,
        highest_seq: 0,
        jitter: 0,
        last_sr: ntp.middle(),
        delay_since_last_sr: to_compact_ntp(Duration::from_millis(400)),
    };
    let mut buf = [0; 200];
    let mut b = Builder::new(&mut buf);
    b.receiver_report(Ssrc(1), &[block]).unwrap();
    sub.on_rtcp(at(1_470), b.bytes(), |_| {}).unwrap();
    assert!(sub.rtt().abs_diff(Duration::from_millis(70)) < Duration::from_millis(1), "{:?}", sub.rtt());
}
