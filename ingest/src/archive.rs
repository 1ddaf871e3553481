//! One track of a camera on its way into the archive: starts, ends, parameters, absences and packets in their order, whether
//! the tap has room, is being replaced, or is not there.
//!
//! What can't be told now waits, bounded; packets never wait: the tap counts those that found no room.

use bytes::Bytes;
use lectern_media::{
    ClockRate, TrackId, TrackInfo, UnixMillis,
    tap::{Offered, TapEvent, TapHandle, TapPacket, TapSender},
};
use std::collections::VecDeque;

/// The most steps that wait for a tap: minutes of absences told every few seconds.
const STEPS_MAX: usize = 64;

/// Something to tell, in order.
#[derive(Debug)]
enum Step {
    /// End what runs and start anew.
    Begin,
    /// End what runs.
    End,
    Event(TapEvent),
}

/// What a track is while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) info: TrackInfo,
    pub(crate) clock: ClockRate,
    pub(crate) config: Bytes,
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) track: TrackId,
    running: Option<Running>,
    sender: Option<TapSender>,
    steps: VecDeque<Step>,
    /// Packets that went by while a start waited for room.
    missed: Option<(UnixMillis, u64)>,
    /// Steps that were dropped because too many waited.
    pub(crate) dropped: u64,
}

impl Line {
    pub(crate) const fn new(track: TrackId) -> Self {
        Self { track, running: None, sender: None, steps: VecDeque::new(), missed: None, dropped: 0 }
    }

    /// The track begins, or begins anew with the same id.
    pub(crate) fn begin(&mut self, tap: Option<&TapHandle>, running: Running) {
        self.running = Some(running);
        if tap.is_some() {
            self.push(Step::Begin);
            self.flush(tap);
        }
    }

    /// The track ends for good.
    pub(crate) fn end(&mut self, tap: Option<&TapHandle>) {
        if self.running.take().is_some() && tap.is_some() {
            self.push(Step::End);
            self.flush(tap);
        }
    }

    /// Tells an event of the track.
    pub(crate) fn event(&mut self, tap: Option<&TapHandle>, event: TapEvent) {
        if tap.is_some() {
            self.push(Step::Event(event));
            self.flush(tap);
        }
    }

    /// Hands over a packet.
    pub(crate) fn packet(&mut self, tap: Option<&TapHandle>, packet: TapPacket) {
        if tap.is_none() {
            return;
        }
        self.flush(tap);
        match &mut self.sender {
            Some(sender) if self.steps.is_empty() => {
                // Full is the tap's to count; closed shows at the handle.
                let _ = sender.offer(packet);
            }
            _ if self.running.is_some() => {
                let (since, packets) = self.missed.unwrap_or((packet.arrival, 0));
                self.missed = Some((since, packets + 1));
            }
            _ => {}
        }
    }

    /// The tap was replaced: what runs is started there.
    pub(crate) fn attach(&mut self, tap: Option<&TapHandle>) {
        self.sender = None;
        self.steps.clear();
        self.missed = None;
        if self.running.is_some() && tap.is_some() {
            self.push(Step::Begin);
            self.flush(tap);
        }
    }

    /// Tells what waits, as far as there is room. Call now and then.
    pub(crate) fn flush(&mut self, tap: Option<&TapHandle>) {
        let Some(tap) = tap else { return };
        while let Some(step) = self.steps.pop_front() {
            if let Some(back) = self.tell(tap, step) {
                self.steps.push_front(back);
                return;
            }
        }
    }

    fn push(&mut self, step: Step) {
        if self.steps.len() == STEPS_MAX {
            // The oldest event goes; starts and ends stay, of which there are few.
            let oldest = self.steps.iter().position(|s| matches!(s, Step::Event(_))).unwrap_or(0);
            self.steps.remove(oldest);
            self.dropped += 1;
        }
        self.steps.push_back(step);
    }

    /// Tells one step; gives it back if there is no room.
    fn tell(&mut self, tap: &TapHandle, step: Step) -> Option<Step> {
        match step {
            Step::Begin => {
                // What ended before it could begin needs no beginning.
                let running = self.running.clone()?;
                if self.sender.as_mut().is_some_and(|sender| !sender.end()) {
                    return Some(Step::Begin);
                }
                self.sender = None;
                let Some(mut sender) = tap.start(&running.info) else { return Some(Step::Begin) };
                if let Some((since, packets)) = self.missed.take() {
                    sender.missed(since, packets);
                }
                self.sender = Some(sender);
                let (track, clock, config) = (self.track, running.clock, running.config);
                self.steps.push_front(Step::Event(TapEvent::Parameters { track, clock, config }));
                None
            }
            Step::End => {
                if self.sender.as_mut().is_some_and(|sender| !sender.end()) {
                    return Some(Step::End);
                }
                self.sender = None;
                None
            }
            Step::Event(event) => {
                let offered = match &mut self.sender {
                    Some(sender) => sender.event(event.clone()),
                    None => tap.tell(event.clone()),
                };
                (offered == Offered::Full && !passing(&event)).then_some(Step::Event(event))
            }
        }
    }
}

/// Whether a tap without room may lose this: another follows soon, or the sender keeps it.
const fn passing(event: &TapEvent) -> bool {
    matches!(event, TapEvent::SenderReport { .. } | TapEvent::ClockOffset { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_media::{
        CameraId, CameraStream, Codec, ExtSeq, ExtTimestamp, TrackSource,
        tap::{self, AbsenceCause, TapReceiver},
    };

    fn running(camera: CameraId) -> Running {
        let info = TrackInfo {
            id: camera.track(CameraStream::Main),
            participant: camera.participant(),
            source: TrackSource::Camera,
            codec: Codec::H264,
            layers: 1,
        };
        Running { info, clock: ClockRate::VIDEO, config: Bytes::from_static(b"config") }
    }

    fn packet(track: TrackId, seq: u64) -> TapPacket {
        TapPacket {
            track,
            seq: ExtSeq(seq),
            timestamp: ExtTimestamp(0),
            arrival: UnixMillis(seq as i64),
            marker: true,
            keyframe: true,
            payload: Bytes::from_static(b"x"),
        }
    }

    fn absent(track: TrackId, since: i64) -> TapEvent {
        let (since, until) = (UnixMillis(since), UnixMillis(since + 1));
        TapEvent::Absent { track, since, until, cause: AbsenceCause::Network, packets: 0 }
    }

    fn read(rx: &mut TapReceiver) -> String {
        let text = std::iter::from_fn(|| rx.try_recv().ok()).map(|event| match event {
            TapEvent::Started(_) => "started".to_owned(),
            TapEvent::Parameters { .. } => "parameters".to_owned(),
            TapEvent::Packet(p) => p.seq.0.to_string(),
            TapEvent::Absent { since, .. } => format!("absent {}", since.0),
            TapEvent::Hole { packets, .. } => format!("hole {packets}"),
            TapEvent::Ended(_) => "ended".to_owned(),
            other => format!("{other:?}"),
        });
        text.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_track_that_comes_back_is_absent_then_ends_and_starts() {
        let camera = CameraId::generate();
        let (handle, mut rx) = tap::channel(64);
        let (tap, mut line) = (Some(&handle), Line::new(camera.track(CameraStream::Main)));
        line.event(tap, absent(line.track, 1));
        line.begin(tap, running(camera));
        line.packet(tap, packet(line.track, 7));
        line.event(tap, absent(line.track, 8));
        line.begin(tap, running(camera));
        line.packet(tap, packet(line.track, 9));
        line.end(tap);
        let want = "absent 1, started, parameters, 7, absent 8, ended, started, parameters, 9, ended";
        assert_eq!(read(&mut rx), want);
    }

    #[test]
    fn a_full_tap_is_told_later_and_in_order() {
        let camera = CameraId::generate();
        let (handle, mut rx) = tap::channel(4);
        let mut line = Line::new(camera.track(CameraStream::Main));
        let tap = Some(&handle);
        while handle.tell(absent(line.track, 0)) == Offered::Taken {}
        line.begin(tap, running(camera));
        (0..5).for_each(|seq| line.packet(tap, packet(line.track, seq)));
        (0..200).for_each(|n| line.event(tap, absent(line.track, n)));
        assert_eq!(line.steps.len(), STEPS_MAX);
        read(&mut rx);
        line.flush(tap);
        let told = read(&mut rx);
        assert!(told.starts_with("started, parameters, absent 137, "), "{told}");
        line.flush(tap);
        read(&mut rx);
        while !line.steps.is_empty() {
            line.flush(tap);
            read(&mut rx);
        }
        line.packet(tap, packet(line.track, 6));
        assert_eq!(read(&mut rx), "hole 5, 6");
    }

    #[test]
    fn another_tap_gets_what_runs() {
        let camera = CameraId::generate();
        let mut line = Line::new(camera.track(CameraStream::Main));
        line.begin(None, running(camera));
        line.packet(None, packet(line.track, 1));
        let (handle, mut rx) = tap::channel(64);
        line.attach(Some(&handle));
        line.packet(Some(&handle), packet(line.track, 2));
        assert_eq!(read(&mut rx), "started, parameters, 2");
    }
}
