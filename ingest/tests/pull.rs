//! Cameras that behave, and the ways in which good cameras fail: loss, silence, restarts, operators.

mod support;

use lectern_ingest::{CameraState, CameraStatus, Transport};
use lectern_media::{
    CameraStream,
    tap::{AbsenceCause, TapEvent},
};
use std::sync::atomic::Ordering::Relaxed;
use support::{
    PATIENCE,
    camera::{FakeCamera, PPS, SPS, Step},
    listen::{Bench, config},
};
use tokio::time::timeout;

#[tokio::test]
async fn a_camera_is_archived_shown_and_watched() {
    let (bench, main, sub) = (Bench::start(), FakeCamera::start(1).await, FakeCamera::start(2).await);
    main.control.clock_ahead_ms.store(5_000, Relaxed);
    let config = config(main.url("main"), Some(sub.url("sub")));
    let id = config.id;
    bench.ingest.put(config);
    bench.flows(id, 200).await;
    let status = bench.status(id, "figures and a clock", |s| s.clock_sure && s.streams[0].fps > 0.0).await;
    assert!((4_900..=5_000).contains(&status.clock_offset_ms.unwrap()), "{status:?}");
    let picture = status.stream(CameraStream::Main).unwrap();
    assert_eq!((picture.width, picture.height, picture.lost, picture.refused), (1280, 720, 0, 0));
    assert_eq!(bench.course(id), "started parameters packets");
    // What was received is what was sent, byte by byte, numbered without a gap over the wrap.
    let (packets, sent) = (bench.packets(id, CameraStream::Main), main.control.sent.lock().clone());
    assert!(packets.windows(2).all(|w| w[1].seq.0 == w[0].seq.0 + 1));
    assert!(packets.iter().zip(&sent).all(|(got, (seq, payload))| got.seq.wire() == *seq && got.payload == payload));
    assert_eq!(packets.iter().filter(|p| p.keyframe).count(), packets.len().div_ceil(24), "one a keyframe");
    let events = bench.events(id, CameraStream::Main);
    assert!(events.iter().any(|e| matches!(e, TapEvent::SenderReport { .. })));
    assert!(events.iter().any(|e| matches!(e, TapEvent::ClockOffset { offset_ms, .. } if *offset_ms > 4_000)));
    assert!(!bench.packets(id, CameraStream::Sound).is_empty());
    // The substream is shown, with its sound; the main stream is not until it is wanted.
    let shown = |stream| bench.heard.live.lock().iter().filter(|(_, s, _)| *s == stream).count();
    bench.until("sub and sound live", || shown(CameraStream::Sub) > 0 && shown(CameraStream::Sound) > 0).await;
    assert_eq!(shown(CameraStream::Main), 0);
    let first = bench.heard.live.lock().iter().find(|(_, s, _)| *s == CameraStream::Sub).unwrap().2.clone();
    assert!(first.keyframe && first.payload.windows(SPS.len()).any(|w| w == SPS), "it begins with parameter sets");
    bench.heard.main_wanted.store(true, Relaxed);
    bench.until("main live", || shown(CameraStream::Main) > 0).await;
    let mut keyframes = bench.keyframes;
    let keyframe = keyframes.recv().await.unwrap();
    assert!(keyframe.camera == id && keyframe.annexb.starts_with(&[&[0, 0, 0, 1], SPS, &[0, 0, 0, 1], PPS].concat()));
    bench.ingest.shutdown().await;
    assert_eq!((main.control.teardowns.load(Relaxed), sub.control.teardowns.load(Relaxed)), (1, 1));
}

#[tokio::test]
async fn over_udp_order_is_restored_and_losses_are_counted_and_told() {
    let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
    // Of every 50 packets one is lost, one changes places with the next, one comes twice.
    let (mut held, mut lost) = (None, 0u64);
    let told = std::sync::Arc::new(parking_lot::Mutex::new(0));
    let counted = told.clone();
    camera.mangle(move |n, packet| match n % 50 {
        30 => {
            lost += 1;
            *counted.lock() = lost;
            vec![]
        }
        36 => {
            held = Some(packet);
            vec![]
        }
        37 => std::iter::once(packet).chain(held.take()).collect(),
        43 => vec![packet.clone(), packet],
        _ => vec![packet],
    });
    let mut config = config(camera.url("main"), None);
    config.transport = Transport::Udp;
    let id = config.id;
    bench.ingest.put(config);
    let main = |s: &lectern_ingest::CameraStatus| s.stream(CameraStream::Main).cloned().unwrap();
    let status = bench.status(id, "losses", |s| s.stream(CameraStream::Main).is_some_and(|s| s.lost >= 5)).await;
    assert!(main(&status).reordered >= 4 && main(&status).late_or_duplicate >= 4, "{status:?}");
    let packets = bench.packets(id, CameraStream::Main);
    let missing: u64 = packets.windows(2).map(|w| w[1].seq.0 - w[0].seq.0 - 1).sum();
    assert!(packets.windows(2).all(|w| w[1].seq > w[0].seq), "in order, nothing twice");
    assert!(missing >= 5 && missing <= *told.lock(), "nothing is missing but what was lost");
    // Each loss is told up to the keyframe that ends it.
    bench.until("absences", || bench.absences(id).len() >= 4).await;
    let keyframes: Vec<i64> =
        bench.packets(id, CameraStream::Main).iter().filter(|p| p.keyframe).map(|p| p.arrival.0).collect();
    for (since, until, cause, count) in bench.absences(id) {
        assert_eq!(cause, AbsenceCause::Loss);
        assert!(count >= 1 && until >= since);
        let repeated = until - since >= 700;
        assert!(repeated || keyframes.contains(&until), "{until} is no keyframe");
    }
}

/// What a camera says last comes another way than the news that it hung up, and that may be heard first.
#[tokio::test]
async fn what_came_right_before_a_camera_hung_up_is_kept() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
        let mut config = config(camera.url("main"), None);
        config.transport = transport;
        let id = config.id;
        bench.ingest.put(config);
        camera.control.times.store(10, Relaxed);
        for nth in 1..=10 {
            bench.until("it plays", || camera.control.plays.load(Relaxed) >= nth).await;
            let before = bench.packets(id, CameraStream::Main).len();
            bench.until("packets", || bench.packets(id, CameraStream::Main).len() > before).await;
            camera.control.cut_behind.store(true, Relaxed);
            bench.until("it hung up", || !camera.control.cut_behind.load(Relaxed)).await;
            if nth == 10 {
                *camera.control.close_at.lock() = Some(Step::Accept);
            }
        }
        let all = || bench.packets(id, CameraStream::Main).len() == camera.control.sent.lock().len();
        bench.until(&format!("all that was sent over {transport:?}"), all).await;
    }
}

#[tokio::test]
async fn a_silent_camera_is_absent_from_its_last_packet_to_its_next() {
    let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
    let config = config(camera.url("main"), None);
    let id = config.id;
    bench.ingest.put(config);
    bench.flows(id, 50).await;
    camera.control.silent.store(true, Relaxed);
    bench.state(id, CameraState::Silent).await;
    bench.until("told repeatedly", || bench.absences(id).len() >= 2).await;
    let last = bench.packets(id, CameraStream::Main).last().unwrap().arrival.0;
    camera.control.silent.store(false, Relaxed);
    bench.state(id, CameraState::Live).await;
    bench.flows(id, 10).await;
    let absences = bench.absences(id);
    assert!(absences.iter().all(|a| a.0 == absences[0].0 && a.2 == AbsenceCause::CameraSilent), "{absences:?}");
    let next = bench.packets(id, CameraStream::Main).iter().map(|p| p.arrival.0).find(|at| *at > last + 100).unwrap();
    assert_eq!((absences[0].0, absences.last().unwrap().1), (last + 10, next), "one picture behind the last packet");
    assert_eq!(bench.course(id), "started parameters packets absent(CameraSilent) packets", "one session throughout");
    assert_eq!(camera.control.plays.load(Relaxed), 1);
}

#[tokio::test]
async fn a_camera_that_does_not_answer_is_a_network_fault() {
    let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
    let config = config(camera.url("main"), None);
    let id = config.id;
    bench.ingest.put(config);
    bench.flows(id, 50).await;
    camera.control.dead.store(true, Relaxed);
    bench.until("begun anew", || camera.control.plays.load(Relaxed) >= 2).await;
    camera.control.dead.store(false, Relaxed);
    bench.state(id, CameraState::Live).await;
    bench.flows(id, 10).await;
    assert!(bench.absences(id).iter().any(|a| a.2 == AbsenceCause::Network), "{:?}", bench.absences(id));
    assert!(bench.course(id).ends_with("ended started parameters packets"), "{}", bench.course(id));
}

#[tokio::test]
async fn a_reconnect_ends_and_starts_the_same_track_behind_an_absence() {
    let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
    let config = config(camera.url("main"), None);
    let id = config.id;
    bench.ingest.put(config);
    bench.flows(id, 50).await;
    camera.control.cut.store(true, Relaxed);
    bench.status(id, "back", |s| s.reconnects == 1 && s.state == CameraState::Live).await;
    bench.flows(id, 10).await;
    assert_eq!(bench.course(id), "started parameters packets absent(CameraSilent) ended started parameters packets");
}

/// Its sound came seconds after its picture when a camera's port was closed for a while.
#[tokio::test]
async fn a_session_that_waits_after_failed_connections_tries_when_the_other_comes_up() {
    let (bench, main, sub) = (Bench::start(), FakeCamera::start(1).await, FakeCamera::start(2).await);
    *main.control.close_at.lock() = Some(Step::Accept);
    let config = config(main.url("main"), Some(sub.url("sub")));
    let id = config.id;
    bench.ingest.put(config);
    bench.until("a long wait", || main.control.connections.load(Relaxed) >= 3).await;
    // Its own waits would take more than a minute for as many tries.
    let tries = async {
        for nth in 1..=7 {
            bench.until("the substream plays", || sub.control.plays.load(Relaxed) >= nth).await;
            let before = main.control.connections.load(Relaxed);
            sub.control.cut.store(true, Relaxed);
            bench.until("the main stream is tried", || main.control.connections.load(Relaxed) > before).await;
        }
    };
    assert!(timeout(PATIENCE, tries).await.is_ok(), "{:?}", bench.ingest.status(id));
    assert!(main.control.connections.load(Relaxed) < 20, "once for each time that it came up");
    // Once the camera serves it, all of it is back, its sound too.
    *main.control.close_at.lock() = None;
    sub.control.cut.store(true, Relaxed);
    bench.state(id, CameraState::Live).await;
    bench.until("sound", || !bench.packets(id, CameraStream::Sound).is_empty()).await;
}

/// Cameras lock accounts.
#[tokio::test]
async fn a_refused_password_keeps_its_pause_when_the_other_session_comes_up() {
    let (bench, main, sub) = (Bench::start(), FakeCamera::start(1).await, FakeCamera::start(2).await);
    *main.control.close_at.lock() = Some(Step::Accept);
    let mut config = config(main.url("main"), Some(sub.url("sub")));
    (config.username, config.password) = ("admin".to_owned(), "wrong".into());
    let id = config.id;
    bench.ingest.put(config);
    bench.until("a long wait", || main.control.connections.load(Relaxed) >= 3).await;
    *main.control.login.lock() = Some(("admin".to_owned(), "right".to_owned()));
    *main.control.close_at.lock() = None;
    bench.until("refused", || main.control.wrong.load(Relaxed) >= 1).await;
    let refused = |s: &CameraStatus| s.state == CameraState::WrongPassword;
    bench.status(id, "refused", refused).await;
    let asked = main.control.connections.load(Relaxed);
    for _ in 0..3 {
        let plays = sub.control.plays.load(Relaxed);
        sub.control.cut.store(true, Relaxed);
        bench.until("the substream plays", || sub.control.plays.load(Relaxed) > plays).await;
        let live = |s: &CameraStatus| s.stream(CameraStream::Sub).is_some_and(|s| s.state == CameraState::Live);
        bench.status(id, "the substream lives", live).await;
    }
    assert_eq!(main.control.connections.load(Relaxed), asked);
}

#[tokio::test]
async fn a_source_that_restarts_loses_nothing() {
    let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
    let config = config(camera.url("main"), None);
    let id = config.id;
    bench.ingest.put(config);
    bench.flows(id, 50).await;
    camera.control.ssrc.store(99, Relaxed);
    bench.until("started anew", || bench.course(id).ends_with("ended started parameters packets")).await;
    bench.flows(id, 50).await;
    let (packets, sent) = (bench.packets(id, CameraStream::Main), camera.control.sent.lock().clone());
    assert!(packets.iter().zip(&sent).all(|(got, (seq, payload))| got.seq.wire() == *seq && got.payload == payload));
    assert_eq!((bench.ingest.status(id).unwrap().reconnects, camera.control.plays.load(Relaxed)), (0, 1));
}

#[tokio::test]
async fn an_operator_stops_starts_changes_and_removes() {
    let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
    let config = config(camera.url("main"), None);
    let id = config.id;
    bench.ingest.put(config.clone());
    bench.flows(id, 50).await;
    let mut renamed = config.clone();
    renamed.name = "room 2".to_owned();
    bench.ingest.put(renamed);
    bench.flows(id, 50).await;
    assert_eq!(camera.control.connections.load(Relaxed), 1, "another name makes no gap");
    bench.ingest.stop(id);
    bench.state(id, CameraState::Off).await;
    bench.until("told", || bench.absences(id).len() >= 2).await;
    assert!(bench.absences(id).iter().all(|a| a.2 == AbsenceCause::Operator));
    bench.ingest.put(config.clone());
    bench.state(id, CameraState::Live).await;
    let mut other = config;
    other.main_url = camera.url("other");
    bench.ingest.put(other);
    bench.until("begun anew", || camera.control.plays.load(Relaxed) == 3).await;
    bench.flows(id, 10).await;
    bench.ingest.remove(id);
    bench.until("ended", || bench.course(id).ends_with("packets ended")).await;
    assert_eq!(bench.ingest.status(id), None);
}

#[tokio::test]
async fn another_tap_is_asked_for_when_one_closes() {
    let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
    let config = config(camera.url("main"), None);
    let id = config.id;
    bench.ingest.put(config);
    bench.flows(id, 50).await;
    bench.drop_tap(id);
    bench.until("started there", || bench.course(id).ends_with("packets started parameters packets")).await;
    assert_eq!(camera.control.plays.load(Relaxed), 1);
}
