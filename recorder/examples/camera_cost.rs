//! What recording cameras costs: `cargo run --release -p lectern-recorder --example camera_cost [cameras] [seconds] [dir]`.
//!
//! Each camera sends 4 Mbit/s of H.264 at 25 pictures a second, 300 kbit/s at 15, and G.711, in packets of 1,400 bytes, in real time.
//! Prints processor time per camera-second (feeding included) and memory per camera.

use bytes::Bytes;
use lectern_media::{
    CameraId, CameraStream, Codec, ExtSeq, ExtTimestamp, PlaceId, TrackInfo, TrackSource, UnixMillis,
    tap::{TapPacket, TapSender},
};
use lectern_recorder::{
    Signer,
    camera::{CameraArchive, CameraLimits, CameraMeta},
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

const SETS: &[u8] = &[
    0x78, 0, 23, 0x67, 0x42, 0xc0, 0x1f, 0xda, 1, 0x40, 0x16, 0xec, 4, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6,
    0x0c, 0xa8, 0, 4, 0x68, 0xce, 0x3c, 0x80,
];

struct Stream {
    info: TrackInfo,
    sender: TapSender,
    step_ms: i64,
    bytes: usize,
    seq: u64,
    frame: u64,
    due: i64,
}

impl Stream {
    fn send(&mut self, now: i64, body: &Bytes) {
        while self.due <= now {
            let at = self.due;
            self.due += self.step_ms;
            let hz = i64::from(self.info.codec.clock_rate().hz());
            let sound = self.info.codec == Codec::Pcma;
            let keyframe = sound || self.frame.is_multiple_of(50);
            let mut payloads: Vec<Bytes> = Vec::new();
            if sound {
                payloads.push(body.slice(..self.bytes));
            } else {
                if keyframe {
                    payloads.push(Bytes::from_static(SETS));
                }
                let n = self.bytes.div_ceil(1400);
                for k in 0..n {
                    let se = if k == 0 { 0x80 } else { 0 } | if k + 1 == n { 0x40 } else { 0 };
                    let mut p = body[..1400.min(self.bytes)].to_vec();
                    p[..3].copy_from_slice(&[0x7c, se | if keyframe { 5 } else { 1 }, 0x88]);
                    payloads.push(p.into());
                }
            }
            let n = payloads.len();
            for (k, payload) in payloads.into_iter().enumerate() {
                self.seq += 1;
                self.sender.offer(TapPacket {
                    track: self.info.id,
                    seq: ExtSeq(self.seq),
                    timestamp: ExtTimestamp((self.frame as i64 * self.step_ms * hz / 1000) as u64),
                    arrival: UnixMillis(at),
                    marker: k + 1 == n,
                    keyframe,
                    payload,
                });
            }
            self.frame += 1;
        }
    }
}

fn usage() -> Duration {
    let mut u = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: `u` has room for the result.
    let ok = unsafe { libc::getrusage(libc::RUSAGE_SELF, u.as_mut_ptr()) } == 0;
    assert!(ok, "the system tells the time used");
    // SAFETY: getrusage succeeded, so it filled `u`.
    let u = unsafe { u.assume_init() };
    let of = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    of(u.ru_utime) + of(u.ru_stime)
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, usual: u64| args.get(i).map_or(Ok(usual), |a| a.parse());
    let (cameras, seconds) = (number(0, 50)?, number(1, 20)?);
    let scratch =
        args.get(2).map_or_else(std::env::temp_dir, PathBuf::from).join(format!("cost-{}", std::process::id()));
    let signer = Signer::from_seed(&[7; 32]).ok_or("a key")?;
    let archive = CameraArchive::open(&scratch, CameraLimits::default(), Arc::new(signer))?;
    let body =
        Bytes::from((0..1u32 << 16).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect::<Vec<u8>>());
    let before_kb = resident_kb();
    let start = UnixMillis::now().0;
    let mut streams = Vec::new();
    for n in 0..cameras {
        let camera = CameraId::generate();
        let meta = CameraMeta {
            camera,
            name: n.to_string(),
            place: PlaceId::generate(),
            places: vec![],
            place_name: String::new(),
            group: "exam_room".into(),
            code: None,
        };
        let tap = archive.record(meta)?;
        for (stream, source, codec, step_ms, bytes) in [
            (CameraStream::Main, TrackSource::Camera, Codec::H264, 40, 20_000),
            (CameraStream::Sub, TrackSource::Substream, Codec::H264, 66, 2_475),
            (CameraStream::Sound, TrackSource::Microphone, Codec::Pcma, 40, 320),
        ] {
            let info =
                TrackInfo { id: camera.track(stream), participant: camera.participant(), source, codec, layers: 1 };
            let sender = tap.handle().start(&info).ok_or("the archive reads")?;
            streams.push(Stream { info, sender, step_ms, bytes, seq: 0, frame: 0, due: start + n as i64 % 40 });
        }
    }
    let (began, used) = (Instant::now(), usage());
    let mut fed = Duration::ZERO;
    while began.elapsed() < Duration::from_secs(seconds) {
        let (now, before) = (UnixMillis::now().0, usage());
        streams.iter_mut().for_each(|s| s.send(now, &body));
        // Other threads work meanwhile, so this is the feeding's share at most.
        fed += usage() - before;
        std::thread::sleep(Duration::from_millis(10));
    }
    let (used, rss) = (usage() - used, resident_kb());
    let per = |d: Duration| d.as_secs_f64() * 1000.0 / (cameras * seconds) as f64;
    println!("{cameras} cameras, {seconds} s: {:.2} ms of processor time per camera-second", per(used));
    println!("of these, {:.2} ms at most fed the cameras", per(fed));
    println!("{:.2} MB per camera", (rss - before_kb) as f64 / 1000.0 / cameras as f64);
    drop(streams);
    archive.shutdown();
    let report = lectern_recorder::check(&scratch);
    println!("check: {}", if report.ok { "good" } else { "BAD" });
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}
