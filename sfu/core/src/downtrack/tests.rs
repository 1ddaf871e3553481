//! One line from outside: what goes out, what is repaired, what is padded, and that time goes on.

use super::*;
use crate::{
    packet_ring::{PacketRing, TrackRings},
    testing::{packet, vp8_payload},
};
use lectern_media::RtpView;

const SOURCE: SourceId = SourceId(3);
const STAMP: Stamp = Stamp { twcc: 0xbeef, abs_send_time: 0x0012_3456 };

fn line(rtx: bool) -> Downtrack {
    let config = LineConfig {
        kind: TrackKind::Video,
        ssrc: Ssrc(0xaaaa),
        rtx_ssrc: rtx.then_some(Ssrc(0xbbbb)),
        payload_types: vec![PayloadTypes {
            codec: Codec::Vp8,
            media: PayloadType(96),
            rtx: rtx.then_some(PayloadType(97)),
        }],
        extensions: ExtensionIds { mid: Some(4), twcc: Some(3), abs_send_time: Some(2), audio_level: None },
        mid: Some("12".into()),
        seed: 0x0102_0304_0506_0708,
    };
    let mut d = Downtrack::new(Instant::now(), &config);
    d.set_source(Instant::now(), Some(SOURCE));
    d.set_target(Instant::now(), Target::Layer(Layer(0)), false);
    d
}

#[test]
fn what_goes_out_is_a_whole_packet_with_the_lines_own_numbers() {
    let now = Instant::now();
    let mut d = line(true);
    let payload = vp8_payload(77, 9, true, true, 100);
    let p = packet(now, 0, 5_000, 123_456, true, &payload);
    let accepted = d.accept(now, &p).unwrap();
    assert!(accepted.afresh);
    let mut out = [0xee; 1_500];
    let n = d.write(&accepted.numbers, &p, As::Media(3), STAMP, &mut out).unwrap();
    assert!(n <= d.wire_len_bytes(payload.len()) + 3);
    let view = RtpView::parse(&out[..n]).unwrap();
    assert_eq!((view.ssrc(), view.payload_type(), view.marker()), (Ssrc(0xaaaa), PayloadType(96), true));
    assert_eq!(u64::from(view.seq()), accepted.numbers.seq & 0xffff);
    assert_eq!(view.extension(3), Some(&[0xbe, 0xef][..]));
    assert_eq!(view.extension(2), Some(&[0x12, 0x34, 0x56][..]));
    assert_eq!(view.extension(4), Some(&b"12"[..]));
    assert_eq!(view.payload().len(), 100, "padding is not payload");
    assert_eq!(view.payload()[6..], payload[6..], "behind the descriptor nothing changes");
    let PayloadShape::Vp8(v) = PayloadShape::describe(Codec::Vp8, view.payload()).unwrap() else { panic!() };
    assert_eq!(v.picture_id, Some(accepted.numbers.vp8.picture_id));
    assert!(v.keyframe);
    for short in 0..n {
        assert_eq!(
            d.write(&accepted.numbers, &p, As::Media(3), STAMP, &mut out[..short]),
            Err(DropReason::TooLarge),
            "{short} bytes"
        );
    }
}

#[test]
fn a_lost_packet_is_made_again_from_the_publishers_ring() {
    let now = Instant::now();
    for rtx in [true, false] {
        let mut d = line(rtx);
        let mut rings = TrackRings { source: SOURCE, layers: vec![PacketRing::new(64, 0)] };
        let mut sent = Vec::new();
        for i in 0..10u64 {
            let payload = vp8_payload(i as u16, 1, i == 0, true, 50 + i as usize);
            let p = packet(now, 0, 900 + i, 3_000 * i, true, &payload);
            rings.layers[0].push(&p);
            let a = d.accept(now, &p).unwrap();
            let mut out = [0; 1_500];
            let n = d.write(&a.numbers, &p, As::Media(0), STAMP, &mut out).unwrap();
            sent.push(out[..n].to_vec());
        }
        let original = RtpView::parse(&sent[4]).unwrap();
        let seq = d.request(now, original.seq(), Duration::from_millis(50)).unwrap();
        let (noted, p) = d.find(seq as u32, &rings).unwrap();
        let mut out = [0; 1_500];
        let written = d.write(&noted.numbers, &p, As::Repair, STAMP, &mut out);
        if !rtx {
            assert_eq!(written, Err(DropReason::NoRtx), "the packet itself must not be sealed a second time");
            continue;
        }
        let n = written.unwrap();
        let again = RtpView::parse(&out[..n]).unwrap();
        assert_eq!((again.timestamp(), again.marker()), (original.timestamp(), original.marker()));
        assert_eq!((again.ssrc(), again.payload_type()), (Ssrc(0xbbbb), PayloadType(97)));
        assert_eq!(again.payload()[..2], original.seq().to_be_bytes(), "RFC 4588 §4");
        assert_eq!(&again.payload()[2..], original.payload());
        assert_eq!(d.stats().retransmitted, 1);
    }
}

#[test]
fn a_picture_never_steps_back_in_time() {
    let t0 = Instant::now();
    let at = |ms| t0 + Duration::from_millis(ms);
    let mut d = line(true);
    d.set_target(t0, Target::Layer(Layer(2)), false);
    let payloads = [vp8_payload(1, 1, false, true, 20), vp8_payload(1, 1, true, true, 20)];
    // Both layers' clocks are known; that of layer 2 began 1,000,000 ticks later.
    let offer = |d: &mut Downtrack, ms: u64, layer: u8, frame_ms: u64, key: bool| {
        let base = if layer == 2 { 1_000_000 } else { 0 };
        let mut p = packet(at(ms), layer, 500 + frame_ms, base + 90 * frame_ms, true, &payloads[usize::from(key)]);
        p.meta.clock_offset = Some(90_000_000 - base as i64);
        d.accept(at(ms), &p).map(|a| a.numbers.timestamp)
    };
    let first = offer(&mut d, 0, 0, 0, true).unwrap();
    offer(&mut d, 33, 0, 33, false).unwrap();
    offer(&mut d, 66, 0, 66, false).unwrap();
    let late = offer(&mut d, 70, 2, 33, true);
    assert_eq!(late, Err(DropReason::BehindShown), "the keyframe's start came after the next frame was shown");
    assert_eq!(d.layer(), Some(Layer(0)), "the old layer goes on");
    offer(&mut d, 99, 0, 99, false).unwrap();
    let same = offer(&mut d, 101, 2, 99, true).unwrap();
    assert_eq!((d.layer(), same - first), (Some(Layer(2)), 99 * 90 + 90), "the same moment is no step back");
    // The viewer looks away for a moment: what the ring kept from before is no picture to begin with.
    offer(&mut d, 132, 2, 132, false).unwrap();
    d.set_source(at(140), None);
    d.set_source(at(150), Some(SOURCE));
    assert_eq!(offer(&mut d, 150, 2, 99, true), Err(DropReason::BehindShown));
    assert!(offer(&mut d, 165, 2, 165, true).is_ok());
    // A sender whose layers are never in step is taken as it is, after a while.
    d.set_target(at(200), Target::Layer(Layer(0)), false);
    d.set_target(at(210), Target::Layer(Layer(2)), false);
    d.restart(at(210));
    assert_eq!(offer(&mut d, 1_000, 2, 66, true), Err(DropReason::BehindShown));
    assert_eq!(offer(&mut d, 2_900, 2, 67, true), Err(DropReason::BehindShown));
    assert!(offer(&mut d, 3_000, 2, 68, true).is_ok());
}

#[test]
fn padding_disturbs_nobody() {
    let now = Instant::now();
    let mut out = [0; 1_500];
    let mut d = line(false);
    assert_eq!(d.write_padding(STAMP, &mut out), Err(DropReason::NotSubscribed));
    let payload = vp8_payload(1, 1, true, true, 50);
    let mut send = |d: &mut Downtrack, seq, marker| {
        let p = packet(now, 0, seq, 0, marker, &payload);
        let a = d.accept(now, &p).unwrap();
        let n = d.write(&a.numbers, &p, As::Media(0), STAMP, &mut out).unwrap();
        RtpView::parse(&out[..n]).unwrap().seq()
    };
    let first = send(&mut d, 10, false);
    let mut pad = [0; 400];
    assert_eq!(d.write_padding(STAMP, &mut pad), Err(DropReason::NoRtx), "not inside a frame");
    assert_eq!(send(&mut d, 11, true), first.wrapping_add(1));
    let n = d.write_padding(STAMP, &mut pad).unwrap();
    let view = RtpView::parse(&pad[..n]).unwrap();
    assert!(view.payload().is_empty());
    assert_eq!(view.seq(), first.wrapping_add(2));
    assert_eq!(send(&mut d, 12, true), first.wrapping_add(3));
}

#[test]
fn a_source_that_sends_padding_leaves_no_hole() {
    let now = Instant::now();
    let mut d = line(true);
    let payload = vp8_payload(1, 1, true, true, 50);
    let first = d.accept(now, &packet(now, 0, 10, 0, true, &payload)).unwrap().numbers.seq;
    let mut padding = packet(now, 0, 11, 0, false, &payload);
    padding.payload = &[];
    padding.meta.shape = PayloadShape::Padding;
    assert_eq!(d.accept(now, &padding).unwrap_err(), DropReason::PaddingOnly);
    assert_eq!(d.accept(now, &packet(now, 0, 12, 0, true, &payload)).unwrap().numbers.seq, first + 1);
}
