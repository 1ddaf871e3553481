//! The sender process of the floor.

use super::{Order, Said};
use crate::light::synthetic::{AUDIO_PAYLOAD_LEN, FRAME_EVERY, PACKETS_PER_FRAME, SOUND_EVERY, VIDEO_PAYLOAD_LEN};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use socket2::SockAddr;
use std::{
    io::{BufRead, Write},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::mpsc,
    time::{Duration, Instant},
};

/// RTP header with the extensions that a forwarded packet carries (transport-wide number, media id).
const HEADER_LEN: usize = 12 + 12;
const TAG_LEN: usize = 16;

struct Target {
    address: SockAddr,
    key: LessSafeKey,
    ssrc: u32,
    seq: u32,
}

/// What was done.
#[derive(Default)]
struct Count {
    sent: u64,
    errors: u64,
}

/// Carries out orders from the standard input until it ends.
///
/// # Errors
/// If there is no socket, or someone else gives the orders.
pub fn send() -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a socket")?;
    // As a server would: room for a burst to everyone. The kernel's own limit may be lower.
    let _ = socket2::SockRef::from(&socket).set_send_buffer_size(8 << 20);
    say(&Said::Address(socket.local_addr()?))?;
    let (tell, orders) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(order) = serde_json::from_str::<Order>(&line) else { return };
            if tell.send(order).is_err() {
                return;
            }
        }
    });
    let mut targets: Vec<Target> = Vec::new();
    while let Ok(order) = orders.recv() {
        match order {
            Order::Targets(addresses) => {
                targets = addresses.into_iter().enumerate().map(|(n, a)| target(n, a)).collect::<Result<_>>()?;
                say(&Said::Done { sent: 0, errors: 0 })?;
            }
            Order::Start(count) => {
                ensure!(count <= targets.len(), "{count} targets of {}", targets.len());
                say(&Said::Done { sent: 0, errors: 0 })?;
                let count = blast(&socket, &mut targets[..count], &orders);
                say(&Said::Done { sent: count.sent, errors: count.errors })?;
            }
            Order::Stop => say(&Said::Done { sent: 0, errors: 0 })?,
        }
    }
    Ok(())
}

fn say(said: &Said) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(said)?).context("answering")?;
    out.flush().context("answering")
}

fn target(n: usize, address: SocketAddr) -> Result<Target> {
    let mut key = [0u8; 16];
    key[..8].copy_from_slice(&(n as u64).to_be_bytes());
    let key = UnboundKey::new(&AES_128_GCM, &key).ok().context("making a key")?;
    Ok(Target { address: address.into(), key: LessSafeKey::new(key), ssrc: n as u32 + 1, seq: 0 })
}

/// Sends frames and sounds at their pace until told to stop.
fn blast(socket: &UdpSocket, targets: &mut [Target], orders: &mpsc::Receiver<Order>) -> Count {
    let video = vec![0x5a; VIDEO_PAYLOAD_LEN];
    let audio = vec![0x78; AUDIO_PAYLOAD_LEN];
    let mut buffer = Vec::with_capacity(PACKETS_PER_FRAME * (HEADER_LEN + VIDEO_PAYLOAD_LEN + TAG_LEN));
    let mut count = Count::default();
    let start = Instant::now();
    let (mut next_frame, mut next_sound) = (Duration::ZERO, Duration::ZERO);
    let mut timestamp = 0u32;
    loop {
        let wait = next_frame.min(next_sound).saturating_sub(start.elapsed());
        match orders.recv_timeout(wait) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            _ => return count, // told to stop, or nobody is there any more
        }
        let now = start.elapsed();
        if now >= next_sound {
            next_sound += SOUND_EVERY;
            for target in &mut *targets {
                buffer.clear();
                seal(&mut buffer, target, timestamp, false, &audio);
                count.add(transmit(socket, target, &buffer, buffer.len()), 1);
            }
        }
        if now >= next_frame {
            next_frame += FRAME_EVERY;
            timestamp = timestamp.wrapping_add(3600);
            for target in &mut *targets {
                buffer.clear();
                for n in 0..PACKETS_PER_FRAME {
                    seal(&mut buffer, target, timestamp, n + 1 == PACKETS_PER_FRAME, &video);
                }
                let sent = transmit(socket, target, &buffer, HEADER_LEN + VIDEO_PAYLOAD_LEN + TAG_LEN);
                count.add(sent, PACKETS_PER_FRAME as u64);
            }
        }
    }
}

impl Count {
    fn add(&mut self, sent: std::io::Result<()>, packets: u64) {
        match sent {
            Ok(()) => self.sent += packets,
            Err(_) => self.errors += 1,
        }
    }
}

/// Appends one packet: header, sealed payload, tag (RFC 7714 §8).
fn seal(buffer: &mut Vec<u8>, target: &mut Target, timestamp: u32, marker: bool, payload: &[u8]) {
    target.seq = target.seq.wrapping_add(1);
    let at = buffer.len();
    buffer.extend_from_slice(&[0x90, 102 | u8::from(marker) << 7]);
    buffer.extend_from_slice(&(target.seq as u16).to_be_bytes());
    buffer.extend_from_slice(&timestamp.to_be_bytes());
    buffer.extend_from_slice(&target.ssrc.to_be_bytes());
    buffer.extend_from_slice(&[0xbe, 0xde, 0, 2, 0x31, 0, 0, 0x40, b'0', 0, 0, 0]);
    buffer.extend_from_slice(payload);
    let mut nonce = [0u8; 12];
    nonce[2..6].copy_from_slice(&target.ssrc.to_be_bytes());
    nonce[8..].copy_from_slice(&target.seq.to_be_bytes());
    let (header, body) = buffer[at..].split_at_mut(HEADER_LEN);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = target.key.seal_in_place_separate_tag(nonce, Aad::from(&*header), body).expect("the length is in range");
    buffer.extend_from_slice(tag.as_ref());
}

/// Sends `bytes` as packets of `segment` bytes each, in one call.
fn transmit(socket: &UdpSocket, target: &Target, bytes: &[u8], segment: usize) -> std::io::Result<()> {
    #[repr(align(8))]
    struct Control([u8; 24]);
    // SAFETY: the length of the data is a plain number.
    const SPACE: usize = unsafe { libc::CMSG_SPACE(2) } as usize;
    const _: () = assert!(SPACE <= 24);
    let mut control = Control([0; 24]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = target.address.as_ptr().cast_mut().cast();
    message.msg_namelen = target.address.len();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    if bytes.len() > segment {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = SPACE;
        // SAFETY: the control buffer is aligned and has room for one header with two bytes.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_UDP;
            (*header).cmsg_type = libc::UDP_SEGMENT;
            (*header).cmsg_len = libc::CMSG_LEN(2) as usize;
            libc::CMSG_DATA(header).cast::<u16>().write_unaligned(segment as u16);
        }
    }
    // SAFETY: everything the message points to lives through the call; the kernel writes to none of it.
    match unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) } {
        n if n >= 0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
