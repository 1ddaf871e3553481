//! Whatever strangers send at the media port: media flows on, and each refusal is counted under its name.

mod common;

use common::{Publisher, Viewer, event, frame_of, metrics, run_until, start};
use lectern_media::{ParticipantId, RoomId};
use lectern_sfu::{CommandError, OfferError, PublishRequest, SfuEvent, SubscribeRequest};
use std::net::{SocketAddr, UdpSocket};

/// A small deterministic stream of numbers, so that a failure can be repeated.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize
    }

    fn bytes(&mut self, head: &[u8], len: usize) -> Vec<u8> {
        let mut v = head.to_vec();
        v.resize_with(len.max(head.len()), || self.next() as u8);
        v
    }
}

fn frames(viewer: &Viewer) -> usize {
    let pt = viewer.client.pt(viewer.video);
    viewer.client.payloads(pt).iter().map(|(_, p)| frame_of(p).0).collect::<std::collections::BTreeSet<_>>().len()
}

const REFUSED: &str = "lectern_sfu_refused_packets_total";

#[tokio::test(flavor = "multi_thread")]
async fn a_spray_of_garbage_harms_nobody_and_is_counted() {
    metrics::install();
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| frames(v[0]) >= 5).await;

    let port: SocketAddr = sfu.local_addrs()[0];
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    // A binding request for nobody, with a plausible form.
    let stun = [&[0, 1, 0, 16][..], &0x2112_a442u32.to_be_bytes(), &[7; 12], &[0, 6, 0, 9], b"00ffffaaa:b\0"].concat();
    let before = frames(&viewer);
    for round in 0..400 {
        for head in [&[0u8, 1][..], &[22, 0xfe, 0xfd], &[0x80, 96], &[0x81, 200], &[200], &[64], &[]] {
            let len = noise.next() % 1_600;
            // From a stranger's address, and from the publisher's and viewer's own (an attacker on their path).
            stranger.send_to(&noise.bytes(head, len), port).unwrap();
            if round % 4 == 0 && head.first() != Some(&22) {
                publisher.client.socket.send_to(&noise.bytes(head, len), port).unwrap();
                viewer.client.socket.send_to(&noise.bytes(head, len), port).unwrap();
            }
        }
        stranger.send_to(&stun, port).unwrap();
        stranger.send_to(&vec![0x80; 3_000], port).unwrap();
        if round % 20 == 0 {
            let target = frames(&viewer) + 1;
            run_until("frames go on", &mut publisher, &mut [&mut viewer], |_, v| frames(v[0]) >= target).await;
        }
    }
    let target = before + 30;
    run_until("frames go on", &mut publisher, &mut [&mut viewer], |_, v| frames(v[0]) >= target).await;
    for reason in
        ["bad_length", "unknown_protocol", "unknown_peer", "srtp_authentication", "srtp_truncated", "not_publisher"]
    {
        assert!(metrics::count(REFUSED, reason) > 0, "{reason} is counted");
    }
    sfu.shutdown().await;
}

/// Anyone can send a check with someone else's address on it: nothing may follow from one that proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn unproven_checks_from_a_publishers_address_do_not_take_it_away() {
    metrics::install();
    let (sfu, _events) = start(2);
    let port = sfu.local_addrs()[0];
    // The kernel gives each client to one of the two shards, the id each room: four rooms are likely to have both cases.
    for _ in 0..4 {
        let room = RoomId::generate();
        let mut publisher = Publisher::connect(&sfu, room, &[]).await;
        let mut viewer = Viewer::connect(&sfu, room).await;
        viewer.watch(&sfu, &publisher, 720);
        run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| frames(v[0]) >= 5).await;
        let (before, mut turns) = (frames(&viewer), 0);
        run_until("frames go on", &mut publisher, &mut [&mut viewer], |p, v| {
            for shard in [b"00ffffaaa:b\0", b"01ffffaaa:b\0"] {
                let stun =
                    [&[0, 1, 0, 16][..], &0x2112_a442u32.to_be_bytes(), &[7; 12], &[0, 6, 0, 11], shard].concat();
                p.client.socket.send_to(&stun, port).unwrap();
                v[0].client.socket.send_to(&stun, port).unwrap();
            }
            turns += 1;
            turns > 100 && frames(v[0]) >= before + 30
        })
        .await;
        viewer.client.received.clear();
    }
    assert!(metrics::count(REFUSED, "unknown_peer") > 100);
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replayed_packets_are_refused_and_counted() {
    metrics::install();
    let (sfu, _events) = start(1);
    let port = sfu.local_addrs()[0];
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    // Everything that the publisher sends is sent twice.
    let twin = publisher.client.socket.try_clone().unwrap();
    publisher.client.lose = Box::new(move |way, data| {
        if way == common::Way::Out && data[0] >> 6 == 2 {
            twin.send_to(data, port).unwrap();
        }
        false
    });
    run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| frames(v[0]) >= 30).await;
    let pt = viewer.client.pt(viewer.video);
    let mut payloads: Vec<_> = viewer.client.payloads(pt).iter().map(|(_, p)| frame_of(p)).collect();
    let all = payloads.len();
    payloads.sort_unstable();
    payloads.dedup();
    assert_eq!(payloads.len(), all, "nothing is forwarded twice");
    assert!(metrics::count(REFUSED, "srtp_replayed") > 50);
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_with_their_reason() {
    let (sfu, _events) = start(1);
    let (room, participant) = (RoomId::generate(), ParticipantId::generate());
    let offer = "v=0\r\nthis is no offer".to_owned();
    let refused = sfu.publish(PublishRequest { room, participant, replaces: None, offer, lines: vec![] }).await;
    assert!(matches!(refused, Err(OfferError::Sdp(_))));
    let refused = sfu.subscribe(SubscribeRequest { room, participant, replaces: None, offer: String::new() }).await;
    assert!(matches!(refused, Err(OfferError::Sdp(_))));
    let stranger = lectern_media::PeerId::generate();
    let restart = sfu.restart_ice(stranger, "abcd".into(), "a password of some length".into()).await;
    assert_eq!(restart, Err(CommandError::NoSuchPeer));
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_server_refuses_newcomers_only() {
    let (sfu, mut events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    run_until("connected", &mut publisher, &mut [], |p, _| p.frames_sent() > 3).await;
    event(&mut events, "media", |e| matches!(e, SfuEvent::TrackStarted { .. })).await;
    sfu.drain();
    let mut client = common::Client::new();
    let lines: [(_, _, &[&str]); 1] = [(str0m::media::MediaKind::Video, str0m::media::Direction::RecvOnly, &[])];
    let (offer, _, _) = client.offer(&lines);
    let participant = ParticipantId::generate();
    let refused = sfu.subscribe(SubscribeRequest { room, participant, replaces: None, offer }).await;
    assert_eq!(refused.err(), Some(OfferError::Full));
    let sent = publisher.frames_sent();
    run_until("the publisher goes on", &mut publisher, &mut [], |p, _| p.frames_sent() > sent + 5).await;
    sfu.shutdown().await;
    // The good-bye arrives: the client's stack ends by itself.
    run_until("the good-bye", &mut publisher, &mut [], |p, _| !p.client.rtc.is_alive()).await;
}
