//! The path of a packet allocates nothing: counted on the media thread while media flows.

mod common;

use common::{PACKETS_PER_FRAME, Publisher, Viewer, Way, run_until, start};
use lectern_media::RoomId;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

/// Counts allocations of media threads.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether this thread forwards media: 0 = not yet known, 1 = no, 2 = yes.
    static MEDIA: Cell<u8> = const { Cell::new(0) };
}

fn is_media_thread() -> bool {
    MEDIA
        .try_with(|m| {
            if m.get() == 0 {
                let mut name = [0u8; 16];
                // SAFETY: at most 16 bytes are written; the name of the calling thread needs no handle of another.
                unsafe { libc::pthread_getname_np(libc::pthread_self(), name.as_mut_ptr().cast(), name.len()) };
                // The kernel keeps 15 characters. A thread has its name before it runs our code.
                m.set(if name.starts_with(b"lectern-media") { 2 } else { 1 });
            }
            m.get() == 2
        })
        .unwrap_or(false)
}

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_media_thread() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations that are not per packet: events told to the control plane, a feedback packet that grows a table.
const BACKGROUND_MAX: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
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
