//! WHEP players: they show the stage's main picture with its sound, and follow it when it changes.

use super::{
    MediaCommand, Output,
    core::Room,
    limits::{ASSIGN_LINES_MAX, WATCHERS_MAX},
};
use lectern_media::{PeerId, TrackId, TrackKind, TrackSource};
use lectern_protocol::ws::{LineAssignment, LinePriority, Track};

/// A player's receiving line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchLine {
    /// Its SDP media id.
    pub mid: String,
    /// Sound or picture.
    pub kind: TrackKind,
}

/// A player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Its lines.
    pub lines: Vec<WatchLine>,
    /// A track it asked for instead of the main one of that kind.
    pub track: Option<TrackId>,
    assigned: Vec<Option<TrackId>>,
}

impl Watch {
    /// A player that shows nothing yet.
    #[must_use]
    pub fn new(mut lines: Vec<WatchLine>, track: Option<TrackId>) -> Self {
        lines.truncate(ASSIGN_LINES_MAX);
        Self { lines, track, assigned: Vec::new() }
    }
}

/// The height asked for on behalf of a player, whose window we don't know: all there is.
const PLAYER_HEIGHT_PX: u16 = 2160;

impl Room {
    /// A player's peer stands. Refused when there are as many as may be.
    pub fn watch(&mut self, peer: PeerId, watch: Watch, out: &mut Vec<Output>) -> bool {
        if self.watchers.len() >= WATCHERS_MAX {
            return false;
        }
        self.watchers.insert(peer, watch);
        self.assign_watchers(out);
        true
    }

    /// A player ended its session.
    pub fn watch_ended(&mut self, peer: PeerId, out: &mut Vec<Output>) {
        if self.watchers.remove(&peer).is_some() {
            out.push(Output::Media(MediaCommand::ClosePeer(peer)));
        }
    }

    /// Whether there is such a track on stage.
    #[must_use]
    pub fn has_track(&self, track: TrackId) -> bool {
        self.tracks.contains_key(&track)
    }

    /// Tells each player's lines what they carry now, if that changed.
    pub(super) fn assign_watchers(&mut self, out: &mut Vec<Output>) {
        if self.watchers.is_empty() {
            return;
        }
        let (pictures, sounds) = self.ranked();
        for (peer, watch) in &mut self.watchers {
            let wanted = watch.track.and_then(|t| self.tracks.get(&t)).map(|t| (t.info.id, t.info.source.kind()));
            let first = |kind| wanted.filter(|(_, k)| *k == kind).map(|(id, _)| id);
            let of = |kind, ranked: &[TrackId]| -> Vec<TrackId> {
                first(kind).into_iter().chain(ranked.iter().copied().filter(|id| Some(*id) != first(kind))).collect()
            };
            let mut pictures = of(TrackKind::Video, &pictures).into_iter();
            let mut sounds = of(TrackKind::Audio, &sounds).into_iter();
            let assigned: Vec<_> = watch
                .lines
                .iter()
                .map(|line| match line.kind {
                    TrackKind::Video => pictures.next(),
                    TrackKind::Audio => sounds.next(),
                })
                .collect();
            if assigned != watch.assigned {
                let line = |(line, track): (&WatchLine, &Option<TrackId>)| LineAssignment {
                    mid: line.mid.clone(),
                    track: *track,
                    height_px: PLAYER_HEIGHT_PX,
                    priority: LinePriority::Pinned,
                };
                let lines = watch.lines.iter().zip(&assigned).map(line).collect();
                out.push(Output::Media(MediaCommand::Assign { peer: *peer, lines }));
                watch.assigned = assigned;
            }
        }
    }

    /// Pictures and sounds on stage, the main one first: a shared screen before the teacher's camera before others; the
    /// voice that belongs to the main picture before the others.
    fn ranked(&self) -> (Vec<TrackId>, Vec<TrackId>) {
        let teaches = |t: &Track| self.members.get(&t.info.participant).is_some_and(|m| m.is_teacher());
        let mut pictures: Vec<_> = self.tracks.values().filter(|t| t.info.source.kind() == TrackKind::Video).collect();
        pictures.sort_by_key(|t| (t.info.source != TrackSource::Screen, !teaches(t), t.info.id));
        let main = pictures.first().map(|t| t.info.participant);
        let mut sounds: Vec<_> = self.tracks.values().filter(|t| t.info.source.kind() == TrackKind::Audio).collect();
        sounds.sort_by_key(|t| {
            let voice = t.info.source == TrackSource::Microphone;
            (Some(t.info.participant) != main, !voice, !teaches(t), t.info.id)
        });
        let ids = |tracks: Vec<&Track>| tracks.into_iter().map(|t| t.info.id).collect();
        (ids(pictures), ids(sounds))
    }
}
