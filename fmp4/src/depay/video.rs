//! What picture formats have in common: packets of one timestamp make a unit, the marker ends it, a loss spoils everything up
//! to the next keyframe. What is spoilt is dropped, or handed out with a mark ([`Keep`]).

use super::{AccessUnit, Broken, Dropped, Hole, Packet, UNIT_BYTES_MAX, UNIT_PACKETS_MAX, Unit};
use crate::config::TrackConfig;
use bytes::{Bytes, BytesMut};
use lectern_media::{ExtTimestamp, UnixMillis};

/// What comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// What decodes.
    Decodable,
    /// Everything that came, what does not decode with a mark.
    Everything,
}

/// The payloads of one unit.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    pub(super) list: Vec<Bytes>,
    /// Before which of them packets are missing. Empty if only what decodes is kept.
    pub(super) cuts: Vec<usize>,
    bytes: usize,
}

impl Payloads {
    #[cfg(test)]
    pub(super) fn whole(list: &[Bytes]) -> Self {
        Self { list: list.to_vec(), ..Self::default() }
    }

    fn push(&mut self, payload: Bytes) {
        self.bytes += payload.len();
        self.list.push(payload);
    }
}

/// What a payload format makes of the packets of one unit.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) keyframe: bool,
    /// There is something to show, not parameter sets alone.
    pub(super) shown: bool,
    pub(super) config: Option<TrackConfig>,
    pub(super) data: Bytes,
    /// Payloads that could not be used; 0 if only what decodes is kept.
    pub(super) unused: u64,
}

/// Why packets are not a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuildError {
    /// Not in the payload format, or cut short.
    Malformed,
    /// A keyframe whose decoder configuration was never seen, or was lost with the packets before it.
    NoConfig,
}

/// A payload format.
pub(super) trait Format: Default {
    /// Whether a unit can begin with this payload.
    fn starts_unit(payload: &[u8]) -> bool;
    /// Joins the payloads of one unit. `resuming`: packets are missing right before it. If everything is kept, what can't be
    /// used is counted instead of refused.
    fn build(&mut self, payloads: &Payloads, resuming: bool, keep: Keep) -> Result<Built, BuildError>;
    /// Takes parameters that were told beside the packets.
    fn set_parameters(&mut self, _config: &[u8]) {}
}

#[derive(Debug)]
struct Partial {
    timestamp: ExtTimestamp,
    arrival: UnixMillis,
    payloads: Payloads,
    /// Its beginning is not known to be there.
    headless: bool,
    /// Its last packet carries the marker.
    marked: bool,
}

#[derive(Debug)]
pub(super) struct Video<F> {
    format: F,
    keep: Keep,
    expected: Option<u64>,
    current: Option<Partial>,
    /// What came of units that show nothing (everything is kept), and when the first did: goes before the next one.
    carried: Option<(ExtTimestamp, UnixMillis, BytesMut)>,
    /// Units do not decode until a keyframe comes.
    waiting: bool,
    /// Packets missing since the last unit that was handed out.
    missing: u64,
    handed_out: bool,
    /// The timestamp of the picture that a marker ended last.
    ended: Option<ExtTimestamp>,
    /// The sender sets the marker on every slice, as some cameras do: only the next timestamp ends a unit.
    marks_slices: bool,
    pub(super) dropped: Dropped,
}

impl<F: Format> Video<F> {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            format: F::default(),
            keep,
            expected: None,
            current: None,
            carried: None,
            waiting: true,
            missing: 0,
            handed_out: false,
            ended: None,
            marks_slices: false,
            dropped: Dropped::default(),
        }
    }

    pub(super) fn waits_for_keyframe(&self) -> bool {
        self.waiting
    }

    /// Packets missing since the last unit, if one was handed out.
    pub(super) fn missing(&self) -> u64 {
        if self.handed_out { self.missing } else { 0 }
    }

    pub(super) fn set_parameters(&mut self, config: &[u8]) {
        self.format.set_parameters(config);
    }

    pub(super) fn push(&mut self, packet: Packet, out: &mut Vec<Unit>) {
        if let Some(lost) = self.expected.map(|e| packet.seq.0.saturating_sub(e)).filter(|n| *n > 0) {
            self.spoil(lost);
            self.dropped.lost += lost;
        }
        self.expected = Some(packet.seq.0 + 1);
        if packet.payload.is_empty() {
            return; // Padding takes a sequence number and nothing else.
        }
        if self.current.as_ref().is_some_and(|c| c.timestamp != packet.timestamp) {
            self.finish(out); // The sender doesn't set markers.
        }
        let Packet { marker, payload, timestamp, .. } = packet;
        self.marks_slices |= self.current.is_none() && self.ended == Some(timestamp);
        let overfull = |c: &Partial| {
            c.payloads.bytes + payload.len() > UNIT_BYTES_MAX || c.payloads.list.len() == UNIT_PACKETS_MAX
        };
        if self.current.as_ref().is_some_and(overfull) {
            match self.keep {
                Keep::Decodable => {
                    self.dropped.malformed += 1;
                    self.spoil(1);
                    return;
                }
                // What came so far goes out, the rest follows as a unit without a beginning.
                Keep::Everything => {
                    self.spoil(0);
                    self.finish(out);
                }
            }
        }
        match &mut self.current {
            Some(c) => c.payloads.push(payload),
            None => {
                let headless = !F::starts_unit(&payload);
                if headless && self.keep == Keep::Decodable {
                    // In the middle of a unit whose start is missing.
                    match self.waiting {
                        true => self.dropped.awaiting_keyframe += 1,
                        false => self.dropped.malformed += 1,
                    }
                    self.spoil(1);
                } else {
                    let mut payloads = Payloads::default();
                    payloads.push(payload);
                    let arrival = packet.arrival;
                    self.current = Some(Partial { timestamp, arrival, payloads, headless, marked: false });
                }
            }
        }
        if let Some(c) = &mut self.current {
            c.marked = marker;
        }
        if marker && !self.marks_slices && self.finish(out) {
            self.ended = Some(timestamp);
        }
    }

    /// The end of a numbering: a unit without its marker may be cut, so it is not handed on as a whole one.
    pub(super) fn flush(&mut self, out: &mut Vec<Unit>) {
        if let Some(c) = &self.current {
            if !c.marked {
                self.spoil(0);
            }
            self.finish(out);
        }
        if let Some((timestamp, arrival, data)) = self.carried.take() {
            let built = Built { keyframe: false, shown: false, config: None, data: data.freeze(), unused: 0 };
            self.hand_out((timestamp, arrival), built, Some(Broken::Incomplete), out);
        }
        self.expected = None;
        self.ended = None;
        self.waiting = true;
    }

    pub(super) fn hole(&mut self, packets: u64) {
        self.spoil(packets);
        self.dropped.lost += packets;
        self.expected = None;
    }

    /// Packets are missing here: what follows up to a keyframe does not decode, nor does the unit in the making.
    fn spoil(&mut self, packets: u64) {
        self.missing += packets;
        self.waiting = true;
        match self.keep {
            Keep::Everything => {
                if let Some(c) = &mut self.current {
                    c.payloads.cuts.push(c.payloads.list.len());
                }
            }
            Keep::Decodable => {
                let current = self.current.take().map_or(0, |c| c.payloads.list.len() as u64);
                self.dropped.awaiting_keyframe += current;
                self.missing += current;
            }
        }
    }

    /// Ends the unit in the making; whether it shows something.
    fn finish(&mut self, out: &mut Vec<Unit>) -> bool {
        let Some(unit) = self.current.take() else { return false };
        let packets = unit.payloads.list.len() as u64;
        let built = self.format.build(&unit.payloads, self.missing > 0, self.keep);
        let shown = built.as_ref().is_ok_and(|b| b.shown);
        match built {
            Ok(built) if self.keep == Keep::Everything => self.hand_out_anyway(unit, built, out),
            Ok(built) if !built.shown => {}
            Ok(built) if built.keyframe || !self.waiting => {
                self.hand_out((unit.timestamp, unit.arrival), built, None, out)
            }
            Ok(_) | Err(BuildError::NoConfig) => {
                self.dropped.awaiting_keyframe += packets;
                self.spoil(packets);
            }
            Err(BuildError::Malformed) => {
                self.dropped.malformed += packets;
                self.spoil(packets);
            }
        }
        shown
    }

    /// Everything is kept: decides what is wrong with the unit.
    fn hand_out_anyway(&mut self, unit: Partial, mut built: Built, out: &mut Vec<Unit>) {
        let cut = unit.headless || !unit.payloads.cuts.is_empty() || built.unused > 0;
        if built.unused > 0 {
            self.dropped.cut += built.unused;
            self.missing += built.unused;
        }
        self.waiting |= cut;
        let at = (unit.timestamp, unit.arrival);
        let (since, arrival, mut data) = self.carried.take().unwrap_or((at.0, at.1, BytesMut::new()));
        if !built.shown && !cut && data.len() + built.data.len() <= UNIT_BYTES_MAX {
            data.extend_from_slice(&built.data);
            self.carried = Some((since, arrival, data));
            return;
        }
        if !data.is_empty() {
            data.extend_from_slice(&built.data);
            built.data = data.freeze();
        }
        if built.data.is_empty() {
            return;
        }
        let broken = match (cut, built.keyframe) {
            (true, _) => Some(Broken::Incomplete),
            (false, true) if built.config.is_none() => Some(Broken::NoConfig),
            (false, true) => None,
            (false, false) => self.waiting.then_some(Broken::AfterLoss),
        };
        if broken.is_some() {
            built.config = None;
        }
        self.hand_out(at, built, broken, out);
    }

    fn hand_out(&mut self, at: (ExtTimestamp, UnixMillis), built: Built, broken: Option<Broken>, out: &mut Vec<Unit>) {
        if self.missing > 0 && self.handed_out {
            out.push(Unit::Hole(Hole { packets: self.missing }));
        }
        self.missing = 0;
        self.waiting = broken.is_some();
        self.handed_out = true;
        out.push(Unit::Access(AccessUnit {
            timestamp: at.0,
            arrival: at.1,
            keyframe: built.keyframe,
            config: built.config,
            duration: None,
            broken,
            data: built.data,
        }));
    }
}
