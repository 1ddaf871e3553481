//! Small made-up media that parses and needs no encoder: what the recorder does to a disk does not depend on pictures.

#![allow(dead_code, reason = "each test file uses its share")]

use super::{Frame, Source};
use lectern_media::{Codec, ParticipantId, TrackSource};

const SPS: &[u8] =
    &[0x67, 0x42, 0xc0, 0x1f, 0xda, 1, 0x40, 0x16, 0xec, 4, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c, 0xa8];

/// H.264 at 25 fps, a keyframe a second.
pub fn picture(participant: ParticipantId, frames: usize) -> Source {
    let frame = |i: usize| {
        let keyframe = i.is_multiple_of(25);
        let mut payloads = Vec::new();
        if keyframe {
            let stap = [&[0x78, 0, SPS.len() as u8][..], SPS, &[0, 4, 0x68, 0xce, 0x3c, 0x80]].concat();
            payloads.push(stap.into());
        }
        payloads.push([&[if keyframe { 0x65 } else { 0x41 }, 0x88][..], &[i as u8 | 1; 12]].concat().into());
        Frame { keyframe, payloads }
    };
    Source::new(TrackSource::Camera, Codec::H264, participant, (0..frames).map(frame).collect(), 3600)
}

/// Opus in packets of 20 ms.
pub fn sound(participant: ParticipantId, packets: usize) -> Source {
    let frame = |i: usize| Frame { keyframe: true, payloads: vec![vec![0xfc, i as u8, 1].into()] };
    Source::new(TrackSource::Microphone, Codec::Opus, participant, (0..packets).map(frame).collect(), 960)
}
