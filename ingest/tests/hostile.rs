//! Cameras that refuse, break the protocol, flood or lie: bounded, named, counted, and nobody else's business.

mod support;

use lectern_ingest::{CameraState, Fault, ProbedSound, Refusal, Transport, Unsupported, probe};
use lectern_media::{CameraStream, Codec, tap::AbsenceCause};
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use support::{
    PATIENCE,
    camera::{FakeCamera, SDP, Step, rtp},
    listen::{Bench, config},
};

#[tokio::test]
async fn a_wrong_password_is_told_and_not_tried_again_at_once() {
    let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
    *camera.control.login.lock() = Some(("admin".to_owned(), "right horse".to_owned()));
    let url = camera.url("main").replace("rtsp://", "rtsp://admin:wrong%20horse@");
    let config = config(url, None);
    let id = config.id;
    bench.ingest.put(config.clone());
    let status = bench.state(id, CameraState::WrongPassword).await;
    assert!(!format!("{status:?}").contains("horse"));
    assert_eq!(camera.control.wrong.load(Relaxed), 1, "one try, or the camera locks the account");
    let mut right = config.normalised();
    right.password = "right horse".into();
    bench.ingest.put(right);
    bench.state(id, CameraState::Live).await;
    bench.flows(id, 10).await;
}

#[tokio::test]
async fn a_camera_that_closes_at_any_step_hurts_nobody_else() {
    let (bench, bad, good) = (Bench::start(), FakeCamera::start(1).await, FakeCamera::start(2).await);
    let (bad_config, good_config) = (config(bad.url("main"), None), config(good.url("main"), None));
    bench.ingest.put(good_config.clone());
    bench.flows(good_config.id, 10).await;
    for step in [Step::Accept, Step::Describe, Step::Setup, Step::Play, Step::Playing] {
        *bad.control.close_at.lock() = Some(step);
        let before = bad.control.connections.load(Relaxed);
        bench.ingest.put(bad_config.clone());
        bench.until(&format!("{step:?} twice"), || bad.control.connections.load(Relaxed) >= before + 2).await;
        bench.state(bad_config.id, CameraState::Unreachable).await;
        bench.ingest.remove(bad_config.id);
    }
    *bad.control.close_at.lock() = None;
    bench.ingest.put(bad_config.clone());
    bench.state(bad_config.id, CameraState::Live).await;
    bench.flows(good_config.id, 10).await;
    let status = bench.ingest.status(good_config.id).unwrap();
    assert_eq!((status.state, status.reconnects, status.streams[0].lost), (CameraState::Live, 0, 0));
}

#[tokio::test]
async fn a_flood_is_bounded_and_others_go_on() {
    for transport in [Transport::Tcp, Transport::Udp] {
        let (bench, bad, good) = (Bench::start(), FakeCamera::start(1).await, FakeCamera::start(2).await);
        let (mut bad_config, good_config) = (config(bad.url("main"), None), config(good.url("main"), None));
        bad_config.transport = transport;
        // The camera has about 200 kbit/s.
        bad_config.bitrate_max = lectern_media::Bitrate::kbps(300);
        bench.ingest.put(good_config.clone());
        bench.ingest.put(bad_config.clone());
        bench.flows(bad_config.id, 50).await;
        bad.control.times.store(40, Relaxed);
        let status = bench.state(bad_config.id, CameraState::RateExceeded).await;
        assert!(status.streams[0].refused > 0);
        bench.until("told", || bench.absences(bad_config.id).iter().any(|a| a.2 == AbsenceCause::RateExceeded)).await;
        bench.flows(good_config.id, 50).await;
        bad.control.times.store(1, Relaxed);
        bench.state(bad_config.id, CameraState::Live).await;
        let good = bench.ingest.status(good_config.id).unwrap();
        assert_eq!((good.state, good.streams[0].lost, good.streams[0].refused), (CameraState::Live, 0, 0));
    }
}

#[tokio::test]
async fn packets_of_others_and_no_packets_are_refused_and_counted() {
    let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
    camera.mangle(|n, packet| {
        let strange = match n % 5 {
            0 => rtp(96, n as u16, 0, 0xbad, true, &[0x65, 0xb8, 1]),
            1 => rtp(97, n as u16, 0, 1, true, &[0x65, 0xb8, 1]),
            2 => vec![0x80, 96],
            3 => [&packet[..12], &[0xff; 3]].concat().into_iter().map(|b| b ^ 0x40).collect(),
            _ => return vec![packet],
        };
        vec![packet, strange]
    });
    let config = config(camera.url("main"), None);
    let id = config.id;
    bench.ingest.put(config);
    bench.flows(id, 200).await;
    let status = bench.status(id, "refused", |s| s.streams[0].refused > 50).await;
    assert_eq!((status.streams[0].lost, status.reconnects), (0, 0));
    let (packets, sent) = (bench.packets(id, CameraStream::Main), camera.control.sent.lock().clone());
    assert!(packets.iter().zip(&sent).all(|(got, (seq, payload))| got.seq.wire() == *seq && got.payload == payload));
    assert_eq!(bench.course(id), "started parameters packets");
}

#[tokio::test]
async fn a_camera_that_turns_to_anothers_stream_is_silent_to_us() {
    let (bench, liar, other) = (Bench::start(), FakeCamera::start(1).await, FakeCamera::start(2).await);
    let (liar_config, other_config) = (config(liar.url("main"), None), config(other.url("main"), None));
    bench.ingest.put(liar_config.clone());
    bench.ingest.put(other_config.clone());
    bench.flows(liar_config.id, 20).await;
    bench.flows(other_config.id, 20).await;
    liar.control.ssrc.store(2, Relaxed);
    let status = bench.state(liar_config.id, CameraState::Silent).await;
    assert!(status.streams[0].refused > 0);
    assert_eq!(bench.course(liar_config.id).split(' ').filter(|w| *w == "started").count(), 1);
    bench.flows(other_config.id, 20).await;
}

#[tokio::test]
async fn a_task_that_panics_is_begun_anew() {
    let (bench, camera, other) = (Bench::start(), FakeCamera::start(1).await, FakeCamera::start(2).await);
    let (first, second) = (config(camera.url("main"), None), config(other.url("main"), None));
    bench.ingest.put(second.clone());
    bench.flows(second.id, 10).await;
    bench.heard.panic_once.store(true, Relaxed);
    bench.ingest.put(first.clone());
    bench.until("panicked", || !bench.heard.panic_once.load(Relaxed)).await;
    bench.flows(first.id, 10).await;
    assert_eq!((camera.control.plays.load(Relaxed), other.control.plays.load(Relaxed)), (2, 1));
}

/// A description with this picture.
fn described(video: &str) -> String {
    format!("v=0\r\ns=x\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 {video}\r\na=control:t\r\n")
}

#[tokio::test]
async fn hostile_and_useless_descriptions_have_names() {
    let long = format!("{}{}", SDP, "a=x:y\r\n".repeat(20_000));
    // (description, state)
    let cases = [
        ("<html>".to_owned(), CameraState::Refused(Refusal::Protocol)),
        ("v=0\r\n".to_owned(), CameraState::Unsupported(Unsupported::NoVideo)),
        (described("JPEG/90000"), CameraState::Unsupported(Unsupported::Codec("JPEG".to_owned()))),
        (described("H264/0"), CameraState::Unsupported(Unsupported::NoVideo)),
        (long, CameraState::Refused(Refusal::NotRtsp)),
    ];
    for (sdp, want) in cases {
        let (bench, camera) = (Bench::start(), FakeCamera::start(1).await);
        *camera.control.sdp.lock() = sdp;
        let config = config(camera.url("main"), None);
        let id = config.id;
        bench.ingest.put(config);
        bench.status(id, &format!("{want:?}"), |s| s.state == want).await;
    }
    let (bench, main, sub) = (Bench::start(), FakeCamera::start(1).await, FakeCamera::start(2).await);
    *sub.control.sdp.lock() = described("H265/90000");
    let config = config(main.url("main"), Some(sub.url("sub")));
    let id = config.id;
    bench.ingest.put(config);
    let want = CameraState::Unsupported(Unsupported::SubstreamNotH264("H265".to_owned()));
    let status = bench.status(id, "sub", |s| s.state == want).await;
    bench.status(id, "main all the same", |s| s.streams[0].state == CameraState::Live).await;
    assert_eq!(status.stream(CameraStream::Sub).unwrap().state, want);
}

/// What a name leads to is asked anew at each connection: it may lead elsewhere by then.
#[tokio::test]
async fn a_host_is_checked_at_each_connection() {
    static ALLOWED: AtomicBool = AtomicBool::new(true);
    for transport in [Transport::Tcp, Transport::Udp] {
        let camera = FakeCamera::start(1).await;
        let bench = Bench::of(|_| ALLOWED.load(Relaxed));
        let mut config = config(camera.url("main").replace("127.0.0.1", "localhost"), None);
        config.transport = transport;
        let id = config.id;
        bench.ingest.put(config.clone());
        bench.flows(id, 10).await;
        ALLOWED.store(false, Relaxed);
        camera.control.cut.store(true, Relaxed);
        let status = bench.state(id, CameraState::Refused(Refusal::Address)).await;
        assert!(status.detail.contains("no camera may have"), "{status:?}");
        assert_eq!(camera.control.connections.load(Relaxed), 1, "nothing is said to it, not even a question");
        let report = probe(config, PATIENCE, |_| ALLOWED.load(Relaxed)).await;
        assert_eq!(report.main.unwrap_err(), Fault::AddressRefused);
        ALLOWED.store(true, Relaxed);
        bench.state(id, CameraState::Live).await;
    }
}

/// Nothing is connected to because a camera wrote of it: a base, a control, a session description's address, a redirect.
#[tokio::test]
async fn what_a_camera_writes_of_other_hosts_is_not_followed() {
    let (bench, camera, other) = (Bench::start(), FakeCamera::start(1).await, FakeCamera::start(2).await);
    *camera.control.base.lock() = Some(other.url("elsewhere"));
    let elsewhere = |track| other.url(&format!("elsewhere/{track}"));
    *camera.control.sdp.lock() = SDP
        .replace("track1", &elsewhere("track1"))
        .replace("track2", &elsewhere("track2"))
        .replace('*', &elsewhere(""));
    let config = config(camera.url("main"), None);
    let id = config.id;
    bench.ingest.put(config);
    bench.flows(id, 10).await;
    *camera.control.refuse.lock() = Some(("DESCRIBE", 302));
    camera.control.cut.store(true, Relaxed);
    bench.state(id, CameraState::Refused(Refusal::Status(302))).await;
    assert_eq!(other.control.connections.load(Relaxed), 0);
}

#[tokio::test]
async fn a_probe_says_what_it_saw_or_what_is_wrong() {
    let (main, sub) = (FakeCamera::start(1).await, FakeCamera::start(2).await);
    let good = config(main.url("main"), Some(sub.url("sub")));
    let report = probe(good.clone(), PATIENCE, |_| true).await;
    let video = report.main.unwrap();
    assert_eq!((video.codec, video.width, video.height), (Codec::H264, 1280, 720));
    assert_eq!(
        (report.sound, video.keyframe_interval),
        (ProbedSound::Codec(Codec::Pcma), Some(Duration::from_millis(200)))
    );
    assert!((99.0..101.0).contains(&video.fps) && report.clock_offset_ms.is_some() && report.sub.unwrap().is_ok());
    assert!(
        report.keyframe.is_some_and(|(codec, bytes)| codec == Codec::H264 && bytes.starts_with(&[0, 0, 0, 1, 0x67]))
    );

    let short = Duration::from_secs(2);
    let of = async |url: String| probe(config(url, None), short, |_| true).await.main.unwrap_err();
    // A port that nobody listens on: one that was just given back.
    let closed = { tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    assert_eq!(of(format!("rtsp://{closed}/")).await, Fault::Unreachable);
    assert_eq!(of("http://127.0.0.1/".to_owned()).await, Fault::BadUrl);
    for (status, want) in [
        (302, Fault::Status(302)),
        (404, Fault::NotFound),
        (453, Fault::Busy),
        (461, Fault::TransportRefused),
        (500, Fault::Status(500)),
    ] {
        *main.control.refuse.lock() = Some(("SETUP", status));
        assert_eq!(of(main.url("main")).await, want);
    }
    *main.control.refuse.lock() = None;
    *main.control.login.lock() = Some(("a".to_owned(), "b".to_owned()));
    assert_eq!(of(main.url("main")).await, Fault::WrongPassword);
    *main.control.login.lock() = None;
    main.control.silent.store(true, Relaxed);
    assert_eq!(of(main.url("main")).await, Fault::Silent);
    main.control.silent.store(false, Relaxed);
    main.mangle(|_, packet| if packet[12] == 0x41 { vec![packet] } else { vec![] });
    assert_eq!(of(main.url("main")).await, Fault::NoKeyframe);
}
