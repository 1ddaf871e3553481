//! Keyframe requests on their way in: an interceptor that notes for which SSRC one came (RFC 4585 §6.3.1, RFC 5104
//! §4.3.1). The library keeps RTCP to itself otherwise.

use rtc::{
    interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::payload_feedbacks::{full_intra_request::FullIntraRequest, picture_loss_indication::PictureLossIndication},
    sansio::Protocol,
    shared::error::Error,
};
use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// SSRCs noted at most: a publisher has four.
const WANTED_MAX: usize = 64;

/// The SSRCs for which a keyframe is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted(Arc<Mutex<HashSet<u32>>>);

impl Wanted {
    /// Whether a keyframe was asked for since the last call.
    pub fn take(&self, ssrc: u32) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&ssrc)
    }

    fn note(&self, ssrc: u32) {
        let mut wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.len() < WANTED_MAX {
            wanted.insert(ssrc);
        }
    }
}

/// Passes everything on and notes the requests.
#[derive(Default)]
pub struct KeyframeRequests {
    wanted: Wanted,
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl KeyframeRequests {
    /// Notes into `wanted`.
    #[must_use]
    pub fn new(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for KeyframeRequests {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            for packet in packets {
                if let Some(pli) = packet.as_any().downcast_ref::<PictureLossIndication>() {
                    self.wanted.note(pli.media_ssrc);
                } else if let Some(fir) = packet.as_any().downcast_ref::<FullIntraRequest>() {
                    fir.fir.iter().for_each(|entry| self.wanted.note(entry.ssrc));
                }
            }
        }
        self.read.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.write.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for KeyframeRequests {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}
