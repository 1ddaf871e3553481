//! Publish and subscribe with real clients of another WebRTC stack over loopback sockets.

mod common;

use common::{HEIGHTS, PACKETS_PER_FRAME, Publisher, Viewer, Way, event, frame_of, metrics, run_until, start};
use lectern_media::{RoomId, TrackKind, tap};
use lectern_sfu::SfuEvent;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Whether every video frame between the first and the last complete one is here whole.
fn whole_frames(viewer: &Viewer) -> (usize, Vec<u64>) {
    let pt = viewer.client.pt(viewer.video);
    let mut frames: BTreeMap<u64, BTreeSet<u8>> = BTreeMap::new();
    for (_, payload) in viewer.client.payloads(pt) {
        let (frame, part) = frame_of(&payload);
        frames.entry(frame).or_default().insert(part);
    }
    let whole: Vec<u64> = frames.iter().filter(|(_, p)| p.len() == PACKETS_PER_FRAME).map(|(f, _)| *f).collect();
    let missing = match (whole.first(), whole.last()) {
        (Some(first), Some(last)) => (*first..=*last).filter(|f| whole.binary_search(f).is_err()).collect(),
        _ => vec![],
    };
    (whole.len(), missing)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_receives_every_frame_and_sound_opened_and_in_order() {
    let (sfu, mut events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    run_until("fifty frames", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 50).await;

    let (_, missing) = whole_frames(&viewer);
    assert_eq!(missing, [0; 0], "no frame is missing");
    let audio = viewer.client.payloads(viewer.client.pt(viewer.audio));
    let numbers: Vec<u64> = audio.iter().map(|(_, p)| u64::from_be_bytes(p[..].try_into().unwrap())).collect();
    assert!(numbers.len() > 40 && numbers.windows(2).all(|w| w[1] == w[0] + 1), "sound is continuous: {numbers:?}");
    assert!(audio.windows(2).all(|w| w[1].0 == w[0].0 + 1), "its sequence numbers are, too, across their roll-over");
    let mut begun = BTreeSet::new();
    let peer = publisher.client.peer.unwrap();
    event(&mut events, "the publisher is connected and both tracks have begun", |e| {
        match e {
            SfuEvent::PeerConnected { peer: p } if *p == peer => drop(begun.insert("publisher".to_owned())),
            SfuEvent::TrackStarted { track, room: r } if *r == room => drop(begun.insert(format!("{:?}", track.codec))),
            _ => {}
        }
        begun.len() == 3
    })
    .await;
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_gets_the_last_keyframe_without_asking_the_publisher() {
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    run_until("twenty frames are sent", &mut publisher, &mut [], |p, _| p.frames_sent() >= 20).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 20).await;
    let pt = viewer.client.pt(viewer.video);
    let payloads = viewer.client.payloads(pt);
    let first = payloads.iter().map(|(_, p)| frame_of(p).0).min();
    assert!(first < Some(20), "it begins with a frame that was sent before it joined: {first:?}");
    sfu.shutdown().await;
}

/// The first packet of every keyframe is lost on its way to the server and comes by retransmission, after those behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_keyframe_whose_start_comes_late_is_shown_whole() {
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    // So long that no keyframe is kept that a joiner could begin with.
    run_until("the first keyframe is old", &mut publisher, &mut [], |p, _| p.frames_sent() >= 130).await;
    let pt = *publisher.client.pt(publisher.video);
    let lost = Arc::new(AtomicUsize::new(0));
    let (count, mut start_len, mut starts) = (lost.clone(), None, true);
    publisher.client.lose = Box::new(move |way, data| {
        if way != Way::Out || data[0] >> 6 != 2 || data[1] & 0x7f != pt {
            return false;
        }
        let is_start = std::mem::replace(&mut starts, data[1] & 0x80 != 0);
        // The start of a keyframe is seven bytes longer than that of another frame.
        let key = is_start && start_len.is_some_and(|len| data.len() >= len + 7);
        if is_start && !key {
            start_len = Some(data.len());
        }
        count.fetch_add(usize::from(key), Ordering::Relaxed);
        key
    });
    let sent = publisher.frames_sent();
    run_until("frames of the usual length", &mut publisher, &mut [], |p, _| p.frames_sent() > sent + 3).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 10).await;
    assert!(lost.load(Ordering::Relaxed) > 0, "a keyframe lost its start");
    let mut payloads = viewer.client.payloads(viewer.client.pt(viewer.video));
    payloads.sort_by_key(|(seq, _)| *seq);
    let first: Vec<_> = payloads.iter().take(PACKETS_PER_FRAME).map(|(_, p)| frame_of(p)).collect();
    let frame = first[0].0;
    assert_eq!(first, [(frame, 0), (frame, 1), (frame, 2)], "the keyframe is whole");
    assert_eq!(whole_frames(&viewer).1, [0; 0], "and so is what follows");
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_lost_on_either_side_are_repaired() {
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 10).await;

    // Every ninth video packet is lost, once: what is sent again (another payload type) passes.
    let lost = Arc::new(AtomicUsize::new(0));
    let lossy = |way: Way, pt: u8, lost: Arc<AtomicUsize>| {
        let mut n = 0;
        move |w: Way, data: &[u8]| {
            let media = w == way && data.len() > 200 && data[0] >> 6 == 2 && data[1] & 0x7f == pt;
            n += usize::from(media);
            let lose = media && n % 9 == 0;
            lost.fetch_add(usize::from(lose), Ordering::Relaxed);
            lose
        }
    };
    let up = *publisher.client.pt(publisher.video);
    let down = *viewer.client.pt(viewer.video);
    publisher.client.lose = Box::new(lossy(Way::Out, up, lost.clone()));
    viewer.client.lose = Box::new(lossy(Way::In, down, lost.clone()));
    run_until("thirty losses", &mut publisher, &mut [&mut viewer], |_, _| lost.load(Ordering::Relaxed) >= 30).await;
    publisher.client.lose = Box::new(|_, _| false);
    viewer.client.lose = Box::new(|_, _| false);
    let sent = publisher.frames_sent();
    run_until("everything up to here, repaired", &mut publisher, &mut [&mut viewer], |_, v| {
        let (_, missing) = whole_frames(v[0]);
        let pt = v[0].client.pt(v[0].video);
        let last = v[0].client.payloads(pt).iter().map(|(_, p)| frame_of(p).0).max();
        last > Some(sent + 5) && missing.iter().all(|f| *f > sent)
    })
    .await;
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_the_layer_its_tile_needs() {
    let (sfu, mut events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &["q", "h", "f"]).await;
    assert_eq!(publisher.track(TrackKind::Video).layers, 3);
    let mut viewer = Viewer::connect(&sfu, room).await;
    for height in [HEIGHTS[0], HEIGHTS[2], HEIGHTS[1]] {
        viewer.watch(&sfu, &publisher, height);
        let layer = HEIGHTS.iter().position(|h| *h == height);
        let pt = viewer.client.pt(viewer.video);
        let mut reached = false;
        run_until("the layer is carried", &mut publisher, &mut [&mut viewer], |_, _| {
            while let Ok(e) = events.try_recv() {
                reached |= matches!(e, SfuEvent::LineChanged { layer: l, .. } if l.map(|l| l.index()) == layer);
            }
            reached
        })
        .await;
        // What is said is what is sent: each layer's packets have a length of their own.
        let filling = [150, 400, 900][layer.unwrap()];
        let of_layer = |p: &Vec<u8>| (filling..filling + 40).contains(&p.len());
        run_until("its packets, and no others", &mut publisher, &mut [&mut viewer], |_, v| {
            let payloads = v[0].client.payloads(pt);
            let newest: Vec<_> = payloads.iter().rev().take(4 * PACKETS_PER_FRAME).collect();
            newest.len() == 4 * PACKETS_PER_FRAME && newest.iter().all(|(_, p)| of_layer(p))
        })
        .await;
    }
    let pt = viewer.client.pt(viewer.video);
    let mut payloads = viewer.client.payloads(pt);
    payloads.sort_by_key(|(seq, _)| *seq);
    let frames: Vec<_> = payloads.iter().map(|(_, p)| frame_of(p).0).collect();
    assert!(frames.windows(2).all(|w| w[1] >= w[0]), "no frame steps back: {frames:?}");
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_gets_every_packet_in_order_with_losses_repaired() {
    let (sfu, _events) = start(2);
    let room = RoomId::generate();
    let (handle, mut tapped) = tap::channel(4_000);
    sfu.tap(room, handle).unwrap();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    run_until("connected", &mut publisher, &mut [], |p, _| p.frames_sent() > 5).await;
    let mut n = 0;
    let pt = *publisher.client.pt(publisher.video);
    publisher.client.lose = Box::new(move |w, data| {
        n += 1;
        w == Way::Out && data.len() > 100 && data[1] & 0x7f == pt && n % 11 == 0
    });
    run_until("sixty frames", &mut publisher, &mut [], |p, _| p.frames_sent() >= 60).await;
    publisher.client.lose = Box::new(|_, _| false);
    let video = publisher.track(TrackKind::Video).id;
    let mut last = None;
    let (mut packets, mut gaps, mut started) = (0, 0, 0);
    run_until("everything is tapped", &mut publisher, &mut [], |_, _| {
        while let Ok(e) = tapped.try_recv() {
            match e {
                tap::TapEvent::Started(_) => started += 1,
                tap::TapEvent::Packet(p) if p.track == video => {
                    assert!(last.is_none_or(|l| p.seq > l), "in order");
                    gaps += u64::from(last.is_some_and(|l: lectern_media::ExtSeq| p.seq.0 != l.0 + 1));
                    last = Some(p.seq);
                    packets += 1;
                }
                _ => {}
            }
        }
        packets >= 60 * PACKETS_PER_FRAME
    })
    .await;
    assert_eq!((started, gaps), (2, 0), "both tracks began, and every loss was repaired before it was handed over");
    sfu.shutdown().await;
    let mut ended = 0;
    while let Some(e) = tapped.recv().await {
        ended += usize::from(matches!(e, tap::TapEvent::Ended(_)));
    }
    assert_eq!(ended, 2, "both tracks ended with the media plane");
}

/// The shard asks by itself only every four seconds; a reader that lost its place can't wait that long.
#[tokio::test(flavor = "multi_thread")]
async fn a_taps_reader_can_ask_for_a_keyframe() {
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let (handle, mut tapped) = tap::channel(4_000);
    sfu.tap(room, handle).unwrap();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let video = publisher.track(TrackKind::Video).id;
    let mut keyframes: Vec<lectern_media::UnixMillis> = Vec::new();
    run_until("two keyframes", &mut publisher, &mut [], |_, _| {
        while let Ok(e) = tapped.try_recv() {
            if let tap::TapEvent::Packet(p) = e
                && p.track == video
                && p.keyframe
            {
                keyframes.push(p.arrival);
                sfu.request_keyframe(video).unwrap();
            }
        }
        keyframes.len() >= 2
    })
    .await;
    let apart = keyframes[1].since(keyframes[0]);
    assert!(apart.as_millis() < 3_000, "{apart:?} apart");
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_on_several_shards_work_whatever_socket_the_kernel_picks() {
    metrics::install();
    let (sfu, _events) = start(3);
    for _ in 0..4 {
        let room = RoomId::generate();
        let mut publisher = Publisher::connect(&sfu, room, &[]).await;
        let mut viewer = Viewer::connect(&sfu, room).await;
        viewer.watch(&sfu, &publisher, 720);
        run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 40).await;
        assert_eq!(whole_frames(&viewer).1, [0; 0], "no frame is missing");
    }
    sfu.shutdown().await;
    assert!(metrics::count("lectern_sfu_handed_over_packets_total", "") > 40, "some came to the wrong shard");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_and_unpublishing_end_tracks_and_lines() {
    let (sfu, mut events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 5).await;
    let video = publisher.track(TrackKind::Video).id;
    sfu.unpublish(video).unwrap();
    event(&mut events, "the picture ends", |e| matches!(e, SfuEvent::TrackEnded { track, .. } if *track == video))
        .await;
    let audio = publisher.track(TrackKind::Audio).id;
    sfu.close_peer(publisher.client.peer.unwrap()).unwrap();
    event(&mut events, "the sound ends", |e| matches!(e, SfuEvent::TrackEnded { track, .. } if *track == audio)).await;
    sfu.shutdown().await;
    assert!(sfu.close_room(room).is_err(), "commands after the end are refused");
}

/// A sender that is given a track again keeps its SSRC and its roll-over counter.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_unpublished_begins_again_when_it_is_offered_anew() {
    let (sfu, mut events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 5).await;
    let video = publisher.track(TrackKind::Video).id;
    sfu.unpublish(video).unwrap();
    event(&mut events, "the picture ends", |e| matches!(e, SfuEvent::TrackEnded { track, .. } if *track == video))
        .await;
    // Packets of the old track still come; they begin nothing.
    let sent = publisher.frames_sent();
    run_until("frames for nobody", &mut publisher, &mut [&mut viewer], |p, _| p.frames_sent() > sent + 5).await;
    publisher.change_network(&sfu, room).await;
    assert_ne!(publisher.track(TrackKind::Video).id, video, "it is another track");
    viewer.watch(&sfu, &publisher, 720);
    viewer.client.received.clear();
    run_until("a picture again", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 5).await;
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_comes_back_keeps_its_tracks_and_viewers() {
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 10).await;
    let before = (publisher.client.peer.unwrap(), publisher.tracks[0].participant);
    let mut again = Publisher::connect_in_place_of(&sfu, room, &[], Some(before)).await;
    assert_eq!(again.tracks, publisher.tracks, "the tracks keep their ids");
    assert_ne!(again.client.peer, publisher.client.peer);
    drop(publisher);
    viewer.client.received.clear();
    run_until("the picture goes on", &mut again, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 10).await;
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_goes_on_after_a_change_of_network_with_an_ice_restart() {
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 10).await;
    publisher.change_network(&sfu, room).await;
    viewer.client.received.clear();
    run_until("the picture goes on", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 20).await;
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audio_only_stops_pictures_and_keeps_sound() {
    let (sfu, mut events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let mut viewer = Viewer::connect(&sfu, room).await;
    viewer.watch(&sfu, &publisher, 720);
    run_until("a picture", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 10).await;
    let (peer, mid) = (viewer.client.peer.unwrap(), viewer.video.to_string());
    sfu.audio_only(peer, true).unwrap();
    let mut dark = false;
    run_until("the picture stops", &mut publisher, &mut [&mut viewer], |_, _| {
        while let Ok(e) = events.try_recv() {
            dark |= matches!(&e, SfuEvent::LineChanged { peer: p, mid: m, layer: None, .. } if *p == peer && *m == mid);
        }
        dark
    })
    .await;
    viewer.client.received.clear();
    let (video, audio) = (viewer.client.pt(viewer.video), viewer.client.pt(viewer.audio));
    run_until("fifty packets of sound", &mut publisher, &mut [&mut viewer], |_, v| {
        v[0].client.payloads(audio).len() >= 50
    })
    .await;
    assert!(viewer.client.payloads(video).len() <= PACKETS_PER_FRAME, "what was under way may still arrive");
    sfu.audio_only(peer, false).unwrap();
    run_until("the picture comes back", &mut publisher, &mut [&mut viewer], |_, v| whole_frames(v[0]).0 >= 10).await;
    sfu.shutdown().await;
}
