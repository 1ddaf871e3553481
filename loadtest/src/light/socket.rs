//! Ordinary receiving sockets, many of them on one thread: `epoll`, one datagram a call, no GRO.

use anyhow::{Context, Result};
use socket2::{Domain, Socket, Type};
use std::{
    net::{SocketAddr, UdpSocket},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    time::Duration,
};

/// Descriptors told of at once.
pub const EVENTS_MAX: usize = 64;
/// Receive buffer asked for: a machine that stalls for a quarter of a second loses nothing.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// A non-blocking socket connected to `remote`.
///
/// # Errors
/// If it can't be made.
pub fn receiving_socket(remote: SocketAddr) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(remote), Type::DGRAM, None).context("making a socket")?;
    // The kernel gives what it may; what is lost for want of room shows as RcvbufErrors in the report.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    socket.connect(&remote.into()).with_context(|| format!("connecting to {remote}"))?;
    socket.set_nonblocking(true).context("making a socket non-blocking")?;
    Ok(socket.into())
}

/// `epoll`, level-triggered.
pub struct Poll(OwnedFd);

impl Poll {
    /// An empty one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new() -> std::io::Result<Self> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: just made, owned by no one else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Watches a descriptor; `index` is given back when it can be read.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn add(&self, fd: i32, index: usize) -> std::io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: index as u64 };
        // SAFETY: one valid event; the kernel checks the descriptors.
        match unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    /// Waits for readable descriptors, at most [`EVENTS_MAX`] and `timeout`, and adds their indices to `ready`.
    ///
    /// # Errors
    /// What the kernel says, but for interruptions.
    pub fn wait(&self, timeout: Duration, ready: &mut Vec<usize>) -> std::io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS_MAX];
        let millis = timeout.as_micros().div_ceil(1000) as i32;
        // SAFETY: an array of its length.
        let n = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), EVENTS_MAX as i32, millis) };
        if n < 0 {
            let error = std::io::Error::last_os_error();
            return if error.kind() == std::io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        ready.extend(events[..n as usize].iter().map(|e| e.u64 as usize));
        Ok(())
    }
}
