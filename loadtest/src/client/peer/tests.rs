//! The `webrtc` crate's connections against the real media plane, on loopback.

use super::*;
use crate::source::tests::small;
use lectern_media::{ParticipantId, RoomId, TrackSource};
use lectern_sfu::{Assignment, Priority, PublishRequest, Sfu, SfuConfig, SubscribeRequest};
use std::net::{Ipv4Addr, SocketAddr};

const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clip_passes_the_media_plane() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    for (codec, simulcast) in [(VideoCodec::H264, true), (VideoCodec::Vp8, false)] {
        let source = Arc::new(small(codec, simulcast));
        let config = SfuConfig { listen: vec![SocketAddr::new(NEAR, 0)], ..SfuConfig::default() };
        let (sfu, room) = (Sfu::start(config).expect("a media plane"), RoomId::generate());

        let (mut sender, offer) = Sender::new(&source, NEAR).await.expect("an offer");
        let lines = lines_of(&offer)
            .into_iter()
            .map(|(mid, video)| (mid, if video { TrackSource::Camera } else { TrackSource::Microphone }))
            .collect();
        let request = PublishRequest { room, participant: ParticipantId::generate(), replaces: None, offer, lines };
        let published = sfu.publish(request).await.expect("an answer");
        assert_eq!(published.tracks[0].layers, if simulcast { 3 } else { 1 });
        sender.accept(&published.sdp).await.expect("a connection");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let playing = tokio::spawn({
            let source = source.clone();
            async move {
                tokio::select! {
                    why = sender.run(&source, None) => panic!("it stopped by itself: {why:?}"),
                    _ = stopped => {}
                }
                let sent = sender.sent();
                sender.close().await;
                sent
            }
        });

        let (mut viewer, offer) = Viewer::new(NEAR, Instant::now()).await.expect("an offer");
        let request = SubscribeRequest { room, participant: ParticipantId::generate(), replaces: None, offer };
        let subscribed = sfu.subscribe(request).await.expect("an answer");
        let lines = subscribed.lines.iter().map(|(mid, kind)| Assignment {
            mid: mid.clone(),
            track: published.tracks.iter().find(|t| t.source.kind() == *kind).map(|t| t.id),
            height_px: 720,
            priority: Priority::Speaker,
            thumbnail: false,
        });
        sfu.assign(subscribed.peer, lines.collect()).expect("a line each");
        viewer.accept(&subscribed.sdp).await.expect("a connection");
        viewer.first_frame(Duration::from_secs(10)).await.expect("a picture");
        let start = Instant::now();
        while viewer.result().video.frames < 40 || viewer.result().audio.packets < 80 {
            assert!(start.elapsed() < Duration::from_secs(20), "{codec:?}: {:?}", viewer.result());
            tokio::time::sleep(Duration::from_millis(10)).await; // between two looks
        }
        let result = viewer.result();
        assert_eq!((result.video.frames_missing, result.audio.lost), (0, 0), "{codec:?}: {result:?}");
        assert!(result.video.delay_us.p50 < 200_000.0, "{codec:?}: {result:?}");
        viewer.close().await;
        let _ = stop.send(());
        let sent = playing.await.expect("the sender ends");
        assert!(sent.frames >= 40 && sent.packets > 120, "what was broken off was sent all the same: {sent:?}");
        sfu.shutdown().await;
    }
}
