//! Collects what goes to one peer and sends it in runs of equal size.

use super::counters::Counters;
use crate::udp::{DATAGRAM_LEN_MAX, Path, RUN_LEN_MAX, RUN_MAX, UdpPort};

/// One run under construction. The buffer is a shard's and serves one peer after the other.
pub(super) struct Outbox {
    buf: Box<[u8]>,
    /// Bytes of the run so far.
    used: usize,
    /// The size of its datagrams; the last may be shorter, and then the run is over.
    segment: usize,
    count: usize,
    /// Whether a datagram may still join.
    open: bool,
}

impl Outbox {
    pub(super) fn new() -> Self {
        let buf = vec![0; RUN_LEN_MAX + DATAGRAM_LEN_MAX].into_boxed_slice();
        Self { buf, used: 0, segment: 0, count: 0, open: true }
    }

    /// Where the next datagram is written: room for the longest.
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.buf[self.used..self.used + DATAGRAM_LEN_MAX]
    }

    /// The `len` bytes in [`space`](Self::space) are a datagram for `path`. Sends the run before it if they don't fit
    /// together.
    pub(super) fn commit(&mut self, len: usize, path: &Path, ports: &mut [UdpPort], counters: &mut Counters) {
        let joins = self.open && self.count < RUN_MAX && self.used + len <= RUN_LEN_MAX;
        if self.count > 0 && !(joins && len <= self.segment) {
            let from = self.used;
            self.flush(path, ports, counters);
            self.buf.copy_within(from..from + len, 0);
        }
        if self.count == 0 {
            self.segment = len;
        }
        self.open = len == self.segment;
        self.used += len;
        self.count += 1;
    }

    /// Sends what is collected.
    pub(super) fn flush(&mut self, path: &Path, ports: &mut [UdpPort], counters: &mut Counters) {
        if self.count > 0
            && let Some(port) = ports.get_mut(usize::from(path.port))
        {
            let sent = port.send(path, &self.buf[..self.used], self.segment);
            counters.sent(self.count as u32, self.used, &sent);
        }
        (self.used, self.count, self.open) = (0, 0, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::UdpSocket, time::Duration};

    #[test]
    fn datagrams_leave_in_runs_of_equal_size_and_arrive_as_written() {
        let mut ports = [UdpPort::bind("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap()];
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let path = Path { port: 0, remote: receiver.local_addr().unwrap(), local: None };
        let (mut out, mut counters) = (Outbox::new(), Counters::new(0));
        // A run ends with a shorter datagram, before a longer one, and when it is full.
        let lens: Vec<usize> = [100, 100, 60, 100, 120, 120].into_iter().chain([200; RUN_MAX + 3]).collect();
        for (i, len) in lens.iter().enumerate() {
            out.space()[..*len].fill(i as u8);
            out.commit(*len, &path, &mut ports, &mut counters);
        }
        out.flush(&path, &mut ports, &mut counters);
        let mut buf = [0; DATAGRAM_LEN_MAX];
        for (i, len) in lens.iter().enumerate() {
            let n = receiver.recv(&mut buf).unwrap();
            assert_eq!(n, *len, "datagram {i}");
            assert!(buf[..n].iter().all(|b| *b == i as u8), "datagram {i} holds what was written");
        }
    }

    #[test]
    fn a_run_never_exceeds_what_one_call_takes() {
        let mut ports = [UdpPort::bind("127.0.0.1:0".parse().unwrap(), 1 << 20).unwrap()];
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let path = Path { port: 0, remote: receiver.local_addr().unwrap(), local: None };
        let (mut out, mut counters) = (Outbox::new(), Counters::new(0));
        for _ in 0..200 {
            assert_eq!(out.space().len(), DATAGRAM_LEN_MAX, "there is always room for the longest");
            out.commit(1_400, &path, &mut ports, &mut counters);
            assert!(out.used <= RUN_LEN_MAX && out.count <= RUN_MAX);
        }
    }
}
