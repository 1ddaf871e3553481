//! Receivers that only count: ordinary sockets, one thread, the same kind and buffers as those of light clients.

use crate::light::{Poll, receiving_socket};
use anyhow::{Context, Result};
use std::{
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How often the thread looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const BURST: usize = 32;

/// The receivers.
pub struct Sinks {
    addresses: Vec<SocketAddr>,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Sinks {
    /// Opens `count` sockets that take datagrams from `from`.
    ///
    /// # Errors
    /// If a socket can't be made.
    pub fn open(count: usize, from: SocketAddr) -> Result<Self> {
        let poll = Poll::new().context("making an epoll")?;
        let mut sockets: Vec<UdpSocket> = Vec::with_capacity(count);
        for n in 0..count {
            let socket = receiving_socket(from)?;
            poll.add(socket.as_raw_fd(), n).context("watching a socket")?;
            sockets.push(socket);
        }
        let addresses = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        let (received, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = thread::Builder::new().name("sinks".to_owned()).spawn({
            let (received, stop) = (received.clone(), stop.clone());
            move || {
                let (mut ready, mut buf) = (Vec::new(), [0u8; 2048]);
                while !stop.load(Ordering::Relaxed) && poll.wait(LOOK_EVERY, &mut ready).is_ok() {
                    for n in ready.drain(..) {
                        let taken = (0..BURST).take_while(|_| sockets[n].recv(&mut buf).is_ok()).count();
                        received.fetch_add(taken as u64, Ordering::Relaxed);
                    }
                }
            }
        })?;
        Ok(Self { addresses, received, stop, thread: Some(thread) })
    }

    /// Where they listen.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Datagrams that arrived so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
