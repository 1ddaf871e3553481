//! H.264 payloads (RFC 6184 §5): single NAL units, STAP-A and FU-A, what packetization-mode 1 allows.

use super::nal::{Class, NalCodec, Nals, Piece, Sets};
use crate::config::{
    AvcConfig, TrackConfig,
    avc::{self, Sps, nal},
};
use bytes::Bytes;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// The format.
pub(super) type H264 = Nals<Codec>;

#[derive(Debug, Default)]
pub(super) struct Codec;

impl NalCodec for Codec {
    const HEADER: usize = 1;
    const KINDS: usize = 2;
    const SEQUENCE: usize = 0;

    fn payload_starts_unit(payload: &[u8]) -> bool {
        match nal::kind(*payload.first().unwrap_or(&0)) {
            STAP_A => payload.get(3..).is_some_and(Self::starts_unit),
            FU_A => {
                payload.len() > 2
                    && payload[1] & 0x80 != 0
                    && (nal::kind(payload[1]) == nal::SEI || avc::starts_picture(&payload[1..]))
            }
            _ => Self::starts_unit(payload),
        }
    }

    fn starts_unit(nal_unit: &[u8]) -> bool {
        match nal::kind(*nal_unit.first().unwrap_or(&0)) {
            // §7.4.1.2.3: 14 to 18 come before a picture's slices only.
            nal::SPS | nal::PPS | nal::AUD | nal::SEI | 14..=18 => true,
            nal::SLICE | nal::IDR => avc::starts_picture(nal_unit),
            _ => false,
        }
    }

    fn piece(payload: &Bytes) -> Option<Piece> {
        match nal::kind(*payload.first()?) {
            1..=23 => Some(Piece::Whole(payload.clone())),
            STAP_A => super::nal::aggregate(payload.slice(1..), Self::HEADER).map(Piece::Several),
            FU_A => {
                // RFC 6184 §5.8: indicator, then S E R and the type, then the fragment.
                let &[indicator, fu] = payload.first_chunk::<2>()?;
                Some(Piece::Fragment {
                    start: fu & 0x80 != 0,
                    end: fu & 0x40 != 0,
                    header: [indicator & 0xe0 | fu & 0x1f, 0],
                    body: payload.slice(2..),
                })
            }
            _ => None,
        }
    }

    fn class(nal_unit: &[u8]) -> Class {
        match nal::kind(nal_unit[0]) {
            nal::SPS => Class::Set(0, Sps::parse(nal_unit).map(|s| s.id)),
            nal::PPS => Class::Set(1, avc::pps_id(nal_unit)),
            nal::AUD | nal::END_SEQUENCE | nal::END_STREAM | nal::FILLER => Class::Structure,
            kind @ nal::SLICE..=nal::IDR => Class::Slice(kind == nal::IDR),
            _ => Class::Other,
        }
    }

    fn config(sets: &[Sets], in_band: bool) -> Option<TrackConfig> {
        let of = |kind: usize| sets[kind].values().cloned().collect();
        Some(TrackConfig::Avc(AvcConfig { in_band, ..AvcConfig::new(of(0), of(1))? }))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::video::{BuildError, Built, Format, Keep, Payloads},
        *,
    };

    fn build(f: &mut H264, payloads: &[Bytes], resuming: bool) -> Result<Built, BuildError> {
        f.build(&Payloads::whole(payloads), resuming, Keep::Decodable)
    }

    const SPS: &[u8] = &[
        0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c,
        0xa8,
    ];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

    fn stap(nals: &[&[u8]]) -> Bytes {
        let mut out = vec![0x78];
        for n in nals {
            out.extend((n.len() as u16).to_be_bytes());
            out.extend_from_slice(n);
        }
        out.into()
    }

    #[test]
    fn joins_what_chromium_sends_for_a_keyframe() {
        let mut f = H264::default();
        let packets = [
            stap(&[SPS, PPS]),
            Bytes::from_static(&[0x7c, 0x85, 0xb8, 1, 2]),
            Bytes::from_static(&[0x7c, 0x05, 3]),
            Bytes::from_static(&[0x7c, 0x45, 4]),
        ];
        let built = build(&mut f, &packets, false).unwrap();
        assert!(built.keyframe);
        assert_eq!(built.data, [&[0, 0, 0, 6, 0x65, 0xb8, 1, 2, 3, 4][..]].concat());
        match built.config {
            Some(TrackConfig::Avc(c)) => assert_eq!((c.width, c.height, c.pps[0].as_ref()), (1280, 720, PPS)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refuses_fragments_out_of_shape() {
        // (what, payloads)
        let cases: &[(&str, &[&[u8]])] = &[
            ("no start", &[&[0x7c, 0x45, 1]]),
            ("no end", &[&[0x7c, 0x85, 0xb8]]),
            ("two starts", &[&[0x7c, 0x85, 0xb8], &[0x7c, 0x85, 0xb8]]),
            ("another type in between", &[&[0x7c, 0x85, 0xb8], &[0x7c, 0x41, 1]]),
            ("a single unit in between", &[&[0x7c, 0x85, 0xb8], &[0x65, 0xb8]]),
            ("an aggregate cut short", &[&[0x78, 0, 9, 1]]),
            ("interleaved mode", &[&[0x79, 0, 1, 1]]),
        ];
        for (what, payloads) in cases {
            let payloads: Vec<Bytes> = payloads.iter().map(|p| Bytes::copy_from_slice(p)).collect();
            assert_eq!(build(&mut H264::default(), &payloads, false).unwrap_err(), BuildError::Malformed, "{what}");
        }
    }

    #[test]
    fn a_resuming_keyframe_without_the_sets_its_sender_repeats_is_not_trusted() {
        let mut f = H264::default();
        let idr = Bytes::from_static(&[0x65, 0xb8, 1]);
        build(&mut f, &[stap(&[SPS, PPS]), idr.clone()], false).unwrap();
        assert_eq!(build(&mut f, std::slice::from_ref(&idr), true).unwrap_err(), BuildError::NoConfig);
        assert!(build(&mut f, &[idr], false).unwrap().shown);
    }
}
