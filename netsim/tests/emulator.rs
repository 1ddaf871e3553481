//! The emulator between real sockets: what was commanded, what it counted and what the receiver saw must agree.

mod rights;

use lectern_media::Bitrate;
use lectern_netsim::{
    LinkConfig,
    emulator::{Direction, EmulatorError, Hub},
};
use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    process::Command,
    time::{Duration, Instant},
};

const HEADERS_BYTES: u64 = 28; // IPv4 and UDP

/// A hub, or the reason why this machine cannot have one.
fn hub(viewers: usize, config: LinkConfig) -> Option<Hub> {
    match Hub::start(viewers, config, 42) {
        Ok(hub) => Some(hub),
        Err(error @ EmulatorError::NotRoot) => rights::missing(&error.to_string()),
        Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
    }
}

fn bind(at: IpAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((at, 0))?;
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    // Room for a second of any flow here: what a busy machine makes late must not be lost.
    let bytes: libc::c_int = 8 << 20;
    let len = size_of_val(&bytes) as libc::socklen_t;
    // SAFETY: one valid integer of its length; these tests run as root, which may go beyond the system's limit.
    let set = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, (&raw const bytes).cast(), len)
    };
    if set == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

struct Arrivals {
    count: u64,
    span: Duration,
    /// Of one packet in twenty, at most: the first may pass before a change of the line is heeded.
    delay_low: Duration,
    delay_median: Duration,
    delay_max: Duration,
}

/// Sends `count` datagrams of `len` bytes every `gap` from the server to viewer `n`; returns what arrived.
fn flow(hub: &Hub, n: usize, ipv6: bool, count: u32, len: usize, gap: Duration) -> Arrivals {
    let there = hub.viewers().nth(n - 1).unwrap().clone();
    let (from, to): (IpAddr, IpAddr) = if ipv6 {
        (hub.server().ipv6.into(), there.ipv6.into())
    } else {
        (hub.server().ipv4.into(), there.ipv4.into())
    };
    let sender = hub.in_server(|| bind(from)).unwrap().unwrap();
    let receiver = hub.in_viewer(n, || bind(to)).unwrap().unwrap();
    let target: SocketAddr = receiver.local_addr().unwrap();
    let start = Instant::now();
    let sending = std::thread::spawn(move || {
        for i in 0..count {
            let due = gap * i;
            std::thread::sleep(due.saturating_sub(start.elapsed())); // the pace of the flow itself
            let mut packet = vec![0; len];
            packet[..16].copy_from_slice(&start.elapsed().as_nanos().to_be_bytes());
            sender.send_to(&packet, target).unwrap();
        }
        for _ in 0..40 {
            sender.send_to(&[], target).unwrap(); // the end, often enough to survive the loss
        }
        sender // stays open until everything has arrived
    });
    let mut buf = [0; 2000];
    let mut seen: Vec<(Duration, Duration)> = Vec::new();
    while let Ok(len) = receiver.recv(&mut buf) {
        if len == 0 {
            break;
        }
        let sent = Duration::from_nanos(u128::from_be_bytes(buf[..16].try_into().unwrap()) as u64);
        let now = start.elapsed();
        seen.push((now, now - sent));
    }
    drop(sending.join().unwrap());
    let (first, last) = (seen.first().unwrap().0, seen.last().unwrap().0);
    let mut delays: Vec<Duration> = seen.iter().map(|(_, d)| *d).collect();
    delays.sort_unstable();
    Arrivals {
        count: seen.len() as u64,
        span: last - first,
        delay_low: delays[delays.len() / 20],
        delay_median: delays[delays.len() / 2],
        delay_max: delays[delays.len() - 1],
    }
}

#[test]
fn ping_takes_both_flights() {
    let Some(hub) = hub(1, LinkConfig::default().delay_ms(30)) else { return };
    for (program, address) in [("-4", hub.viewers().next().unwrap().ipv4.to_string()), ("-6", "fd99::1:1".to_owned())] {
        let out = Command::new("ip")
            .args(["netns", "exec", &hub.server().netns, "ping", program, "-c", "5", "-i", "0.05", "-W", "2", &address])
            .output();
        let out = match out {
            Ok(out) if !String::from_utf8_lossy(&out.stderr).contains("exec of \"ping\" failed") => out,
            _ => {
                rights::missing::<()>("no ping on this machine");
                return;
            }
        };
        let text = String::from_utf8_lossy(&out.stdout);
        let times: Vec<f64> =
            text.split("time=").skip(1).filter_map(|t| t.split_whitespace().next()?.parse().ok()).collect();
        assert_eq!(times.len(), 5, "{text}{}", String::from_utf8_lossy(&out.stderr));
        let best = times.iter().copied().fold(f64::MAX, f64::min);
        assert!((60.0..75.0).contains(&best), "{best} ms: {text}");
    }
}

#[test]
fn loss_is_what_was_commanded_and_counted() {
    let Some(hub) = hub(1, LinkConfig::default().loss_percent(5.0)) else { return };
    for ipv6 in [false, true] {
        let before = hub.stats().unwrap()[0].0.counters;
        let got = flow(&hub, 1, ipv6, 4000, 200, Duration::from_micros(300));
        let after = hub.stats().unwrap()[0].0.counters;
        let lost = after.dropped_packets.random_loss - before.dropped_packets.random_loss;
        let offered = after.offered_packets - before.offered_packets;
        assert!((4000..4100).contains(&offered), "{offered} offered");
        let share = lost as f64 / offered as f64;
        assert!((0.035..0.065).contains(&share), "lost {share}");
        assert!(got.count + lost <= offered && got.count + lost >= 4000 - 5, "{} seen, {lost} lost", got.count);
        assert_eq!(after.dropped_packets.total(), after.dropped_packets.random_loss);
    }
}

#[test]
fn rate_and_queue_are_what_was_commanded() {
    let Some(hub) = hub(2, LinkConfig::default()) else { return };
    hub.update(1, Direction::Down, |c| *c = LinkConfig::kbps(2000).delay_ms(20).queue_ms(200)).unwrap();
    // 4 Mbit/s into 2 Mbit/s for two seconds
    let got = flow(&hub, 1, false, 1000, 1000 - HEADERS_BYTES as usize, Duration::from_millis(2));
    let rate = (got.count - 1) as f64 * 8000.0 / got.span.as_secs_f64();
    assert!((1_900_000.0..2_100_000.0).contains(&rate), "{rate} bit/s");
    assert!(got.delay_low >= Duration::from_millis(24), "{:?}", got.delay_low);
    // A full queue is 200 ms, then 4 ms on the wire, then the flight. The median leaves out what a busy machine delayed.
    assert!((205..250).contains(&got.delay_median.as_millis()), "{:?}", got.delay_median);
    assert!(got.delay_max >= Duration::from_millis(215), "{:?}", got.delay_max);
    let stats = hub.stats().unwrap();
    let down = stats[0].0.counters;
    assert_eq!(down.queue_bytes_max, 50_000, "200 ms at 2 Mbit/s");
    assert!(down.dropped_packets.queue_full > 350, "{down:?}");
    assert_eq!(down.delivered_packets + down.dropped_packets.total() + 40, down.offered_packets + 40);
    assert_eq!(stats[1].0.counters.offered_packets, 0, "the other line is another line");
}

#[test]
fn lines_change_while_they_run() {
    let Some(hub) = hub(1, LinkConfig { rate: Some(Bitrate::kbps(8000)), ..LinkConfig::default() }) else { return };
    let (server, viewer) = (hub.server().ipv4, hub.viewers().next().unwrap().ipv4);
    let sender = hub.in_server(|| bind(server.into())).unwrap().unwrap();
    let receiver = hub.in_viewer(1, || bind(viewer.into())).unwrap().unwrap();
    let target = receiver.local_addr().unwrap();
    let mut buf = [0; 2000];
    sender.send_to(b"before", target).unwrap();
    assert_eq!(receiver.recv(&mut buf).unwrap(), 6);
    hub.update(1, Direction::Down, |c| c.cut = true).unwrap();
    hub.stats().unwrap(); // orders are carried out one after the other: the cut is in force
    sender.send_to(b"lost", target).unwrap();
    let cut_seen = || hub.stats().unwrap()[0].0.counters.dropped_packets.cut;
    let start = Instant::now();
    while cut_seen() == 0 {
        assert!(start.elapsed() < Duration::from_secs(3), "the cut never met the packet");
    }
    hub.update(1, Direction::Down, |c| c.cut = false).unwrap();
    hub.stats().unwrap();
    sender.send_to(b"afterwards", target).unwrap();
    assert_eq!(receiver.recv(&mut buf).unwrap(), 10);
}

#[test]
fn a_closed_hub_leaves_nothing_behind() {
    let Some(hub) = hub(2, LinkConfig::default()) else { return };
    let names: Vec<String> = hub
        .viewers()
        .map(|v| v.netns.clone())
        .chain([hub.server().netns.clone()])
        .map(|n| format!("/run/netns/{n}"))
        .collect();
    assert!(names.iter().all(|n| std::path::Path::new(n).exists()));
    drop(hub);
    assert!(names.iter().all(|n| !std::path::Path::new(n).exists()));
}
