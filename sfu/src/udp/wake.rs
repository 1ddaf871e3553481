//! Waiting for packets, commands or time.

use super::UdpPort;
use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

/// Wakes a shard from another thread (an `eventfd`).
#[derive(Debug, Clone)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call succeeded, so `fd` is open and nobody else's.
        Ok(Self(Arc::new(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Makes the next (or present) [`wait`] return.
    pub(crate) fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight bytes are read from `one`. A full counter means that a wake-up is already pending.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    fn drain(&self) {
        let mut count = [0u8; 8];
        // SAFETY: eight bytes are written to `count`. Nothing to read is fine.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

/// The most sockets of one shard.
pub(crate) const PORTS_MAX: usize = 15;

/// Waits until a socket has packets, the waker was called, or `timeout` is over.
pub(crate) fn wait(waker: &Waker, ports: &[UdpPort], timeout: Duration) {
    let mut fds = [libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 }; PORTS_MAX + 1];
    fds[0].fd = waker.0.as_raw_fd();
    for (slot, port) in fds[1..].iter_mut().zip(ports) {
        slot.fd = port.as_fd().as_raw_fd();
    }
    let timeout = libc::timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
    // SAFETY: `fds` has the stated length; `timeout` lives through the call; no signal mask.
    unsafe { libc::ppoll(fds.as_mut_ptr(), fds.len() as _, &raw const timeout, std::ptr::null()) };
    if fds[0].revents != 0 {
        waker.drain();
    }
}
