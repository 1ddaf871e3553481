//! Cameras published from this process, and a wall that watches them.

use super::{Client, PATIENCE};
use bytes::Bytes;
use lectern_media::{Codec, Layer, ParticipantId, RoomId, TrackSource};
use lectern_sfu::{
    Assignment, LocalPacket, LocalPublish, LocalPublisher, LocalTrack, NtpTime, Offered, Priority, Sfu,
    SubscribeRequest,
};
use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};
use str0m::media::{Direction, MediaKind, Mid};

pub const SUB: Layer = Layer(0);
pub const MAIN: Layer = Layer(1);
/// Pictures of one group, at [`PICTURE`] each.
pub const GROUP: u64 = 20;
const PICTURE: Duration = Duration::from_millis(67);
/// Packets of a keyframe and of another picture.
pub const KEY_PARTS: usize = 8;
pub const DELTA_PARTS: usize = 2;

/// What a packet of a test's camera says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    pub camera: u16,
    pub layer: u8,
    pub picture: u64,
    pub key: bool,
    pub part: u8,
    pub of: u8,
}

impl Part {
    fn payload(self, nal: u8) -> Bytes {
        let mut p = vec![nal, 66, 0xc0, 31];
        p.extend(b"part");
        p.extend(self.camera.to_be_bytes());
        p.push(self.layer);
        p.extend(self.picture.to_be_bytes());
        p.extend([u8::from(self.key), self.part, self.of]);
        p.resize(if self.key { 900 } else { 500 } + usize::from(self.layer) * 200, 0xaa);
        p.into()
    }

    pub fn read(payload: &[u8]) -> Self {
        let at = payload.windows(4).position(|w| w == b"part").expect("made by the test") + 4;
        let p = &payload[at..];
        Self {
            camera: u16::from_be_bytes([p[0], p[1]]),
            layer: p[2],
            picture: u64::from_be_bytes(p[3..11].try_into().expect("eight bytes")),
            key: p[11] == 1,
            part: p[12],
            of: p[13],
        }
    }
}

/// One camera: a substream always, a main stream while it is wanted, sound.
pub struct Camera {
    number: u16,
    pub publisher: LocalPublisher,
    picture: u64,
    /// The main stream begins with a keyframe; `None` while it is not sent.
    main: Option<u64>,
    pub refused: Vec<Offered>,
}

impl Camera {
    pub async fn publish(sfu: &Sfu, room: RoomId, number: u16) -> Self {
        let publish = LocalPublish {
            room,
            participant: ParticipantId::generate(),
            tracks: vec![
                LocalTrack { source: TrackSource::Camera, codec: Codec::H264, layers: 2, heights: [360, 1_080, 0] },
                LocalTrack { source: TrackSource::Microphone, codec: Codec::Pcmu, layers: 1, heights: [0; 3] },
            ],
        };
        let publisher = sfu.publish_local(publish).await.expect("there is room");
        // Keyframes of different cameras do not fall together.
        let picture = u64::from(number) * 7 % GROUP;
        Self { number, publisher, picture: GROUP - picture, main: None, refused: Vec::new() }
    }

    /// Sends the next picture of what is sent, and its sound.
    fn send(&mut self) {
        self.send_layer(SUB, self.picture);
        let main = self.publisher.tracks()[0].id;
        self.main = match (self.publisher.wanted(main, MAIN), self.main) {
            (true, n) => Some(n.map_or(0, |n| n + 1)),
            (false, _) => None,
        };
        if let Some(n) = self.main {
            self.send_layer(MAIN, n);
        }
        let sound = LocalPacket {
            timestamp: self.picture as u32 * 536,
            marker: false,
            keyframe: true,
            payload: Bytes::copy_from_slice(&self.picture.to_be_bytes()),
            arrival: Instant::now(),
        };
        let sent = self.publisher.send(self.publisher.tracks()[1].id, SUB, sound);
        self.note(sent);
        self.picture += 1;
    }

    fn send_layer(&mut self, layer: Layer, picture: u64) {
        let key = picture.is_multiple_of(GROUP);
        let of = if key { KEY_PARTS } else { DELTA_PARTS };
        let track = self.publisher.tracks()[0].id;
        // The two layers' clocks have nothing to do with each other.
        let timestamp = (picture as u32).wrapping_mul(6_030).wrapping_add(u32::from(layer.0) * 1_000_000);
        if key {
            let ntp = NtpTime((1 << 60) + ((self.picture << 32) as f64 * PICTURE.as_secs_f64()) as u64);
            self.publisher.report(track, layer, ntp, timestamp);
        }
        for part in 0..of {
            let says = Part { camera: self.number, layer: layer.0, picture, key, part: part as u8, of: of as u8 };
            // No SPS: what it said of the size would count.
            let nal = if key { 0x65 } else { 0x41 };
            let packet = LocalPacket {
                timestamp,
                marker: part + 1 == of,
                keyframe: key,
                payload: says.payload(nal),
                arrival: Instant::now(),
            };
            let sent = self.publisher.send(track, layer, packet);
            self.note(sent);
        }
    }

    fn note(&mut self, sent: Offered) {
        if sent != Offered::Taken {
            self.refused.push(sent);
        }
    }
}

/// A site.
pub struct Cameras {
    pub all: Vec<Camera>,
    next: Instant,
    pictures: u64,
}

impl Cameras {
    pub async fn publish(sfu: &Sfu, room: RoomId, count: u16) -> Self {
        let mut all = Vec::new();
        for number in 0..count {
            all.push(Camera::publish(sfu, room, number).await);
        }
        Self { all, next: Instant::now(), pictures: 0 }
    }

    /// How many pictures each has sent.
    pub fn pictures(&self) -> u64 {
        self.pictures
    }

    /// Lets everyone work until `done`; fails when patience is over.
    pub async fn run(&mut self, wall: &mut Wall, what: &str, mut done: impl FnMut(&mut Self, &mut Wall) -> bool) {
        let deadline = Instant::now() + 2 * PATIENCE;
        loop {
            wall.client.turn();
            if Instant::now() >= self.next {
                self.next += PICTURE;
                self.pictures += 1;
                self.all.iter_mut().for_each(Camera::send);
            }
            if done(self, wall) {
                return;
            }
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// A subscriber with many lines of pictures and one of sound.
pub struct Wall {
    pub client: Client,
    pub audio: Mid,
    pub lines: Vec<Mid>,
}

impl Wall {
    /// `sound`: what it plays besides Opus and H.264.
    pub async fn connect(sfu: &Sfu, room: RoomId, lines: usize, sound: &[&str]) -> Self {
        let pcmu = sound.contains(&"PCMU");
        let mut client = Client::with(|c| c.enable_h264(true).enable_opus(true, false).enable_pcmu(pcmu, false));
        let mut wanted: Vec<(MediaKind, Direction, &[&str])> = vec![(MediaKind::Audio, Direction::RecvOnly, &[])];
        wanted.resize(lines + 1, (MediaKind::Video, Direction::RecvOnly, &[]));
        let (offer, pending, mids) = client.offer(&wanted);
        let request = SubscribeRequest { room, participant: ParticipantId::generate(), replaces: None, offer };
        let answer = sfu.subscribe(request).await.expect("the offer is answered");
        client.accept(pending, &answer.sdp);
        client.peer = Some(answer.peer);
        Self { client, audio: mids[0], lines: mids[1..].to_vec() }
    }

    /// Shows these cameras on the lines, in order, with the sound of the first.
    pub fn show(&self, sfu: &Sfu, cameras: &Cameras, which: Range<usize>, height_px: u16, thumbnail: bool) {
        let line = |mid: &Mid, camera: usize, track: usize| Assignment {
            mid: mid.to_string(),
            track: Some(cameras.all[camera].publisher.tracks()[track].id),
            height_px,
            priority: Priority::Rest,
            thumbnail,
        };
        let first = which.start;
        let mut lines: Vec<_> = self.lines.iter().zip(which).map(|(mid, c)| line(mid, c, 0)).collect();
        lines.push(line(&self.audio, first, 1));
        sfu.assign(self.client.peer.expect("subscribed"), lines).expect("the command is taken");
    }

    /// The parts that came on one line, by sequence number, each with its timestamp.
    pub fn parts(&self, line: usize) -> BTreeMap<u64, (u32, Part)> {
        let mid = self.lines[line];
        let ssrc = self.client.rtc.media(mid).map(|_| mid);
        let packets = self.client.received.iter().filter(|p| !p.payload.is_empty() && p.header.ext_vals.mid == ssrc);
        packets.map(|p| (*p.seq_no, (p.header.timestamp, Part::read(&p.payload)))).collect()
    }

    /// How many lines show a whole picture of the camera that belongs there.
    pub fn showing(&self, which: Range<usize>) -> usize {
        let whole = |(line, camera): &(usize, usize)| {
            let mut pictures: BTreeMap<(u8, u64), u8> = BTreeMap::new();
            for (_, p) in self.parts(*line).values().filter(|(_, p)| usize::from(p.camera) == *camera) {
                *pictures.entry((p.layer, p.picture)).or_default() += 1;
                if pictures[&(p.layer, p.picture)] == p.of {
                    return true;
                }
            }
            false
        };
        which.enumerate().filter(whole).count()
    }
}
