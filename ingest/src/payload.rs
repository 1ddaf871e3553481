//! What can be seen of a video packet without putting frames together: whether a keyframe begins in it, and the picture's size.

use bytes::Bytes;
use lectern_fmp4::config::{avc, hevc};
use lectern_media::{Codec, ExtTimestamp};

/// What begins in a payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Begins {
    /// A sequence parameter set (with H.265: or a video parameter set).
    sets: bool,
    /// A slice from which decoding can start.
    random_access: bool,
}

fn h264(payload: &[u8]) -> Begins {
    let of = |kind: u8| Begins { sets: kind == avc::nal::SPS, random_access: kind == avc::nal::IDR };
    match payload {
        [header, rest @ ..] => match header & 0x1f {
            // STAP-A (RFC 6184 §5.7.1).
            24 => aggregate(rest, 1, |unit| of(unit[0] & 0x1f)),
            // FU-A with its start bit (§5.8).
            28 => match rest {
                [fu, ..] if fu & 0x80 != 0 => of(fu & 0x1f),
                _ => Begins::default(),
            },
            kind => of(kind),
        },
        [] => Begins::default(),
    }
}

fn h265(payload: &[u8]) -> Begins {
    let of = |kind: u8| Begins {
        sets: matches!(kind, hevc::nal::VPS | hevc::nal::SPS),
        random_access: hevc::nal::is_irap(kind),
    };
    match payload {
        [header, _, rest @ ..] => match header >> 1 & 0x3f {
            // Aggregation packet (RFC 7798 §4.4.2).
            48 => aggregate(rest, 2, |unit| of(unit[0] >> 1 & 0x3f)),
            // Fragmentation unit with its start bit (§4.4.3).
            49 => match rest {
                [fu, ..] if fu & 0x80 != 0 => of(fu & 0x3f),
                _ => Begins::default(),
            },
            kind => of(kind),
        },
        _ => Begins::default(),
    }
}

/// Walks the units of an aggregate, each behind its length of two bytes and at least `min` long.
fn aggregate(mut rest: &[u8], min: usize, of: impl Fn(&[u8]) -> Begins) -> Begins {
    let mut all = Begins::default();
    while let [a, b, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*a, *b]));
        let Some(unit) = tail.get(..len).filter(|u| u.len() >= min) else { break };
        let begins = of(unit);
        all = Begins { sets: all.sets || begins.sets, random_access: all.random_access || begins.random_access };
        rest = &tail[len..];
    }
    all
}

/// The largest parameter set that is looked at for the picture's size.
const SET_BYTES_MAX: usize = 1024;

/// Follows one video track packet by packet.
#[derive(Debug)]
pub(crate) struct KeyframeWatch {
    codec: Codec,
    /// The timestamp of the keyframe that began last.
    last: Option<ExtTimestamp>,
    /// The camera sends parameter sets with its keyframes: one that comes without has lost them.
    repeats_sets: bool,
}

impl KeyframeWatch {
    pub(crate) const fn new(codec: Codec) -> Self {
        Self { codec, last: None, repeats_sets: false }
    }

    /// Whether a keyframe begins with this packet: true once a keyframe. With `after_loss` a keyframe that came without the
    /// parameter sets that its camera always sends is none.
    pub(crate) fn begins(&mut self, timestamp: ExtTimestamp, payload: &[u8], after_loss: bool) -> bool {
        let begins = match self.codec {
            Codec::H264 => h264(payload),
            Codec::H265 => h265(payload),
            _ => return true,
        };
        if !(begins.sets || begins.random_access) || self.last == Some(timestamp) {
            return false;
        }
        if after_loss && self.repeats_sets && !begins.sets {
            return false;
        }
        // Parameter sets of a timestamp without a keyframe are sent by no camera known; they would count as one.
        self.repeats_sets |= begins.sets;
        self.last = Some(timestamp);
        true
    }

    /// The numbering begins anew.
    pub(crate) fn restart(&mut self) {
        self.last = None;
    }
}

/// The picture's size if a sequence parameter set stands whole in this payload.
pub(crate) fn size(codec: Codec, payload: &[u8]) -> Option<(u32, u32)> {
    let mut found = None;
    let mut look = |unit: &[u8]| {
        if unit.len() <= SET_BYTES_MAX {
            found = found.or_else(|| size_of_set(codec, unit));
        }
    };
    match (codec, payload) {
        (Codec::H264, [header, rest @ ..]) if header & 0x1f == 24 => units(rest, look),
        (Codec::H265, [header, _, rest @ ..]) if header >> 1 & 0x3f == 48 => units(rest, look),
        _ => look(payload),
    }
    found
}

fn units(mut rest: &[u8], mut look: impl FnMut(&[u8])) {
    while let [a, b, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*a, *b]));
        let Some(unit) = tail.get(..len).filter(|u| !u.is_empty()) else { break };
        look(unit);
        rest = &tail[len..];
    }
}

/// The size that one NAL unit tells, if it is a sequence parameter set.
pub(crate) fn size_of_set(codec: Codec, unit: &[u8]) -> Option<(u32, u32)> {
    let size = match codec {
        Codec::H264 if unit.first()? & 0x1f == avc::nal::SPS => avc::Sps::parse(unit).map(|s| (s.width, s.height)),
        Codec::H265 if unit.first()? >> 1 & 0x3f == hevc::nal::SPS => {
            hevc::Sps::parse(unit).map(|s| (s.width, s.height))
        }
        _ => None,
    };
    size.map(|(w, h)| (u32::from(w), u32::from(h)))
}

/// The size that a description's parameter sets tell.
pub(crate) fn size_of_config(codec: Codec, config: &Bytes) -> Option<(u32, u32)> {
    crate::rtsp::sdp::split_sets(config).find_map(|set| size_of_set(codec, &set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyframe_begins_once() {
        /// What, codec, payloads of one timestamp, which of them begins it.
        type Case<'a> = (&'a str, Codec, &'a [&'a [u8]], Option<usize>);
        let cases: &[Case<'_>] = &[
            ("sets, then the slice", Codec::H264, &[&[0x67, 1], &[0x68, 1], &[0x65, 0x88]], Some(0)),
            ("sets in an aggregate", Codec::H264, &[&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], &[0x7c, 0x85, 1]], Some(0)),
            ("fragments", Codec::H264, &[&[0x7c, 0x05, 1], &[0x7c, 0x85, 1], &[0x7c, 0x45, 1]], Some(1)),
            ("no keyframe", Codec::H264, &[&[0x41, 1], &[0x7c, 0x81, 1], &[0x78, 0, 9, 0x67], &[]], None),
            ("H.265 sets", Codec::H265, &[&[0x40, 1, 1], &[0x42, 1, 1], &[0x62, 1, 0x93]], Some(0)),
            ("H.265 fragments", Codec::H265, &[&[0x62, 1, 0x13], &[0x62, 1, 0x93]], Some(1)),
            ("H.265 aggregate", Codec::H265, &[&[0x60, 1, 0, 2, 0x42, 1]], Some(0)),
            ("H.265 trailing picture", Codec::H265, &[&[0x02, 1, 1], &[0x62, 1, 0x81], &[0x62]], None),
        ];
        for (what, codec, payloads, want) in cases {
            let mut watch = KeyframeWatch::new(*codec);
            let begins: Vec<bool> = payloads.iter().map(|p| watch.begins(ExtTimestamp(9), p, false)).collect();
            let want: Vec<bool> = (0..payloads.len()).map(|i| Some(i) == *want).collect();
            assert_eq!(begins, want, "{what}");
        }
    }

    #[test]
    fn after_a_loss_a_keyframe_needs_the_sets_its_camera_sends() {
        let mut watch = KeyframeWatch::new(Codec::H264);
        assert!(watch.begins(ExtTimestamp(1), &[0x67, 1], false));
        assert!(!watch.begins(ExtTimestamp(2), &[0x65, 1], true), "its sets were lost");
        assert!(watch.begins(ExtTimestamp(3), &[0x67, 1], true));
        let mut bare = KeyframeWatch::new(Codec::H264);
        assert!(bare.begins(ExtTimestamp(1), &[0x65, 1], false));
        assert!(bare.begins(ExtTimestamp(2), &[0x65, 1], true), "this camera tells its sets in the description");
    }
}
