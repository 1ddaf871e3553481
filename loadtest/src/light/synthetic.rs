//! A publisher's packets by rule: 25 frames of 7 equal packets and 50 sounds a second, about 1.5 Mbit/s. Looks like H.264
//! to a server (parameter sets, keyframes on request, fragments) and like noise to a decoder.

use super::peer::{LightPeer, Outgoing};
use crate::stamp::{self, Stamp};
use anyhow::Result;
use std::time::Duration;

/// Frames per second.
pub const FPS: u32 = 25;
/// Packets per frame.
pub const PACKETS_PER_FRAME: usize = 7;
/// Payload bytes of a picture's packet.
pub const VIDEO_PAYLOAD_LEN: usize = 1070;
/// Payload bytes of a sound's packet.
pub const AUDIO_PAYLOAD_LEN: usize = 80;
/// Distance of frames.
pub const FRAME_EVERY: Duration = Duration::from_millis(1000 / FPS as u64);
/// Distance of sounds.
pub const SOUND_EVERY: Duration = Duration::from_millis(20);
/// Packets a second, picture and sound.
pub const PACKETS_PER_SEC: u32 = FPS * PACKETS_PER_FRAME as u32 + 50;

/// Parameter sets of a 1280×720 baseline stream as x264 writes them.
const SPS: [u8; 25] = [
    0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03,
    0x03, 0x20, 0xf1, 0x83, 0x24, 0x80,
];
const PPS: [u8; 5] = [0x68, 0xcb, 0x83, 0xcb, 0x20];

/// The publisher's numbers and clock.
#[derive(Debug, Default)]
pub struct Publisher {
    started: Option<Duration>,
    frame: u32,
    next_frame: Duration,
    next_sound: Duration,
    video_seq: u16,
    audio_seq: u16,
    twcc: u16,
    sounds: u32,
}

impl Publisher {
    /// Sends what is due; after a pause it goes on from now instead of catching up.
    ///
    /// # Errors
    /// If the client can't seal.
    pub fn tick(&mut self, peer: &mut LightPeer, on: bool, now: Duration, mut send: impl FnMut(&[u8])) -> Result<()> {
        if !on {
            self.started = None;
            return Ok(());
        }
        if self.started.is_none() {
            self.started = Some(now);
            (self.next_frame, self.next_sound) = (now, now);
        }
        while self.next_sound <= now {
            self.next_sound += SOUND_EVERY;
            let payload = [0x78; AUDIO_PAYLOAD_LEN]; // an Opus TOC of 20 ms, then anything
            let sound = Outgoing {
                video: false,
                seq: self.audio_seq,
                timestamp: self.sounds.wrapping_mul(960),
                marker: false,
                payload: &payload,
            };
            self.seal(peer, &sound, &mut send)?;
            self.audio_seq = self.audio_seq.wrapping_add(1);
            self.sounds = self.sounds.wrapping_add(1);
        }
        while self.next_frame <= now {
            self.next_frame += FRAME_EVERY;
            let key = peer.take_keyframe_request();
            for (payload, last) in frame_payloads(self.frame, key) {
                let packet = Outgoing {
                    video: true,
                    seq: self.video_seq,
                    timestamp: self.frame.wrapping_mul(90_000 / FPS),
                    marker: last,
                    payload: &payload,
                };
                self.seal(peer, &packet, &mut send)?;
                self.video_seq = self.video_seq.wrapping_add(1);
            }
            self.frame = self.frame.wrapping_add(1);
        }
        Ok(())
    }

    fn seal(&mut self, peer: &mut LightPeer, packet: &Outgoing<'_>, send: &mut impl FnMut(&[u8])) -> Result<()> {
        let sealed = peer.seal(packet, self.twcc)?;
        self.twcc = self.twcc.wrapping_add(1);
        send(&sealed);
        Ok(())
    }
}

/// The payloads of one frame, and whether each is its last.
fn frame_payloads(frame: u32, key: bool) -> impl Iterator<Item = (Vec<u8>, bool)> {
    let sets = key.then(|| {
        let mut stap = vec![0x78]; // STAP-A, RFC 6184 §5.7.1
        for set in [&SPS[..], &PPS[..]] {
            stap.extend_from_slice(&(set.len() as u16).to_be_bytes());
            stap.extend_from_slice(set);
        }
        (stap, false)
    });
    let kind = if key { 5 } else { 1 };
    let fragments = (0..PACKETS_PER_FRAME).map(move |n| {
        let last = n + 1 == PACKETS_PER_FRAME;
        // FU-A, RFC 6184 §5.8; 0x88: `first_mb_in_slice` 0.
        let mut p = vec![0x7c, u8::from(n == 0) << 7 | u8::from(last) << 6 | kind, 0x88];
        if n == 0 {
            p.extend(Stamp { frame, sent_us: stamp::now_us(), height: 720 }.trailer());
        }
        p.resize(VIDEO_PAYLOAD_LEN, 0x5a ^ frame as u8 | 1);
        (p, last)
    });
    sets.into_iter().chain(fragments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{measure::VideoMeter, source::VideoCodec};
    use lectern_media::RtpView;

    #[test]
    fn a_meter_takes_it_for_pictures() {
        let mut meter = VideoMeter::new(VideoCodec::H264, Duration::ZERO);
        let mut seq = 0u16;
        for frame in 0..50 {
            for (payload, last) in frame_payloads(frame, frame % 25 == 0) {
                let mut rtp = vec![0x80, 102 | u8::from(last) << 7];
                rtp.extend(seq.to_be_bytes());
                rtp.extend((frame * 3600).to_be_bytes());
                rtp.extend([0, 0, 0, 9]);
                rtp.extend(payload);
                seq += 1;
                let view = RtpView::parse(&rtp).expect("our own packet");
                meter.packet(FRAME_EVERY * frame, stamp::now_us(), (&view).into());
            }
        }
        let r = meter.result(FRAME_EVERY * 49);
        assert_eq!((r.frames, r.keyframes, r.frames_missing, r.freezes), (50, 2, 0, 0));
        assert_eq!(r.packets, 50 * 7 + 2);
    }
}
