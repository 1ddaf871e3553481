//! A short run of every fuzz entry point on mutated seeds, the same each time. `LECTERN_FUZZ_FACTOR=100` runs so many times
//! longer, on other mutations.

mod sim;

use lectern_media::Ssrc;
use lectern_sfu_core::{
    fuzz,
    rtcp::{Builder, ReportBlock},
};
use sim::Rng;

/// Mutates each seed `rounds` times: bytes turned over, cut, doubled, filled with noise.
fn smoke(name: &str, seeds: &[Vec<u8>], rounds: u64, target: fn(&[u8])) {
    let factor = std::env::var("LECTERN_FUZZ_FACTOR").ok().and_then(|f| f.parse().ok()).unwrap_or(1);
    let rounds = rounds * factor;
    for (i, seed) in seeds.iter().enumerate() {
        target(seed);
        for round in 0..rounds {
            let mut rng = Rng(0x9e37_79b9 ^ (i as u64) << 32 ^ (round + 1));
            let mut data = seed.clone();
            for _ in 0..=rng.next() % 4 {
                mutate(&mut rng, &mut data);
            }
            if std::panic::catch_unwind(|| target(&data)).is_err() {
                panic!("{name}: seed {i}, round {round} fails on {data:02x?}");
            }
        }
    }
}

fn mutate(rng: &mut Rng, data: &mut Vec<u8>) {
    let at = |rng: &mut Rng, len: usize| rng.next() as usize % len.max(1);
    match rng.next() % 6 {
        0 | 1 if !data.is_empty() => {
            let i = at(rng, data.len());
            data[i] ^= 1 << (rng.next() % 8);
        }
        2 if !data.is_empty() => {
            let i = at(rng, data.len());
            data[i] = [0, 1, 0x7f, 0x80, 0xff][at(rng, 5)];
        }
        3 => data.truncate(at(rng, data.len() + 1)),
        4 => {
            let i = at(rng, data.len() + 1);
            data.insert(i, rng.next() as u8);
        }
        _ => {
            let (a, b) = (at(rng, data.len() + 1), at(rng, data.len() + 1));
            let part = data[a.min(b)..a.max(b)].to_vec();
            data.extend(part);
            data.truncate(4_096);
        }
    }
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut rng = Rng(seed);
    (0..len).map(|_| rng.next() as u8).collect()
}

#[test]
fn rtcp() {
    let mut buf = [0; 600];
    let mut b = Builder::new(&mut buf);
    let block = ReportBlock {
        ssrc: Ssrc(7),
        fraction_lost: 3,
        cumulative_lost: -5,
        highest_seq: 70_000,
        jitter: 9,
        last_sr: 1,
        delay_since_last_sr: 2,
    };
    b.receiver_report(Ssrc(1), &[block; 3]).unwrap();
    b.cname(Ssrc(1), "lectern").unwrap();
    b.nack(Ssrc(1), Ssrc(2), &[5, 6, 9, 200]).unwrap();
    b.pli(Ssrc(1), Ssrc(2)).unwrap();
    b.fir(Ssrc(1), Ssrc(2), 3).unwrap();
    b.bye(Ssrc(1)).unwrap();
    let feedback = [
        &[0x8f, 205, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 20, 0, 0, 1, 1][..],
        &[0x20, 5, 0xd9, 0x99, 0xaa, 0x00, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14][..32 - 20],
    ]
    .concat();
    let remb = b"\x8f\xce\x00\x05\0\0\0\x01\0\0\0\0REMB\x01\x08\x4a\xbc\0\0\0\x07".to_vec();
    smoke("rtcp", &[b.bytes().to_vec(), feedback, remb, noise(1, 300)], 20_000, fuzz::rtcp);
}

#[test]
fn payload() {
    let vp8 = sim::vp8(0x1234, 5, true, true, 40);
    let stap = [&[24u8, 0, 6, 0x67, 66, 0xc0, 31, 0xda, 0x01][..], &[0, 2, 0x68, 0xce]].concat();
    let sps =
        vec![0x67, 100, 0, 31, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0, 0, 3, 0, 0x10, 0, 0, 3, 3, 0xc0];
    smoke("payload", &[vp8, stap, sps, noise(2, 64)], 50_000, fuzz::payload);
}

#[test]
fn ingest() {
    let mut session = Vec::new();
    for n in 0..40u16 {
        let p = sim::rtp(96, true, n * 3, u32::from(n) * 3_000, 1, &sim::vp8(n, 1, n % 9 == 0, true, 20));
        session.push(p.len() as u8);
        session.extend(p);
    }
    smoke("ingest", &[session, noise(3, 2_000)], 3_000, fuzz::ingest);
}

#[test]
fn twcc() {
    let steady: Vec<u8> = (0..300u16).flat_map(|n| [(n >> 8) as u8, n as u8, (n % 20) as u8]).collect();
    smoke("twcc", &[steady, noise(4, 3_000)], 1_000, fuzz::twcc);
}

#[test]
fn subscriber() {
    let seeds: Vec<_> = (0..8).map(|n| noise(100 + n, 4_000)).collect();
    smoke("subscriber", &seeds, 60, fuzz::subscriber);
}
