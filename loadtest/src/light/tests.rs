//! Light clients against the real media plane, on loopback.

use super::*;
use lectern_media::{ParticipantId, RoomId, TrackSource};
use lectern_sfu::{Assignment, Priority, PublishRequest, Sfu, SfuConfig, SfuEvent, SubscribeRequest};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    time::{Duration, Instant},
};

const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn config() -> SfuConfig {
    SfuConfig { listen: vec![SocketAddr::new(NEAR, 0)], shards: NonZeroUsize::MIN, ..SfuConfig::default() }
}

fn connect(swarm: &Swarm, mut peer: LightPeer, answer: &str) {
    let answer = Answer::parse(answer).expect("a usable answer");
    let server = answer.best(NEAR).expect("a candidate");
    peer.accept(answer);
    swarm.add(peer, server).expect("a running swarm");
}

/// Waits until the reports are as wanted.
async fn until(swarm: &Swarm, what: &str, wanted: impl Fn(&[PeerReport]) -> bool) -> Vec<PeerReport> {
    let start = Instant::now();
    loop {
        let reports = swarm.report().expect("a running swarm");
        if let Some(failed) = reports.iter().find_map(|r| r.failed.as_ref()) {
            panic!("{what}: {failed}");
        }
        if wanted(&reports) {
            return reports;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: {reports:?}");
        tokio::time::sleep(Duration::from_millis(10)).await; // between two looks
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_media_plane_forwards_to_light_clients() {
    let sfu = Sfu::start(config()).expect("a media plane");
    let mut events = sfu.events().expect("the first call");
    let (identity, swarm, room) =
        (Identity::generate().expect("a certificate"), Swarm::start().expect("a swarm"), RoomId::generate());

    let publisher = LightPeer::new(Role::Publisher, &identity, swarm.epoch(), swarm.epoch().elapsed()).expect("a peer");
    let lines = vec![("0".to_owned(), TrackSource::Camera), ("1".to_owned(), TrackSource::Microphone)];
    let offer = publisher.offer();
    let request = PublishRequest { room, participant: ParticipantId::generate(), replaces: None, offer, lines };
    let answer = sfu.publish(request).await.expect("an answer");
    connect(&swarm, publisher, &answer.sdp);
    until(&swarm, "the publisher connects", |r| r[0].counts.connected.is_some()).await;
    swarm.publish(true).expect("a running swarm");
    let mut started = 0;
    while started < 2 {
        let event = tokio::time::timeout(Duration::from_secs(10), events.recv()).await.expect("tracks start");
        started += usize::from(matches!(event, Some(SfuEvent::TrackStarted { .. })));
    }

    for n in 0..5 {
        let role = if n == 0 { Role::DeepSubscriber } else { Role::Subscriber };
        let peer = LightPeer::new(role, &identity, swarm.epoch(), swarm.epoch().elapsed()).expect("a peer");
        let request =
            SubscribeRequest { room, participant: ParticipantId::generate(), replaces: None, offer: peer.offer() };
        let subscribed = sfu.subscribe(request).await.expect("an answer");
        let lines = subscribed.lines.iter().zip(&answer.tracks).map(|((mid, _), track)| Assignment {
            mid: mid.clone(),
            track: Some(track.id),
            height_px: 720,
            priority: Priority::Speaker,
            thumbnail: false,
        });
        sfu.assign(subscribed.peer, lines.collect()).expect("a line each");
        connect(&swarm, peer, &subscribed.sdp);
    }
    let reports = until(&swarm, "everyone receives a second's worth", |r| {
        r.len() == 6 && r[1..].iter().all(|r| r.counts.video_packets > 175 && r.counts.audio_packets > 50)
    })
    .await;
    for r in &reports[1..] {
        assert_eq!((r.counts.bad, r.counts.lost), (0, 0), "{r:?}");
    }
    let delays = reports[1].delays.summary();
    assert!(delays.count > 20, "whole frames are decrypted: {delays:?}");
    drop(swarm);
    sfu.shutdown().await;
}
