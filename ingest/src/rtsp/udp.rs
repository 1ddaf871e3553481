//! The two sockets of a stream over UDP: RTP on an even port, RTCP on the next (RFC 3550 §11).

use bytes::Bytes;
use socket2::{Domain, Socket, Type};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd},
    task::{Context, Poll},
};
use tokio::{io::ReadBuf, net::UdpSocket};

/// What the kernel may hold while our task waits for its turn: a keyframe of a 4K camera comes as one burst. The kernel counts
/// what a packet costs it, about twice its bytes, and may grant less (`net.core.rmem_max`).
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// How often another pair of ports is tried.
const TRIES: usize = 32;

/// How many datagrams of strangers are passed over before others get their turn.
const TURNS_MAX: usize = 64;

/// The most datagrams taken of a session that is over: a camera that floods until the end gets no more.
const LEFT_MAX: usize = 4_096;

/// The largest datagram.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 65_536;

pub(crate) struct Pair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    camera: IpAddr,
    /// The camera told its ports, so that the kernel keeps everyone else out.
    connected: bool,
}

/// Which socket of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Rtp,
    Rtcp,
}

fn bind(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    grow_buffer(&socket);
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Beyond `net.core.rmem_max` only with CAP_NET_ADMIN; less is no error.
fn grow_buffer(socket: &Socket) {
    let (bytes, len) = (RECEIVE_BUFFER_BYTES as libc::c_int, size_of::<libc::c_int>() as libc::socklen_t);
    let (fd, name) = (socket.as_raw_fd(), libc::SO_RCVBUFFORCE);
    // SAFETY: `bytes` lives through the call and `len` is its size.
    let rc = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const bytes).cast(), len) };
    if rc != 0 {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    }
}

impl Pair {
    /// Binds a pair on `ip` for a camera.
    pub(crate) fn bind(ip: IpAddr, camera: IpAddr) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..TRIES {
            let rtp = bind(ip, 0)?;
            let port = rtp.local_addr()?.port();
            // The pair of an odd port would begin one below, which may be another's: ask again.
            if port % 2 != 0 {
                continue;
            }
            match bind(ip, port + 1) {
                Ok(rtcp) => return Ok(Self { rtp, rtcp, camera, connected: false }),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    /// Our port of RTP; RTCP is the next.
    pub(crate) fn port(&self) -> io::Result<u16> {
        Ok(self.rtp.local_addr()?.port())
    }

    /// Takes packets from these ports of the camera only, and opens the way through firewalls between by sending first.
    pub(crate) async fn connect(&mut self, (rtp, rtcp): (u16, u16), report: &[u8]) -> io::Result<()> {
        self.rtp.connect(SocketAddr::new(self.camera, rtp)).await?;
        self.rtcp.connect(SocketAddr::new(self.camera, rtcp)).await?;
        self.connected = true;
        // An RTP header without payload, version 2, which cameras ignore.
        let mut empty = [0; 12];
        empty[0] = 0x80;
        let _ = self.rtp.try_send(&empty);
        self.report(report);
        Ok(())
    }

    /// Sends a receiver report, if the camera told where to.
    pub(crate) fn report(&self, report: &[u8]) {
        if self.connected {
            // A report that finds no room or no listener is not missed.
            let _ = self.rtcp.try_send(report);
        }
    }

    /// One datagram that waits already.
    pub(crate) fn try_take(&self, scratch: &mut [u8], strangers: &mut u64) -> Option<(Half, Bytes)> {
        for (half, socket) in [(Half::Rtcp, &self.rtcp), (Half::Rtp, &self.rtp)] {
            match socket.try_recv_from(scratch) {
                Ok((len, from)) if from.ip().to_canonical() == self.camera.to_canonical() => {
                    return Some((half, Bytes::copy_from_slice(&scratch[..len])));
                }
                Ok(_) => *strangers += 1,
                Err(_) => {}
            }
        }
        None
    }

    /// What waits in the sockets when the session is over: the runtime may not know of it yet, so the system is asked. At most what the
    /// kernel holds ([`RECEIVE_BUFFER_BYTES`], twice).
    pub(crate) fn left(&self, scratch: &mut [u8], strangers: &mut u64, mut each: impl FnMut(Half, Bytes)) {
        for (half, socket) in [(Half::Rtp, &self.rtp), (Half::Rtcp, &self.rtcp)] {
            let Ok(socket) = socket.as_fd().try_clone_to_owned().map(std::net::UdpSocket::from) else { continue };
            for _ in 0..LEFT_MAX {
                match socket.recv_from(scratch) {
                    Ok((len, from)) if from.ip().to_canonical() == self.camera.to_canonical() => {
                        each(half, Bytes::copy_from_slice(&scratch[..len]));
                    }
                    Ok(_) => *strangers += 1,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    // ICMP errors of what we sent first; each is told once.
                    Err(_) => {}
                }
            }
        }
    }

    /// One datagram of the camera, from either socket. Strangers' are passed over and counted in `strangers`.
    pub(crate) fn poll(&self, cx: &mut Context<'_>, scratch: &mut [u8], strangers: &mut u64) -> Poll<(Half, Bytes)> {
        for (half, socket) in [(Half::Rtcp, &self.rtcp), (Half::Rtp, &self.rtp)] {
            for turn in 1..=TURNS_MAX {
                let mut buf = ReadBuf::new(scratch);
                match socket.poll_recv_from(cx, &mut buf) {
                    Poll::Ready(Ok(from)) if from.ip().to_canonical() == self.camera.to_canonical() => {
                        return Poll::Ready((half, Bytes::copy_from_slice(buf.filled())));
                    }
                    Poll::Ready(Ok(_)) => *strangers += 1,
                    // ICMP errors of what we sent first; each is told once.
                    Poll::Ready(Err(_)) => {}
                    Poll::Pending => break,
                }
                if turn == TURNS_MAX {
                    cx.waker().wake_by_ref();
                }
            }
        }
        Poll::Pending
    }
}
