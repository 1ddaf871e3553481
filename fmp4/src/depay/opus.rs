//! Opus payloads (RFC 7587 §4.2): one packet, one unit.

use super::{
    Packet,
    sound::{Frame, SoundError, SoundFormat},
};
use crate::config::{OpusConfig, TrackConfig, opus::duration_ticks};

#[derive(Debug, Default)]
pub(super) struct Opus;

impl SoundFormat for Opus {
    fn frames(&mut self, packet: &Packet, _after_loss: bool) -> Result<Vec<Frame>, SoundError> {
        let duration = duration_ticks(&packet.payload).ok_or(SoundError::Malformed(1))?;
        Ok(vec![Frame { offset: 0, duration, data: packet.payload.clone() }])
    }

    fn config(&self) -> Option<TrackConfig> {
        Some(TrackConfig::Opus(OpusConfig::default()))
    }
}
