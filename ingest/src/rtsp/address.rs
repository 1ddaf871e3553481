//! The connection to a camera's host: a name is resolved anew each time, and what it leads to is checked each time, too.
//!
//! A name that led to a camera when it was added may lead to this machine tomorrow, so the addresses that are connected to are
//! those that were checked; the name is not asked a second time. What the camera itself writes is never connected to: redirects
//! (RFC 2326 §10.10, status 3xx) are not followed, `Content-Base` and controls become text of request lines on the same
//! connection, and datagrams are taken from, and reports sent to, the address of that connection only.

use crate::{config::AddressRule, fault::Fault};
use std::net::SocketAddr;
use tokio::net::{TcpStream, lookup_host};
use url::{Host, Url};

/// The most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// The port of `rtsp:` (RFC 2326 §3.2).
const PORT: u16 = 554;

/// Connects to the URL's host at an address that `allowed` allows.
pub(super) async fn connect(url: &Url, allowed: AddressRule) -> Result<TcpStream, Fault> {
    let port = url.port().unwrap_or(PORT);
    let found: Vec<SocketAddr> = match url.host().ok_or(Fault::BadUrl)? {
        // Hosts of schemes that browsers don't know are kept as names, numbers or not.
        Host::Domain(name) => {
            lookup_host((name, port)).await.map_err(|_| Fault::Unreachable)?.take(ADDRESSES_MAX).collect()
        }
        Host::Ipv4(ip) => vec![(ip, port).into()],
        Host::Ipv6(ip) => vec![(ip, port).into()],
    };
    let checked: Vec<SocketAddr> = found.iter().copied().filter(|address| allowed(address.ip())).collect();
    let refused = found.len() - checked.len();
    if refused > 0 {
        metrics::counter!("lectern_ingest_addresses_refused_total", "reason" => "reserved").increment(refused as u64);
        if checked.is_empty() {
            return Err(Fault::AddressRefused);
        }
    }
    for address in checked {
        if let Ok(stream) = TcpStream::connect(address).await {
            return Ok(stream);
        }
    }
    Err(Fault::Unreachable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn only_checked_addresses_are_connected_to() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let v4: AddressRule = |ip| ip == IpAddr::V4(Ipv4Addr::LOCALHOST);
        // A name, the address, and the ways of writing it that only resolvers understand.
        for host in ["localhost", "127.0.0.1", "2130706433", "0x7f.1"] {
            let url = Url::parse(&format!("rtsp://{host}:{port}/a")).unwrap();
            let peer = connect(&url, v4).await.unwrap().peer_addr().unwrap();
            assert_eq!(peer, (Ipv4Addr::LOCALHOST, port).into(), "{host}");
            assert_eq!(connect(&url, |_| false).await.unwrap_err(), Fault::AddressRefused, "{host}");
        }
        let url = Url::parse("rtsp://nobody.invalid/a").unwrap();
        assert_eq!(connect(&url, |_| true).await.unwrap_err(), Fault::Unreachable);
    }
}
