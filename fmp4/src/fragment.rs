//! CMAF fragments (ISO/IEC 23000-19 §7.3.2.3): `styp`, `moof`, `mdat` of one track.

use crate::{boxes::BoxWriter, init::TRACK_ID};
use bytes::Bytes;

/// One sample to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Length in ticks of the track.
    pub duration: u32,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// When it is shown, in ticks after its decode time; negative before (ISO/IEC 14496-12 §8.8.8, version 1). Zero where pictures
    /// are shown in the order in which they are decoded.
    pub composition: i32,
    /// The bytes.
    pub data: Bytes,
}

/// One sample as the boxes tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleInfo {
    /// Length in ticks.
    pub duration: u32,
    /// Size in bytes.
    pub size: u32,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// When it is shown, in ticks after its decode time.
    pub composition: i32,
}

/// A fragment as its boxes tell of it. Offsets count from the first byte of its `styp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FragmentInfo {
    /// Its number in the file.
    pub sequence: u32,
    /// Decode time of the first sample, in ticks.
    pub dts: u64,
    /// The samples.
    pub samples: Vec<SampleInfo>,
    /// Where the samples' bytes begin.
    pub data_offset: usize,
    /// Its whole length in bytes.
    pub len: usize,
}

impl FragmentInfo {
    /// The sum of its samples' durations, in ticks.
    #[must_use]
    pub fn duration(&self) -> u64 {
        self.samples.iter().map(|s| u64::from(s.duration)).sum()
    }

    /// Whether its first sample is a keyframe.
    #[must_use]
    pub fn starts_with_keyframe(&self) -> bool {
        self.samples.first().is_some_and(|s| s.keyframe)
    }
}

/// Depends on no other sample (ISO/IEC 14496-12 §8.8.3.1).
pub(crate) const FLAGS_KEY: u32 = 0x0200_0000;
/// Depends on others and is no sync sample.
pub(crate) const FLAGS_DELTA: u32 = 0x0101_0000;

/// Writes one fragment.
///
/// # Panics
/// If there is no sample, or the samples together exceed 4 GiB.
#[must_use]
pub fn fragment(sequence: u32, dts: u64, samples: &[Sample]) -> Vec<u8> {
    let mut out = head_of(sequence, dts, samples);
    out.reserve_exact(samples.iter().map(|s| s.data.len()).sum());
    samples.iter().for_each(|s| out.extend_from_slice(&s.data));
    out
}

/// What [`fragment`] writes before the samples' bytes.
///
/// # Panics
/// If there is no sample, or the samples together exceed 4 GiB.
#[must_use]
pub fn head_of(sequence: u32, dts: u64, samples: &[Sample]) -> Vec<u8> {
    let size = |s: &Sample| u32::try_from(s.data.len()).expect("a sample is far below 4 GiB");
    let info = |s: &Sample| SampleInfo {
        duration: s.duration,
        size: size(s),
        keyframe: s.keyframe,
        composition: s.composition,
    };
    let infos: Vec<SampleInfo> = samples.iter().map(info).collect();
    head(sequence, dts, &infos)
}

/// Writes a fragment up to and including the `mdat` header: what comes before the samples' bytes.
///
/// # Panics
/// If there is no sample, or the samples together exceed 4 GiB.
#[must_use]
pub fn head(sequence: u32, dts: u64, samples: &[SampleInfo]) -> Vec<u8> {
    assert!(!samples.is_empty(), "a fragment holds at least one sample");
    let payload: u64 = samples.iter().map(|s| u64::from(s.size)).sum();
    let all_key = samples.iter().all(|s| s.keyframe);
    let even = samples.iter().all(|s| s.duration == samples[0].duration);
    let in_order = samples.iter().all(|s| s.composition == 0);
    let mut w = BoxWriter::with_capacity(160 + samples.len() * 16);
    w.put(b"styp", |w| _ = w.bytes(b"msdh").u32(0).bytes(b"msdhmsixcmfl"));
    let moof = w.len();
    let mut data_offset_at = 0;
    w.put(b"moof", |w| {
        w.full(b"mfhd", 0, 0, |w| _ = w.u32(sequence));
        w.put(b"traf", |w| {
            // default-base-is-moof, default duration, default flags (§8.8.7).
            w.full(b"tfhd", 0, 0x02_0028, |w| {
                w.u32(TRACK_ID).u32(samples[0].duration).u32(if all_key { FLAGS_KEY } else { FLAGS_DELTA });
            });
            w.full(b"tfdt", 1, 0, |w| _ = w.u64(dts));
            // Data offset and sizes always, durations, flags and composition offsets only if they differ. Version 1 has signed offsets.
            let flags = 0x201
                | if even { 0 } else { 0x100 }
                | if all_key { 0 } else { 0x400 }
                | if in_order { 0 } else { 0x800 };
            w.full(b"trun", u8::from(!in_order), flags, |w| {
                w.u32(samples.len() as u32);
                data_offset_at = w.len();
                w.u32(0);
                for s in samples {
                    if !even {
                        w.u32(s.duration);
                    }
                    w.u32(s.size);
                    if !all_key {
                        w.u32(if s.keyframe { FLAGS_KEY } else { FLAGS_DELTA });
                    }
                    if !in_order {
                        w.u32(s.composition.cast_unsigned());
                    }
                }
            });
        });
    });
    let data_offset = w.len() - moof + 8;
    w.patch_u32(data_offset_at, data_offset as u32);
    w.u32(u32::try_from(payload + 8).expect("a fragment is far below 4 GiB")).bytes(b"mdat");
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            dts: u64,
            samples in prop::collection::vec((1u32..100_000, any::<bool>(), 0usize..50, any::<i32>()), 1..30),
            in_order: bool,
        ) {
            let samples: Vec<Sample> = samples.into_iter()
                .map(|(duration, keyframe, n, offset)| {
                    let composition = if in_order { 0 } else { offset };
                    Sample { duration, keyframe, composition, data: vec![7; n].into() }
                })
                .collect();
            let bytes = fragment(9, dts, &samples);
            let info = scan::parse_fragment(&bytes).unwrap();
            prop_assert_eq!((info.sequence, info.dts, info.len), (9, dts, bytes.len()));
            let want: Vec<SampleInfo> = samples.iter()
                .map(|s| SampleInfo {
                    duration: s.duration,
                    size: s.data.len() as u32,
                    keyframe: s.keyframe,
                    composition: s.composition,
                })
                .collect();
            prop_assert_eq!(&info.samples, &want);
            prop_assert_eq!(bytes.len() - info.data_offset, samples.iter().map(|s| s.data.len()).sum::<usize>());
        }
    }
}
