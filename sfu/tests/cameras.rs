//! Cameras that are published from this process, and walls that watch them, with real clients over loopback sockets.

mod common;

use common::{
    PATIENCE, event, metrics, start,
    wall::{Camera, Cameras, GROUP, KEY_PARTS, MAIN, SUB, Wall},
};
use lectern_media::{Codec, Layer, ParticipantId, RoomId, TrackSource};
use lectern_sfu::{CommandError, LineRefusal, LocalPublish, LocalTrack, Offered, SfuEvent};
use tokio::sync::mpsc::Receiver;

fn drain(events: &mut Receiver<SfuEvent>, mut each: impl FnMut(SfuEvent)) {
    while let Ok(e) = events.try_recv() {
        each(e);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_shows_every_camera_and_plays_the_sound_of_one() {
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let mut cameras = Cameras::publish(&sfu, room, 36).await;
    let mut wall = Wall::connect(&sfu, room, 64, &["PCMU"]).await;
    wall.show(&sfu, &cameras, 0..36, 180, false);
    cameras.run(&mut wall, "every camera is shown", |_, w| w.showing(0..36) == 36).await;
    let until = cameras.pictures() + 2 * GROUP;
    cameras.run(&mut wall, "two groups more", |c, _| c.pictures() >= until).await;
    for line in 0..36 {
        let parts = wall.parts(line);
        let numbers: Vec<u64> = parts.keys().copied().collect();
        assert_eq!(numbers.last().unwrap() - numbers[0] + 1, numbers.len() as u64, "line {line}: nothing is missing");
        assert!(parts.values().all(|(_, p)| usize::from(p.camera) == line && p.layer == 0), "line {line}");
        let pictures: Vec<_> = parts.values().map(|(_, p)| (p.picture, p.part)).collect();
        assert!(pictures.is_sorted(), "line {line}: in order {pictures:?}");
        assert!(parts.values().next().unwrap().1.key, "line {line} begins with a keyframe");
    }
    let pcmu = wall.client.received.iter().filter(|p| *p.header.payload_type == 0).count();
    assert!(pcmu > 10, "{pcmu} packets of sound as G.711");
    assert!(cameras.all.iter().all(|c| c.refused.is_empty()), "nothing was dropped on the way in");
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_changes_begins_with_what_is_kept() {
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let mut cameras = Cameras::publish(&sfu, room, 72).await;
    let mut wall = Wall::connect(&sfu, room, 36, &[]).await;
    wall.show(&sfu, &cameras, 0..36, 180, false);
    cameras.run(&mut wall, "the first page", |c, w| w.showing(0..36) == 36 && c.pictures() > GROUP + 2).await;
    let sent: Vec<u64> = (36..72).map(|c| (GROUP - c * 7 % GROUP) + cameras.pictures()).collect();
    wall.show(&sfu, &cameras, 36..72, 180, false);
    cameras.run(&mut wall, "the second page", |_, w| w.showing(36..72) == 36).await;
    for (line, sent) in sent.into_iter().enumerate() {
        let parts = wall.parts(line);
        let (_, first) = parts.values().find(|(_, p)| usize::from(p.camera) == line + 36).unwrap();
        assert!(first.key && first.picture < sent, "line {line} begins with picture {} of {sent}", first.picture);
        let numbers: Vec<u64> = parts.keys().copied().collect();
        assert_eq!(numbers.last().unwrap() - numbers[0] + 1, numbers.len() as u64, "line {line}: nothing is missing");
    }
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stills_are_whole_keyframes_and_nothing_else() {
    let (sfu, mut events) = start(1);
    let room = RoomId::generate();
    let mut cameras = Cameras::publish(&sfu, room, 8).await;
    let mut wall = Wall::connect(&sfu, room, 8, &[]).await;
    wall.show(&sfu, &cameras, 0..8, 90, true);
    cameras.run(&mut wall, "four stills on each line", |_, w| (0..8).all(|l| w.parts(l).len() >= 4 * KEY_PARTS)).await;
    for line in 0..8 {
        let parts = wall.parts(line);
        let numbers: Vec<u64> = parts.keys().copied().collect();
        assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1), "line {line}: numbers close over what is left out");
        for (_, p) in parts.values() {
            assert!(p.key, "line {line}: {p:?} is no keyframe");
        }
        let stamps: Vec<(u64, u32)> = parts.values().map(|(t, p)| (p.picture, *t)).collect();
        for w in stamps.windows(2) {
            let ticks = w[1].1.wrapping_sub(w[0].1);
            assert_eq!(u64::from(ticks), (w[1].0 - w[0].0) * 6_030, "line {line}: time goes on as it was");
        }
    }
    let mut stills = 0;
    drain(&mut events, |e| stills += usize::from(matches!(e, SfuEvent::LineStills { stills: true, .. })));
    assert_eq!(stills, 8, "each line was told to carry stills");

    wall.show(&sfu, &cameras, 0..8, 180, false);
    cameras
        .run(&mut wall, "all move again", |_, w| {
            (0..8).all(|l| w.parts(l).values().rev().take(20).any(|(_, p)| !p.key))
        })
        .await;
    for line in 0..8 {
        let parts: Vec<_> = wall.parts(line).into_values().map(|(_, p)| p).collect();
        let first = parts.iter().position(|p| !p.key).unwrap();
        assert!(parts[first - 1].key, "line {line}: motion begins behind a keyframe");
        assert_eq!(parts[first].picture, parts[first - 1].picture + 1, "line {line}: its own");
    }
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_stream_is_wanted_while_a_tile_is_large() {
    let (sfu, mut events) = start(1);
    let room = RoomId::generate();
    let mut cameras = Cameras::publish(&sfu, room, 2).await;
    let mut wall = Wall::connect(&sfu, room, 2, &[]).await;
    let track = cameras.all[0].publisher.tracks()[0].id;
    let wanted = |c: &Cameras, layer| c.all[0].publisher.wanted(track, layer);
    cameras.run(&mut wall, "a group", |c, _| c.pictures() > GROUP).await;
    assert!(!wanted(&cameras, SUB) && !wanted(&cameras, MAIN), "nobody looks");
    wall.show(&sfu, &cameras, 0..1, 540, false);
    cameras.run(&mut wall, "a picture", |c, w| w.showing(0..1) == 1 && wanted(c, SUB)).await;
    assert!(!wanted(&cameras, MAIN), "the substream fills 540 lines");

    wall.show(&sfu, &cameras, 0..1, 1_080, false);
    cameras.run(&mut wall, "the main stream is wanted", |c, _| wanted(c, MAIN)).await;
    let mut layer = None;
    let of = |e: &SfuEvent| match e {
        SfuEvent::LineChanged { layer, .. } => Some(*layer),
        _ => None,
    };
    cameras
        .run(&mut wall, "the main stream is carried", |_, _| {
            drain(&mut events, |e| layer = of(&e).unwrap_or(layer));
            layer == Some(MAIN)
        })
        .await;
    let parts: Vec<_> = wall.parts(0).into_values().map(|(_, p)| p).collect();
    let first = parts.iter().position(|p| p.layer == 1).expect("carried");
    assert!(parts[first].key && parts[first].part == 0, "it begins with a keyframe");
    let before: Vec<u64> = parts[..first].iter().map(|p| p.picture).collect();
    assert!(before.windows(2).all(|w| w[1] - w[0] <= 1), "the substream went on until then");

    wall.show(&sfu, &cameras, 0..1, 300, false);
    cameras.run(&mut wall, "nobody wants the main stream", |c, _| !wanted(c, MAIN) && wanted(c, SUB)).await;
    let parts: Vec<_> = wall.parts(0).into_values().map(|(_, p)| p).collect();
    let back = parts.iter().rposition(|p| p.layer == 1).expect("was carried") + 1;
    assert!(back == parts.len() || parts[back].key, "the substream begins with a keyframe");
    sfu.assign(wall.client.peer.unwrap(), vec![]).unwrap();
    cameras.run(&mut wall, "nobody wants anything", |c, _| !wanted(c, SUB)).await;
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_come_and_go_without_disturbing_the_others() {
    let (sfu, mut events) = start(1);
    let room = RoomId::generate();
    let mut cameras = Cameras::publish(&sfu, room, 4).await;
    let mut wall = Wall::connect(&sfu, room, 4, &[]).await;
    wall.show(&sfu, &cameras, 0..4, 180, false);
    cameras.run(&mut wall, "all are shown", |_, w| w.showing(0..4) == 4).await;
    let gone = cameras.all.remove(3);
    let ended: Vec<_> = gone.publisher.tracks().iter().map(|t| t.id).collect();
    drop(gone);
    let newcomer = Camera::publish(&sfu, room, 9).await;
    cameras.all.push(newcomer);
    let mut told = Vec::new();
    let until = cameras.pictures() + GROUP;
    cameras
        .run(&mut wall, "its tracks end, the others go on", |c, _| {
            drain(&mut events, |e| {
                told.extend(if let SfuEvent::TrackEnded { track, .. } = e { Some(track) } else { None })
            });
            told.len() == 2 && c.pictures() > until
        })
        .await;
    assert_eq!(told, ended);
    for line in 0..3 {
        let pictures: Vec<u64> = wall.parts(line).values().map(|(_, p)| p.picture).collect();
        assert!(pictures.windows(2).all(|w| w[1] - w[0] <= 1), "line {line} misses none");
    }
    sfu.close_room(room).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while !cameras.all.iter().all(|c| c.publisher.has_ended()) {
        assert!(std::time::Instant::now() < deadline, "the room's publishers are told");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let packet = lectern_sfu::LocalPacket {
        timestamp: 0,
        marker: true,
        keyframe: true,
        payload: vec![0x67; 10].into(),
        arrival: std::time::Instant::now(),
    };
    let camera = &cameras.all[0].publisher;
    assert_eq!(camera.send(camera.tracks()[0].id, SUB, packet), Offered::Closed);
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_played_is_refused_by_name() {
    metrics::install();
    let (sfu, mut events) = start(1);
    let room = RoomId::generate();
    let mut cameras = Cameras::publish(&sfu, room, 1).await;
    let mut wall = Wall::connect(&sfu, room, 1, &[]).await;
    wall.show(&sfu, &cameras, 0..1, 180, false);
    cameras.run(&mut wall, "the picture is shown", |_, w| w.showing(0..1) == 1).await;
    let sound = cameras.all[0].publisher.tracks()[1].id;
    let refused = event(&mut events, "the sound is refused", |e| matches!(e, SfuEvent::LineRefused { .. })).await;
    let SfuEvent::LineRefused { track, reason, mid, .. } = refused else { unreachable!("waited for it") };
    assert_eq!((track, reason, mid), (sound, LineRefusal::CodecNotNegotiated, wall.audio.to_string()));

    let track = |codec, source, layers| LocalTrack { source, codec, layers, heights: [0; Layer::COUNT_MAX] };
    let (camera, microphone) = (TrackSource::Camera, TrackSource::Microphone);
    for tracks in [
        vec![],
        vec![track(Codec::H264, camera, 1); 5],
        vec![track(Codec::H265, camera, 1)],
        vec![track(Codec::H264, microphone, 1)],
        vec![track(Codec::H264, camera, 0)],
        vec![track(Codec::H264, camera, 4)],
        vec![track(Codec::Pcma, microphone, 2)],
    ] {
        let publish = LocalPublish { room, participant: ParticipantId::generate(), tracks: tracks.clone() };
        assert_eq!(sfu.publish_local(publish).await.unwrap_err(), CommandError::BadTracks, "{tracks:?}");
    }
    sfu.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_cameras_have_room_in_one_room() {
    let (sfu, mut events) = start(2);
    let room = RoomId::generate();
    let mut site = Cameras::publish(&sfu, room, 1_000).await;
    let mut busy = Cameras::publish(&sfu, room, 0).await;
    busy.all = site.all.split_off(988);
    let mut wall = Wall::connect(&sfu, room, 64, &[]).await;
    wall.show(&sfu, &busy, 0..12, 180, false);
    let shown = |w: &Wall| (0..12).filter(|l| !w.parts(*l).is_empty()).count();
    busy.run(&mut wall, "those that send are shown", |_, w| shown(w) == 12).await;
    drop(site);
    let mut ended = 0;
    let until = busy.pictures() + GROUP;
    busy.run(&mut wall, "nobody misses the silent ones", |c, _| {
        drain(&mut events, |e| ended += usize::from(matches!(e, SfuEvent::TrackEnded { .. })));
        c.pictures() >= until
    })
    .await;
    assert_eq!(ended, 0, "tracks that never began do not end");
    for line in 0..12 {
        let pictures: Vec<u64> = wall.parts(line).values().map(|(_, p)| p.picture).collect();
        assert!(pictures.windows(2).all(|w| w[1] - w[0] <= 1), "line {line} misses none");
    }
    sfu.shutdown().await;
}
