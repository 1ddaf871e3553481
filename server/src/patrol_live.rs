//! Lets ingest show cameras, and walls see them: the room of all cameras in the SFU.
//!
//! A camera is known to walls by its id, to the SFU by the tracks that it publishes at the moment. Tracks end when a camera
//! reconnects with others; what walls were assigned is told anew then. Does not belong here: who may see what (signaling).

use crate::patrol_sound::{Made, Way, transcoder};
use async_trait::async_trait;
use lectern_ingest::{LivePacket, LivePort, LiveSink, LiveTracks};
use lectern_media::{
    CameraId, CameraStream, Codec, Layer, ParticipantId, PeerId, RoomId, TrackId, TrackSource, UnixMillis,
};
use lectern_sfu::{
    Assignment, CommandError, LocalPacket, LocalPublish, LocalPublisher, LocalTrack, OfferError, Priority, Sfu,
    SfuEvent, SubscribeRequest,
};
use lectern_signaling::{
    patrol::ports::{PatrolEvent, WallLine, WallPlane},
    ports::{MediaError, Subscribed},
};
use lectern_transcode::Transcoder;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use ulid::Ulid;

/// The room of all cameras of this node: a wall has one connection, and a room lives on one shard.
const ROOM: RoomId = RoomId(Ulid(0x4c45_4354_4552_4e00_7061_7472_6f6c_0001));
/// Heights of a camera's layers where nothing says otherwise: what decides which one fills a tile.
const HEIGHTS: [u16; Layer::COUNT_MAX] = [360, 1_080, 0];
/// How often a command that must not be lost is tried again while the media plane's queue is full.
const AGAIN: Duration = Duration::from_millis(5);
/// How often, before a wall is told that it can't be done: two seconds.
const TRIES: u32 = 400;

/// The room of all cameras.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    sfu: Sfu,
    transcoder: Transcoder,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cameras: HashMap<CameraId, Tracks>,
    /// Which camera a track is of, and whether it is sound.
    tracks: HashMap<TrackId, (CameraId, bool)>,
    walls: HashMap<PeerId, Vec<WallLine>>,
    lines: HashMap<(PeerId, String), Line>,
    /// Cameras whose sound can't be played, and until when.
    unheard: HashMap<CameraId, Instant>,
}

/// What a camera publishes at the moment.
#[derive(Debug, Clone, Default)]
struct Tracks {
    /// Which of its publishers this is: a newer one replaces it.
    generation: u64,
    video: Option<TrackId>,
    sound: Option<TrackId>,
    /// It has a sound that nothing can be made of.
    unplayable: bool,
    /// The streams of the layers, lowest first.
    layers: Vec<CameraStream>,
}

#[derive(Debug, Clone, Default)]
struct Line {
    track: Option<TrackId>,
    layer: Option<Layer>,
    limited: bool,
    stills: bool,
}

impl Live {
    /// Call it within a runtime.
    pub fn new(sfu: Sfu) -> Self {
        Self(Arc::new(Inner { sfu, transcoder: transcoder(), state: Mutex::default() }))
    }

    /// The sound of a camera can't be played for so long, or until it comes anew.
    pub fn not_heard(&self, camera: CameraId, pause: Duration) {
        let mut state = self.0.state.lock();
        if state.cameras.contains_key(&camera) {
            state.unheard.insert(camera, Instant::now() + pause);
        }
    }

    /// What an event of the SFU is to walls, if it is about one.
    pub fn event(&self, event: &SfuEvent) -> Option<PatrolEvent> {
        let mut state = self.0.state.lock();
        match event {
            SfuEvent::PeerLost { peer } => {
                state.walls.remove(peer)?;
                state.lines.retain(|(p, _), _| p != peer);
                Some(PatrolEvent::PeerLost { peer: *peer })
            }
            SfuEvent::LineChanged { peer, mid, track, layer, limited } if state.walls.contains_key(peer) => {
                let line = state.lines.entry((*peer, mid.clone())).or_default();
                (line.track, line.layer, line.limited) = (*track, *layer, *limited);
                Some(state.told(*peer, mid))
            }
            SfuEvent::LineStills { peer, mid, stills } if state.walls.contains_key(peer) => {
                state.lines.entry((*peer, mid.clone())).or_default().stills = *stills;
                Some(state.told(*peer, mid))
            }
            _ => None,
        }
    }

    async fn published(&self, camera: CameraId, tracks: Tracks) {
        let walls = {
            let mut state = self.0.state.lock();
            state.forget(camera);
            for (track, sound) in [(tracks.video, false), (tracks.sound, true)] {
                if let Some(track) = track {
                    state.tracks.insert(track, (camera, sound));
                }
            }
            state.cameras.insert(camera, tracks);
            state.walls_with(camera)
        };
        for peer in walls {
            // Walls that wait for this camera see it from now on.
            if let Err(error) = self.0.insist(peer).await {
                metrics::counter!("lectern_server_media_commands_dropped_total", "reason" => "assign").increment(1);
                tracing::warn!(%camera, %error, "a wall was not told of a camera's new tracks");
            }
        }
    }

    fn ended(&self, camera: CameraId, generation: u64) {
        let mut state = self.0.state.lock();
        if state.cameras.get(&camera).is_some_and(|t| t.generation == generation) {
            state.forget(camera);
        }
    }
}

impl Inner {
    /// Tells the media plane what a wall's lines carry now, again while its queue is full. Each time anew and under the lock:
    /// an assignment of before must never come after one that withdrew a tile.
    async fn insist(&self, peer: PeerId) -> Result<(), CommandError> {
        for _ in 0..TRIES {
            let told = {
                let state = self.state.lock();
                let Some(lines) = state.walls.get(&peer) else { return Ok(()) };
                self.sfu.assign(peer, state.assignments(lines))
            };
            match told {
                Err(CommandError::Busy) => tokio::time::sleep(AGAIN).await,
                Ok(()) | Err(CommandError::NoSuchPeer) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        Err(CommandError::Busy)
    }
}

impl State {
    fn forget(&mut self, camera: CameraId) {
        self.unheard.remove(&camera);
        if let Some(old) = self.cameras.remove(&camera) {
            for track in [old.video, old.sound].into_iter().flatten() {
                self.tracks.remove(&track);
            }
        }
    }

    fn assignments(&self, lines: &[WallLine]) -> Vec<Assignment> {
        let assignment = |line: &WallLine| Assignment {
            mid: line.mid.clone(),
            track: self.cameras.get(&line.camera).and_then(|t| if line.sound { t.sound } else { t.video }),
            height_px: line.height_px,
            // The tile that is enlarged comes first when the line does not carry all.
            priority: if line.height_px > 540 { Priority::Pinned } else { Priority::Rest },
            thumbnail: line.thumbnail,
        };
        lines.iter().map(assignment).collect()
    }

    fn walls_with(&self, camera: CameraId) -> Vec<PeerId> {
        let with = self.walls.iter().filter(|(_, lines)| lines.iter().any(|l| l.camera == camera));
        with.map(|(peer, _)| *peer).collect()
    }

    fn told(&self, peer: PeerId, mid: &str) -> PatrolEvent {
        let line = self.lines.get(&(peer, mid.to_owned())).cloned().unwrap_or_default();
        let of = line.track.and_then(|t| self.tracks.get(&t)).copied();
        let stream = line.layer.zip(of).and_then(|(layer, (camera, sound))| {
            if sound {
                return Some(CameraStream::Sound);
            }
            self.cameras.get(&camera)?.layers.get(layer.index()).copied()
        });
        PatrolEvent::LineChanged {
            peer,
            mid: mid.to_owned(),
            camera: of.map(|(camera, _)| camera),
            stream,
            thumbnail: line.stills,
            limited: line.limited,
        }
    }
}

#[async_trait]
impl WallPlane for Live {
    async fn subscribe(
        &self,
        wall: ParticipantId,
        replaces: Option<PeerId>,
        sdp: &str,
    ) -> Result<Subscribed, MediaError> {
        let request = SubscribeRequest { room: ROOM, participant: wall, replaces, offer: sdp.to_owned() };
        let answer = self.0.sfu.subscribe(request).await.map_err(|e| match e {
            OfferError::Sdp(e) => MediaError::BadOffer(e.to_string()),
            OfferError::Command(e) => command_error(e),
            _ => MediaError::Busy,
        })?;
        self.0.state.lock().walls.entry(answer.peer).or_default();
        Ok(Subscribed { peer: answer.peer, sdp: answer.sdp })
    }

    fn lines(&self, peer: PeerId) -> Vec<PatrolEvent> {
        let state = self.0.state.lock();
        let lines = state.walls.get(&peer).into_iter().flatten();
        let known = lines.filter(|l| state.lines.contains_key(&(peer, l.mid.clone())));
        known.map(|l| state.told(peer, &l.mid)).collect()
    }

    async fn assign(&self, peer: PeerId, lines: &[WallLine]) -> Result<(), MediaError> {
        let mids: HashSet<&str> = lines.iter().map(|l| l.mid.as_str()).collect();
        {
            let mut state = self.0.state.lock();
            state.lines.retain(|(p, mid), _| *p != peer || mids.contains(mid.as_str()));
            *state.walls.get_mut(&peer).ok_or(MediaError::UnknownPeer)? = lines.to_vec();
        }
        // A tile that was withdrawn must go.
        self.0.insist(peer).await.map_err(command_error)
    }

    fn can_be_heard(&self, camera: CameraId) -> bool {
        let state = self.0.state.lock();
        !state.cameras.get(&camera).is_some_and(|t| t.unplayable)
            && state.unheard.get(&camera).is_none_or(|until| *until <= Instant::now())
    }

    async fn close_peer(&self, peer: PeerId) {
        {
            let mut state = self.0.state.lock();
            state.walls.remove(&peer);
            state.lines.retain(|(p, _), _| *p != peer);
        }
        for _ in 0..TRIES {
            match self.0.sfu.close_peer(peer) {
                Err(CommandError::Busy) => tokio::time::sleep(AGAIN).await,
                _ => return,
            }
        }
        tracing::error!(%peer, "the media plane did not close the peer of a wall");
    }
}

fn command_error(e: CommandError) -> MediaError {
    match e {
        CommandError::NoSuchPeer => MediaError::UnknownPeer,
        _ => MediaError::Busy,
    }
}

// ------------------------------------------------------------------------------------------------------ from ingest

/// The live side of one camera: packets are dropped until the media plane has made its publisher.
struct Sink {
    live: Live,
    camera: CameraId,
    generation: u64,
    publisher: Arc<OnceLock<LocalPublisher>>,
    layers: Vec<CameraStream>,
    /// Its sound, if another is made of it.
    made: Option<Made>,
    making: tokio::task::JoinHandle<()>,
}

static GENERATIONS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

impl LivePort for Live {
    fn open(&self, camera: CameraId, tracks: &LiveTracks) -> Option<Box<dyn LiveSink>> {
        let mut layers = Vec::new();
        if tracks.sub {
            layers.push(CameraStream::Sub);
        }
        if tracks.main {
            layers.push(CameraStream::Main);
        }
        let mut wanted = Vec::new();
        if !layers.is_empty() {
            let mut heights = [0; Layer::COUNT_MAX];
            for (at, stream) in layers.iter().enumerate() {
                heights[at] = if *stream == CameraStream::Sub { HEIGHTS[0] } else { HEIGHTS[1] };
            }
            let layers = layers.len() as u8;
            wanted.push(LocalTrack { source: TrackSource::Camera, codec: Codec::H264, layers, heights });
        }
        let way = tracks.sound.map(Way::of);
        if way == Some(Way::Unplayable) {
            metrics::counter!("lectern_server_sounds_not_played_total", "reason" => "format").increment(1);
            tracing::info!(%camera, "the sound of a camera is in a form that is not played live");
        }
        if let Some(codec) = way.and_then(Way::codec) {
            let heights = [0; Layer::COUNT_MAX];
            wanted.push(LocalTrack { source: TrackSource::Microphone, codec, layers: 1, heights });
        }
        if wanted.is_empty() {
            return None;
        }
        let generation = GENERATIONS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let publisher: Arc<OnceLock<LocalPublisher>> = Arc::default();
        let publish = LocalPublish { room: ROOM, participant: camera.participant(), tracks: wanted };
        let made = match way {
            Some(Way::Made(format, clock)) => {
                let room = Arc::downgrade(&publisher);
                Some(Made::new(&self.0.transcoder, (format, clock), self.clone(), camera, room))
            }
            _ => None,
        };
        let unplayable = way == Some(Way::Unplayable);
        let tracks = Tracks { generation, unplayable, layers: layers.clone(), ..Tracks::default() };
        let making = tokio::spawn(make(self.clone(), camera, tracks, publish, publisher.clone()));
        Some(Box::new(Sink { live: self.clone(), camera, generation, publisher, layers, made, making }))
    }
}

/// Publishes, trying again while the media plane has no room.
async fn make(
    live: Live,
    camera: CameraId,
    tracks: Tracks,
    publish: LocalPublish,
    slot: Arc<OnceLock<LocalPublisher>>,
) {
    loop {
        match live.0.sfu.publish_local(publish.clone()).await {
            Ok(publisher) => {
                let track = |source| publisher.tracks().iter().find(|t| t.source == source).map(|t| t.id);
                let (video, sound) = (track(TrackSource::Camera), track(TrackSource::Microphone));
                if slot.set(publisher).is_ok() {
                    live.published(camera, Tracks { video, sound, ..tracks }).await;
                }
                return;
            }
            Err(CommandError::Ended) => return,
            Err(error) => {
                metrics::counter!("lectern_server_cameras_not_shown_total", "reason" => "media_plane").increment(1);
                tracing::warn!(%camera, %error, "a camera can't be shown yet");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

impl Sink {
    fn place(&self, stream: CameraStream) -> Option<(&LocalPublisher, TrackId, Layer)> {
        let publisher = self.publisher.get()?;
        let (source, layer) = match stream {
            CameraStream::Sound => (TrackSource::Microphone, 0),
            _ => (TrackSource::Camera, self.layers.iter().position(|s| *s == stream)? as u8),
        };
        let track = publisher.tracks().iter().find(|t| t.source == source)?.id;
        Some((publisher, track, Layer(layer)))
    }
}

impl LiveSink for Sink {
    fn wanted(&self, stream: CameraStream) -> bool {
        // A substream flows whoever looks: of what the media plane was not given it keeps no keyframe, and a tile would wait
        // for the camera's next one.
        self.place(stream)
            .is_some_and(|(publisher, track, layer)| stream == CameraStream::Sub || publisher.wanted(track, layer))
    }

    fn watched(&self) -> bool {
        [CameraStream::Main, CameraStream::Sub, CameraStream::Sound]
            .into_iter()
            .any(|stream| self.place(stream).is_some_and(|(publisher, track, layer)| publisher.wanted(track, layer)))
    }

    fn send(&mut self, stream: CameraStream, packet: LivePacket) {
        if let Some(made) = self.made.as_mut().filter(|_| stream == CameraStream::Sound) {
            return made.unit(packet);
        }
        if let Some((publisher, track, layer)) = self.place(stream) {
            let LivePacket { timestamp, marker, keyframe, payload, arrival } = packet;
            // What the media plane drops it counts.
            let _ = publisher.send(track, layer, LocalPacket { timestamp, marker, keyframe, payload, arrival });
        }
    }

    fn report(&mut self, stream: CameraStream, ntp: UnixMillis, timestamp: u32) {
        let made = self.made.as_ref().filter(|_| stream == CameraStream::Sound);
        let timestamp = made.map_or(timestamp, |made| made.seen(timestamp));
        if let Some((publisher, track, layer)) = self.place(stream) {
            publisher.report(track, layer, ntp.into(), timestamp);
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.making.abort();
        self.live.ended(self.camera, self.generation);
    }
}
