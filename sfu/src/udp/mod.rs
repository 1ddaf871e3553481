//! UDP sockets as the media plane uses them: one port for all peers, one socket per shard and address family, receiving
//! and sending in batches. Not here: what the packets are.
//!
//! This is the one module of the crate with `unsafe`: `recvmmsg`, `sendmsg` with `UDP_SEGMENT`, `ppoll` and
//! `eventfd` have no safe interface in the standard library.

mod addr;
mod interfaces;
mod recv;
mod send;
mod wake;

pub(crate) use addr::Path;
pub(crate) use interfaces::local_addresses;
pub(crate) use recv::{BATCH, RecvBatch};
pub(crate) use send::{RUN_LEN_MAX, RUN_MAX};
pub(crate) use send::{SendError, Sent};
pub(crate) use wake::{PORTS_MAX, Waker, wait};

use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
};

/// The longest datagram received, in bytes. Media is at most 1,500; what is longer is refused.
pub(crate) const DATAGRAM_LEN_MAX: usize = 2048;

/// One bound socket of one shard.
#[derive(Debug)]
pub(crate) struct UdpPort {
    socket: Socket,
    local: SocketAddr,
    /// Whether the kernel cuts one send into datagrams (`UDP_SEGMENT`). Probed at start, given up for good on EIO.
    gso: bool,
}

impl UdpPort {
    /// Binds a socket that shares its port with those of the other shards.
    pub(crate) fn bind(addr: SocketAddr, buffer_bytes: usize) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_port(true)?;
        if addr.is_ipv6() {
            // IPv4 has a socket of its own, so that addresses never come mapped.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        grow_buffers(&socket, buffer_bytes);
        tell_destination(&socket, addr)?;
        socket.bind(&addr.into())?;
        let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let gso = set_option(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
        Ok(Self { socket, local, gso })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for UdpPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Large buffers, so that a stalled machine does not lose packets. Beyond the limit of `net.core.rmem_max` only with
/// CAP_NET_ADMIN; less is no error.
fn grow_buffers(socket: &Socket, bytes: usize) {
    let value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    for (force, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
        if set_option(socket, libc::SOL_SOCKET, force, value).is_err() {
            let _ = set_option(socket, libc::SOL_SOCKET, plain, value);
        }
    }
}

/// Asks for the local address of each datagram: on a machine with several, an answer must leave from where the question
/// arrived, or the client's ICE and NAT refuse it.
fn tell_destination(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    if addr.is_ipv6() {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)
    }
}

fn set_option(socket: &Socket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` lives through the call and `len` is its size.
    let rc = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
