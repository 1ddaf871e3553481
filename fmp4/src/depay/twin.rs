//! A slow, obvious twin of [`Depacketizer`]: it sees all packets at once, sorted, and decides by looking at whole spans. The
//! property: whatever was lost, doubled or reordered, both hand out the same units in the same order.

use super::{Depacketizer, Packet, Unit};
use bytes::Bytes;
use lectern_media::{Codec, ExtSeq, ExtTimestamp, UnixMillis};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

/// One frame of a made-up stream: its packets' payloads and the sample it should become.
struct Frame {
    keyframe: bool,
    payloads: Vec<Bytes>,
    sample: Vec<u8>,
}

const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c, 0xa8,
];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

fn h264(i: usize, keyframe: bool, pieces: usize) -> Frame {
    let header = if keyframe { 0x65 } else { 0x41 };
    let body: Vec<u8> = std::iter::once(0x80).chain((1..pieces * 3).map(|k| (i * 7 + k) as u8 | 1)).collect();
    let mut payloads = Vec::new();
    if keyframe {
        let mut stap = vec![0x78, 0, SPS.len() as u8];
        stap.extend(SPS);
        stap.extend([0, PPS.len() as u8]);
        stap.extend(PPS);
        payloads.push(stap.into());
    }
    if pieces == 1 {
        payloads.push([&[header][..], &body].concat().into());
    } else {
        let n = body.chunks(3).count();
        for (k, chunk) in body.chunks(3).enumerate() {
            let se = if k == 0 { 0x80 } else { 0 } | if k + 1 == n { 0x40 } else { 0 };
            payloads.push([&[header & 0xe0 | 28, se | header & 0x1f][..], chunk].concat().into());
        }
    }
    let sample = [&((body.len() + 1) as u32).to_be_bytes()[..], &[header], &body].concat();
    Frame { keyframe, payloads, sample }
}

fn vp8(i: usize, keyframe: bool, pieces: usize) -> Frame {
    let head: &[u8] = if keyframe { &[0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0] } else { &[0x11, 0, 0] };
    let body: Vec<u8> = head.iter().copied().chain((0..pieces * 11).map(|k| (i + k) as u8)).collect();
    let size = body.len().div_ceil(pieces);
    let piece =
        |(k, c): (usize, &[u8])| [&[if k == 0 { 0x90 } else { 0x80 }, 0x80, i as u8 & 0x7f][..], c].concat().into();
    Frame { keyframe, payloads: body.chunks(size).enumerate().map(piece).collect(), sample: body }
}

/// What should come out of `frames` if only the packets in `kept` arrive: each frame whole, and none missing since a keyframe.
fn twin(frames: &[Frame], first_seq: &[u64], kept: &BTreeMap<u64, ()>) -> Vec<Vec<u8>> {
    let mut decodable = false;
    let mut out = Vec::new();
    for (frame, first) in frames.iter().zip(first_seq) {
        let whole = (0..frame.payloads.len() as u64).all(|k| kept.contains_key(&(first + k)));
        decodable = whole && (decodable || frame.keyframe);
        if decodable {
            out.push(frame.sample.clone());
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn hands_out_exactly_what_decodes(
        is_vp8: bool,
        shape in prop::collection::vec((prop::bool::weighted(0.2), 1usize..5), 1..40),
        fate in prop::collection::vec((prop::bool::weighted(0.05), 0i64..4), 1..200),
    ) {
        let make = if is_vp8 { vp8 } else { h264 };
        let frames: Vec<Frame> = shape.iter().enumerate().map(|(i, (k, n))| make(i, *k || i == 0, *n)).collect();
        let (mut packets, mut first_seq, mut seq) = (Vec::new(), Vec::new(), 1000u64);
        for (i, frame) in frames.iter().enumerate() {
            first_seq.push(seq);
            for (k, payload) in frame.payloads.iter().enumerate() {
                packets.push(Packet {
                    seq: ExtSeq(seq),
                    timestamp: ExtTimestamp(i as u64 * 3000),
                    arrival: UnixMillis(0),
                    marker: k + 1 == frame.payloads.len(),
                    payload: payload.clone(),
                });
                seq += 1;
            }
        }
        // Lose some, delay some by a few places. The first and the last packet arrive in place: they fix the numbering's ends.
        let n = packets.len();
        let mut kept = BTreeMap::new();
        let mut arriving: Vec<(usize, Packet)> = Vec::new();
        for (i, p) in packets.into_iter().enumerate() {
            let (lost, late) = fate[i % fate.len()];
            let edge = i == 0 || i + 1 == n;
            if !lost || edge {
                kept.insert(p.seq.0, ());
                let place = if edge { i * 2 } else { (i * 2 + late as usize * 2).min(n * 2 - 3) };
                arriving.push((place, p));
            }
        }
        arriving.sort_by_key(|(place, _)| *place);
        let codec = if is_vp8 { Codec::Vp8 } else { Codec::H264 };
        let mut d = Depacketizer::new(codec, Duration::from_millis(50)).unwrap();
        let mut out = Vec::new();
        for (t, (_, mut p)) in arriving.into_iter().enumerate() {
            p.arrival = UnixMillis(t as i64);
            d.push(p, &mut out);
        }
        d.flush(&mut out);
        let got: Vec<Vec<u8>> = out.iter().filter_map(|u| match u { Unit::Access(a) => Some(a.data.to_vec()), Unit::Hole(_) => None }).collect();
        prop_assert_eq!(got, twin(&frames, &first_seq, &kept));
    }
}

#[test]
fn a_hole_is_announced_before_the_unit_that_resumes() {
    let mut d = Depacketizer::new(Codec::Vp8, Duration::from_millis(10)).unwrap();
    let mut out = Vec::new();
    let mut seq = 0;
    for (i, keyframe, lose) in [(0, true, false), (1, false, true), (2, false, false), (3, true, false)] {
        for payload in vp8(i, keyframe, 1).payloads {
            let packet = Packet {
                seq: ExtSeq(seq),
                timestamp: ExtTimestamp(i as u64),
                arrival: UnixMillis(i as i64 * 100),
                marker: true,
                payload,
            };
            seq += 1;
            if !lose {
                d.push(packet, &mut out);
            }
        }
    }
    d.poll(UnixMillis(1000), &mut out);
    let shape: Vec<String> = out
        .iter()
        .map(|u| match u {
            Unit::Access(a) => format!("frame {}", a.timestamp.0),
            Unit::Hole(h) => format!("hole of {}", h.packets),
        })
        .collect();
    assert_eq!(shape, ["frame 0", "hole of 2", "frame 3"]);
    assert_eq!((d.dropped().lost, d.dropped().awaiting_keyframe), (1, 1));
}
