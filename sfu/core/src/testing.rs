//! Packets for tests of this crate.

use crate::{
    descriptor::PayloadShape,
    packet::{PacketMeta, SourcePacket},
};
use lectern_media::{Codec, ExtSeq, ExtTimestamp, Layer};
use std::time::Instant;

/// A VP8 payload of `len` bytes as browsers send it: 15-bit picture id, TL0PICIDX, TID 0.
pub(crate) fn vp8_payload(picture_id: u16, tl0: u8, keyframe: bool, start: bool, len: usize) -> Vec<u8> {
    let [high, low] = (picture_id | 0x8000).to_be_bytes();
    let mut p = vec![if start { 0x90 } else { 0x80 }, 0xe0, high, low, tl0, 0];
    p.push(u8::from(!keyframe));
    p.resize(len.max(p.len()), 0xab);
    p
}

/// A VP8 packet.
pub(crate) fn packet(
    arrival: Instant,
    layer: u8,
    seq: u64,
    ticks: u64,
    marker: bool,
    payload: &[u8],
) -> SourcePacket<'_> {
    let meta = PacketMeta {
        codec: Codec::Vp8,
        layer: Layer(layer),
        seq: ExtSeq(seq),
        timestamp: ExtTimestamp(ticks),
        clock_offset: None,
        arrival,
        marker,
        audio_level: None,
        shape: PayloadShape::describe(Codec::Vp8, payload).expect("a test payload is well formed"),
    };
    SourcePacket { meta, payload }
}
