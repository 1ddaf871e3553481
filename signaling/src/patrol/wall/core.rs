//! The pure state machine of one wall: messages and time in, intentions out.
//!
//! What it decides: which tiles are shown, which lines the media plane is told, which looks are written down. A look begins
//! when a camera is visible on any tile of this wall and ends when it is visible on none; a page that only moves its tiles
//! is one look. Rights are asked of a [`Sight`], made anew for each call. Sockets, queues, clocks and the store do not
//! belong here (`wall/socket.rs`).

use crate::patrol::ports::{PatrolEvent, WallLine};
use lectern_media::{CameraId, CameraStream, PeerId, UnixMillis};
use lectern_protocol::{
    PROTOCOL_VERSION,
    api::CameraStatus,
    wall::{RefusedTile, TILES_MAX, Tile, TileRefusal, WallMessage, WallRequest},
    ws::Req,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A camera that comes back on the wall within this time was not away: scrolling and paging are one look.
const LINGER: Duration = Duration::from_secs(2);
/// A look that lasts is written down this often, so that neither a crash nor a wall that runs all day hides it.
const LOOK_MAX: Duration = Duration::from_secs(600);
/// How often the figures of cameras on tiles are told.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// Media lines of one offer: every tile, one sound, one to spare.
const LINES_MAX: usize = TILES_MAX + 2;
/// The longest media id that is taken, in bytes.
const MID_LEN_MAX: usize = 32;
/// A tile higher than this wishes the main stream: the media plane serves a tile by a layer of two thirds of its height, and
/// substreams are 360 lines high.
const SUB_HEIGHT_PX: u16 = 540;

/// What the viewer may see and hear at this moment, and what there is to see.
pub trait Sight {
    /// Whether the camera may be shown.
    ///
    /// # Errors
    /// Why not.
    fn live(&self, camera: CameraId) -> Result<(), TileRefusal>;
    /// Whether it may, and can, be heard.
    ///
    /// # Errors
    /// Why not.
    fn listen(&self, camera: CameraId) -> Result<(), TileRefusal>;
    /// What of it a browser can show.
    fn playable(&self, camera: CameraId) -> Playable;
    /// How it does.
    fn status(&self, camera: CameraId) -> Option<CameraStatus>;
    /// Whether the audit log takes entries: nothing is shown that can't be written down.
    fn can_note(&self) -> bool;
}

/// What of a camera a browser can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Playable {
    /// Main stream and substream, or it is not known yet.
    All,
    /// The substream; the main stream is in a codec that browsers don't play.
    SubOnly,
    /// Nothing.
    Nothing,
}

/// Names an offer that the media plane works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// What the audit log is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The camera is visible from now on.
    Opened,
    /// It was visible since then.
    Closed {
        /// Since when.
        since: UnixMillis,
        /// Until when.
        until: UnixMillis,
    },
    /// It is heard from now on.
    Listening,
    /// It was heard since then.
    Listened {
        /// Since when.
        since: UnixMillis,
        /// Until when.
        until: UnixMillis,
    },
    /// A picture was refused.
    Refused(TileRefusal),
    /// Sound was refused.
    SoundRefused(TileRefusal),
}

/// What should happen next, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Tell the wall.
    Send(WallMessage),
    /// Ask the media plane for an answer; [`Wall::answered`] takes it.
    Negotiate {
        /// To recognise the answer.
        ticket: Ticket,
        /// The offer.
        sdp: String,
        /// The peer that is renewed.
        replaces: Option<PeerId>,
    },
    /// Tell the media plane what the lines carry.
    Assign {
        /// The peer.
        peer: PeerId,
        /// The lines.
        lines: Vec<WallLine>,
    },
    /// Close a peer.
    ClosePeer(PeerId),
    /// Write down.
    Note {
        /// Which camera.
        camera: CameraId,
        /// What.
        look: Look,
    },
    /// End the socket with this code.
    Close(&'static str),
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    since: UnixMillis,
    /// Not visible any more since then.
    gone: Option<UnixMillis>,
}

#[derive(Debug, Default)]
struct Lines {
    video: BTreeSet<String>,
    audio: BTreeSet<String>,
}

#[derive(Debug)]
struct Asked {
    ticket: Ticket,
    req: Req,
    lines: Lines,
}

/// One wall. Call a method with what happened, then carry out what it put into `out`, in order.
#[derive(Debug, Default)]
pub struct Wall {
    tiles: BTreeMap<String, Tile>,
    sound: Option<(String, CameraId)>,
    seen: BTreeMap<CameraId, Seen>,
    heard: Option<(CameraId, UnixMillis)>,
    peer: Option<PeerId>,
    lines: Lines,
    asked: Option<Asked>,
    next: Option<(Req, String)>,
    tickets: u64,
    /// What each line was last said to carry.
    carried: BTreeMap<String, WallMessage>,
    told: BTreeMap<CameraId, CameraStatus>,
    told_at: Option<UnixMillis>,
}

impl Wall {
    /// Cameras that are on a tile now, hidden ones included.
    pub fn cameras(&self) -> impl Iterator<Item = CameraId> {
        self.tiles.values().map(|t| t.camera).chain(self.sound.as_ref().map(|s| s.1))
    }

    /// The peer.
    #[must_use]
    pub fn peer(&self) -> Option<PeerId> {
        self.peer
    }

    /// A message of the wall, after its hello.
    pub fn request(&mut self, now: UnixMillis, request: WallRequest, sight: &dyn Sight, out: &mut Vec<Output>) {
        match request {
            WallRequest::Offer { req, sdp } => self.offer(req, sdp, out),
            WallRequest::Show { req, tiles } => self.show(now, req, tiles, sight, out),
            WallRequest::Listen { req, mid, camera } => self.listen(now, req, mid, camera, sight, out),
            WallRequest::Ping { req } => out.push(Output::Send(WallMessage::Pong { req, now })),
            _ => out.push(Output::Close("protocol_error")),
        }
    }

    fn offer(&mut self, req: Req, sdp: String, out: &mut Vec<Output>) {
        if self.asked.is_some() {
            if let Some((older, _)) = self.next.replace((req, sdp)) {
                out.push(refused(older, "busy", "a newer offer came before its turn"));
            }
            return;
        }
        let lines = match lines_of(&sdp) {
            Ok(lines) => lines,
            Err(why) => return out.push(refused(req, "bad_offer", why)),
        };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.asked = Some(Asked { ticket, req, lines });
        out.push(Output::Negotiate { ticket, sdp, replaces: self.peer });
    }

    /// The media plane answered an offer: the peer and its SDP, or a stable code and words for the log.
    pub fn answered(
        &mut self,
        now: UnixMillis,
        ticket: Ticket,
        answer: Result<(PeerId, String), (&'static str, String)>,
        out: &mut Vec<Output>,
    ) {
        let Some(asked) = self.asked.take_if(|a| a.ticket == ticket) else {
            out.extend(answer.ok().map(|(peer, _)| Output::ClosePeer(peer)));
            return;
        };
        match answer {
            Ok((peer, sdp)) => {
                let old = self.peer.replace(peer).filter(|old| *old != peer);
                out.extend(old.map(Output::ClosePeer));
                self.lines = asked.lines;
                self.carried.clear();
                let lines = &self.lines;
                self.tiles.retain(|mid, _| lines.video.contains(mid));
                self.sound = self.sound.take().filter(|(mid, _)| lines.audio.contains(mid));
                out.push(Output::Send(WallMessage::Answer { req: asked.req, sdp }));
                self.assign(now, out);
            }
            Err((code, detail)) => out.push(refused(asked.req, code, &detail)),
        }
        if let Some((req, sdp)) = self.next.take() {
            self.offer(req, sdp, out);
        }
    }

    fn show(&mut self, now: UnixMillis, req: Req, tiles: Vec<Tile>, sight: &dyn Sight, out: &mut Vec<Output>) {
        let mids: BTreeSet<&str> = tiles.iter().map(|t| t.mid.as_str()).collect();
        if tiles.len() > TILES_MAX || mids.len() != tiles.len() || mids.iter().any(|m| m.len() > MID_LEN_MAX) {
            return out.push(refused(req, "bad_request", "at most 64 tiles, each with a line of its own"));
        }
        let mut refusals = Vec::new();
        let mut shown = BTreeMap::new();
        for tile in tiles {
            match self.why_not(&tile, sight) {
                None => drop(shown.insert(tile.mid.clone(), tile)),
                Some(reason) => {
                    if !matches!(reason, TileRefusal::NoLine | TileRefusal::NotPlayable) {
                        out.push(Output::Note { camera: tile.camera, look: Look::Refused(reason) });
                    }
                    refusals.push(RefusedTile { mid: tile.mid, camera: tile.camera, reason });
                }
            }
        }
        let before = std::mem::replace(&mut self.tiles, shown);
        let tiles = &self.tiles;
        self.carried.retain(|mid, _| tiles.get(mid).map(|t| t.camera) == before.get(mid).map(|t| t.camera));
        // What is new on the wall is told with the next tick.
        self.told_at = None;
        self.assign(now, out);
        out.push(Output::Send(WallMessage::Shown { req, refused: refusals }));
    }

    fn why_not(&self, tile: &Tile, sight: &dyn Sight) -> Option<TileRefusal> {
        // Rights first: whoever may not see a camera learns nothing else of it.
        if let Err(reason) = sight.live(tile.camera) {
            return Some(reason);
        }
        if self.peer.is_some() && !self.lines.video.contains(&tile.mid) {
            return Some(TileRefusal::NoLine);
        }
        if sight.playable(tile.camera) == Playable::Nothing {
            return Some(TileRefusal::NotPlayable);
        }
        (!sight.can_note()).then_some(TileRefusal::Busy)
    }

    fn listen(
        &mut self,
        now: UnixMillis,
        req: Req,
        mid: String,
        camera: Option<CameraId>,
        sight: &dyn Sight,
        out: &mut Vec<Output>,
    ) {
        let mut refusals = Vec::new();
        let mut wish = None;
        if let Some(camera) = camera {
            let allowed = sight.listen(camera).and_then(|()| match () {
                () if mid.len() > MID_LEN_MAX => Err(TileRefusal::NoLine),
                () if self.peer.is_some() && !self.lines.audio.contains(&mid) => Err(TileRefusal::NoLine),
                () if !sight.can_note() => Err(TileRefusal::Busy),
                () => Ok(()),
            });
            match allowed {
                Ok(()) => wish = Some((mid, camera)),
                Err(reason) => {
                    if !matches!(reason, TileRefusal::NoLine | TileRefusal::SoundNotPlayable) {
                        out.push(Output::Note { camera, look: Look::SoundRefused(reason) });
                    }
                    refusals.push(RefusedTile { mid, camera, reason });
                }
            }
        }
        self.sound = wish;
        self.assign(now, out);
        out.push(Output::Send(WallMessage::Shown { req, refused: refusals }));
    }

    /// Asks again whether everything that is shown may be; what may not is withdrawn.
    pub fn recheck(&mut self, now: UnixMillis, sight: &dyn Sight, out: &mut Vec<Output>) {
        let mut withdrawn = Vec::new();
        self.tiles.retain(|mid, tile| match sight.live(tile.camera) {
            Ok(()) => true,
            Err(reason) => {
                withdrawn.push((RefusedTile { mid: mid.clone(), camera: tile.camera, reason }, false));
                false
            }
        });
        if let Some((mid, camera)) = self.sound.take() {
            match sight.listen(camera) {
                Ok(()) => self.sound = Some((mid, camera)),
                Err(reason) => withdrawn.push((RefusedTile { mid, camera, reason }, true)),
            }
        }
        if withdrawn.is_empty() {
            return;
        }
        self.assign(now, out);
        for (tile, sound) in withdrawn {
            // What was taken away is no look that may come back in a moment.
            if !sound && !self.tiles.values().any(|t| t.camera == tile.camera) {
                self.close_look(tile.camera, now, out);
            }
            let look = if sound { Look::SoundRefused(tile.reason) } else { Look::Refused(tile.reason) };
            if tile.reason != TileRefusal::SoundNotPlayable {
                out.push(Output::Note { camera: tile.camera, look });
            }
            out.push(Output::Send(WallMessage::Withdrawn { tile }));
        }
    }

    /// Time passes: looks that ended are written down, figures told. Call it every second or so.
    pub fn tick(&mut self, now: UnixMillis, sight: &dyn Sight, out: &mut Vec<Output>) {
        let over: Vec<CameraId> =
            self.seen.iter().filter(|(_, s)| s.gone.is_some_and(|g| now.since(g) >= LINGER)).map(|(c, _)| *c).collect();
        for camera in over {
            self.close_look(camera, now, out);
        }
        for (camera, seen) in self.seen.iter_mut().filter(|(_, s)| s.gone.is_none() && now.since(s.since) >= LOOK_MAX) {
            let look = Look::Closed { since: seen.since, until: now };
            out.push(Output::Note { camera: *camera, look });
            out.push(Output::Note { camera: *camera, look: Look::Opened });
            seen.since = now;
        }
        if let Some((camera, since)) = &mut self.heard
            && now.since(*since) >= LOOK_MAX
        {
            out.push(Output::Note { camera: *camera, look: Look::Listened { since: *since, until: now } });
            *since = now;
        }
        if self.told_at.is_none_or(|at| now.since(at) >= STATUS_EVERY) {
            self.told_at = Some(now);
            self.tell_figures(sight, out);
        }
    }

    fn tell_figures(&mut self, sight: &dyn Sight, out: &mut Vec<Output>) {
        let on_tiles: BTreeSet<CameraId> = self.cameras().collect();
        self.told.retain(|camera, _| on_tiles.contains(camera));
        for camera in on_tiles {
            let Some(status) = sight.status(camera) else { continue };
            if self.told.get(&camera) != Some(&status) {
                self.told.insert(camera, status.clone());
                out.push(Output::Send(WallMessage::Camera { camera, status }));
            }
        }
    }

    /// What the media plane tells of this wall's peer, when it changes and, so that nothing stays lost, now and then again.
    pub fn media(&mut self, now: UnixMillis, event: &PatrolEvent, sight: &dyn Sight, out: &mut Vec<Output>) {
        match event {
            PatrolEvent::LineChanged { peer, mid, camera, stream, thumbnail, limited } if Some(*peer) == self.peer => {
                let wish = self.tiles.get(mid);
                let is_sound = self.sound.as_ref().is_some_and(|(m, _)| m == mid);
                // The line was given to another camera meanwhile: its own news follows.
                if let Some(camera) = camera
                    && wish.is_none_or(|t| t.camera != *camera)
                    && !(is_sound && self.sound.as_ref().is_some_and(|(_, c)| c == camera))
                {
                    return;
                }
                let main_not_playable = wish.is_some_and(|t| {
                    t.height_px > SUB_HEIGHT_PX && !t.thumbnail && sight.playable(t.camera) == Playable::SubOnly
                });
                let carries = WallMessage::Carries {
                    mid: mid.clone(),
                    camera: camera.filter(|_| stream.is_some()),
                    stream: if is_sound { stream.map(|_| CameraStream::Sound) } else { *stream },
                    thumbnail: *thumbnail,
                    limited: *limited,
                    main_not_playable,
                };
                if self.carried.get(mid) != Some(&carries) {
                    if self.lines.video.contains(mid) || self.lines.audio.contains(mid) {
                        self.carried.insert(mid.clone(), carries.clone());
                    }
                    out.push(Output::Send(carries));
                }
            }
            PatrolEvent::PeerLost { peer } if Some(*peer) == self.peer => {
                self.peer = None;
                self.lines = Lines::default();
                self.carried.clear();
                self.look(now, out);
                out.push(Output::Send(WallMessage::PeerLost {}));
            }
            _ => {}
        }
    }

    /// The socket ends: looks are written down, the peer goes.
    pub fn end(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        self.tiles.clear();
        self.sound = None;
        out.extend(self.peer.take().map(Output::ClosePeer));
        self.look(now, out);
        let left: Vec<CameraId> = self.seen.keys().copied().collect();
        left.into_iter().for_each(|camera| self.close_look(camera, now, out));
    }

    fn close_look(&mut self, camera: CameraId, now: UnixMillis, out: &mut Vec<Output>) {
        if let Some(seen) = self.seen.remove(&camera) {
            let look = Look::Closed { since: seen.since, until: seen.gone.unwrap_or(now) };
            out.push(Output::Note { camera, look });
        }
    }

    /// Brings the media plane and the looks in step with the tiles. Looks are written down before the picture flows.
    fn assign(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        self.look(now, out);
        let Some(peer) = self.peer else { return };
        let tiles = self.tiles.values().map(|t| WallLine {
            mid: t.mid.clone(),
            camera: t.camera,
            sound: false,
            height_px: t.height_px,
            thumbnail: t.thumbnail,
        });
        let sound = self.sound.iter().map(|(mid, camera)| WallLine {
            mid: mid.clone(),
            camera: *camera,
            sound: true,
            height_px: 1,
            thumbnail: false,
        });
        out.push(Output::Assign { peer, lines: tiles.chain(sound).collect() });
    }

    fn look(&mut self, now: UnixMillis, out: &mut Vec<Output>) {
        let up = self.peer.is_some();
        let visible: BTreeSet<CameraId> =
            self.tiles.values().filter(|t| up && t.height_px > 0).map(|t| t.camera).collect();
        for (camera, seen) in &mut self.seen {
            match (visible.contains(camera), seen.gone) {
                (true, Some(_)) => seen.gone = None,
                (false, None) => seen.gone = Some(now),
                _ => {}
            }
        }
        for camera in visible {
            self.seen.entry(camera).or_insert_with(|| {
                out.push(Output::Note { camera, look: Look::Opened });
                Seen { since: now, gone: None }
            });
        }
        let wish = self.sound.as_ref().map(|s| s.1).filter(|_| up);
        if self.heard.map(|h| h.0) != wish {
            if let Some((camera, since)) = self.heard.take() {
                out.push(Output::Note { camera, look: Look::Listened { since, until: now } });
            }
            if let Some(camera) = wish {
                self.heard = Some((camera, now));
                out.push(Output::Note { camera, look: Look::Listening });
            }
        }
    }
}

/// Whether the first message lets the wall in.
///
/// # Errors
/// The code with which the socket ends.
pub fn hello(request: &WallRequest, csrf_is_right: impl Fn(&str) -> bool) -> Result<(), &'static str> {
    match request {
        WallRequest::Hello { version, .. } if *version != PROTOCOL_VERSION => Err("version_mismatch"),
        WallRequest::Hello { csrf, .. } if csrf_is_right(csrf) => Ok(()),
        WallRequest::Hello { .. } => Err("not_authorised"),
        _ => Err("protocol_error"),
    }
}

fn refused(req: Req, code: &str, detail: &str) -> Output {
    Output::Send(WallMessage::Refused { req, code: code.to_owned(), detail: detail.to_owned() })
}

/// The media ids of an offer, by kind (RFC 8866 §5.14, RFC 5888 §4). Whether the rest of it can be used, the media plane
/// says.
fn lines_of(sdp: &str) -> Result<Lines, &'static str> {
    let mut lines = Lines::default();
    let (mut video, mut count) = (None, 0);
    for line in sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            count += 1;
            video = match media.split(' ').next() {
                Some("video") => Some(true),
                Some("audio") => Some(false),
                _ => None,
            };
        } else if let (Some(mid), Some(video)) = (line.strip_prefix("a=mid:"), video) {
            if mid.len() > MID_LEN_MAX {
                return Err("a media id is too long");
            }
            let set = if video { &mut lines.video } else { &mut lines.audio };
            set.insert(mid.trim().to_owned());
        }
    }
    match count {
        0 => Err("the offer has no media line"),
        _ if count > LINES_MAX => Err("the offer has too many media lines"),
        _ => Ok(lines),
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
