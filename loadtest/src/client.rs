//! Real clients of a running server: its HTTP API, WHIP and WHEP, the class WebSocket, and peer connections of the
//! `webrtc` crate. What a browser does, without a picture on a screen.

pub mod api;
mod keyframes;
pub mod peer;
pub mod room;
mod tls;
pub mod world;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};

/// The address of this machine from which `host` is reached, and the host's own.
#[must_use]
pub fn near_and_far(url: &str) -> (IpAddr, IpAddr) {
    let loopback = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let Some(authority) = url.split("//").nth(1).and_then(|rest| rest.split('/').next()) else { return loopback };
    let with_port = if authority.rsplit(':').next().is_some_and(|p| p.parse::<u16>().is_ok()) {
        authority.to_owned()
    } else {
        format!("{authority}:443")
    };
    let Some(far) = with_port.to_socket_addrs().ok().and_then(|found| {
        let all: Vec<SocketAddr> = found.collect();
        all.iter().find(|a| a.is_ipv4()).or(all.first()).copied()
    }) else {
        return loopback;
    };
    let any: SocketAddr = if far.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { ([0u16; 8], 0).into() };
    let near = UdpSocket::bind(any).and_then(|s| s.connect(far).and_then(|()| s.local_addr()));
    (near.map_or(loopback.0, |a| a.ip()), far.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_near_address_is_on_the_way_to_the_server() {
        let local: IpAddr = Ipv4Addr::LOCALHOST.into();
        for url in ["http://127.0.0.1:7780", "http://127.0.0.1:7780/c/abc", "nonsense"] {
            assert_eq!(near_and_far(url), (local, local), "{url}");
        }
    }
}
