//! Packets that a broken or hostile camera may send: each kind breaks another rule.

use super::rtp::Head;
use rand::Rng;

/// How many kinds there are.
pub const KINDS: u32 = 14;

/// A broken packet of kind `n`; `seq` is what a receiver expects next.
pub fn packet(n: u32, head: Head, seq: u16, rng: &mut impl Rng) -> Vec<u8> {
    let mut noise = |len: usize| (0..len).map(|_| rng.random()).collect::<Vec<u8>>();
    let header = |first: u8, payload_type: u8| {
        let mut bytes = vec![first, payload_type];
        bytes.extend_from_slice(&seq.to_be_bytes());
        bytes.extend_from_slice(&head.timestamp.to_be_bytes());
        bytes.extend_from_slice(&head.ssrc.to_be_bytes());
        bytes
    };
    let usual = || header(0x80, head.payload_type);
    match n % KINDS {
        0 => Vec::new(),                                                               // nothing at all
        1 => noise(7),                                                                 // shorter than a header
        2 => noise(300),                                                               // no RTP
        3 => [header(0x40, head.payload_type), noise(40)].concat(),                    // version 1
        4 => header(0x8f, head.payload_type),                                          // 15 sources that are not there
        5 => [header(0x90, head.payload_type), vec![0xbe, 0xde, 0xff, 0xff]].concat(), // an extension of 256 KiB
        6 => [header(0xa0, head.payload_type), vec![0x65, 1, 2, 0xff]].concat(),       // more padding than packet
        7 => [usual(), vec![0x78, 0xff, 0xff, 1]].concat(), // STAP-A, unit longer than packet
        8 => [usual(), vec![0x78, 0, 0, 0, 0]].concat(),    // STAP-A of empty units
        9 => [usual(), vec![0x7c, 0x45], noise(30)].concat(), // FU-A that ends what never began
        10 => [usual(), vec![0x7c, 0xc5], noise(30)].concat(), // FU-A that begins and ends at once
        11 => [usual(), vec![0x67, 0x42, 0xff], noise(60)].concat(), // an SPS of noise
        12 => [usual(), vec![0xff], noise(60)].concat(),    // forbidden bit, NAL type 31
        _ => [header(0x80, 127), noise(100)].concat(),      // a payload type nobody named
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn kinds_differ_and_fit() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let head = Head { payload_type: 96, timestamp: 1, ssrc: 2 };
        let all: std::collections::BTreeSet<Vec<u8>> = (0..KINDS).map(|n| packet(n, head, 3, &mut rng)).collect();
        assert_eq!(all.len(), KINDS as usize);
        assert!(all.iter().all(|p| p.len() < 1400));
    }
}
