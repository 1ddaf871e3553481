//! What is periodic: feedback to publishers, layers of viewers, handshakes, consent, who speaks, how lines are doing.

use super::{Peer, Role, Shard, slots::Key, tap::KEYFRAME_INTERVAL, tracks::PENDING_HOLD, viewer::LineState};
use crate::api::{Health, SfuEvent};
use lectern_media::{Bitrate, Layer, UnixMillis};
use lectern_sfu_core::{rtcp::Builder, subscriber::Showing, time::NtpTime};
use std::time::{Duration, Instant};

/// How often everything is looked at that has no timer of its own.
const SWEEP: Duration = Duration::from_millis(20);
/// How often a viewer's layers are weighed.
const VIEWER_TICK: Duration = Duration::from_millis(100);
/// How often sender reports go out (RFC 3550 §6.2 allows it for the bandwidths of video).
const SENDER_REPORT: Duration = Duration::from_millis(1_000);
/// How often tracks and rooms are looked at.
const TRACK_TICK: Duration = Duration::from_millis(100);
/// How often a quality that is not good is told again.
const QUALITY_REPEAT: Duration = Duration::from_secs(5);
/// The most one compound RTCP packet takes, in bytes.
const RTCP_LEN_MAX: usize = 1_180;

impl Shard {
    /// When there is something to do even if nothing arrives.
    pub(super) fn next_timeout(&self, now: Instant) -> Instant {
        let mut next = self.next_sweep;
        if !self.pending.is_empty() {
            next = next.min(now + PENDING_HOLD);
        }
        for key in &self.pacing {
            if let Some(Peer { role: Role::Viewer(v), .. }) = self.peers.get(*key)
                && let Some(at) = v.subscriber.next_timeout()
            {
                next = next.min(at);
            }
        }
        for key in &self.publishers {
            if let Some(Peer { role: Role::Publisher(p), .. }) = self.peers.get(*key) {
                next = next.min(p.next_timeout());
            }
        }
        next
    }

    /// Does what is due.
    pub(super) fn timers(&mut self, now: Instant) {
        self.transmit_paced(now);
        self.feed_back(now);
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            self.sweep_peers(now);
            if now >= self.next_track_tick {
                self.next_track_tick = now + TRACK_TICK;
                self.tick_tracks(now);
                self.tick_rooms(now);
                self.counters.flush();
            }
        }
    }

    /// Reports, transport-wide feedback and NACKs to publishers.
    fn feed_back(&mut self, now: Instant) {
        for at in 0..self.publishers.len() {
            let key = self.publishers[at];
            let Some(peer) = self.peers.get_mut(key) else { continue };
            let Role::Publisher(publisher) = &mut peer.role else { continue };
            if peer.transport.srtp.is_none() || publisher.next_timeout() > now {
                continue;
            }
            let mut builder = Builder::new(&mut self.out.space()[..RTCP_LEN_MAX]);
            let mut given_up = [None; 64];
            let feedback = publisher.feedback(now, &mut builder, |track, layer| {
                if let Some(free) = given_up.iter_mut().find(|g| g.is_none()) {
                    *free = Some((track, layer));
                }
            });
            let feedback = feedback.ok();
            let len = builder.len_bytes();
            // What did not fit is due again with the next turn.
            let worth_sending = feedback.is_none_or(|f| f.worth_sending);
            self.counters.nacks_sent.add(u64::from(feedback.map_or(0, |f| f.asked)));
            if len > 0 && worth_sending {
                peer.transport.send_rtcp(len, &mut self.out, &mut self.ports, &mut self.counters);
            }
            for (track, layer) in given_up.into_iter().flatten() {
                self.ask_keyframe(now, track, layer);
            }
        }
    }

    fn sweep_peers(&mut self, now: Instant) {
        // The list is taken along, so that a sweep does not allocate.
        let mut keys = std::mem::take(&mut self.sweep);
        keys.clear();
        keys.extend(self.peers.keys());
        for key in &keys {
            self.sweep_peer(now, *key);
        }
        self.sweep = keys;
    }

    fn sweep_peer(&mut self, now: Instant, key: Key) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.transport.next_timeout().is_some_and(|at| at <= now) {
            let done = peer.transport.on_timeout(now);
            peer.transport.flush_dtls(&mut self.out, &mut self.ports, &mut self.counters);
            if let Err(e) = done {
                tracing::info!(peer = %peer.id, error = %e, "handshake failed");
                self.counters.dtls(e);
                return self.lose_peer(now, key);
            }
        }
        if peer.transport.ice.expires() <= now {
            tracing::info!(peer = %peer.id, "consent expired");
            self.counters.consent_expired();
            return self.lose_peer(now, key);
        }
        if !peer.connected {
            return;
        }
        let due = match &mut peer.role {
            Role::Viewer(viewer) => {
                let due = now >= viewer.next_tick;
                if due {
                    viewer.next_tick = now + VIEWER_TICK;
                }
                due
            }
            Role::Publisher(_) => false,
        };
        if due {
            self.tick_viewer(now, key);
            self.report_to_viewer(now, key);
            self.tell_lines(key);
        }
        self.tell_quality(now, key);
    }

    /// Sender reports: viewers put sound and picture in step by them.
    fn report_to_viewer(&mut self, now: Instant, key: Key) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Role::Viewer(viewer) = &mut peer.role else { return };
        viewer.tell_refusals(&mut self.counters);
        if now < viewer.next_report {
            return;
        }
        let mut builder = Builder::new(&mut self.out.space()[..RTCP_LEN_MAX]);
        let wall = NtpTime::from(UnixMillis::now());
        let reports = viewer.subscriber.sender_reports(now, wall, &mut builder);
        let len = builder.len_bytes();
        if reports.written > 0 {
            // What did not fit goes with the next tick.
            if !reports.more {
                viewer.next_report = now + SENDER_REPORT;
            }
            peer.transport.send_rtcp(len, &mut self.out, &mut self.ports, &mut self.counters);
        }
    }

    /// Tells which lines carry something else than last told.
    fn tell_lines(&mut self, key: Key) {
        let Some(Peer { id, role: Role::Viewer(viewer), .. }) = self.peers.get_mut(key) else { return };
        let peer = *id;
        let (mut changed, mut thinned) = (Vec::new(), Vec::new());
        for line in &mut viewer.lines {
            let track = line.track.and_then(|k| self.tracks.0.get(k));
            let layer = viewer.subscriber.layer(line.id);
            let shown =
                line.wish.tile_height > 0 && !(viewer.audio_only && line.kind == lectern_media::TrackKind::Video);
            let limited = match track {
                Some(track) if shown && line.kind == lectern_media::TrackKind::Video => {
                    let stills = viewer.subscriber.is_meant_thin(line.id);
                    let wished =
                        if line.wish.thumbnail { Some(Layer(0)) } else { track.layer_for(line.wish.tile_height) };
                    viewer.subscriber.target(line.id) < wished || (stills && !line.wish.thumbnail)
                }
                _ => false,
            };
            let state =
                LineState { track: track.map(|t| t.info.id), layer: layer.filter(|_| track.is_some()), limited };
            let stills = state.layer.is_some() && viewer.subscriber.is_thinned(line.id);
            if stills != line.told_stills {
                line.told_stills = stills;
                thinned.push((line.mid.clone(), stills));
            }
            if state != line.told || line.untold {
                let (showing, quality) = (viewer.subscriber.showing(line.id), viewer.subscriber.quality());
                tracing::debug!(%peer, mid = line.mid, track = ?state.track, ?showing, limited, ?quality, "line changed");
                let paused = showing == Showing::Paused && line.told.layer.is_some();
                self.counters.paused.add(u64::from(paused));
                line.told = state;
                line.untold = false;
                changed.push((line.mid.clone(), state));
            }
        }
        for (mid, LineState { track, layer, limited }) in changed {
            if !self.tell(SfuEvent::LineChanged { peer, mid: mid.clone(), track, layer, limited }) {
                // The reader is too slow. What a line carries decides what a viewer shows, so it hears of it later.
                let line = self.peers.get_mut(key).and_then(|p| match &mut p.role {
                    Role::Viewer(viewer) => viewer.lines.iter_mut().find(|l| l.mid == mid),
                    Role::Publisher(_) => None,
                });
                line.into_iter().for_each(|l| l.untold = true);
            }
        }
        for (mid, stills) in thinned {
            self.tell(SfuEvent::LineStills { peer, mid, stills });
        }
    }

    fn tell_quality(&mut self, now: Instant, key: Key) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let (up, down, estimate, rtt) = match &peer.role {
            Role::Publisher(p) => (health_of_loss(p.loss), Health::Unknown, Bitrate::ZERO, Duration::ZERO),
            Role::Viewer(v) => (Health::Unknown, health_of_lines(v), v.subscriber.estimate(), v.subscriber.rtt()),
        };
        let worst = if up == Health::Unknown { down } else { up };
        let again = worst != Health::Good && now >= peer.told_at + QUALITY_REPEAT;
        // A change is told at most once a second: a line between two states should not flicker on the page.
        let changed = peer.told != Some(worst) && (peer.told.is_none() || now >= peer.told_at + Duration::from_secs(1));
        if changed || again {
            (peer.told, peer.told_at) = (Some(worst), now);
            if let Role::Viewer(v) = &peer.role
                && tracing::enabled!(tracing::Level::DEBUG)
            {
                // What answers "why is it paused".
                let showing = v.lines.iter().map(|l| (&l.mid, v.subscriber.showing(l.id))).collect::<Vec<_>>();
                tracing::debug!(peer = %peer.id, ?worst, quality = ?v.subscriber.quality(), ?showing, "quality");
            }
            let peer = peer.id;
            self.tell(SfuEvent::Quality { peer, up, down, estimate, rtt });
        }
    }

    /// Rates and sizes of layers, keyframe wishes that waited, taps.
    fn tick_tracks(&mut self, now: Instant) {
        let mut keys = std::mem::take(&mut self.sweep);
        keys.clear();
        keys.extend(self.tracks.0.keys());
        for key in &keys {
            self.tick_track(now, *key);
        }
        self.sweep = keys;
        self.tap_ends.retain_mut(|sender| !sender.end());
    }

    fn tick_track(&mut self, now: Instant, key: Key) {
        let mut live = [false; Layer::COUNT_MAX];
        self.tick_local(now, key, &mut live);
        let Some(track) = self.tracks.0.get_mut(key) else { return };
        let peer = track.origin.peer();
        if let Some(Peer { role: Role::Publisher(publisher), .. }) = peer.and_then(|k| self.peers.get_mut(k)) {
            for stream in publisher.streams_of(key) {
                let (rate, size) = (stream.ingest.bitrate(now), stream.ingest.resolution());
                self.counters.ingest(stream.ingest.stats(), &mut stream.told);
                if let Some(layer) = track.layers.get_mut(stream.layer.index()) {
                    layer.offer.bitrate = rate;
                    layer.offer.height = size.map(|s| s.height).or(layer.offer.height);
                    live[stream.layer.index()] = rate > Bitrate::ZERO;
                }
            }
        }
        let mut asks = [false; Layer::COUNT_MAX];
        for (i, layer) in track.layers.iter_mut().enumerate() {
            asks[i] = layer.keyframes.poll(now);
        }
        let changed = track.live != live && track.started;
        track.live = live;
        let (id, room) = (track.info.id, track.room);
        let recorded = track.tick_tap(now);
        if changed {
            self.tell(SfuEvent::TrackLayers { room, track: id, live });
        }
        for (i, due) in asks.into_iter().enumerate() {
            if due {
                self.send_keyframe_request(key, Layer(i as u8));
            }
        }
        if let Some(layer) = recorded {
            self.ask_keyframe(now, key, layer);
        }
    }

    fn tick_rooms(&mut self, now: Instant) {
        let mut keys = std::mem::take(&mut self.sweep);
        keys.clear();
        keys.extend(self.rooms.keys());
        for key in &keys {
            let Some(room) = self.rooms.get_mut(*key) else { continue };
            if let Some(source) = room.speakers.poll(now) {
                let who = self.tracks.by_source(source).map(|(_, t)| t.info.participant);
                if room.speaker != who {
                    room.speaker = who;
                    let room = room.id;
                    self.tell(SfuEvent::Speaker { room, participant: who });
                }
            }
            self.drop_room_if_idle(*key);
        }
        self.sweep = keys;
    }
}

/// When the tap wants another keyframe.
pub(super) fn keyframe_due(now: Instant, seen: Option<Instant>) -> bool {
    seen.is_none_or(|t| now >= t + KEYFRAME_INTERVAL)
}

fn health_of_loss(loss: f32) -> Health {
    match loss {
        l if l < 0.02 => Health::Good,
        l if l < 0.10 => Health::Fair,
        _ => Health::Poor,
    }
}

/// The worse of what the lines lack and what is lost on the way.
fn health_of_lines(viewer: &super::viewer::Viewer) -> Health {
    let limited = || viewer.lines.iter().filter(|l| l.told.limited);
    let paused = limited().any(|l| l.told.layer.is_none());
    match health_of_loss(viewer.subscriber.quality().loss as f32) {
        _ if paused => Health::Poor,
        Health::Good if limited().next().is_some() => Health::Fair,
        health => health,
    }
}
