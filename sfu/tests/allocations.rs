//! The path of a packet allocates nothing: counted on the media thread while media flows.

mod common;
mod counting;

use common::{
    PACKETS_PER_FRAME, Publisher, Viewer, Way, run_until, start,
    wall::{Cameras, Wall},
};
use counting::ALLOCATIONS;
use lectern_media::RoomId;
use std::sync::atomic::Ordering;

/// Allocations that are not per packet: events told to the control plane, a feedback packet that grows a table.
const BACKGROUND_MAX: u64 = 40;

/// One after the other: the counter is one for the whole process.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_allocated_per_packet() {
    forwarding_allocates_nothing_per_packet().await;
    a_wall_of_cameras_allocates_nothing_per_packet().await;
}

async fn forwarding_allocates_nothing_per_packet() {
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let mut publisher = Publisher::connect(&sfu, room, &[]).await;
    let mut first = Viewer::connect(&sfu, room).await;
    let mut second = Viewer::connect(&sfu, room).await;
    first.watch(&sfu, &publisher, 720);
    second.watch(&sfu, &publisher, 720);
    let picture = |v: &Viewer| v.client.payloads(v.client.pt(v.video)).len();
    // Rings and tables grow to their size first.
    run_until("a picture for both", &mut publisher, &mut [&mut first, &mut second], |p, v| {
        p.frames_sent() >= 150 && v.iter().all(|v| picture(v) > 100 * PACKETS_PER_FRAME)
    })
    .await;

    // Connectivity checks are answered by the STUN library, which allocates. They are no media: held back for a few seconds.
    for client in [&mut publisher.client, &mut first.client, &mut second.client] {
        client.lose = Box::new(|way, data| way == Way::Out && data[0] < 4);
    }
    let (before, sent, received) =
        (ALLOCATIONS.load(Ordering::Relaxed), publisher.frames_sent(), picture(&first) + picture(&second));
    run_until("200 frames more", &mut publisher, &mut [&mut first, &mut second], |p, _| p.frames_sent() >= sent + 200)
        .await;
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    let packets = (picture(&first) + picture(&second) - received) as u64;
    assert!(before > 0, "the counter counts");
    assert!(packets > 800, "{packets} packets were forwarded");
    assert!(allocations < BACKGROUND_MAX, "{allocations} allocations while {packets} packets were forwarded");
    println!("{allocations} allocations while {packets} packets were forwarded");
    sfu.shutdown().await;
}

async fn a_wall_of_cameras_allocates_nothing_per_packet() {
    let (sfu, _events) = start(1);
    let room = RoomId::generate();
    let mut cameras = Cameras::publish(&sfu, room, 8).await;
    let mut wall = Wall::connect(&sfu, room, 8, &["PCMU"]).await;
    wall.show(&sfu, &cameras, 0..8, 180, false);
    cameras.run(&mut wall, "a hundred pictures", |c, _| c.pictures() >= 100).await;
    wall.client.lose = Box::new(|way, data| way == Way::Out && data[0] < 4);
    let (before, sent, received) =
        (ALLOCATIONS.load(Ordering::Relaxed), cameras.pictures(), wall.client.received.len());
    cameras.run(&mut wall, "a hundred more", |c, _| c.pictures() >= sent + 100).await;
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    let packets = wall.client.received.len() - received;
    assert!(packets > 1_000, "{packets} packets were forwarded");
    assert!(allocations < BACKGROUND_MAX, "{allocations} allocations while {packets} packets were forwarded");
    sfu.shutdown().await;
}
