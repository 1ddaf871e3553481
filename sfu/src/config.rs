//! What the media plane is started with, and why it may not start.

use lectern_media::Bitrate;
use std::{net::SocketAddr, num::NonZeroUsize};

/// How the media plane runs.
#[derive(Debug, Clone)]
pub struct SfuConfig {
    /// Where to listen for media. One UDP port is used for all peers; port 0 takes a free one (the same on all addresses).
    /// Default `[::]:7788` and `0.0.0.0:7788`.
    pub listen: Vec<SocketAddr>,
    /// The addresses told to clients, best first. Empty: those of [`listen`](Self::listen), where an unspecified address
    /// stands for every address of the machine's interfaces that are up (loopback included, for local use).
    /// Behind NAT: the public address. A port of 0 stands for the port listened on.
    pub advertise: Vec<SocketAddr>,
    /// How many threads forward media. Default: one per core, at most four. A room lives on one of them.
    pub shards: NonZeroUsize,
    /// The kernel's receive and send buffer of each socket, in bytes. Default 8 MiB; the kernel's own limit may be lower.
    pub socket_buffer_bytes: usize,
    /// The bit rate with which a publisher's encoder begins, before it has measured its line. Default 1,400 kbit/s.
    pub publish_start_bitrate: Bitrate,
    /// The most peers of one shard; further offers are refused with [`OfferError::Full`](crate::OfferError::Full). Default 4,000.
    pub peers_per_shard_max: usize,
}

impl Default for SfuConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            listen: vec![
                SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 7788)),
                SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, 7788)),
            ],
            advertise: Vec::new(),
            shards: NonZeroUsize::new(cores.min(4)).unwrap_or(NonZeroUsize::MIN),
            socket_buffer_bytes: 8 << 20,
            publish_start_bitrate: Bitrate::kbps(1_400),
            peers_per_shard_max: 4_000,
        }
    }
}

/// Why the media plane did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No address to listen on.
    #[error("media.listen names no address")]
    NoAddress,
    /// More shards than a local ufrag can name.
    #[error("media.shards is {0}; at most 255 are possible")]
    TooManyShards(usize),
    /// A socket could not be opened.
    #[error("could not listen for media on {addr}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The machine's addresses could not be listed.
    #[error("could not list the addresses of this machine")]
    Interfaces(#[source] std::io::Error),
    /// The certificate for DTLS could not be made.
    #[error("could not make the certificate for DTLS: {0}")]
    Certificate(String),
    /// A thread could not be started.
    #[error("could not start a media thread")]
    Thread(#[source] std::io::Error),
}
