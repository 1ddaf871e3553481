//! H.264 payloads (RFC 6184 §5): single NAL units, STAP-A and FU-A, what packetization-mode 1 allows.

use super::video::{BuildError, Built, Format};
use crate::config::{
    AvcConfig, TrackConfig,
    avc::{self, PARAMETER_SETS_MAX, Sps, nal},
};
use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

#[derive(Debug, Default)]
pub(super) struct H264 {
    sps: BTreeMap<u8, Bytes>,
    pps: BTreeMap<u8, Bytes>,
    /// The sender repeats its parameter sets with each keyframe, as browsers do: then a keyframe without them has lost them.
    repeats_sets: bool,
}

/// A unit's NAL units, and which parameter sets came with it.
#[derive(Default)]
struct Collected {
    data: BytesMut,
    idr: bool,
    slices: bool,
    sps: bool,
    pps: bool,
}

impl Format for H264 {
    fn starts_unit(payload: &[u8]) -> bool {
        let starts = |nal_unit: &[u8]| match nal::kind(*nal_unit.first().unwrap_or(&0)) {
            nal::SPS | nal::PPS | nal::AUD | nal::SEI => true,
            nal::SLICE | nal::IDR => avc::starts_picture(nal_unit),
            _ => false,
        };
        match nal::kind(*payload.first().unwrap_or(&0)) {
            STAP_A => payload.get(3..).is_some_and(starts),
            FU_A => {
                payload.len() > 2
                    && payload[1] & 0x80 != 0
                    && (nal::kind(payload[1]) == nal::SEI || avc::starts_picture(&payload[1..]))
            }
            _ => starts(payload),
        }
    }

    fn build(&mut self, payloads: &[Bytes], resuming: bool) -> Result<Option<Built>, BuildError> {
        let mut unit = Collected::default();
        let mut fragmented: Option<(u8, BytesMut)> = None;
        for payload in payloads {
            let kind = nal::kind(*payload.first().ok_or(BuildError::Malformed)?);
            if kind != FU_A && fragmented.is_some() {
                return Err(BuildError::Malformed);
            }
            match kind {
                1..=23 => self.collect(payload.clone(), &mut unit),
                STAP_A => {
                    let mut rest = payload.slice(1..);
                    while !rest.is_empty() {
                        if rest.len() < 3 {
                            return Err(BuildError::Malformed);
                        }
                        let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                        if len == 0 || rest.len() < 2 + len {
                            return Err(BuildError::Malformed);
                        }
                        self.collect(rest.slice(2..2 + len), &mut unit);
                        rest = rest.slice(2 + len..);
                    }
                }
                FU_A => {
                    // RFC 6184 §5.8: indicator, then S E R and the type, then the fragment.
                    let (&[indicator, header], body) = payload.split_first_chunk::<2>().ok_or(BuildError::Malformed)?;
                    let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
                    let nal_header = indicator & 0xe0 | header & 0x1f;
                    if start {
                        let fresh = (nal_header, BytesMut::from(&[nal_header][..]));
                        if fragmented.replace(fresh).is_some() {
                            return Err(BuildError::Malformed);
                        }
                    }
                    let (begun, nal_unit) = fragmented.as_mut().ok_or(BuildError::Malformed)?;
                    if *begun != nal_header {
                        return Err(BuildError::Malformed);
                    }
                    nal_unit.extend_from_slice(body);
                    if end && let Some((_, nal_unit)) = fragmented.take() {
                        self.collect(nal_unit.freeze(), &mut unit);
                    }
                }
                _ => return Err(BuildError::Malformed),
            }
        }
        if fragmented.is_some() {
            return Err(BuildError::Malformed);
        }
        if !unit.slices {
            return Ok(None);
        }
        let mut config = None;
        if unit.idr {
            if resuming && self.repeats_sets && !unit.sps {
                return Err(BuildError::NoConfig);
            }
            self.repeats_sets |= unit.sps;
            let sets = |m: &BTreeMap<u8, Bytes>| m.values().cloned().collect();
            let avc = AvcConfig::new(sets(&self.sps), sets(&self.pps)).ok_or(BuildError::NoConfig)?;
            config = Some(TrackConfig::Avc(avc));
        }
        Ok(Some(Built { keyframe: unit.idr, config, data: unit.data.freeze() }))
    }
}

impl H264 {
    /// Parameter sets go aside (avc1 samples carry none), what only structures a byte stream is left out, the rest is kept.
    fn collect(&mut self, nal_unit: Bytes, unit: &mut Collected) {
        match nal::kind(nal_unit[0]) {
            nal::SPS => {
                if let Some(sps) = Sps::parse(&nal_unit) {
                    // A keyframe brings all its sets: those of an encoder that is gone must not linger in `avcC`.
                    if !unit.sps {
                        self.sps.clear();
                    }
                    unit.sps = true;
                    if self.sps.len() < PARAMETER_SETS_MAX {
                        self.sps.insert(sps.id, nal_unit);
                    }
                }
            }
            nal::PPS => {
                if let Some(id) = avc::pps_id(&nal_unit) {
                    if !unit.pps {
                        self.pps.clear();
                    }
                    unit.pps = true;
                    if self.pps.len() < PARAMETER_SETS_MAX {
                        self.pps.insert(id, nal_unit);
                    }
                }
            }
            nal::AUD | nal::END_SEQUENCE | nal::END_STREAM | nal::FILLER => {}
            kind => {
                unit.slices |= matches!(kind, nal::SLICE..=nal::IDR);
                unit.idr |= kind == nal::IDR;
                unit.data.extend_from_slice(&(nal_unit.len() as u32).to_be_bytes());
                unit.data.extend_from_slice(&nal_unit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let built = f.build(&packets, false).unwrap().unwrap();
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
            assert_eq!(H264::default().build(&payloads, false).unwrap_err(), BuildError::Malformed, "{what}");
        }
    }

    #[test]
    fn a_resuming_keyframe_without_the_sets_its_sender_repeats_is_not_trusted() {
        let mut f = H264::default();
        let idr = Bytes::from_static(&[0x65, 0xb8, 1]);
        f.build(&[stap(&[SPS, PPS]), idr.clone()], false).unwrap();
        assert_eq!(f.build(std::slice::from_ref(&idr), true).unwrap_err(), BuildError::NoConfig);
        assert!(f.build(&[idr], false).unwrap().is_some());
    }
}
