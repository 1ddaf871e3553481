//! Receiving a batch of datagrams with one call.

use super::{DATAGRAM_LEN_MAX, Path, UdpPort, addr::RawAddr};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Datagrams per call. A keyframe of a 1080p camera is about 100; a batch bounds how long one turn of the loop takes.
pub(crate) const BATCH: usize = 64;
/// Room for one `in6_pktinfo` with its header.
const CONTROL_LEN: usize = 64;

/// Ancillary data needs the alignment of its header.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_LEN]);

/// Buffers for [`BATCH`] datagrams, reserved once.
pub(crate) struct RecvBatch {
    data: Box<[[u8; DATAGRAM_LEN_MAX]]>,
    names: Box<[RawAddr]>,
    controls: Box<[Control]>,
    headers: Box<[libc::mmsghdr]>,
    iovecs: Box<[libc::iovec]>,
    filled: usize,
}

// SAFETY: the raw pointers in `headers` and `iovecs` point into boxes that this value owns and never replaces.
unsafe impl Send for RecvBatch {}

impl RecvBatch {
    pub(crate) fn new() -> Self {
        let mut data = vec![[0; DATAGRAM_LEN_MAX]; BATCH].into_boxed_slice();
        let names = vec![RawAddr::empty(); BATCH].into_boxed_slice();
        let controls = vec![Control([0; CONTROL_LEN]); BATCH].into_boxed_slice();
        let iovecs = data
            .iter_mut()
            .map(|d| libc::iovec { iov_base: d.as_mut_ptr().cast(), iov_len: DATAGRAM_LEN_MAX })
            .collect();
        // SAFETY: `mmsghdr` is numbers and pointers, for which all zeros is a value.
        let headers = (0..BATCH).map(|_| unsafe { std::mem::zeroed() }).collect();
        Self { data, names, controls, headers, iovecs, filled: 0 }
    }

    /// Receives what is there, at most [`BATCH`] datagrams, and returns how many. `WouldBlock` if there is nothing.
    pub(crate) fn receive(&mut self, port: &UdpPort) -> io::Result<usize> {
        self.filled = 0;
        for (i, h) in self.headers.iter_mut().enumerate() {
            h.msg_hdr.msg_name = (&raw mut self.names[i]).cast();
            h.msg_hdr.msg_namelen = size_of::<RawAddr>() as libc::socklen_t;
            h.msg_hdr.msg_iov = &raw mut self.iovecs[i];
            h.msg_hdr.msg_iovlen = 1;
            h.msg_hdr.msg_control = (&raw mut self.controls[i]).cast();
            h.msg_hdr.msg_controllen = CONTROL_LEN as _;
            h.msg_hdr.msg_flags = 0;
        }
        // SAFETY: every header points to a name, a vector and a control buffer of the stated sizes, which this value owns.
        let n = unsafe {
            let (headers, none) = (self.headers.as_mut_ptr(), std::ptr::null_mut());
            libc::recvmmsg(port.fd(), headers, BATCH as _, libc::MSG_DONTWAIT as _, none)
        };
        if n < 0 {
            return Err(io::Error::last_os_error());
        }
        self.filled = n as usize;
        Ok(self.filled)
    }

    /// The datagram `i` of the last batch with the way it came; `None` if it was longer than its buffer, or its sender is
    /// unknown.
    pub(crate) fn datagram(&mut self, i: usize, port: u8) -> Option<(Path, &mut [u8])> {
        debug_assert!(i < self.filled);
        let header = &self.headers[i];
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let remote = self.names[i].get()?;
        let local = destination(&header.msg_hdr);
        Some((Path { port, remote, local }, &mut self.data[i][..header.msg_len as usize]))
    }
}

/// The local address in the ancillary data (`IP_PKTINFO`, `IPV6_PKTINFO`).
fn destination(header: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel filled `header`; the macros stay inside `msg_controllen`.
    unsafe {
        let mut c = libc::CMSG_FIRSTHDR(header);
        while let Some(head) = c.as_ref() {
            match (head.cmsg_level, head.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = std::ptr::read_unaligned(libc::CMSG_DATA(c).cast());
                    return Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = std::ptr::read_unaligned(libc::CMSG_DATA(c).cast());
                    return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                _ => c = libc::CMSG_NXTHDR(header, c),
            }
        }
    }
    None
}
