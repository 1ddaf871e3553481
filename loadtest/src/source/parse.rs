//! Takes `ffmpeg`'s elementary streams apart: Annex B, IVF, Ogg. They are our own files, yet nothing here panics on them.

use super::Picture;
use bytes::Bytes;

/// NAL unit types (ITU-T H.264 table 7-1).
pub const NAL_IDR: u8 = 5;
const NAL_DELIMITER: u8 = 9;

/// The NAL units of an Annex B stream, without start codes.
pub fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new(); // (start code begins, NAL begins)
    let mut at = 0;
    while let Some(found) = stream.get(at..).and_then(|rest| rest.windows(3).position(|w| w == [0, 0, 1])) {
        let code = at + found;
        let begins = if code > 0 && stream[code - 1] == 0 { code - 1 } else { code };
        starts.push((begins, code + 3));
        at = code + 3;
    }
    let ends = starts.iter().skip(1).map(|(begins, _)| *begins).chain([stream.len()]);
    starts.iter().zip(ends).filter(|((_, from), to)| from < to).map(|((_, from), to)| &stream[*from..to]).collect()
}

/// Access units, cut at their delimiters (which are left out).
pub fn annex_b_pictures(stream: &[u8]) -> Vec<Picture> {
    let mut pictures: Vec<(bool, Vec<u8>)> = Vec::new();
    for nal in nal_units(stream) {
        let kind = nal[0] & 0x1f;
        if kind == NAL_DELIMITER || pictures.is_empty() {
            pictures.push((false, Vec::new()));
        }
        let Some((key, data)) = pictures.last_mut() else { continue };
        if kind != NAL_DELIMITER {
            *key |= kind == NAL_IDR;
            data.extend_from_slice(&[0, 0, 0, 1]);
            data.extend_from_slice(nal);
        }
    }
    pictures.into_iter().map(|(key, data)| Picture { key, data: data.into() }).collect()
}

/// VP8 frames of an IVF file: a 32-byte header, then length, time and data of each frame.
pub fn ivf_pictures(file: &[u8]) -> Vec<Picture> {
    let mut pictures = Vec::new();
    let mut rest = file.get(32..).unwrap_or_default();
    while let Some(len) = rest.get(..4) {
        let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
        let Some(data) = rest.get(12..12 + len).filter(|d| !d.is_empty()) else { break };
        // RFC 6386 §9.1: the lowest bit of a frame is 0 for keyframes.
        pictures.push(Picture { key: data[0] & 1 == 0, data: Bytes::copy_from_slice(data) });
        rest = &rest[12 + len..];
    }
    pictures
}

/// Packets of an Ogg Opus file (RFC 3533 §6, RFC 7845), without the two header packets.
pub fn ogg_packets(file: &[u8]) -> Vec<Bytes> {
    let mut packets = Vec::new();
    let (mut rest, mut partial) = (file, Vec::new());
    while let Some(head) = rest.get(..27).filter(|h| &h[..4] == b"OggS") {
        let count = usize::from(head[26]);
        let Some(table) = rest.get(27..27 + count) else { break };
        let mut at = 27 + count;
        for len in table {
            let Some(segment) = rest.get(at..at + usize::from(*len)) else { return packets };
            partial.extend_from_slice(segment);
            at += usize::from(*len);
            if *len < 255 {
                packets.push(Bytes::from(std::mem::take(&mut partial)));
            }
        }
        rest = &rest[at..];
    }
    packets.drain(..2.min(packets.len()));
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_units_end_at_delimiters() {
        let stream = [
            &[0, 0, 0, 1, 9, 0x10][..],
            &[0, 0, 0, 1, 0x67, 1],
            &[0, 0, 1, 0x65, 2, 3],
            &[0, 0, 0, 1, 9, 0x30],
            &[0, 0, 1, 0x41, 4],
        ]
        .concat();
        let pictures = annex_b_pictures(&stream);
        assert_eq!(pictures.len(), 2);
        assert!(pictures[0].key && !pictures[1].key);
        assert_eq!(&pictures[0].data[..], [0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x65, 2, 3]);
        assert_eq!(&pictures[1].data[..], [0, 0, 0, 1, 0x41, 4]);
    }

    #[test]
    fn ogg_packets_may_span_segments() {
        let page = |packet_lens: &[u8], body: usize| {
            let mut p = b"OggS".to_vec();
            p.extend([0; 22]);
            p.push(packet_lens.len() as u8);
            p.extend(packet_lens);
            p.extend(vec![7; body]);
            p
        };
        let file = [page(&[8], 8), page(&[5], 5), page(&[255, 3, 10], 268), b"Ogg".to_vec()].concat();
        let lens: Vec<_> = ogg_packets(&file).iter().map(Bytes::len).collect();
        assert_eq!(lens, [258, 10]);
    }

    #[test]
    fn rubbish_gives_nothing() {
        assert!(annex_b_pictures(&[1, 2, 3]).is_empty());
        assert!(ivf_pictures(&[0; 40]).is_empty());
        assert!(ogg_packets(&[0; 100]).is_empty());
    }
}
