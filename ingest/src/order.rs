//! Which pictures of a camera that sends B-frames go on to browsers: WebRTC shows pictures in the order in which they come.
//!
//! A B-frame comes behind a picture that is shown after it. One that no other refers to is left out, and what remains is right, only
//! slower. If others refer to it, what follows does not decode without it: then nothing goes on until the next keyframe. The archive
//! keeps everything. Does not belong here: times of presentation (`lectern-recorder`).

use lectern_fmp4::{
    config::avc::{self, nal},
    depay::AccessUnit,
};
use lectern_media::ExtTimestamp;

/// Why a picture does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// A B-frame that no other picture refers to.
    Unneeded,
    /// A B-frame that others refer to.
    Needed,
    /// A picture that may refer to one.
    AfterNeeded,
}

#[derive(Debug, Default)]
pub(crate) struct LiveOrder {
    /// The highest timestamp since the last keyframe.
    highest: Option<ExtTimestamp>,
    /// A B-frame that others refer to was left out since.
    broken: bool,
}

impl LiveOrder {
    /// Why this picture of H.264 does not go on; `None` if it does. Ask for each picture from a keyframe on, in order.
    pub(crate) fn leaves_out(&mut self, unit: &AccessUnit) -> Option<LeftOut> {
        if unit.keyframe {
            *self = Self { highest: Some(unit.timestamp), broken: false };
            return None;
        }
        if self.broken {
            return Some(LeftOut::AfterNeeded);
        }
        let late = self.highest.is_some_and(|highest| unit.timestamp < highest);
        self.highest = self.highest.max(Some(unit.timestamp));
        // A clock that was set back makes P pictures look late: they go on.
        let slice = |n: &bytes::Bytes| matches!(n.first().map_or(0, |h| nal::kind(*h)), nal::SLICE | 2);
        if !late || !unit.nals().filter(slice).any(|n| avc::is_b_slice(&n)) {
            return None;
        }
        // §7.4.1: nal_ref_idc is 0 for all slices of a picture that no other refers to.
        self.broken = unit.nals().filter(slice).any(|n| n[0] & 0x60 != 0);
        Some(if self.broken { LeftOut::Needed } else { LeftOut::Unneeded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LeftOut::{AfterNeeded as After, Needed as Reference, Unneeded as B};
    use bytes::Bytes;
    use lectern_media::UnixMillis;

    /// A picture of one slice: `first_mb_in_slice` 0, then its type.
    fn unit(timestamp: u64, header: u8, slice: u8) -> AccessUnit {
        AccessUnit {
            timestamp: ExtTimestamp(timestamp),
            arrival: UnixMillis(0),
            keyframe: header & 0x1f == 5,
            config: None,
            duration: None,
            broken: None,
            data: Bytes::copy_from_slice(&[0, 0, 0, 3, header, slice, 0]),
        }
    }

    /// Slice types 2 (011), 0 (1) and 1 (010) as Exp-Golomb code behind a single 1.
    const I: u8 = 0b1011_0000;
    const P: u8 = 0b1100_0000;
    const BI: u8 = 0b1010_0000;

    #[test]
    fn what_no_other_needs_is_left_out_and_after_what_others_need_nothing_goes_on() {
        /// What; (timestamp, NAL header, slice) and why it is left out.
        type Case<'a> = (&'a str, &'a [(u64, u8, u8, Option<LeftOut>)]);
        let cases: &[Case<'_>] = &[
            (
                "two B-frames",
                &[(0, 0x65, I, None), (3, 0x41, P, None), (1, 1, BI, Some(B)), (2, 1, BI, Some(B)), (6, 0x41, P, None)],
            ),
            (
                "a B-frame that others refer to",
                &[
                    (0, 0x65, I, None),
                    (4, 0x41, P, None),
                    (2, 0x21, BI, Some(Reference)),
                    (1, 1, BI, Some(After)),
                    (8, 0x41, P, Some(After)),
                    (9, 0x65, I, None),
                    (13, 0x41, P, None),
                ],
            ),
            ("B slices in order", &[(0, 0x65, I, None), (1, 0x41, BI, None), (2, 1, BI, None)]),
            ("a clock that is set back", &[(9, 0x65, I, None), (3, 0x41, P, None), (4, 1, P, None)]),
            ("a keyframe after it", &[(9, 0x65, I, None), (3, 0x65, I, None), (4, 0x41, BI, None)]),
        ];
        for (what, pictures) in cases {
            let mut order = LiveOrder::default();
            for (timestamp, header, slice, want) in *pictures {
                assert_eq!(order.leaves_out(&unit(*timestamp, *header, *slice)), *want, "{what}: {timestamp}");
            }
        }
    }
}
