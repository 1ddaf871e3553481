//! All cameras: who looks at which track, what is due when, and what the script does to it. One thread, no locks: the
//! connections and the pacer share it in turns.

mod sending;

use super::{
    clips::{Clips, Codec, Shape},
    ledger::{About, Ledger, name},
    osd::Letters,
    picture::{Pictures, order},
    rtsp::Transport,
    script::{Fault, Script, Show, Step, StreamKind},
    sdp,
    sound::{Sound, SoundCodec},
    track::{Receiver, Source, Track, VIDEO_RATE_HZ},
};
use crate::stamp::now_us;
use anyhow::{Context, Result};
use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sending::REPORT_EVERY;
use std::{
    cell::Cell,
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    net::UdpSocket,
    sync::{Notify, mpsc},
};

/// Tracks of a camera: picture and sound of both streams.
const TRACKS_OF_CAMERA: usize = 4;

/// What cameras there are.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many, numbered from 1.
    pub cameras: u16,
    /// Every so-manieth camera's main stream is H.265; 0: none.
    pub h265_every: u16,
    /// Kilobits per second of a main stream.
    pub main_kbps: u32,
    /// Kilobits per second of a substream.
    pub sub_kbps: u32,
    /// Streams with B-frames.
    pub b_frames: Vec<(u16, StreamKind)>,
    /// How many different rooms there are.
    pub scenes: u32,
    /// Sound.
    pub sound: SoundCodec,
    /// Where encoded clips are kept.
    pub cache: PathBuf,
    /// What goes wrong.
    pub script: Script,
    /// Parameter sets in descriptions.
    pub sprop: bool,
}

impl Plan {
    /// How a stream is encoded.
    #[must_use]
    pub fn shape(&self, camera: u16, stream: StreamKind) -> Shape {
        let main = stream == StreamKind::Main;
        let h265 = main && self.h265_every > 0 && camera.is_multiple_of(self.h265_every);
        Shape {
            main,
            codec: if h265 { Codec::H265 } else { Codec::H264 },
            kbps: if main { self.main_kbps } else { self.sub_kbps },
            b_frames: self.b_frames.contains(&(camera, stream)),
        }
    }

    fn scene(&self, camera: u16) -> u32 {
        u32::from(camera) % self.scenes.max(1)
    }
}

/// What the pacer does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Next access unit of a track.
    Frame(usize),
    /// Next UDP packets of a track.
    Udp(usize),
    /// Sender reports of a track.
    Report(usize),
    /// Entry of the script (by its place) begins (or is repeated), or ends.
    Edge(usize, bool),
    /// The ledger is written.
    Flush,
}

/// A connection, as the script sees it.
struct Connection {
    /// The camera it has asked for.
    camera: Option<u16>,
    close: Rc<Notify>,
    rtcp: Option<SocketAddr>,
    heard: Rc<Cell<Instant>>,
}

/// What was done, for the end.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct Totals {
    /// Access units.
    pub frames: u64,
    /// Bytes of packets.
    pub bytes: u64,
    /// Deliveries that a receiver was too slow for.
    pub late: u64,
    /// UDP packets that the system did not take.
    pub udp_refused: u64,
    /// Times at which the pacer was so late that it left pictures out.
    pub stalls: u64,
}

/// All cameras.
pub struct World {
    /// What cameras there are.
    pub plan: Plan,
    /// When the script began.
    pub start: Instant,
    /// What was done.
    pub totals: Totals,
    clips: Clips,
    letters: [Rc<Letters>; 2],
    tracks: Vec<Track>,
    connections: HashMap<u64, Connection>,
    events: BinaryHeap<Reverse<(Duration, Event)>>,
    /// Wakes the pacer.
    woken: Rc<Notify>,
    ledger: Ledger,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    rng: StdRng,
    next_id: u64,
    steps: HashMap<u16, usize>,
}

impl World {
    /// Encodes what the plan needs. Takes seconds the first time.
    ///
    /// # Errors
    /// If clips can't be made.
    pub fn new(plan: Plan, ledger: Ledger, (rtp, rtcp): (UdpSocket, UdpSocket), seed: u64) -> Result<Self> {
        let mut clips = Clips::new(&plan.cache)?;
        let sound = Sound::prepare(plan.sound, &plan.cache)?.map(Rc::new);
        let letters = [Rc::new(Letters::new(1)?), Rc::new(Letters::new(2)?)];
        let mut rng = StdRng::seed_from_u64(seed);
        let mut tracks = Vec::new();
        for camera in 1..=plan.cameras {
            for stream in [StreamKind::Main, StreamKind::Sub] {
                let shape = plan.shape(camera, stream);
                for show in plan.script.shows(camera, stream) {
                    clips.prepare(order(plan.scene(camera), shape, show))?;
                }
                let show = plan.script.show(camera, stream, Duration::ZERO);
                let clip = clips.prepare(order(plan.scene(camera), shape, show))?;
                let letters = Rc::clone(&letters[clip.rows.text as usize - 1]);
                let video = Source::Video(Box::new(Pictures::new(clip, show, letters)));
                // Not all cameras send at the same moment.
                let phase = Duration::from_micros(rng.random_range(0..66_000));
                let step = u64::from(VIDEO_RATE_HZ / shape.fps());
                let about = About { camera, stream, sound: false };
                let mut pictures = track(about, video, VIDEO_RATE_HZ, step, phase, &mut rng);
                pictures.lag = u64::from(shape.lag()) * step;
                tracks.push(pictures);
                let about = About { sound: true, ..about };
                if let Some(sound) = &sound {
                    let (rate, step) = (sound.codec.rate_hz(), u64::from(sound.codec.samples()));
                    tracks.push(track(about, Source::Sound(Rc::clone(sound)), rate, step, phase, &mut rng));
                }
            }
        }
        let world = Self {
            plan,
            start: Instant::now(),
            totals: Totals::default(),
            clips,
            letters,
            tracks,
            connections: HashMap::new(),
            events: BinaryHeap::new(),
            woken: Rc::new(Notify::new()),
            ledger,
            rtp,
            rtcp,
            rng,
            next_id: 1,
            steps: HashMap::new(),
        };
        Ok(world)
    }

    /// Begins the script and the ledger.
    pub fn begin(&mut self) {
        self.start = Instant::now();
        for (n, entry) in self.plan.script.entries().enumerate() {
            self.events.push(Reverse((Duration::from_secs_f64(entry.from_s), Event::Edge(n, true))));
            if let Some(to) = entry.to_s {
                self.events.push(Reverse((Duration::from_secs_f64(to), Event::Edge(n, false))));
            }
        }
        self.events.push(Reverse((Duration::from_secs(1), Event::Flush)));
        let cameras = self.plan.cameras;
        self.ledger
            .note(&serde_json::json!({ "t": "start", "utc_ms": now_us() / 1000, "cameras": cameras, "version": 1 }));
    }

    /// Ends the ledger.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn end(&mut self) -> Result<()> {
        self.ledger.note(&serde_json::json!({ "t": "end", "utc_ms": now_us() / 1000, "totals": self.totals }));
        std::mem::replace(&mut self.ledger, Ledger::new(None, None)?).close()
    }

    /// Ports from which UDP packets come: media and reports.
    ///
    /// # Errors
    /// If the system does not know them.
    pub fn udp_ports(&self) -> Result<(u16, u16)> {
        let port = |socket: &UdpSocket| socket.local_addr().map(|a| a.port()).context("a socket has no address");
        Ok((port(&self.rtp)?, port(&self.rtcp)?))
    }

    /// Is told when the pacer has to look again.
    #[must_use]
    pub fn woken(&self) -> Rc<Notify> {
        Rc::clone(&self.woken)
    }

    /// A new connection: its number.
    pub fn connect(&mut self, close: Rc<Notify>, heard: Rc<Cell<Instant>>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.connections.insert(id, Connection { camera: None, close, rtcp: None, heard });
        id
    }

    /// A connection is gone.
    pub fn disconnect(&mut self, id: u64) {
        self.stop(id);
        self.connections.remove(&id);
    }

    /// Takes the receivers' reports that came by UDP: they keep their sessions alive.
    pub fn hear(&self) {
        let mut report = [0; 1500];
        while let Ok((_, from)) = self.rtcp.try_recv_from(&mut report) {
            for connection in self.connections.values().filter(|c| c.rtcp == Some(from)) {
                connection.heard.set(Instant::now());
            }
        }
    }

    /// Something random, for a nonce or a session's name.
    pub fn random(&mut self) -> u64 {
        self.rng.random()
    }

    fn at(&self) -> Duration {
        self.start.elapsed()
    }

    fn index(&self, camera: u16, stream: StreamKind, sound: bool) -> Option<usize> {
        let about = About { camera, stream, sound };
        // Pictures only, or pictures and sound.
        let each = if self.plan.sound == SoundCodec::None { TRACKS_OF_CAMERA / 2 } else { TRACKS_OF_CAMERA };
        let place = usize::from(stream == StreamKind::Sub) * each / 2 + usize::from(sound);
        let index = usize::from(camera.checked_sub(1)?) * each + place;
        self.tracks.get(index).filter(|t| t.about == about).map(|_| index)
    }

    /// The description of a stream; none if there is no such camera.
    #[must_use]
    pub fn describe(&self, camera: u16, stream: StreamKind) -> Option<String> {
        self.index(camera, stream, false)?;
        let show = Show { look: super::scene::Look::Healthy, other_size: false, long_gop: false };
        let shape = self.plan.shape(camera, stream);
        let clip = self.clips.get(order(self.plan.scene(camera), shape, show)).or_else(|| {
            self.clips.get(order(self.plan.scene(camera), shape, self.plan.script.show(camera, stream, Duration::ZERO)))
        })?;
        let title = format!("camera {camera:03} {}", name(stream));
        Some(sdp::describe(&title, &clip, self.plan.sound, self.plan.sprop))
    }

    /// Whether a stream has such a track (1 picture, 2 sound).
    #[must_use]
    pub fn has_track(&self, camera: u16, stream: StreamKind, track: u8) -> bool {
        matches!(track, 1 | 2) && self.index(camera, stream, track == 2).is_some()
    }

    /// What a request to a camera meets: a log-in that is never right, a connection that ends.
    pub fn meets(&mut self, id: u64, camera: u16, stream: StreamKind, step: Option<Step>) -> Meets {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.camera = Some(camera);
        }
        let at = self.at();
        let mut meets = Meets::Nothing;
        for fault in self.plan.script.on(camera, stream, at) {
            match fault {
                Fault::PortClosed => return Meets::Close,
                Fault::WrongPassword => meets = Meets::Refusal,
                Fault::CloseAtStep { step: wanted } => {
                    let turn = self.steps.entry(camera).or_insert(0);
                    let wanted = wanted.unwrap_or([Step::Describe, Step::Setup, Step::Play][*turn % 3]);
                    if step == Some(wanted) {
                        *turn += 1;
                        return Meets::Close;
                    }
                }
                _ => {}
            }
        }
        meets
    }

    /// Begins to send; tells what comes first.
    pub fn play(
        &mut self,
        id: u64,
        camera: u16,
        stream: StreamKind,
        wanted: &[(u8, Transport)],
        out: &mpsc::Sender<Bytes>,
    ) -> Vec<First> {
        let at = self.at();
        let ahead = self.plan.script.stamps_ahead_us(camera, at);
        let mut told = Vec::new();
        for (number, transport) in wanted {
            let Some(index) = self.index(camera, stream, *number == 2) else { continue };
            if let (Transport::Udp { rtcp, .. }, Some(connection)) = (transport, self.connections.get_mut(&id)) {
                connection.rtcp = Some(*rtcp);
            }
            let track = &mut self.tracks[index];
            track.receivers.retain(|r| r.connection != id);
            let alone = track.receivers.is_empty();
            if alone {
                track.draw_numbers(&mut self.rng);
                track.resume(at);
            }
            track.receivers.push(Receiver {
                connection: id,
                transport: *transport,
                out: out.clone(),
                awaits_key: *number == 1,
                reported: false,
            });
            told.push(First { track: *number, numbers: alone.then(|| (track.seq, track.next_timestamp(ahead))) });
            if !track.scheduled {
                track.scheduled = true;
                self.events.push(Reverse((track.due(), Event::Frame(index))));
                self.events.push(Reverse((at + REPORT_EVERY, Event::Report(index))));
            }
        }
        self.note_session("play", camera, stream);
        self.woken.notify_one();
        told
    }

    /// Ends what a connection receives.
    pub fn stop(&mut self, id: u64) {
        let mut stopped = Vec::new();
        for track in &mut self.tracks {
            let before = track.receivers.len();
            track.receivers.retain(|r| r.connection != id);
            if track.receivers.len() < before && !track.about.sound {
                stopped.push((track.about.camera, track.about.stream));
            }
        }
        for (camera, stream) in stopped {
            self.note_session("stop", camera, stream);
        }
    }

    fn note_session(&mut self, what: &str, camera: u16, stream: StreamKind) {
        let line =
            serde_json::json!({ "t": what, "camera": camera, "stream": name(stream), "utc_ms": now_us() / 1000 });
        self.ledger.note(&line);
    }

    fn note_fault(&mut self, camera: u16, stream: Option<StreamKind>, fault: Fault, edge: &str) {
        let line = serde_json::json!({
            "t": "fault", "camera": camera, "stream": stream.map(name), "fault": fault.name(), "edge": edge,
            "utc_ms": now_us() / 1000,
        });
        self.ledger.note(&line);
    }

    /// Does what is due; tells when to come again.
    ///
    /// # Errors
    /// If the ledger can't be written.
    pub fn turn(&mut self) -> Result<Instant> {
        while let Some(Reverse((due, event))) = self.events.peek().copied() {
            let at = self.at();
            if due > at {
                return Ok(self.start + due);
            }
            self.events.pop();
            match event {
                Event::Frame(index) => self.frame(index, at),
                Event::Udp(index) => self.send_udp(index, at),
                Event::Report(index) => self.report_again(index, at),
                Event::Edge(entry, begins) => self.edge(entry, begins, due),
                Event::Flush => {
                    self.ledger.flush()?;
                    self.events.push(Reverse((at + Duration::from_secs(1), Event::Flush)));
                }
            }
        }
        Ok(self.start + self.at() + Duration::from_secs(1))
    }

    fn edge(&mut self, n: usize, begins: bool, due: Duration) {
        let Some(entry) = self.plan.script.entries().nth(n).copied() else { return };
        if begins && matches!(entry.fault, Fault::Reconnect { .. } | Fault::WrongPassword | Fault::PortClosed) {
            for connection in self.connections.values().filter(|c| c.camera == Some(entry.camera)) {
                connection.close.notify_one();
            }
        }
        if let (true, Fault::Reconnect { every_s: Some(every) }) = (begins, entry.fault) {
            let again = due + Duration::from_secs_f64(every);
            if entry.is_on(again) {
                self.events.push(Reverse((again, Event::Edge(n, true))));
            }
        }
        // Faults of the picture are noted when the stream shows them.
        if !entry.fault.is_of_picture() {
            self.note_fault(entry.camera, entry.stream, entry.fault, if begins { "start" } else { "end" });
        }
    }
}

/// What a track begins with.
#[derive(Debug, Clone, Copy)]
pub struct First {
    /// 1 picture, 2 sound.
    pub track: u8,
    /// Sequence number and time stamp; not known if others receive it already.
    pub numbers: Option<(u16, u32)>,
}

/// What a request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meets {
    /// Nothing unusual.
    Nothing,
    /// Every log-in is refused.
    Refusal,
    /// The connection ends.
    Close,
}

fn track(about: About, source: Source, rate_hz: u32, step: u64, phase: Duration, rng: &mut StdRng) -> Track {
    let mut track = Track {
        about,
        source,
        rate_hz,
        step,
        phase,
        lag: 0,
        ticks: 0,
        frame: 0,
        ssrc: 0,
        seq: 0,
        base: 0,
        packets: 0,
        octets: 0,
        receivers: Vec::new(),
        scheduled: false,
        udp: VecDeque::new(),
        burst: (0, u64::MAX),
    };
    track.draw_numbers(rng);
    track
}
