//! Ports that keep what they are given, and waiting for it.

use super::PATIENCE;
use lectern_ingest::{
    AddressRule, ArchivePort, CameraConfig, CameraState, CameraStatus, Ingest, IngestConfig, Keyframe, LivePacket,
    LivePort, LiveSink, LiveTracks, Ports, Transport,
};
use lectern_media::{
    Bitrate, CameraId, CameraStream, UnixMillis,
    tap::{self, AbsenceCause, TapEvent, TapHandle, TapPacket},
};
use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::mpsc, task::AbortHandle, time::Instant};

/// Everything that came out.
#[derive(Default)]
pub struct Heard {
    pub events: Mutex<Vec<(CameraId, TapEvent)>>,
    readers: Mutex<Vec<(CameraId, AbortHandle)>>,
    pub live: Mutex<Vec<(CameraId, CameraStream, LivePacket)>>,
    pub opened: Mutex<Vec<(CameraId, LiveTracks)>>,
    pub main_wanted: AtomicBool,
    /// The next opening of a live sink panics.
    pub panic_once: AtomicBool,
}

#[derive(Clone)]
struct Archive(Arc<Heard>);

#[derive(Clone)]
struct Live(Arc<Heard>);

struct Sink(Arc<Heard>, CameraId);

impl ArchivePort for Archive {
    fn tap(&self, camera: CameraId) -> Option<TapHandle> {
        let (handle, mut rx) = tap::channel(4_000);
        let heard = self.0.clone();
        let reader = tokio::spawn(async move {
            while let Some(event) = rx.recv().await {
                heard.events.lock().push((camera, event));
            }
        });
        self.0.readers.lock().push((camera, reader.abort_handle()));
        Some(handle)
    }
}

impl LivePort for Live {
    fn open(&self, camera: CameraId, tracks: &LiveTracks) -> Option<Box<dyn LiveSink>> {
        assert!(!self.0.panic_once.swap(false, Relaxed), "as the test asked for");
        self.0.opened.lock().push((camera, *tracks));
        Some(Box::new(Sink(self.0.clone(), camera)))
    }
}

impl LiveSink for Sink {
    fn wanted(&self, stream: CameraStream) -> bool {
        stream != CameraStream::Main || self.0.main_wanted.load(Relaxed)
    }
    /// Main is wanted while somebody looks; what else comes is for those who begin to.
    fn watched(&self) -> bool {
        self.0.main_wanted.load(Relaxed)
    }
    fn send(&mut self, stream: CameraStream, packet: LivePacket) {
        self.0.live.lock().push((self.1, stream, packet));
    }
    fn report(&mut self, _: CameraStream, _: UnixMillis, _: u32) {}
}

/// An ingest with patience cut short, and what it said.
pub struct Bench {
    pub ingest: Ingest,
    pub heard: Arc<Heard>,
    pub keyframes: mpsc::Receiver<Keyframe>,
}

impl Bench {
    pub fn start() -> Self {
        Self::of(|_| true)
    }

    /// Connects to such addresses alone.
    pub fn of(address_allowed: AddressRule) -> Self {
        let heard = Arc::new(Heard::default());
        let (tx, keyframes) = mpsc::channel(64);
        let (archive, live) = (Arc::new(Archive(heard.clone())), Arc::new(Live(heard.clone())));
        let config = IngestConfig {
            address_allowed,
            connects_per_second: 1_000,
            answer_within: Duration::from_secs(3),
            silent_after: Duration::from_millis(600),
            renew_after: Duration::from_secs(4),
            repeat_absence_every: Duration::from_millis(700),
            figures_every: Duration::from_millis(300),
            seed: 7,
        };
        Self { ingest: Ingest::start(config, Ports { archive, live, keyframes: Some(tx) }), heard, keyframes }
    }

    /// Closes the tap that the camera writes to.
    pub fn drop_tap(&self, camera: CameraId) {
        self.heard.readers.lock().iter().filter(|(id, _)| *id == camera).for_each(|(_, reader)| reader.abort());
    }

    pub async fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is() {
            assert!(Instant::now() < deadline, "waited in vain: {what}; {:?}", self.ingest.all());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn status(&self, camera: CameraId, what: &str, is: impl Fn(&CameraStatus) -> bool) -> CameraStatus {
        self.until(what, || self.ingest.status(camera).is_some_and(|s| is(&s))).await;
        self.ingest.status(camera).unwrap()
    }

    pub async fn state(&self, camera: CameraId, state: CameraState) -> CameraStatus {
        self.status(camera, &format!("{state:?}"), |s| s.state == state).await
    }

    /// Live, with so many packets of the main stream more than now.
    pub async fn flows(&self, camera: CameraId, more: u64) {
        let packets = |s: &CameraStatus| s.stream(CameraStream::Main).map_or(0, |s| s.packets);
        let before = self.ingest.status(camera).map_or(0, |s| packets(&s));
        self.status(camera, "flows", |s| s.state == CameraState::Live && packets(s) >= before + more).await;
    }

    pub fn events(&self, camera: CameraId, stream: CameraStream) -> Vec<TapEvent> {
        let track = camera.track(stream);
        let of = |event: &TapEvent| match event {
            TapEvent::Started(info) => info.id == track,
            TapEvent::Packet(p) => p.track == track,
            TapEvent::Parameters { track: t, .. }
            | TapEvent::Absent { track: t, .. }
            | TapEvent::SenderReport { track: t, .. }
            | TapEvent::ClockOffset { track: t, .. }
            | TapEvent::Ended(t) => *t == track,
            _ => false,
        };
        self.heard.events.lock().iter().filter(|(_, e)| of(e)).map(|(_, e)| e.clone()).collect()
    }

    pub fn packets(&self, camera: CameraId, stream: CameraStream) -> Vec<TapPacket> {
        let events = self.events(camera, stream).into_iter();
        events.filter_map(|e| if let TapEvent::Packet(p) = e { Some(p) } else { None }).collect()
    }

    /// Absences of the main stream: since, until, cause, packets.
    pub fn absences(&self, camera: CameraId) -> Vec<(i64, i64, AbsenceCause, u64)> {
        let events = self.events(camera, CameraStream::Main).into_iter();
        events
            .filter_map(|e| match e {
                TapEvent::Absent { since, until, cause, packets, .. } => Some((since.0, until.0, cause, packets)),
                _ => None,
            })
            .collect()
    }

    /// The course of the main track, packets summed up: `started parameters 12 absent(Network) ended …`.
    pub fn course(&self, camera: CameraId) -> String {
        let mut out: Vec<String> = Vec::new();
        let mut packets = false;
        for event in self.events(camera, CameraStream::Main) {
            let word = match event {
                TapEvent::Started(_) => "started".to_owned(),
                TapEvent::Parameters { .. } => "parameters".to_owned(),
                TapEvent::Absent { cause, .. } => format!("absent({cause:?})"),
                TapEvent::Ended(_) => "ended".to_owned(),
                TapEvent::Packet(_) if !packets => "packets".to_owned(),
                _ => continue,
            };
            packets = word == "packets";
            if out.last() != Some(&word) {
                out.push(word);
            }
        }
        out.join(" ")
    }
}

pub fn config(main_url: String, sub_url: Option<String>) -> CameraConfig {
    CameraConfig {
        id: CameraId::generate(),
        name: "room 1".to_owned(),
        main_url,
        sub_url,
        transport: Transport::Tcp,
        username: String::new(),
        password: "".into(),
        bitrate_max: Bitrate::kbps(4_000),
        sub_bitrate_max: CameraConfig::SUB_BITRATE_MAX,
    }
}
