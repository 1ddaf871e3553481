//! H.265 payloads (RFC 7798 §4.4): single NAL units, aggregation packets (AP) and fragmentation units (FU), in decoding order
//! (`sprop-max-don-diff=0`, so without the fields of a decoding order number). PACI packets are refused.

use super::nal::{Class, NalCodec, Nals, Piece, Sets, aggregate};
use crate::config::{
    HevcConfig, TrackConfig,
    hevc::{self, Sps, nal},
};
use bytes::Bytes;

const AP: u8 = 48;
const FU: u8 = 49;

/// The format.
pub(super) type H265 = Nals<Codec>;

#[derive(Debug, Default)]
pub(super) struct Codec;

impl NalCodec for Codec {
    const HEADER: usize = 2;
    const KINDS: usize = 3;
    const SEQUENCE: usize = 1;

    fn payload_starts_unit(payload: &[u8]) -> bool {
        match nal::kind(*payload.first().unwrap_or(&0)) {
            AP => payload.get(4..).is_some_and(Self::starts_unit),
            FU => {
                // The first part shows the slice header at the same place behind the FU header as a whole one behind its own.
                payload.len() > 3
                    && payload[2] & 0x80 != 0
                    && Self::starts_unit(&[(payload[2] & 0x3f) << 1, payload[1], payload[3]])
            }
            _ => Self::starts_unit(payload),
        }
    }

    fn starts_unit(nal_unit: &[u8]) -> bool {
        match nal::kind(*nal_unit.first().unwrap_or(&0)) {
            // §7.4.2.4.4: 41 to 44, too, begin a unit.
            nal::VPS..=nal::AUD | nal::PREFIX_SEI | 41..=44 => true,
            0..=nal::VCL_LAST => hevc::starts_picture(nal_unit),
            _ => false,
        }
    }

    fn piece(payload: &Bytes) -> Option<Piece> {
        let header = *payload.first_chunk::<2>()?;
        match nal::kind(header[0]) {
            0..AP => Some(Piece::Whole(payload.clone())),
            AP => aggregate(payload.slice(2..), Self::HEADER).map(Piece::Several),
            FU => {
                // RFC 7798 §4.4.3: payload header, then S E and the type, then the fragment.
                let fu = *payload.get(2)?;
                Some(Piece::Fragment {
                    start: fu & 0x80 != 0,
                    end: fu & 0x40 != 0,
                    header: [header[0] & 0x81 | (fu & 0x3f) << 1, header[1]],
                    body: payload.slice(3..),
                })
            }
            _ => None,
        }
    }

    fn class(nal_unit: &[u8]) -> Class {
        match nal::kind(nal_unit[0]) {
            nal::VPS => Class::Set(0, hevc::vps_id(nal_unit)),
            nal::SPS => Class::Set(1, Sps::parse(nal_unit).map(|s| s.id)),
            nal::PPS => Class::Set(2, hevc::pps_id(nal_unit)),
            nal::AUD..=nal::FILLER => Class::Structure,
            kind @ 0..=nal::VCL_LAST => Class::Slice(nal::is_irap(kind)),
            _ => Class::Other,
        }
    }

    fn config(sets: &[Sets], in_band: bool) -> Option<TrackConfig> {
        let of = |kind: usize| sets[kind].values().cloned().collect();
        Some(TrackConfig::Hevc(HevcConfig { in_band, ..HevcConfig::new(of(0), of(1), of(2))? }))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::video::{BuildError, Built, Format, Keep, Payloads},
        *,
    };

    fn hex(s: &str) -> Vec<u8> {
        (0..s.len()).step_by(2).map(|i| u8::from_str_radix(&s[i..i + 2], 16).unwrap()).collect()
    }

    fn sets() -> [Vec<u8>; 3] {
        [
            hex("40010c01ffff016000000300900000030000030078928090"),
            hex("420101016000000300900000030000030078a003c08010e5964a924caf016808000003000800000300c840"),
            hex("4401c172b46240"),
        ]
    }

    fn ap(nals: &[Vec<u8>]) -> Bytes {
        let mut out = vec![48 << 1, 1];
        for n in nals {
            out.extend((n.len() as u16).to_be_bytes());
            out.extend_from_slice(n);
        }
        out.into()
    }

    fn build(f: &mut H265, payloads: &[Bytes]) -> Result<Built, BuildError> {
        f.build(&Payloads::whole(payloads), false, Keep::Decodable)
    }

    const IDR: &[&[u8]] = &[&[0x62, 1, 0x93, 0xaf, 1], &[0x62, 1, 0x13, 2], &[0x62, 1, 0x53, 3]];

    fn idr() -> Vec<Bytes> {
        IDR.iter().map(|p| Bytes::from_static(p)).collect()
    }

    #[test]
    fn joins_an_aggregate_and_fragments_to_a_keyframe() {
        let built = build(&mut H265::default(), &[vec![ap(&sets())], idr()].concat()).unwrap();
        assert!(built.keyframe && built.shown);
        assert_eq!(built.data[..], [0, 0, 0, 6, 0x26, 1, 0xaf, 1, 2, 3]);
        match built.config {
            Some(TrackConfig::Hevc(c)) => assert_eq!((c.width, c.height, c.in_band), (1920, 1080, false)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sets_of_the_session_description_serve_until_others_come() {
        let mut f = H265::default();
        assert_eq!(build(&mut f, &idr()).unwrap_err(), BuildError::NoConfig);
        let told: Vec<u8> = sets().iter().flat_map(|s| [&(s.len() as u16).to_be_bytes()[..], s].concat()).collect();
        f.set_parameters(&told);
        let first = build(&mut f, &idr()).unwrap().config.unwrap();
        assert_eq!(first.size(), (1920, 1080));
        let mut small = sets();
        small[1] = hex("42010101600000030090000003000003003fa0050201696592a4932bc05a020000030002000003003210");
        let second = build(&mut f, &[vec![ap(&small)], idr()].concat()).unwrap().config.unwrap();
        assert_eq!(second.size(), (640, 360));
        f.set_parameters(&told[..told.len() - 1]);
        assert_eq!(build(&mut f, &idr()).unwrap_err(), BuildError::NoConfig, "cut short");
    }

    #[test]
    fn refuses_what_is_out_of_shape() {
        // (what, payloads)
        let cases: &[(&str, &[&[u8]])] = &[
            ("no start", &[&[0x62, 1, 0x53, 1]]),
            ("no end", &[&[0x62, 1, 0x93, 0xaf]]),
            ("two starts", &[&[0x62, 1, 0x93, 0xaf], &[0x62, 1, 0x93, 0xaf]]),
            ("another type in between", &[&[0x62, 1, 0x93, 0xaf], &[0x62, 1, 0x41, 1]]),
            ("an aggregate cut short", &[&[0x60, 1, 0, 9, 1]]),
            ("an aggregate of less than a header", &[&[0x60, 1, 0, 1, 1]]),
            ("PACI", &[&[0x64, 1, 0, 0, 1]]),
            ("one byte", &[&[0x26]]),
        ];
        for (what, payloads) in cases {
            let payloads: Vec<Bytes> = payloads.iter().map(|p| Bytes::copy_from_slice(p)).collect();
            assert_eq!(build(&mut H265::default(), &payloads).unwrap_err(), BuildError::Malformed, "{what}");
        }
    }
}
