//! Lets signaling use the SFU: one side's words into the other's.

use async_trait::async_trait;
use lectern_media::{ParticipantId, PeerId, RoomId, TrackId};
use lectern_protocol::ws::{LineAssignment, LinePriority, PublishLine, Quality};
use lectern_sfu::{
    Assignment, CommandError, Health, OfferError, Priority, PublishRequest, Sfu, SfuEvent, SubscribeRequest,
};
use lectern_signaling::ports::{IceCredentials, MediaError, MediaEvent, MediaPlane, Published, Subscribed};
use std::time::Duration;

/// How often a command that must not be lost is tried again while the media plane's queue is full. It takes the whole
/// queue at each turn, every few milliseconds.
const AGAIN: Duration = Duration::from_millis(5);

/// The SFU as signaling's media plane.
pub struct SfuPlane(pub Sfu);

#[async_trait]
impl MediaPlane for SfuPlane {
    async fn publish(
        &self,
        room: RoomId,
        participant: ParticipantId,
        replaces: Option<PeerId>,
        sdp: &str,
        lines: &[PublishLine],
    ) -> Result<Published, MediaError> {
        let lines = lines.iter().map(|l| (l.mid.clone(), l.source)).collect();
        let request = PublishRequest { room, participant, replaces, offer: sdp.to_owned(), lines };
        let answer = self.0.publish(request).await.map_err(offer_error)?;
        Ok(Published { peer: answer.peer, sdp: answer.sdp, tracks: answer.tracks })
    }

    async fn subscribe(
        &self,
        room: RoomId,
        participant: ParticipantId,
        replaces: Option<PeerId>,
        sdp: &str,
    ) -> Result<Subscribed, MediaError> {
        let request = SubscribeRequest { room, participant, replaces, offer: sdp.to_owned() };
        let answer = self.0.subscribe(request).await.map_err(offer_error)?;
        Ok(Subscribed { peer: answer.peer, sdp: answer.sdp })
    }

    async fn assign(&self, peer: PeerId, lines: &[LineAssignment]) {
        let lines = lines.iter().map(|l| Assignment {
            mid: l.mid.clone(),
            track: l.track,
            height_px: l.height_px,
            priority: match l.priority {
                LinePriority::Screen => Priority::Screen,
                LinePriority::Pinned => Priority::Pinned,
                LinePriority::Speaker => Priority::Speaker,
                LinePriority::Rest => Priority::Rest,
            },
            thumbnail: false,
        });
        carried_out("assign", self.0.assign(peer, lines.collect()));
    }

    async fn audio_only(&self, peer: PeerId, on: bool) {
        carried_out("audio_only", self.0.audio_only(peer, on));
    }

    async fn mute(&self, _: RoomId, track: TrackId, muted: bool) {
        carried_out("mute", self.0.mute(track, muted));
    }

    async fn unpublish(&self, _: RoomId, track: TrackId) {
        let sfu = self.0.clone();
        see_to_it("unpublish", move || sfu.unpublish(track));
    }

    async fn restart_ice(&self, peer: PeerId, remote: IceCredentials) -> Result<IceCredentials, MediaError> {
        let (ufrag, pwd) = self.0.restart_ice(peer, remote.ufrag, remote.pwd).await.map_err(command_error)?;
        Ok(IceCredentials { ufrag, pwd })
    }

    async fn close_peer(&self, peer: PeerId) {
        let sfu = self.0.clone();
        see_to_it("close_peer", move || sfu.close_peer(peer));
    }

    async fn close_room(&self, room: RoomId) {
        // Waited for: the room's next lesson must not be closed by the end of this one.
        insist("close_room", || self.0.close_room(room)).await;
    }

    fn media_alive(&self) -> bool {
        self.0.is_running()
    }
}

/// Carries out a command that ends something: dropped, a person would still be seen, heard and recorded. What waits here
/// is bounded by the peers and tracks there are; each is ended once.
fn see_to_it(what: &'static str, mut command: impl FnMut() -> Result<(), CommandError> + Send + 'static) {
    match command() {
        Err(CommandError::Busy) => drop(tokio::spawn(async move { insist(what, command).await })),
        result => carried_out(what, result),
    }
}

/// Tries until the media plane takes the command, or has ended.
async fn insist(what: &'static str, mut command: impl FnMut() -> Result<(), CommandError>) {
    loop {
        match command() {
            Err(CommandError::Busy) => {
                metrics::counter!("lectern_server_media_commands_retried_total", "reason" => what).increment(1);
                tokio::time::sleep(AGAIN).await;
            }
            result => return carried_out(what, result),
        }
    }
}

fn offer_error(e: OfferError) -> MediaError {
    match e {
        OfferError::Sdp(e) => MediaError::BadOffer(e.to_string()),
        OfferError::Command(e) => command_error(e),
        _ => MediaError::Busy,
    }
}

fn command_error(e: CommandError) -> MediaError {
    match e {
        CommandError::NoSuchPeer => MediaError::UnknownPeer,
        _ => MediaError::Busy,
    }
}

/// What a command names may have ended a moment ago; a full queue is worth a count.
fn carried_out(what: &'static str, result: Result<(), CommandError>) {
    match result {
        Ok(()) | Err(CommandError::NoSuchPeer) => {}
        Err(error) => {
            metrics::counter!("lectern_server_media_commands_dropped_total", "reason" => what).increment(1);
            tracing::warn!(%error, what, "the media plane did not take a command");
        }
    }
}

/// An event of the SFU, if signaling has a use for it.
pub fn event(e: SfuEvent) -> Option<MediaEvent> {
    Some(match e {
        SfuEvent::PeerConnected { peer } => MediaEvent::PeerUp { peer },
        SfuEvent::PeerLost { peer } => MediaEvent::PeerLost { peer },
        SfuEvent::TrackStarted { room, track } => MediaEvent::Track { room, info: track },
        SfuEvent::TrackEnded { room, track } => MediaEvent::TrackEnded { room, track },
        SfuEvent::LineChanged { peer, mid, track, layer, limited } => {
            MediaEvent::LineChanged { peer, mid, track, layer, limited }
        }
        SfuEvent::Speaker { room, participant } => MediaEvent::Speaker { room, participant },
        SfuEvent::Quality { peer, up, down, estimate, .. } => {
            MediaEvent::Quality { peer, up: quality(up), down: quality(down), estimate }
        }
        _ => return None,
    })
}

fn quality(health: Health) -> Quality {
    match health {
        Health::Unknown => Quality::Unknown,
        Health::Good => Quality::Good,
        Health::Fair => Quality::Fair,
        Health::Poor => Quality::Poor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };
    use tokio::sync::Notify;

    #[tokio::test]
    async fn what_ends_something_is_not_dropped_by_a_full_queue() {
        let (tries, done) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let (count, taken) = (Arc::clone(&tries), Arc::clone(&done));
        see_to_it("close_peer", move || match count.fetch_add(1, Ordering::Relaxed) {
            0..=9 => Err(CommandError::Busy),
            _ => {
                taken.notify_one();
                Ok(())
            }
        });
        done.notified().await;
        assert_eq!(tries.load(Ordering::Relaxed), 11);
    }

    #[tokio::test]
    async fn a_plane_that_has_ended_is_asked_once() {
        let mut tries = 0;
        insist("close_room", || {
            tries += 1;
            Err(CommandError::Ended)
        })
        .await;
        assert_eq!(tries, 1, "everything in it is closed");
    }
}
