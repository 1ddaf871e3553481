//! Pictures drawn by rule, for tests: a room with desks, people who move and a sensor that is noisy, and what can be wrong
//! with them. What an encoder does to such pictures is tested with clips.

use crate::measure::Planes;

pub(crate) const WIDTH: usize = 640;
pub(crate) const HEIGHT: usize = 360;

/// One picture.
#[derive(Clone)]
pub(crate) struct Picture {
    pub y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl Picture {
    pub(crate) fn planes(&self) -> Planes<'_> {
        Planes { width: WIDTH, height: HEIGHT, y: (&self.y, WIDTH), u: (&self.u, WIDTH / 2), v: (&self.v, WIDTH / 2) }
    }
}

/// What is wrong, or only unusual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Look {
    Healthy,
    /// The light multiplied, and what the sensor adds.
    Light(f32),
    Black,
    White,
    /// This share from the left is dark and warm.
    Covered(f32),
    /// Box radius in pixels.
    Blurred(usize),
    /// Pixels to the right and downwards.
    Moved(i32, i32),
}

#[derive(Clone, Copy)]
pub(crate) struct Scene {
    pub seed: u32,
    pub look: Look,
    /// Noise up to this many levels.
    pub noise: u8,
    pub people: bool,
    /// A plain bright wall instead of a room.
    pub wall: bool,
    /// A clock runs in the corner.
    pub clock: bool,
    /// The camera has stopped at this picture.
    pub stopped: Option<u32>,
    /// What the encoder makes of each picture differs by up to this many levels.
    pub flutter: u8,
}

fn hash(a: u32, b: u32, c: u32) -> u32 {
    let mut h = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca6b).rotate_left(13) ^ c.wrapping_mul(0xc2b2_ae35);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^ h >> 13
}

impl Scene {
    pub(crate) fn room(seed: u32) -> Self {
        Self { seed, look: Look::Healthy, noise: 3, people: true, wall: false, clock: true, stopped: None, flutter: 0 }
    }

    pub(crate) fn looks(self, look: Look) -> Self {
        Self { look, ..self }
    }

    /// Keyframe `n`.
    pub(crate) fn picture(&self, n: u32) -> Picture {
        let (taken, n) = (n, self.stopped.unwrap_or(n));
        let (dx, dy) = if let Look::Moved(dx, dy) = self.look { (dx, dy) } else { (0, 0) };
        let mut y: Vec<u8> =
            (0..WIDTH * HEIGHT).map(|i| self.room_at((i % WIDTH) as i32 - dx, (i / WIDTH) as i32 - dy, n)).collect();
        let mut v = 128;
        match self.look {
            Look::Healthy | Look::Moved(..) => {}
            Look::Light(gain) => {
                y.iter_mut().for_each(|p| *p = (16.0 + (f32::from(*p) - 16.0) * gain).clamp(16.0, 235.0) as u8)
            }
            Look::Black => y.fill(17),
            Look::White => y.fill(234),
            Look::Covered(share) => {
                let upto = (WIDTH as f32 * share) as usize;
                y.chunks_mut(WIDTH).for_each(|row| row[..upto].fill(43));
                v = 128 + (13.0 * share) as u8;
            }
            Look::Blurred(radius) => {
                for _ in 0..2 {
                    y = blur(&y, radius);
                }
            }
        }
        if self.clock {
            // White on black, above everything else; the camera draws it last.
            for row in 4..20 {
                for x in 0..180 {
                    let digit = hash(n, x as u32 / 12, 1);
                    let on = digit >> ((x % 12) / 3 + (row - 4) / 4 * 4) & 1 == 1;
                    y[row * WIDTH + x] = if on { 235 } else { 16 };
                }
            }
        }
        if self.noise > 0 {
            // Longer than a row, and read from another place for each.
            let span = 2 * u32::from(self.noise) + 1;
            let noise: Vec<i8> = (0..4_096).map(|i| (hash(i, 1, self.seed) % span) as i8 - self.noise as i8).collect();
            for (row, pixels) in y.chunks_mut(WIDTH).enumerate() {
                let from = hash(n.wrapping_add(7), row as u32, self.seed) as usize % (noise.len() - WIDTH);
                pixels.iter_mut().zip(&noise[from..]).for_each(|(p, d)| *p = p.saturating_add_signed(*d));
            }
        }
        if self.flutter > 0 {
            let span = 2 * u32::from(self.flutter) + 1;
            for (i, p) in y.iter_mut().enumerate() {
                *p = p.saturating_add_signed((hash(i as u32 / 3, taken, 9) % span) as i8 - self.flutter as i8);
            }
        }
        Picture { y, u: vec![128; WIDTH * HEIGHT / 4], v: vec![v; WIDTH * HEIGHT / 4] }
    }

    fn room_at(&self, x: i32, y: i32, n: u32) -> u8 {
        if self.wall {
            return (206 + (x / 40 + y / 60) % 4) as u8;
        }
        let s = self.seed;
        if y < 150 {
            // A wall with posters and a board; no two alike, and no grid.
            let mut light = 150 + (y / 8) as u8 % 12;
            for i in 0..9 {
                let h = hash(i, 11, s);
                let (left, top) = ((h % 600) as i32, (h >> 10) as i32 % 110 + 20);
                let (w, t) = (24 + (h >> 4) as i32 % 70, 14 + (h >> 16) as i32 % 50);
                if (left..left + w).contains(&x) && (top..top + t).contains(&y) {
                    light = 50 + (h >> 20) as u8 % 160;
                }
            }
            return light;
        }
        // Desks in perspective: the nearer the row the wider apart.
        let row = (y - 150).div_euclid(52);
        let pitch = 56 + 23 * row + (hash(row as u32, 3, s) % 17) as i32;
        let x = x + (hash(row as u32, 4, s) % 40) as i32;
        let (column, iy) = (x.div_euclid(pitch), (y - 150).rem_euclid(52));
        let ix = x.rem_euclid(pitch);
        let desk = hash(column as u32, row as u32, s ^ 5);
        let sway = if self.people { (hash(n, column as u32, row as u32) % 9) as i32 - 4 } else { 0 };
        if !desk.is_multiple_of(5) && (ix - pitch / 2 - sway).pow(2) + (iy - 12).pow(2) < 90 {
            return 60 + (desk >> 4) as u8 % 110;
        }
        let top =
            (pitch / 8..pitch * 7 / 8).contains(&ix) && (20..28 + 2 * row).contains(&iy) && !desk.is_multiple_of(7);
        if top { 150 + (desk >> 8) as u8 % 60 } else { 96 + (x.div_euclid(16).rem_euclid(2)) as u8 * 10 }
    }
}

fn blur(plane: &[u8], radius: usize) -> Vec<u8> {
    let smear = |from: &[u8], at: &dyn Fn(usize, usize) -> usize, lines: usize, len: usize| {
        let mut to = vec![0; from.len()];
        for line in 0..lines {
            let value = |i: isize| u32::from(from[at(line, i.clamp(0, len as isize - 1) as usize)]);
            let r = radius as isize;
            let mut sum: u32 = (-r..=r).map(value).sum();
            for i in 0..len {
                to[at(line, i)] = (sum / (2 * radius as u32 + 1)) as u8;
                sum = sum + value(i as isize + r + 1) - value(i as isize - r);
            }
        }
        to
    };
    let rows = smear(plane, &|y, x| y * WIDTH + x, HEIGHT, WIDTH);
    smear(&rows, &|x, y| y * WIDTH + x, WIDTH, HEIGHT)
}
