//! Drives light clients: one thread, one ordinary socket each, `epoll`. No GRO, no batched receive: what browsers have.

use super::{
    peer::{Counts, LightPeer, Role},
    socket::{EVENTS_MAX, Poll, receiving_socket},
    synthetic::Publisher,
};
use crate::stats::Histogram;
use anyhow::{Context, Result, anyhow};
use std::{
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

const DATAGRAM_LEN_BYTES_MAX: usize = 2048;
/// Datagrams taken from one socket before the others get their turn.
const BURST: usize = 32;
const TICK: Duration = Duration::from_millis(5);

/// One client's state.
#[derive(Debug, Clone)]
pub struct PeerReport {
    /// What it is there for.
    pub role: Role,
    /// Its counts.
    pub counts: Counts,
    /// Delays of a deep subscriber, in microseconds.
    pub delays: Histogram,
    /// From its making to the first complete keyframe, of a deep subscriber.
    pub first_frame_ms: Option<f64>,
    /// Why it is of no more use, if it is.
    pub failed: Option<String>,
}

enum Order {
    Add(Box<LightPeer>, UdpSocket),
    Publish(bool),
    Report(mpsc::SyncSender<Vec<PeerReport>>),
    Stop,
}

/// A running swarm. Dropping it ends its thread and closes its sockets.
pub struct Swarm {
    orders: mpsc::Sender<Order>,
    epoch: Instant,
    thread: Option<thread::JoinHandle<Result<()>>>,
}

impl Swarm {
    /// Starts an empty one.
    ///
    /// # Errors
    /// If there is no thread or `epoll` for it.
    pub fn start() -> Result<Self> {
        let (orders, taken) = mpsc::channel();
        let epoch = Instant::now();
        let poll = Poll::new().context("making an epoll")?;
        let thread = thread::Builder::new()
            .name("swarm".to_owned())
            .spawn(move || Run { poll, epoch, members: Vec::new(), out: Vec::new() }.run(&taken))
            .context("starting the swarm")?;
        Ok(Self { orders, epoch, thread: Some(thread) })
    }

    /// The zero of the swarm's durations.
    #[must_use]
    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// Adds a client that has its answer; `server` is where it sends.
    ///
    /// # Errors
    /// If there is no socket for it, or the swarm has ended.
    pub fn add(&self, peer: LightPeer, server: SocketAddr) -> Result<()> {
        self.order(Order::Add(Box::new(peer), receiving_socket(server)?))
    }

    /// Starts or stops the publishers' media.
    ///
    /// # Errors
    /// If the swarm has ended.
    pub fn publish(&self, on: bool) -> Result<()> {
        self.order(Order::Publish(on))
    }

    /// The state of all clients, in the order they were added.
    ///
    /// # Errors
    /// If the swarm has ended.
    pub fn report(&self) -> Result<Vec<PeerReport>> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.order(Order::Report(reply))?;
        answer.recv().map_err(|_| anyhow!("the swarm has ended"))
    }

    fn order(&self, order: Order) -> Result<()> {
        self.orders.send(order).map_err(|_| anyhow!("the swarm has ended"))
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        let _ = self.order(Order::Stop);
        if let Some(Ok(Err(error))) = self.thread.take().map(thread::JoinHandle::join) {
            eprintln!("the swarm failed: {error:#}");
        }
    }
}

struct Member {
    peer: LightPeer,
    socket: UdpSocket,
    failed: Option<String>,
    publisher: Option<Publisher>,
}

struct Run {
    poll: Poll,
    epoch: Instant,
    members: Vec<Member>,
    out: Vec<Vec<u8>>,
}

impl Run {
    fn run(mut self, orders: &mpsc::Receiver<Order>) -> Result<()> {
        let mut publishing = false;
        let mut next_tick = Duration::ZERO;
        let mut buf = vec![0u8; DATAGRAM_LEN_BYTES_MAX];
        let mut ready = Vec::with_capacity(EVENTS_MAX);
        loop {
            while let Ok(order) = orders.try_recv() {
                match order {
                    Order::Stop => return Ok(()),
                    Order::Publish(on) => publishing = on,
                    Order::Add(peer, socket) => self.add(*peer, socket)?,
                    Order::Report(reply) => {
                        let _ = reply.send(self.members.iter().map(Member::report).collect());
                    }
                }
            }
            let now = self.epoch.elapsed();
            if now >= next_tick {
                next_tick = now + TICK;
                for member in &mut self.members {
                    member.act(&mut self.out, |peer, out| peer.tick(now, out));
                    member.publish(publishing, now);
                }
            }
            let wait = next_tick.saturating_sub(self.epoch.elapsed());
            self.poll.wait(wait, &mut ready)?;
            let now = self.epoch.elapsed();
            for index in ready.drain(..) {
                if let Some(member) = self.members.get_mut(index) {
                    member.receive(now, &mut buf, &mut self.out);
                }
            }
        }
    }

    fn add(&mut self, peer: LightPeer, socket: UdpSocket) -> Result<()> {
        self.poll.add(socket.as_raw_fd(), self.members.len()).context("watching a socket")?;
        let publisher = (peer.role() == Role::Publisher).then(Publisher::default);
        self.members.push(Member { peer, socket, failed: None, publisher });
        Ok(())
    }
}

impl Member {
    fn report(&self) -> PeerReport {
        PeerReport {
            role: self.peer.role(),
            counts: self.peer.counts(),
            delays: self.peer.meter().delays().clone(),
            first_frame_ms: self.peer.meter().first_frame_ms(),
            failed: self.failed.clone(),
        }
    }

    /// Lets the client do something and sends what it says.
    fn act(&mut self, out: &mut Vec<Vec<u8>>, f: impl FnOnce(&mut LightPeer, &mut Vec<Vec<u8>>) -> Result<()>) {
        if self.failed.is_some() {
            return;
        }
        if let Err(error) = f(&mut self.peer, out) {
            self.failed = Some(format!("{error:#}"));
        }
        for datagram in out.drain(..) {
            // A full or refusing socket loses it, as the network may.
            let _ = self.socket.send(&datagram);
        }
    }

    fn receive(&mut self, now: Duration, buf: &mut [u8], out: &mut Vec<Vec<u8>>) {
        for _ in 0..BURST {
            let Ok(len) = self.socket.recv(buf) else { return };
            self.act(out, |peer, out| peer.datagram(now, &buf[..len], out));
        }
    }

    fn publish(&mut self, on: bool, now: Duration) {
        let Some(publisher) = self.publisher.as_mut().filter(|_| self.peer.connected() && self.failed.is_none()) else {
            return;
        };
        let socket = &self.socket;
        let sent = publisher.tick(&mut self.peer, on, now, |packet| {
            let _ = socket.send(packet);
        });
        if let Err(error) = sent {
            self.failed = Some(format!("{error:#}"));
        }
    }
}
