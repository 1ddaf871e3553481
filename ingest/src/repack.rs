//! H.264 access units → RTP payloads that fit what browsers and the SFU's lines take (RFC 6184, packetization-mode 1): small
//! NAL units together (STAP-A), large ones in fragments (FU-A), parameter sets before each keyframe.

use bytes::{BufMut, Bytes, BytesMut};

/// The most bytes of a payload: with headers, SRTP and a relay's header it fits the 1,200 bytes that pass everywhere.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1_150;

/// Why an access unit is not sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// A NAL unit that is empty, has its forbidden bit set, or a type that no stream carries (ITU-T H.264 §7.4.1).
    NalUnit,
    /// Nothing in it.
    Empty,
}

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// The payloads of one access unit, in order; the last carries the marker.
pub(crate) fn payloads(units: impl IntoIterator<Item = Bytes>) -> Result<Vec<Bytes>, NotSent> {
    let (mut out, mut small) = (Vec::new(), Vec::<Bytes>::new());
    let mut small_bytes = 1;
    for unit in units {
        let header = *unit.first().ok_or(NotSent::NalUnit)?;
        if header & 0x80 != 0 || !(1..=23).contains(&(header & 0x1f)) || unit.len() < 2 {
            return Err(NotSent::NalUnit);
        }
        if small_bytes + 2 + unit.len() > PAYLOAD_BYTES_MAX {
            aggregate(&mut small, &mut out);
            small_bytes = 1;
        }
        if unit.len() > PAYLOAD_BYTES_MAX {
            fragment(&unit, &mut out);
        } else {
            small_bytes += 2 + unit.len();
            small.push(unit);
        }
    }
    aggregate(&mut small, &mut out);
    if out.is_empty() { Err(NotSent::Empty) } else { Ok(out) }
}

/// One payload of what was collected (RFC 6184 §5.7.1); a single unit goes as it is (§5.6).
fn aggregate(small: &mut Vec<Bytes>, out: &mut Vec<Bytes>) {
    if small.len() <= 1 {
        out.extend(small.pop());
        return;
    }
    let mut payload = BytesMut::with_capacity(1 + small.iter().map(|u| 2 + u.len()).sum::<usize>());
    // NRI is the highest of the units aggregated.
    payload.put_u8(STAP_A | small.iter().map(|u| u[0] & 0x60).max().unwrap_or(0));
    for unit in small.drain(..) {
        payload.put_u16(unit.len() as u16);
        payload.put(unit);
    }
    out.push(payload.freeze());
}

/// Fragments of nearly equal size (RFC 6184 §5.8): packets of one picture that differ little in size are cheap to send on.
fn fragment(unit: &Bytes, out: &mut Vec<Bytes>) {
    let (indicator, kind) = (unit[0] & 0x60 | FU_A, unit[0] & 0x1f);
    let body = unit.slice(1..);
    let count = body.len().div_ceil(PAYLOAD_BYTES_MAX - 2).max(2);
    let size = body.len().div_ceil(count);
    let mut at = 0;
    while at < body.len() {
        let end = (at + size).min(body.len());
        let (start_bit, end_bit) = (u8::from(at == 0) << 7, u8::from(end == body.len()) << 6);
        let mut payload = BytesMut::with_capacity(2 + end - at);
        payload.put_u8(indicator);
        payload.put_u8(start_bit | end_bit | kind);
        payload.put_slice(&body[at..end]);
        out.push(payload.freeze());
        at = end;
    }
}

/// NAL units behind start codes (ITU-T H.264 Annex B).
pub(crate) fn annexb(units: impl IntoIterator<Item = Bytes>) -> Bytes {
    let mut out = BytesMut::new();
    for unit in units {
        out.put_u32(1);
        out.put(unit);
    }
    out.freeze()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use lectern_fmp4::depay::{Depacketizer, Packet, Unit};
    use lectern_media::{Codec, ExtSeq, ExtTimestamp, UnixMillis};
    use proptest::prelude::*;
    use std::time::Duration;

    pub(crate) const SPS: &[u8] = &[
        0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c,
        0xa8,
    ];
    pub(crate) const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

    #[test]
    fn what_no_stream_carries_is_refused() {
        for unit in [&[][..], &[0x65], &[0xe5, 1], &[0x60, 1], &[0x78, 1], &[0x7c, 1]] {
            assert_eq!(payloads([Bytes::copy_from_slice(unit)]), Err(NotSent::NalUnit), "{unit:x?}");
        }
        assert_eq!(payloads([]), Err(NotSent::Empty));
    }

    proptest! {
        /// What a receiver puts together again is what went in.
        #[test]
        fn slices_survive_the_way(sizes in prop::collection::vec(1usize..5_000, 1..8)) {
            let slice = |(n, size): (usize, &usize)| {
                let mut unit = vec![0x65, if n == 0 { 0xb8 } else { 0x38 }];
                unit.extend((0..*size).map(|i| (i * 7 + n) as u8));
                Bytes::from(unit)
            };
            let slices: Vec<Bytes> = sizes.iter().enumerate().map(slice).collect();
            let sets = [SPS, PPS].map(Bytes::from_static);
            let all = payloads(sets.into_iter().chain(slices.iter().cloned())).unwrap();
            prop_assert!(all.iter().all(|p| p.len() <= PAYLOAD_BYTES_MAX));
            let (mut depay, mut out) = (Depacketizer::new(Codec::H264, Duration::ZERO).unwrap(), Vec::new());
            let count = all.len();
            for (n, payload) in all.into_iter().enumerate() {
                let (seq, timestamp) = (ExtSeq(n as u64), ExtTimestamp(9));
                depay.push(Packet { seq, timestamp, arrival: UnixMillis(0), marker: n + 1 == count, payload }, &mut out);
            }
            let [Unit::Access(unit)] = &out[..] else { panic!("{out:?}") };
            prop_assert_eq!(unit.nals().collect::<Vec<_>>(), slices);
        }
    }
}
