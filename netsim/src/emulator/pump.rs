//! The thread that carries packets between the devices: read, push into the link, pop what is due, write.
//!
//! One thread for all lines: a line of a few Mbit/s costs it a few per cent of a core.

use super::{
    Direction, LineStats,
    tun::{MTU_BYTES, Tun},
};
use crate::link::{Link, LinkConfig};
use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    sync::mpsc,
    time::{Duration, Instant},
};

/// Packets read from one device before the others get their turn.
const READ_BATCH_PACKETS: usize = 64;

/// What the pump can be asked to do.
pub(super) enum Order {
    /// Change one direction of one line.
    Update(usize, Direction, Box<dyn FnOnce(&mut LinkConfig) + Send>),
    /// Tell the state of all lines.
    Stats(mpsc::SyncSender<Vec<(LineStats, LineStats)>>),
    /// End the thread.
    Stop,
}

/// Wakes the pump's poll.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, owned by no one else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub(super) fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight bytes are valid for reads. A full counter means that it is ringing already.
        let _ = unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    fn silence(&self) {
        let mut count = [0u8; 8];
        // SAFETY: eight bytes are valid for writes. An empty counter is as silent as can be.
        let _ = unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

/// One direction of a line with its devices' share of the account.
#[derive(Debug)]
struct Lane {
    link: Link<Box<[u8]>>,
    read_errors: u64,
    write_errors: u64,
}

impl Lane {
    fn new(config: LinkConfig, seed: u64) -> Self {
        Self { link: Link::new(config, seed), read_errors: 0, write_errors: 0 }
    }

    fn stats(&self) -> LineStats {
        LineStats {
            counters: *self.link.counters(),
            queued_bytes: self.link.queued_bytes(),
            device_errors: self.read_errors + self.write_errors,
            config: *self.link.config(),
        }
    }

    fn take(&mut self, from: &Tun, now: Duration, buf: &mut [u8; MTU_BYTES]) {
        for _ in 0..READ_BATCH_PACKETS {
            match from.read(buf) {
                // A refused packet is in the counters; a real line doesn't tell its sender either.
                Ok(Some(len)) => drop(self.link.push(now, len as u64, buf[..len].into())),
                Ok(None) => return,
                Err(_) => {
                    self.read_errors += 1;
                    return;
                }
            }
        }
    }

    fn give(&mut self, to: &Tun, now: Duration) {
        while let Some(packet) = self.link.pop(now) {
            if to.write(&packet).is_err() {
                self.write_errors += 1;
            }
        }
    }
}

/// A line: the server's device, the viewer's device, what lies between.
#[derive(Debug)]
pub(super) struct Line {
    server: Tun,
    viewer: Tun,
    down: Lane,
    up: Lane,
}

impl Line {
    pub(super) fn new(server: Tun, viewer: Tun, config: LinkConfig, seed: u64) -> Self {
        Self { server, viewer, down: Lane::new(config, seed), up: Lane::new(config, seed ^ 0x5555_5555_5555_5555) }
    }
}

/// Carries packets until told to stop.
pub(super) fn run(mut lines: Vec<Line>, orders: &mpsc::Receiver<Order>, bell: &Bell) {
    // A packet may be late by the timer's slack, 50 µs by default; as small as it goes.
    // SAFETY: no pointers; a failure changes nothing but the slack.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    let start = Instant::now();
    let mut buf = [0u8; MTU_BYTES];
    let mut polled: Vec<libc::pollfd> = std::iter::once(bell.0.as_raw_fd())
        .chain(lines.iter().flat_map(|l| [l.server.as_raw_fd(), l.viewer.as_raw_fd()]))
        .map(|fd: RawFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 })
        .collect();
    loop {
        let now = start.elapsed();
        let mut next: Option<Duration> = None;
        for line in &mut lines {
            line.down.give(&line.viewer, now);
            line.up.give(&line.server, now);
            for due in [line.down.link.next_due(), line.up.link.next_due()].into_iter().flatten() {
                next = Some(next.map_or(due, |n| n.min(due)));
            }
        }
        wait(&mut polled, next.map(|due| due.saturating_sub(start.elapsed())));
        let now = start.elapsed();
        for (line, ready) in lines.iter_mut().zip(polled[1..].chunks(2)) {
            if ready[0].revents != 0 {
                line.down.take(&line.server, now, &mut buf);
            }
            if ready[1].revents != 0 {
                line.up.take(&line.viewer, now, &mut buf);
            }
        }
        if polled[0].revents != 0 {
            bell.silence();
            while let Ok(order) = orders.try_recv() {
                match order {
                    Order::Stop => return,
                    Order::Stats(reply) => {
                        let _ = reply.send(lines.iter().map(|l| (l.down.stats(), l.up.stats())).collect());
                    }
                    Order::Update(line, direction, change) => {
                        let Some(line) = lines.get_mut(line) else { continue };
                        let lane = if direction == Direction::Down { &mut line.down } else { &mut line.up };
                        let mut config = *lane.link.config();
                        change(&mut config);
                        lane.link.set_config(now, config);
                    }
                }
            }
        }
    }
}

fn wait(polled: &mut [libc::pollfd], timeout: Option<Duration>) {
    let timeout = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(t.subsec_nanos() as i32),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `polled` is an array of its length; the timeout is null or lives to the end of the call.
    let n = unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout, std::ptr::null()) };
    if n < 0 {
        for p in polled {
            p.revents = 0; // interrupted: nothing is known to be ready
        }
    }
}
