//! RTP packets of one access unit (RFC 3550, 6184, 7798, 3640, 3551), laid out as RTSP interleaves them: `$`, channel,
//! length, packet. For UDP the first four bytes are left away.

use super::clips::Codec;

/// The longest RTP payload: fits an Ethernet frame with IPv6, UDP and some tunnel.
pub const PAYLOAD_MAX: usize = 1400;
const FRAMING: usize = 4;
const HEADER: usize = 12;

/// Header fields that the packets of one access unit share.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Payload type.
    pub payload_type: u8,
    /// Time stamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// Packets behind each other.
#[derive(Debug, Default, Clone)]
pub struct Packets {
    /// Framed packets.
    pub bytes: Vec<u8>,
    /// Where each begins, framing included.
    pub starts: Vec<usize>,
}

impl Packets {
    /// Each packet without framing.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ranges().map(|r| &self.bytes[r.start + FRAMING..r.end])
    }

    /// Where each is, framing included.
    pub fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let ends = self.starts.iter().skip(1).copied().chain([self.bytes.len()]);
        self.starts.iter().zip(ends).map(|(from, to)| *from..to)
    }

    /// Bytes of payload, as sender reports count them.
    pub fn payload_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(self.starts.len() * (FRAMING + HEADER))
    }

    /// Begins a packet; its payload is appended by the caller. `channel` is that of RTSP.
    fn begin(&mut self, channel: u8, head: Head, seq: &mut u16) {
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(&[b'$', channel, 0, 0, 0x80, head.payload_type]);
        self.bytes.extend_from_slice(&seq.to_be_bytes());
        self.bytes.extend_from_slice(&head.timestamp.to_be_bytes());
        self.bytes.extend_from_slice(&head.ssrc.to_be_bytes());
        *seq = seq.wrapping_add(1);
    }

    /// Sets the length of the packet that was begun last.
    fn end(&mut self) {
        if let Some(start) = self.starts.last() {
            let len = (self.bytes.len() - start - FRAMING) as u16;
            self.bytes[start + 2..start + 4].copy_from_slice(&len.to_be_bytes());
        }
    }

    /// Appends a packet of our own making.
    pub fn push(&mut self, channel: u8, packet: &[u8]) {
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(&[b'$', channel]);
        self.bytes.extend_from_slice(&(packet.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(packet);
    }

    fn mark_last(&mut self) {
        if let Some(start) = self.starts.last() {
            self.bytes[start + FRAMING + 1] |= 0x80;
        }
    }

    /// Packs the NAL units of a picture: small ones together, large ones in pieces.
    pub fn picture(codec: Codec, nals: &[&[u8]], channel: u8, head: Head, seq: &mut u16) -> Self {
        let mut out = Self::default();
        let mut n = 0;
        while n < nals.len() {
            if nals[n].len() > PAYLOAD_MAX {
                out.pieces(codec, nals[n], channel, head, seq);
                n += 1;
                continue;
            }
            // As many as fit behind a header, each with its length.
            let mut size = 2;
            let fitting = nals[n..].iter().take_while(|nal| {
                size += 2 + nal.len();
                size <= PAYLOAD_MAX
            });
            let count = fitting.count();
            out.begin(channel, head, seq);
            if count < 2 {
                out.bytes.extend_from_slice(nals[n]);
                n += 1;
            } else {
                out.together(codec, &nals[n..n + count]);
                n += count;
            }
            out.end();
        }
        out.mark_last();
        out
    }

    /// STAP-A (RFC 6184 §5.7.1) or an aggregation packet (RFC 7798 §4.4.2).
    fn together(&mut self, codec: Codec, nals: &[&[u8]]) {
        match codec {
            Codec::H264 => self.bytes.push(nals.iter().map(|n| n[0] & 0x60).max().unwrap_or(0) | 24),
            Codec::H265 => self.bytes.extend_from_slice(&[48 << 1, 1]),
        }
        for nal in nals {
            self.bytes.extend_from_slice(&(nal.len() as u16).to_be_bytes());
            self.bytes.extend_from_slice(nal);
        }
    }

    /// FU-A (RFC 6184 §5.8) or fragmentation units (RFC 7798 §4.4.3).
    fn pieces(&mut self, codec: Codec, nal: &[u8], channel: u8, head: Head, seq: &mut u16) {
        let (skip, indicator, kind): (usize, Vec<u8>, u8) = match codec {
            Codec::H264 => (1, vec![nal[0] & 0xe0 | 28], nal[0] & 0x1f),
            Codec::H265 => (2, vec![nal[0] & 0x81 | 49 << 1, nal[1]], nal[0] >> 1 & 0x3f),
        };
        let body = &nal[skip..];
        let room = PAYLOAD_MAX - indicator.len() - 1;
        let count = body.len().div_ceil(room);
        // Pieces of equal size: a last one of a few bytes costs as much as a whole one.
        for (n, piece) in body.chunks(body.len().div_ceil(count)).enumerate() {
            self.begin(channel, head, seq);
            self.bytes.extend_from_slice(&indicator);
            let start = if n == 0 { 0x80 } else { 0 };
            let end = if n + 1 == count { 0x40 } else { 0 };
            self.bytes.push(start | end | kind);
            self.bytes.extend_from_slice(piece);
            self.end();
        }
    }

    /// One AAC access unit in AAC-hbr mode (RFC 3640 §3.3.6): 16 bits of header length, 13 of size, 3 of index.
    pub fn aac(unit: &[u8], channel: u8, head: Head, seq: &mut u16) -> Self {
        let mut out = Self::default();
        out.begin(channel, head, seq);
        out.bytes.extend_from_slice(&[0, 16]);
        out.bytes.extend_from_slice(&((unit.len() as u16) << 3).to_be_bytes());
        out.bytes.extend_from_slice(unit);
        out.end();
        out.mark_last();
        out
    }

    /// Samples of G.711 as they are (RFC 3551 §4.5.14).
    pub fn samples(samples: &[u8], channel: u8, head: Head, seq: &mut u16) -> Self {
        let mut out = Self::default();
        out.begin(channel, head, seq);
        out.bytes.extend_from_slice(samples);
        out.end();
        out
    }
}

/// A sender report (RFC 3550 §6.4.1) with a CNAME (§6.5.1).
pub fn sender_report(ssrc: u32, unix_us: i64, timestamp: u32, packets: u32, octets: u32, name: &str) -> Vec<u8> {
    // NTP counts from 1900 (RFC 3550 §4): 70 years with 17 leap days before 1970.
    let seconds = (unix_us.div_euclid(1_000_000) + 2_208_988_800) as u32;
    let fraction = ((unix_us.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
    let mut out = vec![0x80, 200, 0, 6];
    for word in [ssrc, seconds, fraction as u32, timestamp, packets, octets] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    let mut items = vec![1, name.len() as u8];
    items.extend_from_slice(name.as_bytes());
    items.push(0);
    items.resize(items.len().next_multiple_of(4), 0);
    out.extend_from_slice(&[0x81, 202, 0, (1 + items.len() / 4) as u8]);
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&items);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head { payload_type: 96, timestamp: 0x0102_0304, ssrc: 0x0506_0708 };

    #[test]
    fn a_picture_is_packed_by_the_rules() {
        let (sps, pps, idr) = (vec![0x67, 1, 2], vec![0x68, 3], vec![0x65; 3000]);
        let mut seq = 65_535;
        let packets = Packets::picture(Codec::H264, &[&sps, &pps, &idr], 2, HEAD, &mut seq);
        let all: Vec<&[u8]> = packets.iter().collect();
        assert_eq!(all.len(), 4);
        assert_eq!(seq, 3, "sequence numbers wrap");
        assert_eq!(all[0], [0x80, 96, 255, 255, 1, 2, 3, 4, 5, 6, 7, 8, 0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 3]);
        assert_eq!(all[1][12..15], [0x7c, 0x85, 0x65]);
        assert_eq!(all[2][12..14], [0x7c, 0x05]);
        assert_eq!(all[3][12..14], [0x7c, 0x45]);
        assert!(all[..3].iter().all(|p| p[1] == 96) && all[3][1] == 0x80 | 96, "only the last has the marker");
        assert_eq!(all[1..].iter().map(|p| p.len() - 14).sum::<usize>(), 2999);
        assert!(all.iter().all(|p| p.len() <= PAYLOAD_MAX + HEADER));
        assert_eq!(packets.bytes[..4], [b'$', 2, 0, 22]);
        assert_eq!(packets.payload_bytes(), all.iter().map(|p| p.len() - 12).sum::<usize>());
    }

    #[test]
    fn h265_has_two_bytes_of_header() {
        let (vps, slice) = ([0x40, 1, 9], [0x26, 1, 7].repeat(1000));
        let mut seq = 0;
        let packets = Packets::picture(Codec::H265, &[&vps, &slice], 0, HEAD, &mut seq);
        let all: Vec<&[u8]> = packets.iter().collect();
        assert_eq!(all[0][12..], [0x40, 1, 9]);
        assert_eq!(all[1][12..16], [0x62, 1, 0x80 | 19, 7]);
        assert_eq!(all[3][12..15], [0x62, 1, 0x40 | 19]);
        assert_eq!(all[1..].iter().map(|p| p.len() - 15).sum::<usize>(), 2998);
    }

    #[test]
    fn reports_tell_the_time_since_1900() {
        let report = sender_report(7, 1_500_000, 90_000, 3, 4, "cam1");
        assert_eq!(report[8..12], 2_208_988_801u32.to_be_bytes());
        assert_eq!(report[12..16], 0x8000_0000u32.to_be_bytes());
        assert_eq!(report.len(), 28 + 8 + 8);
        assert_eq!(report[28..32], [0x81, 202, 0, 3]);
    }
}
