//! Pulls cameras and prints what becomes of them: `pull [--udp] USER PASSWORD MAIN_URL [SUB_URL] …` (a camera for each pair of
//! URLs). Nothing is kept. A line for each change of state and each event of the tap that is not a packet; figures at the end.

use lectern_ingest::{
    ArchivePort, CameraConfig, Ingest, IngestConfig, LivePacket, LivePort, LiveSink, LiveTracks, Ports, Transport,
    probe,
};
use lectern_media::{
    Bitrate, CameraId, CameraStream, UnixMillis,
    tap::{self, TapEvent, TapHandle},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

struct Print;

impl ArchivePort for Print {
    fn tap(&self, camera: CameraId) -> Option<TapHandle> {
        let (handle, mut rx) = tap::channel(3_000);
        tokio::spawn(async move {
            while let Some(event) = rx.recv().await {
                match event {
                    TapEvent::Packet(_) | TapEvent::SenderReport { .. } => {}
                    TapEvent::Absent { track, since, until, cause, packets } => println!(
                        "{} {:?} absent {} … {} ({} ms) {cause:?} {packets}",
                        UnixMillis::now().0 % 1_000_000,
                        camera.stream(track),
                        since.0 % 1_000_000,
                        until.0 % 1_000_000,
                        until.0 - since.0
                    ),
                    other => println!("{} {other:?}", UnixMillis::now().0 % 1_000_000),
                }
            }
        });
        Some(handle)
    }
}

/// Packets for browsers.
#[derive(Clone, Default)]
struct Count(Arc<AtomicU64>);

struct Sink(Count);

impl LivePort for Count {
    fn open(&self, camera: CameraId, tracks: &LiveTracks) -> Option<Box<dyn LiveSink>> {
        println!("live {camera} {tracks:?}");
        Some(Box::new(Sink(self.clone())))
    }
}

impl LiveSink for Sink {
    fn wanted(&self, stream: CameraStream) -> bool {
        stream != CameraStream::Main
    }
    fn send(&mut self, _: CameraStream, _: LivePacket) {
        self.0.0.fetch_add(1, Relaxed);
    }
    fn report(&mut self, _: CameraStream, _: UnixMillis, _: u32) {}
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let udp = args.first().is_some_and(|a| a == "--udp");
    let args = args.split_off(usize::from(udp));
    let [username, password, urls @ ..] = &args[..] else {
        eprintln!("pull [--udp] USER PASSWORD MAIN_URL [SUB_URL] …");
        return;
    };
    let count = Count::default();
    let ports = Ports { archive: Arc::new(Print), live: Arc::new(count.clone()), keyframes: None };
    let ingest = Ingest::start(IngestConfig::default(), ports);
    for (n, pair) in urls.chunks(2).enumerate() {
        let config = CameraConfig {
            id: CameraId::generate(),
            name: n.to_string(),
            main_url: pair[0].clone(),
            sub_url: pair.get(1).cloned(),
            transport: if udp { Transport::Udp } else { Transport::Tcp },
            username: username.clone(),
            password: password.as_str().into(),
            bitrate_max: Bitrate::kbps(8_000),
            sub_bitrate_max: CameraConfig::SUB_BITRATE_MAX,
        };
        if n == 0 {
            let seen = probe(config.clone(), Duration::from_secs(8), |_| true).await;
            let keyframe = seen.keyframe.as_ref().map(|(codec, bytes)| (*codec, bytes.len()));
            println!(
                "{:?}\n{:?}\n{:?} clock {:?} keyframe {keyframe:?}",
                seen.main, seen.sub, seen.sound, seen.clock_offset_ms
            );
        }
        ingest.put(config);
    }
    let mut changes = ingest.changes();
    loop {
        tokio::select! {
            Ok((_, status)) = changes.recv() => {
                let stream = |s: &lectern_ingest::StreamStatus| format!(
                    "{:?} {:?} {}x{} {:.1}/s {} kbit/s {:?} n={} lost={} re={} late={} refused={}",
                    s.stream, s.state, s.width, s.height, s.fps, s.bitrate.as_bps() / 1000, s.keyframe_interval,
                    s.packets, s.lost, s.reordered, s.late_or_duplicate, s.refused
                );
                let streams: Vec<_> = status.streams.iter().map(stream).collect();
                println!(
                    "{} == {:?} [{}] clock {:?} {} reconnects {} live {} | {}",
                    UnixMillis::now().0 % 1_000_000, status.state, status.detail, status.clock_offset_ms,
                    status.clock_sure, status.reconnects, count.0.load(Relaxed), streams.join(" | ")
                );
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    ingest.shutdown().await;
}
