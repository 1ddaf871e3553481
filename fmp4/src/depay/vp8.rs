//! VP8 payloads (RFC 7741 §4): a descriptor, then a piece of a frame.

use super::video::{BuildError, Built, Format, Keep, Payloads};
use crate::config::{TrackConfig, Vp8Config, vp8::is_keyframe};
use bytes::BytesMut;

#[derive(Debug, Default)]
pub(super) struct Vp8;

/// The descriptor's length, and whether a frame begins here (S = 1 and partition 0).
fn descriptor(payload: &[u8]) -> Option<(usize, bool)> {
    let first = *payload.first()?;
    let begins = first & 0x10 != 0 && first & 0x07 == 0;
    let mut len = 1;
    if first & 0x80 != 0 {
        let flags = *payload.get(1)?;
        len = 2;
        if flags & 0x80 != 0 {
            // PictureID: 15 bits if M is set, 7 otherwise.
            len += if payload.get(len)? & 0x80 != 0 { 2 } else { 1 };
        }
        len += usize::from(flags & 0x40 != 0); // TL0PICIDX
        len += usize::from(flags & 0x30 != 0); // TID, Y, KEYIDX
    }
    (payload.len() > len).then_some((len, begins))
}

impl Format for Vp8 {
    fn starts_unit(payload: &[u8]) -> bool {
        descriptor(payload).is_some_and(|(_, begins)| begins)
    }

    fn build(&mut self, payloads: &Payloads, _resuming: bool, _keep: Keep) -> Result<Built, BuildError> {
        let mut data = BytesMut::new();
        for (i, payload) in payloads.list.iter().enumerate() {
            let (len, begins) = descriptor(payload).ok_or(BuildError::Malformed)?;
            if begins != (i == 0) {
                return Err(BuildError::Malformed);
            }
            data.extend_from_slice(&payload[len..]);
        }
        let keyframe = is_keyframe(&data);
        let config = match keyframe {
            true => Some(TrackConfig::Vp8(Vp8Config::parse(&data).ok_or(BuildError::Malformed)?)),
            false => None,
        };
        Ok(Built { keyframe, shown: true, config, data: data.freeze(), unused: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_of_all_lengths() {
        type Case = (&'static [u8], Option<(usize, bool)>);
        // (payload, descriptor length and whether a frame begins)
        let cases: &[Case] = &[
            (&[0x10, 9], Some((1, true))),
            (&[0x00, 9], Some((1, false))),
            (&[0x11, 9], Some((1, false))),
            (&[0x90, 0x80, 0x7f, 9], Some((3, true))),
            (&[0x90, 0x80, 0xff, 1, 9], Some((4, true))),
            (&[0x90, 0xe0, 0xff, 1, 2, 3, 9], Some((6, true))),
            (&[0x90, 0xe0, 0xff, 1, 2, 3], None),
            (&[0x90, 0x80], None),
            (&[0x10], None),
            (&[], None),
        ];
        for (payload, want) in cases {
            assert_eq!(descriptor(payload), *want, "{payload:x?}");
        }
    }
}
