//! G.711 payloads (RFC 3551 §4.5.14): one packet, one unit, a byte for each sample of the one channel.

use super::{
    Packet,
    sound::{Frame, SoundError, SoundFormat},
};
use crate::config::TrackConfig;

/// The most samples a packet may have: half a second.
const SAMPLES_MAX: usize = 4000;

/// Which of the two laws.
#[derive(Debug)]
pub(super) struct G711(pub(super) TrackConfig);

impl SoundFormat for G711 {
    fn frames(&mut self, packet: &Packet, _after_loss: bool) -> Result<Vec<Frame>, SoundError> {
        match packet.payload.len() {
            n if n <= SAMPLES_MAX => Ok(vec![Frame { offset: 0, duration: n as u32, data: packet.payload.clone() }]),
            _ => Err(SoundError::Malformed(1)),
        }
    }

    fn config(&self) -> Option<TrackConfig> {
        Some(self.0.clone())
    }
}
