//! The addresses of this machine, for candidates when none are configured.

use super::addr::RawAddr;
use std::{io, net::IpAddr};

/// The addresses of all interfaces that are up, loopback last. IPv6 link-local ones are left out: a client cannot use them
/// without knowing its own interface's name.
pub(crate) fn local_addresses() -> io::Result<Vec<IpAddr>> {
    let mut head: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `head` receives a list that is freed below.
    if unsafe { libc::getifaddrs(&raw mut head) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut at = head;
    // SAFETY: `at` walks the list that the call made, until its end.
    while let Some(item) = unsafe { at.as_ref() } {
        at = item.ifa_next;
        if item.ifa_addr.is_null() || item.ifa_flags & libc::IFF_UP as libc::c_uint == 0 {
            continue;
        }
        // SAFETY: the address is not null and its family says how long it is.
        let ip = unsafe {
            let mut raw = RawAddr::empty();
            let len = match libc::c_int::from((*item.ifa_addr).sa_family) {
                libc::AF_INET => size_of::<libc::sockaddr_in>(),
                libc::AF_INET6 => size_of::<libc::sockaddr_in6>(),
                _ => continue,
            };
            std::ptr::copy_nonoverlapping(item.ifa_addr.cast::<u8>(), (&raw mut raw).cast::<u8>(), len);
            raw.get().map(|a| a.ip())
        };
        match ip {
            Some(IpAddr::V6(v6)) if v6.is_unicast_link_local() => {}
            Some(ip) if !found.contains(&ip) => found.push(ip),
            _ => {}
        }
    }
    // SAFETY: frees what `getifaddrs` made, once.
    unsafe { libc::freeifaddrs(head) };
    found.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    Ok(found)
}
