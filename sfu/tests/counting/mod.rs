//! Counts what media threads allocate, for tests that prove that they don't.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
};

/// Counts allocations of media threads.
struct Counting;

/// Allocations of media threads so far.
pub static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

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
