//! Addresses between Rust and the kernel, and the way to a peer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// The way to a peer: through which of the shard's sockets, to whom, from which of our addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    /// The place of the socket in the shard's list.
    pub port: u8,
    /// The peer.
    pub remote: SocketAddr,
    /// Our address that the peer sent to, if the kernel told.
    pub local: Option<IpAddr>,
}

/// An address in the kernel's form.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union RawAddr {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
    family: libc::sa_family_t,
}

impl RawAddr {
    /// An empty address with room for either family.
    pub(super) fn empty() -> Self {
        // SAFETY: both members are plain numbers, for which all zeros is a value.
        unsafe { std::mem::zeroed() }
    }

    pub(super) fn new(addr: SocketAddr) -> (Self, libc::socklen_t) {
        let mut raw = Self::empty();
        match addr {
            SocketAddr::V4(a) => {
                raw.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: a.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(a.ip().octets()) },
                    sin_zero: [0; 8],
                };
                (raw, size_of::<libc::sockaddr_in>() as libc::socklen_t)
            }
            SocketAddr::V6(a) => {
                raw.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: a.port().to_be(),
                    sin6_flowinfo: a.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: a.ip().octets() },
                    sin6_scope_id: a.scope_id(),
                };
                (raw, size_of::<libc::sockaddr_in6>() as libc::socklen_t)
            }
        }
    }

    /// Back to Rust; `None` for other families.
    pub(super) fn get(&self) -> Option<SocketAddr> {
        // SAFETY: the family is the first field of both members, and every bit pattern of it is a value.
        match libc::c_int::from(unsafe { self.family }) {
            libc::AF_INET => {
                // SAFETY: the family says that this member was written.
                let a = unsafe { self.v4 };
                let ip = Ipv4Addr::from(a.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(a.sin_port))))
            }
            libc::AF_INET6 => {
                // SAFETY: the family says that this member was written.
                let a = unsafe { self.v6 };
                let ip = Ipv6Addr::from(a.sin6_addr.s6_addr);
                Some(SocketAddr::V6(SocketAddrV6::new(ip, u16::from_be(a.sin6_port), 0, a.sin6_scope_id)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernel_s_form() {
        for text in ["127.0.0.1:7788", "203.0.113.9:1", "[::1]:7788", "[2001:db8::5]:65535"] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(RawAddr::new(addr).0.get(), Some(addr));
        }
        assert_eq!(RawAddr::empty().get(), None);
    }
}
