use super::*;
use std::{net::UdpSocket, time::Duration};

fn any(addr: &str) -> SocketAddr {
    addr.parse().unwrap()
}

/// Receives from `port` until `n` datagrams came, copying them out.
fn receive(port: &UdpPort, n: usize) -> Vec<(Path, Vec<u8>)> {
    let (waker, mut batch, mut got) = (Waker::new().unwrap(), RecvBatch::new(), Vec::new());
    while got.len() < n {
        wait(&waker, std::slice::from_ref(port), Duration::from_secs(5));
        let count = batch.receive(port).expect("datagrams arrive within five seconds");
        for i in 0..count {
            let (path, data) = batch.datagram(i, 0).unwrap();
            got.push((path, data.to_vec()));
        }
    }
    got
}

#[test]
fn a_run_arrives_as_separate_datagrams_from_the_address_it_was_sent_to() {
    for (listen, reach) in [("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "::1"), ("127.0.0.1:0", "127.0.0.1")] {
        let mut port = UdpPort::bind(any(listen), 1 << 20).unwrap();
        let client = UdpSocket::bind((reach, 0)).unwrap();
        client.connect((reach, port.local().port())).unwrap();
        client.send(b"hello").unwrap();
        let (path, data) = receive(&port, 1).remove(0);
        assert_eq!((&data[..], path.local), (&b"hello"[..], Some(reach.parse().unwrap())));
        for gso in [true, false] {
            port.gso &= gso;
            let data: Vec<u8> = (0..25).collect();
            let sent = port.send(&path, &data, 10);
            assert_eq!((sent.lost, sent.error), (0, None));
            let mut buf = [0; 64];
            for want in data.chunks(10) {
                let n = client.recv(&mut buf).unwrap();
                assert_eq!(&buf[..n], want, "{listen}, segmentation offload {gso}");
            }
        }
    }
}

#[test]
fn one_path_that_takes_no_long_segments_does_not_end_segmentation_for_all() {
    let mut port = UdpPort::bind(any("127.0.0.1:0"), 1 << 22).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    let before = port.gso;
    let path = Path { port: 0, remote: client.local_addr().unwrap(), local: None };
    // Longer than any datagram may be together: the kernel refuses the run, not the datagrams.
    let sent = port.send(&path, &vec![7; 80_000], 40_000);
    assert_eq!((sent.lost, sent.error), (0, None));
    let mut buf = vec![0; 65_536];
    for _ in 0..2 {
        assert_eq!(client.recv(&mut buf).unwrap(), 40_000);
    }
    assert_eq!(port.gso, before, "others still have it");
}

#[test]
fn sockets_of_several_shards_share_a_port() {
    let first = UdpPort::bind(any("127.0.0.1:0"), 1 << 16).unwrap();
    let second = UdpPort::bind(first.local(), 1 << 16).unwrap();
    assert_eq!(first.local(), second.local());
}

#[test]
fn oversize_datagrams_are_recognised() {
    let port = UdpPort::bind(any("127.0.0.1:0"), 1 << 20).unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(&[0; DATAGRAM_LEN_MAX + 1], port.local()).unwrap();
    let (waker, mut batch) = (Waker::new().unwrap(), RecvBatch::new());
    wait(&waker, std::slice::from_ref(&port), Duration::from_secs(5));
    assert_eq!(batch.receive(&port).unwrap(), 1);
    assert!(batch.datagram(0, 0).is_none());
}

#[test]
fn the_waker_ends_a_wait_at_once() {
    let waker = Waker::new().unwrap();
    waker.wake();
    let began = std::time::Instant::now();
    wait(&waker, &[], Duration::from_secs(30));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn this_machine_has_a_loopback_address() {
    assert!(local_addresses().unwrap().iter().any(|ip| ip.is_loopback()));
}
