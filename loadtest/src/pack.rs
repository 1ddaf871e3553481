//! Encoded pictures into RTP payloads: H.264 (RFC 6184) and VP8 (RFC 7741).

use crate::{
    source::{VideoCodec, nal_units},
    stamp::Stamp,
};
use bytes::Bytes;

/// The most payload bytes of a packet: with all headers, SRTP and IPv6 it stays below 1,280.
pub const PAYLOAD_LEN_BYTES_MAX: usize = 1150;

const NAL_STAP_A: u8 = 24;
const NAL_FU_A: u8 = 28;

/// The payloads of one picture with its stamp, in order. `n` counts pictures (VP8 sends it along).
#[must_use]
pub fn payloads(codec: VideoCodec, picture: &[u8], n: u32, stamp: Stamp) -> Vec<Bytes> {
    match codec {
        VideoCodec::H264 => h264(picture, stamp),
        VideoCodec::Vp8 => vp8(picture, n, stamp),
    }
}

fn h264(picture: &[u8], stamp: Stamp) -> Vec<Bytes> {
    let sei = stamp.sei();
    let mut nals = nal_units(picture);
    // The SEI stands before the first slice (ITU-T H.264 §7.4.1.2.3), behind the parameter sets.
    let slice = nals.iter().position(|nal| (1..=5).contains(&(nal[0] & 0x1f))).unwrap_or(nals.len());
    nals.insert(slice, &sei);
    let mut out = Vec::new();
    let mut small: Vec<&[u8]> = Vec::new();
    let mut small_len = 1;
    for nal in nals {
        if small_len + 2 + nal.len() > PAYLOAD_LEN_BYTES_MAX {
            aggregate(&mut out, &mut small);
            small_len = 1;
        }
        if nal.len() > PAYLOAD_LEN_BYTES_MAX {
            aggregate(&mut out, &mut small);
            fragment(&mut out, nal);
        } else {
            small_len += 2 + nal.len();
            small.push(nal);
        }
    }
    aggregate(&mut out, &mut small);
    out
}

/// RFC 6184 §5.7.1: STAP-A, or the unit itself if it is alone.
fn aggregate(out: &mut Vec<Bytes>, nals: &mut Vec<&[u8]>) {
    match nals[..] {
        [] => {}
        [one] => out.push(Bytes::copy_from_slice(one)),
        _ => {
            let importance = nals.iter().map(|nal| nal[0] & 0x60).max().unwrap_or(0);
            let mut payload = vec![importance | NAL_STAP_A];
            for nal in nals.iter() {
                payload.extend_from_slice(&(nal.len() as u16).to_be_bytes());
                payload.extend_from_slice(nal);
            }
            out.push(payload.into());
        }
    }
    nals.clear();
}

/// RFC 6184 §5.8: FU-A, in parts of nearly equal size, as browsers send them.
fn fragment(out: &mut Vec<Bytes>, nal: &[u8]) {
    let body = &nal[1..];
    let last = parts(body.len(), PAYLOAD_LEN_BYTES_MAX - 2) - 1;
    for (n, part) in even_chunks(body, last + 1).enumerate() {
        let edge = u8::from(n == 0) << 7 | u8::from(n == last) << 6;
        out.push([&[nal[0] & 0x60 | NAL_FU_A, edge | nal[0] & 0x1f], part].concat().into());
    }
}

/// RFC 7741 §4.2: S at the start of the frame, a 15-bit picture id in every packet.
fn vp8(picture: &[u8], n: u32, stamp: Stamp) -> Vec<Bytes> {
    let body = [picture, &stamp.trailer()].concat();
    // The stamp stays in one piece: parts are even and larger than it, and it is never at a seam.
    let count = parts(body.len(), PAYLOAD_LEN_BYTES_MAX - 4);
    let id = (n as u16 | 0x8000).to_be_bytes();
    even_chunks(&body, count)
        .enumerate()
        .map(|(part, bytes)| [&[0x80 | u8::from(part == 0) << 4, 0x80, id[0], id[1]], bytes].concat().into())
        .collect()
}

fn parts(len: usize, max: usize) -> usize {
    len.div_ceil(max).max(1)
}

/// `count` chunks whose lengths differ by at most one; the longer ones last, so that the end is in one piece.
fn even_chunks(bytes: &[u8], count: usize) -> impl Iterator<Item = &[u8]> {
    (0..count).map(move |n| &bytes[n * bytes.len() / count..(n + 1) * bytes.len() / count])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::small;

    const STAMP: Stamp = Stamp { frame: 5, sent_us: 123_456_789, height: 360 };

    /// RFC 6184 the other way round.
    fn unpack(payloads: &[Bytes]) -> Vec<Vec<u8>> {
        let mut nals: Vec<Vec<u8>> = Vec::new();
        for p in payloads {
            match p[0] & 0x1f {
                NAL_STAP_A => {
                    let mut rest = &p[1..];
                    while let [a, b, tail @ ..] = rest {
                        let len = usize::from(u16::from_be_bytes([*a, *b]));
                        nals.push(tail[..len].to_vec());
                        rest = &tail[len..];
                    }
                }
                NAL_FU_A => {
                    if p[1] & 0x80 != 0 {
                        nals.push(vec![p[0] & 0x60 | p[1] & 0x1f]);
                    }
                    nals.last_mut().expect("a fragment has a beginning").extend_from_slice(&p[2..]);
                }
                _ => nals.push(p.to_vec()),
            }
        }
        nals
    }

    #[test]
    fn h264_pictures_survive_packing() {
        let source = small(VideoCodec::H264, false);
        for picture in &source.layers[0].pictures {
            let packed = payloads(VideoCodec::H264, &picture.data, 0, STAMP);
            assert!(packed.iter().all(|p| p.len() <= PAYLOAD_LEN_BYTES_MAX));
            assert_eq!(packed.iter().filter_map(|p| Stamp::find(p)).collect::<Vec<_>>(), [STAMP]);
            let nals = unpack(&packed);
            let without: Vec<_> = nals.iter().filter(|nal| **nal != STAMP.sei()).map(Vec::as_slice).collect();
            assert_eq!(without, nal_units(&picture.data));
        }
    }

    #[test]
    fn vp8_pictures_survive_packing() {
        let source = small(VideoCodec::Vp8, false);
        for (n, picture) in source.layers[0].pictures.iter().enumerate() {
            let packed = payloads(VideoCodec::Vp8, &picture.data, n as u32, STAMP);
            assert!(packed.iter().all(|p| p.len() <= PAYLOAD_LEN_BYTES_MAX));
            assert_eq!(packed.iter().filter_map(|p| Stamp::find(p)).collect::<Vec<_>>(), [STAMP]);
            let body: Vec<u8> = packed.iter().flat_map(|p| p[4..].to_vec()).collect();
            assert_eq!(body, [&picture.data[..], &STAMP.trailer()].concat());
            assert!(packed.iter().enumerate().all(|(n, p)| (p[0] & 0x10 != 0) == (n == 0)));
        }
    }

    #[test]
    fn fragments_are_nearly_equal() {
        let nal: Vec<u8> = std::iter::once(0x65).chain((0..8000u32).map(|n| n as u8)).collect();
        let mut out = Vec::new();
        fragment(&mut out, &nal);
        let (low, high) = (out.iter().map(Bytes::len).min(), out.iter().map(Bytes::len).max());
        assert!(high.zip(low).is_some_and(|(h, l)| h - l <= 1), "{low:?} to {high:?}");
    }
}
