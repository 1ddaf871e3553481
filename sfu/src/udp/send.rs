//! Sending: one datagram, or a run of equal ones that the kernel cuts apart (`UDP_SEGMENT`).

use super::{Path, UdpPort, addr::RawAddr};
use std::{io, net::IpAddr};

/// The most datagrams of one run (`UDP_MAX_SEGMENTS` of older kernels).
pub(crate) const RUN_MAX: usize = 64;
/// The most bytes of one run: an IPv4 datagram before it is cut.
pub(crate) const RUN_LEN_MAX: usize = 65_000;
/// `UDP_SEGMENT` and one `in6_pktinfo`, with headers.
const CONTROL_LEN: usize = 96;

#[repr(C, align(8))]
struct Control([u8; CONTROL_LEN]);

/// Why a run was not sent (entirely). Each is a counted reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The socket's buffer is full.
    SocketFull,
    /// The kernel refused: no route, administratively prohibited, too long for the path.
    Refused,
}

impl SendError {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::SocketFull => "socket_full",
            Self::Refused => "socket_refused",
        }
    }
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    /// System calls made.
    pub calls: u32,
    /// Datagrams that did not go out, and why.
    pub lost: u32,
    pub error: Option<SendError>,
}

impl UdpPort {
    /// Sends `data` to `path` as datagrams of `segment` bytes; the last may be shorter. At most [`RUN_MAX`] datagrams and
    /// [`RUN_LEN_MAX`] bytes.
    pub(crate) fn send(&mut self, path: &Path, data: &[u8], segment: usize) -> Sent {
        debug_assert!(segment > 0 && data.len().div_ceil(segment) <= RUN_MAX, "a run has at most {RUN_MAX} datagrams");
        let count = data.len().div_ceil(segment) as u32;
        if count > 1 && self.gso {
            match self.send_one(path, data, Some(segment as u16)) {
                Ok(()) => return Sent { calls: 1, lost: 0, error: None },
                // Not this run: the segments are too long for this one path. They go one by one, and the kernel cuts them.
                Err(e) if matches!(e.raw_os_error(), Some(libc::EINVAL | libc::EMSGSIZE)) => {}
                Err(e) if cannot_segment(&e) => {
                    // A driver that can't; it will not learn.
                    tracing::warn!(local = %self.local, error = %e, "UDP_SEGMENT given up on this socket");
                    self.gso = false;
                }
                Err(e) => return Sent { calls: 1, lost: count, error: Some(reason(&e)) },
            }
        }
        let mut sent = Sent { calls: 0, lost: 0, error: None };
        for datagram in data.chunks(segment) {
            sent.calls += 1;
            if let Err(e) = self.send_one(path, datagram, None) {
                sent.lost += 1;
                sent.error = Some(reason(&e));
            }
        }
        sent
    }

    fn send_one(&self, path: &Path, data: &[u8], segment: Option<u16>) -> io::Result<()> {
        let (mut name, name_len) = RawAddr::new(path.remote);
        let mut iov = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
        let mut control = Control([0; CONTROL_LEN]);
        // SAFETY: `msghdr` is numbers and pointers, for which all zeros is a value.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_name = (&raw mut name).cast();
        header.msg_namelen = name_len;
        header.msg_iov = &raw mut iov;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = CONTROL_LEN as _;
        let mut used = 0;
        if let Some(segment) = segment {
            used += put(&mut control.0[used..], libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes());
        }
        // A socket bound to one address always sends from it.
        if self.local.ip().is_unspecified() {
            match path.local {
                Some(IpAddr::V4(ip)) => {
                    let mut info = [0; size_of::<libc::in_pktinfo>()];
                    // in_pktinfo: interface index, source address, header address.
                    info[4..8].copy_from_slice(&ip.octets());
                    used += put(&mut control.0[used..], libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
                }
                // A link-local source needs its interface, which the scope of the remote address gives.
                Some(IpAddr::V6(ip)) if !ip.is_unicast_link_local() => {
                    let mut info = [0; size_of::<libc::in6_pktinfo>()];
                    info[..16].copy_from_slice(&ip.octets());
                    used += put(&mut control.0[used..], libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
                }
                _ => {}
            }
        }
        header.msg_controllen = used as _;
        if used == 0 {
            header.msg_control = std::ptr::null_mut();
        }
        // SAFETY: the header points to a name, a vector and control data that live through the call; `sendmsg` only reads.
        let n = unsafe { libc::sendmsg(self.fd(), &raw const header, libc::MSG_DONTWAIT) };
        if n < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Writes one control message and returns the bytes it takes.
fn put(buf: &mut [u8], level: libc::c_int, kind: libc::c_int, data: &[u8]) -> usize {
    // SAFETY: the macros only compute.
    let (len, space) = unsafe { (libc::CMSG_LEN(data.len() as _), libc::CMSG_SPACE(data.len() as _) as usize) };
    // SAFETY: all zeros is a `cmsghdr`.
    let mut head: libc::cmsghdr = unsafe { std::mem::zeroed() };
    head.cmsg_len = len as _;
    head.cmsg_level = level;
    head.cmsg_type = kind;
    let head_len = space_before_data();
    assert!(space <= buf.len(), "CONTROL_LEN holds both messages");
    // SAFETY: `buf` is at least `space` long, which includes the header; the write is unaligned-safe.
    unsafe { std::ptr::write_unaligned(buf.as_mut_ptr().cast(), head) };
    buf[head_len..head_len + data.len()].copy_from_slice(data);
    space
}

fn space_before_data() -> usize {
    // SAFETY: the macro only computes.
    unsafe { libc::CMSG_LEN(0) as usize }
}

fn cannot_segment(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EIO | libc::EOPNOTSUPP))
}

fn reason(e: &io::Error) -> SendError {
    match e.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => SendError::SocketFull,
        _ => SendError::Refused,
    }
}
