//! AAC payloads, mode AAC-hbr (RFC 3640 §3.3.6): AU headers of 13 bits of size and 3 bits of index, then one or several access
//! units, or a fragment of one. Interleaved units (an index other than 0) are refused.

use super::{
    Packet,
    sound::{Frame, SoundError, SoundFormat},
};
use crate::config::{AacConfig, TrackConfig};
use bytes::{Bytes, BytesMut};
use lectern_media::ExtTimestamp;

/// The most access units a packet may have; 96 of the smallest fill 1,500 bytes.
const UNITS_MAX: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Aac {
    config: Option<AacConfig>,
    begun: Option<Begun>,
}

/// An access unit in fragments.
#[derive(Debug)]
struct Begun {
    timestamp: ExtTimestamp,
    size: usize,
    packets: u64,
    data: BytesMut,
}

impl SoundFormat for Aac {
    fn frames(&mut self, packet: &Packet, after_loss: bool) -> Result<Vec<Frame>, SoundError> {
        let begun = self.begun.take();
        let malformed = SoundError::Malformed(1 + begun.as_ref().map_or(0, |b| b.packets));
        let duration = self.config.as_ref().ok_or(SoundError::NoConfig)?.frame;
        // §3.2.1: the length of the headers in bits, the headers.
        let (bits, rest) = packet.payload.split_first_chunk::<2>().ok_or(malformed)?;
        let bits = usize::from(u16::from_be_bytes(*bits));
        let (headers, data) = rest.split_at_checked(bits / 8).ok_or(malformed)?;
        if bits == 0 || bits % 16 != 0 || bits / 16 > UNITS_MAX {
            return Err(malformed);
        }
        let header = |h: &[u8]| (usize::from(u16::from_be_bytes([h[0], h[1]]) >> 3), h[1] & 7);
        let sizes: Vec<(usize, u8)> = headers.chunks_exact(2).map(header).collect();
        let mut rest = packet.payload.slice(packet.payload.len() - data.len()..);
        if sizes.iter().any(|(size, index)| *size == 0 || *index != 0) {
            return Err(malformed);
        }
        // §3.2.3: a fragment has the size of the whole unit; all but the last have no marker.
        if let [(size, _)] = sizes[..]
            && (rest.len() < size || begun.is_some())
        {
            let whole = self.fragment(begun, packet, &rest, size, after_loss).ok_or(malformed)?;
            return Ok(whole.map(|data| Frame { offset: 0, duration, data }).into_iter().collect());
        }
        if begun.is_some() {
            return Err(malformed);
        }
        let mut frames = Vec::with_capacity(sizes.len());
        for (i, (size, _)) in sizes.into_iter().enumerate() {
            if rest.len() < size {
                return Err(malformed);
            }
            let data = rest.split_to(size);
            // The bytes of one packet are shared by its units.
            frames.push(Frame { offset: i as u32 * duration, duration, data });
        }
        Ok(frames)
    }

    fn config(&self) -> Option<TrackConfig> {
        self.config.clone().map(TrackConfig::Aac)
    }

    fn set_parameters(&mut self, config: &[u8]) {
        self.config = AacConfig::new(config);
    }

    fn flush(&mut self) -> u64 {
        self.begun.take().map_or(0, |b| b.packets)
    }
}

impl Aac {
    /// The unit, if this fragment completes it. The outer `None`: it doesn't fit.
    fn fragment(
        &mut self,
        begun: Option<Begun>,
        packet: &Packet,
        data: &[u8],
        size: usize,
        after_loss: bool,
    ) -> Option<Option<Bytes>> {
        let mut unit = match begun {
            Some(b) if b.timestamp == packet.timestamp && b.size == size => b,
            // Whether the beginning was lost can't be seen in a fragment.
            None if !after_loss => Begun { timestamp: packet.timestamp, size, packets: 0, data: BytesMut::new() },
            _ => return None,
        };
        unit.packets += 1;
        unit.data.extend_from_slice(data);
        match unit.data.len() {
            n if n == size && packet.marker => Some(Some(unit.data.freeze())),
            n if n < size && !packet.marker => {
                self.begun = Some(unit);
                Some(None)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::depay::{Depacketizer, Unit};
    use lectern_media::{Codec, ExtSeq, UnixMillis};
    use std::time::Duration;

    fn payload(sizes: &[usize], data: &[u8]) -> Bytes {
        let mut out = ((sizes.len() * 16) as u16).to_be_bytes().to_vec();
        sizes.iter().for_each(|s| out.extend((*s as u16 * 8).to_be_bytes()));
        out.extend_from_slice(data);
        out.into()
    }

    /// What comes of (sequence, timestamp, marker, payload), as text.
    fn units(packets: &[(u64, u64, bool, Bytes)]) -> (Vec<String>, super::super::Dropped) {
        let mut d = Depacketizer::new(Codec::Aac, Duration::ZERO).unwrap();
        d.set_parameters(&[0x14, 0x08]);
        let mut out = Vec::new();
        for (seq, ts, marker, payload) in packets {
            let (seq, timestamp) = (ExtSeq(*seq), ExtTimestamp(*ts));
            let packet = Packet { seq, timestamp, arrival: UnixMillis(0), marker: *marker, payload: payload.clone() };
            d.push(packet, &mut out);
        }
        d.flush(&mut out);
        let text = out.iter().map(|u| match u {
            Unit::Access(a) => format!("{}: {:?} for {}", a.timestamp.0, &a.data[..], a.duration.unwrap()),
            Unit::Hole(h) => format!("hole of {}", h.packets),
        });
        (text.collect(), d.dropped())
    }

    #[test]
    fn several_units_of_a_packet_follow_each_other() {
        let (got, _) = units(&[(1, 100, true, payload(&[2, 1], &[1, 2, 3])), (2, 2148, true, payload(&[1], &[4]))]);
        assert_eq!(got, ["100: [1, 2] for 1024", "1124: [3] for 1024", "2148: [4] for 1024"]);
    }

    #[test]
    fn fragments_are_joined_and_a_lost_one_costs_its_unit() {
        let f = |seq, ts, marker, data: &[u8]| (seq, ts, marker, payload(&[4], data));
        let whole = [f(1, 0, false, &[1, 2]), f(2, 0, false, &[3]), f(3, 0, true, &[4])];
        assert_eq!(units(&whole).0, ["0: [1, 2, 3, 4] for 1024"]);
        let next = (4, 1024, true, payload(&[1], &[9]));
        let (got, dropped) = units(&[(0, 0, true, payload(&[1], &[8])), whole[0].clone(), whole[2].clone(), next]);
        assert_eq!(got, ["0: [8] for 1024", "hole of 3", "1024: [9] for 1024"]);
        assert_eq!((dropped.lost, dropped.malformed), (1, 2));
    }

    #[test]
    fn refuses_what_is_out_of_shape() {
        // (what, payload)
        let cases: &[(&str, Bytes)] = &[
            ("no headers", payload(&[], &[1])),
            ("a size of nothing", payload(&[0, 1], &[1])),
            ("two units, the second cut", payload(&[1, 9], &[1, 2])),
            ("interleaved", Bytes::from_static(&[0, 16, 0, 9, 1])),
            ("headers of another size", Bytes::from_static(&[0, 13, 0, 8, 1])),
            ("headers cut short", Bytes::from_static(&[0, 32, 0, 8])),
            ("one byte", Bytes::from_static(&[0])),
        ];
        for (what, payload) in cases {
            let (got, dropped) = units(&[(1, 0, true, payload.clone())]);
            assert_eq!((got.len(), dropped.malformed), (0, 1), "{what}");
        }
    }

    #[test]
    fn nothing_comes_before_the_configuration() {
        let mut d = Depacketizer::new(Codec::Aac, Duration::ZERO).unwrap();
        let packet = Packet {
            seq: ExtSeq(1),
            timestamp: ExtTimestamp(0),
            arrival: UnixMillis(0),
            marker: true,
            payload: payload(&[1], &[1]),
        };
        d.push(packet, &mut Vec::new());
        assert_eq!(d.dropped().no_config, 1);
    }
}
