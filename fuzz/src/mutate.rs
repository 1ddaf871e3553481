//! Seeded mutation of byte strings: the same seed gives the same inputs on every machine, so a failure can be run again.

use rand::{Rng as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

/// The longest input that is tried, in bytes: more than a UDP datagram, less than what would only measure the allocator.
pub const INPUT_LEN_BYTES_MAX: usize = 4096;

/// Numbers at which lengths and counts go wrong.
const EDGES: [u32; 9] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff];

/// An endless, repeatable stream of damaged copies of some seeds.
pub struct Mutator {
    random: ChaCha8Rng,
    seeds: Vec<Vec<u8>>,
}

impl Mutator {
    /// Starts from the seeds; without any, from an empty input.
    #[must_use]
    pub fn new(seed: u64, mut seeds: Vec<Vec<u8>>) -> Self {
        seeds.push(Vec::new());
        Self { random: ChaCha8Rng::seed_from_u64(seed), seeds }
    }

    /// The next input: a seed with one to eight faults, or, one time in sixteen, noise.
    pub fn next_input(&mut self) -> Vec<u8> {
        if self.random.random_ratio(1, 16) {
            let mut noise = vec![0; self.random.random_range(0..256)];
            self.random.fill(&mut noise[..]);
            return noise;
        }
        let mut input = self.seeds.choose(&mut self.random).cloned().unwrap_or_default();
        for _ in 0..self.random.random_range(1..=8) {
            self.damage(&mut input);
        }
        input.truncate(INPUT_LEN_BYTES_MAX);
        input
    }

    fn damage(&mut self, input: &mut Vec<u8>) {
        let random = &mut self.random;
        if input.is_empty() {
            input.push(random.random());
            return;
        }
        let at = random.random_range(0..input.len());
        match random.random_range(0..8) {
            0 => input[at] ^= 1 << random.random_range(0..8),
            1 => input[at] = random.random(),
            2 => input.insert(at, random.random()),
            3 => drop(input.remove(at)),
            4 => input.truncate(at),
            // An edge value, big-endian, in one, two or four bytes: most lengths on the wire look like that.
            5 => {
                let width = *[1, 2, 4].choose(random).unwrap_or(&1);
                let edge = EDGES[random.random_range(0..EDGES.len())].to_be_bytes();
                for (to, from) in input[at..].iter_mut().zip(&edge[4 - width..]) {
                    *to = *from;
                }
            }
            // A stretch twice.
            6 => {
                let end = (at + random.random_range(1..=32)).min(input.len());
                let copy = input[at..end].to_vec();
                input.splice(end..end, copy);
            }
            // The tail of another seed.
            _ => {
                if let Some(other) = self.seeds.choose(random).filter(|other| !other.is_empty()) {
                    let from = random.random_range(0..other.len());
                    input.truncate(at);
                    input.extend_from_slice(&other[from..]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs() {
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed, vec![b"hello".to_vec(), vec![0; 40]]);
            (0..200).map(|_| mutator.next_input()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
    }

    #[test]
    fn inputs_stay_within_their_bound() {
        let mut mutator = Mutator::new(1, vec![vec![1; INPUT_LEN_BYTES_MAX]]);
        assert!((0..500).all(|_| mutator.next_input().len() <= INPUT_LEN_BYTES_MAX));
    }
}
