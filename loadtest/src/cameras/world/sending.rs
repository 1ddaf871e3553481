//! What the pacer does with a track: the next access unit with what the script does to it, its packets, its reports.

use super::{Event, World};
use crate::{
    cameras::{
        garbage,
        ledger::{About, FrameLine, name},
        picture::{Says, order},
        rtp::{Packets, sender_report},
        rtsp::Transport,
        script::{Fault, Show},
        sdp::VIDEO_PAYLOAD_TYPE,
        sound::SoundCodec,
        track::{Source, deliver},
    },
    stamp::now_us,
};
use rand::{Rng as _, rngs::StdRng};
use std::{cmp::Reverse, rc::Rc, time::Duration};

/// Time between sender reports of a track.
pub(super) const REPORT_EVERY: Duration = Duration::from_secs(2);
/// UDP packets of a track that are sent at once, and the time to the next ones: about 100 Mbit/s, as a camera's port.
const UDP_BATCH: usize = 9;
const UDP_EVERY: Duration = Duration::from_millis(1);
/// A pacer that is later than this leaves pictures out.
const LATE_MAX: Duration = Duration::from_secs(1);

const PICTURE_FAULTS: [Fault; 8] = [
    Fault::Frozen,
    Fault::Black,
    Fault::White,
    Fault::Covered,
    Fault::Blurred,
    Fault::Moved,
    Fault::ParameterChange,
    Fault::Keyframes30s,
];

impl World {
    /// The next access unit of a track.
    pub(super) fn frame(&mut self, index: usize, at: Duration) {
        if self.tracks[index].receivers.is_empty() {
            self.tracks[index].scheduled = false; // play() schedules it again
            return;
        }
        let About { camera, stream, sound } = self.tracks[index].about;
        if at > self.tracks[index].due() + LATE_MAX {
            self.totals.stalls += 1;
            self.tracks[index].resume(at);
        }
        let faults: Vec<Fault> = self.plan.script.on(camera, stream, at).collect();
        let has = |wanted: Fault| faults.contains(&wanted);
        if has(Fault::Silent) || (sound && has(Fault::NoSound)) || self.tracks[index].has_to_wait() {
            let track = &mut self.tracks[index];
            track.ticks += track.step;
            track.frame += 1;
            if let Source::Video(pictures) = &mut track.source {
                pictures.begin_again(); // pictures are missing: what follows must not build on them
            }
        } else {
            self.send(index, at, &faults);
        }
        let step = self.tracks[index].step;
        let track = &mut self.tracks[index];
        if !sound && has(Fault::Flood) {
            track.ticks = track.ticks + step / 10 - step; // send() or silence went a whole step
        } else if !sound && has(Fault::SlowFrames) {
            track.ticks += step;
        }
        self.events.push(Reverse((track.due(), Event::Frame(index))));
    }

    fn send(&mut self, index: usize, at: Duration, faults: &[Fault]) {
        let script = &self.plan.script;
        let About { camera, stream, sound } = self.tracks[index].about;
        let (clock_ahead, stamps_ahead) = (script.clock_ahead_us(camera, at), script.stamps_ahead_us(camera, at));
        let shown_camera = if faults.contains(&Fault::OtherStream) { camera % self.plan.cameras + 1 } else { camera };
        let other = (shown_camera != camera).then(|| self.index(shown_camera, stream, sound)).flatten();
        let ssrc = other.map(|n| self.tracks[n].ssrc);
        self.change_picture(index, script.show(camera, stream, at));

        let sent_us = now_us();
        let track = &mut self.tracks[index];
        let frame = track.frame.saturating_add_signed(track.order());
        // A picture that is sent late was taken before those that are shown after it all the same.
        let late = if track.lag > 0 { at.saturating_sub(track.due()) } else { Duration::ZERO };
        let utc_us = sent_us - track.age_us() - late.as_micros() as u64;
        let payload_type = if sound { self.plan.sound.payload_type() } else { VIDEO_PAYLOAD_TYPE };
        let mut head = track.head(payload_type, stamps_ahead);
        head.ssrc = ssrc.unwrap_or(head.ssrc);
        let channel = if sound { 2 } else { 0 };
        let picture;
        let (units, key, mut packets) = match &mut track.source {
            Source::Video(pictures) => {
                let clock_ms = (utc_us as i64 + clock_ahead) / 1000;
                let codec = pictures.shape().codec;
                picture = pictures.next(Says { camera: shown_camera, stream, frame, utc_us, clock_ms });
                let nals = picture.nals();
                let packets = Packets::picture(codec, &nals, channel, head, &mut track.seq);
                (nals, picture.key, packets)
            }
            Source::Sound(sound) => {
                let unit = sound.unit(frame, faults.contains(&Fault::MutedSound));
                let packets = match sound.codec {
                    SoundCodec::Aac => Packets::aac(unit, channel, head, &mut track.seq),
                    _ => Packets::samples(unit, channel, head, &mut track.seq),
                };
                (vec![unit], true, packets)
            }
        };
        let count = packets.starts.len();
        let mut keep = vec![true; count];
        for fault in faults {
            if let Fault::Loss { share, burst, every_s } = *fault {
                drop_some(&mut keep, &mut track.burst, at, (share, burst, every_s), &mut self.rng);
            }
        }
        let lost = keep.iter().filter(|k| !**k).count();
        if faults.contains(&Fault::Garbage) {
            for n in 0..2 {
                let bad = garbage::packet((frame * 2) as u32 + n, head, track.seq, &mut self.rng);
                packets.push(channel, &bad);
                keep.push(true);
            }
        }
        let (bytes, payload) = (packets.bytes.len(), packets.payload_bytes());
        let was_waiting = !track.udp.is_empty();
        let line = FrameLine {
            about: track.about,
            frame,
            utc_ms: sent_us / 1000,
            ssrc: head.ssrc,
            rtp: head.timestamp,
            key,
            units: &units,
            packets: count,
            to: 0,
            lost,
            late: 0,
        };
        let (to, late) = deliver(&mut track.receivers, &mut track.udp, packets, &keep, key, !sound);
        track.packets = track.packets.wrapping_add((count - lost) as u32);
        track.octets = track.octets.wrapping_add(payload as u32);
        if to + late > 0 {
            self.ledger.frame(&FrameLine { to, late, ..line });
        }
        track.ticks += track.step;
        track.frame += 1;
        self.totals.frames += 1;
        self.totals.bytes += bytes as u64 * to as u64;
        self.totals.late += late as u64;
        if !was_waiting && !track.udp.is_empty() {
            self.events.push(Reverse((at, Event::Udp(index))));
        }
        self.report(index, false);
    }

    /// Shows what the script wants, from the next picture on.
    fn change_picture(&mut self, index: usize, wanted: Show) {
        let About { camera, stream, .. } = self.tracks[index].about;
        let frame = self.tracks[index].frame;
        let Source::Video(pictures) = &mut self.tracks[index].source else { return };
        let before = pictures.show();
        // B-frames that are still to come belong to what was.
        if before == wanted || !pictures.is_whole(frame) {
            return;
        }
        let Some(clip) = self.clips.get(order(self.plan.scene(camera), pictures.shape(), wanted)) else { return };
        let letters = Rc::clone(&self.letters[clip.rows.text as usize - 1]);
        pictures.change(clip, wanted, letters);
        for (show, edge) in [(before, "end"), (wanted, "start")] {
            for fault in PICTURE_FAULTS.into_iter().filter(|f| show.has(*f)) {
                let other = if edge == "end" { wanted } else { before };
                if !other.has(fault) {
                    self.note_fault(camera, Some(stream), fault, edge);
                }
            }
        }
    }

    /// Sends reports to all receivers of a track, or only to those that had none.
    fn report(&mut self, index: usize, all: bool) {
        let at = self.at();
        let About { camera, stream, .. } = self.tracks[index].about;
        let clock_ahead = self.plan.script.clock_ahead_us(camera, at);
        let stamps_ahead = self.plan.script.stamps_ahead_us(camera, at);
        let track = &mut self.tracks[index];
        if track.receivers.iter().all(|r| r.reported && !all) {
            return;
        }
        let (ssrc, stamp) = (track.ssrc, track.timestamp(at, stamps_ahead));
        let cname = format!("camera{camera:03}-{}", name(stream));
        let report = sender_report(ssrc, now_us() as i64 + clock_ahead, stamp, track.packets, track.octets, &cname);
        for receiver in track.receivers.iter_mut().filter(|r| all || !r.reported) {
            receiver.reported = true;
            match receiver.transport {
                Transport::Tcp { rtcp, .. } => {
                    let mut framed = Packets::default();
                    framed.push(rtcp, &report);
                    // A receiver that is behind will have the next one.
                    let _ = receiver.out.try_send(framed.bytes.into());
                }
                Transport::Udp { rtcp, .. } => {
                    if self.rtcp.try_send_to(&report, rtcp).is_err() {
                        self.totals.udp_refused += 1;
                    }
                }
            }
        }
    }

    /// Reports at their time.
    pub(super) fn report_again(&mut self, index: usize, at: Duration) {
        let track = &self.tracks[index];
        let About { camera, stream, sound } = track.about;
        if !track.scheduled {
            return; // nobody listens; play() begins anew
        }
        let quiet = |fault| matches!(fault, Fault::Silent) || (sound && matches!(fault, Fault::NoSound));
        if !self.plan.script.has(camera, stream, at, quiet) {
            self.report(index, true);
        }
        self.events.push(Reverse((at + REPORT_EVERY, Event::Report(index))));
    }

    /// The next UDP packets of a track.
    pub(super) fn send_udp(&mut self, index: usize, at: Duration) {
        let track = &mut self.tracks[index];
        for _ in 0..UDP_BATCH {
            let Some((to, packet)) = track.udp.pop_front() else { return };
            if self.rtp.try_send_to(&packet, to).is_err() {
                self.totals.udp_refused += 1;
            }
        }
        if !track.udp.is_empty() {
            self.events.push(Reverse((at + UDP_EVERY, Event::Udp(index))));
        }
    }
}

/// Marks packets that are lost: a share at random, and `burst` behind each other at the beginning of each `every_s`.
fn drop_some(
    keep: &mut [bool],
    (left, which): &mut (u32, u64),
    at: Duration,
    (share, burst, every_s): (f64, u32, f64),
    rng: &mut StdRng,
) {
    let now = (at.as_secs_f64() / every_s) as u64;
    if burst > 0 && *which != now {
        (*left, *which) = (burst, now);
    }
    for keep in keep {
        if *left > 0 {
            *left -= 1;
            *keep = false;
        } else if share > 0.0 && rng.random_bool(share) {
            *keep = false;
        }
    }
}
