//! What a camera sees: an exam room with desks, candidates who move a little and someone who walks, noise as of a sensor,
//! and the same room with something wrong. Drawn by rule, the same every time; a scene returns to its beginning after
//! [`LOOP_SECS`].

use crate::clip::{Colour, Frame, Rect, Size};
use std::f32::consts::TAU;

/// After so long the movement begins again.
pub const LOOP_SECS: u32 = 4;

/// What is wrong with the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Look {
    /// Nothing.
    Healthy,
    /// The same picture again and again, noise included.
    Frozen,
    /// No light.
    Black,
    /// Far too much light.
    White,
    /// A hand over the lens: nine tenths dark and warm.
    Covered,
    /// Out of focus.
    Blurred,
    /// Turned away by 15 % of the width.
    Moved,
}

impl Look {
    /// For file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Frozen => "frozen",
            Self::Black => "black",
            Self::White => "white",
            Self::Covered => "covered",
            Self::Blurred => "blurred",
            Self::Moved => "moved",
        }
    }
}

/// Draws the pictures of one scene.
pub struct Scene {
    number: u32,
    look: Look,
    room: Frame,
    frame: Frame,
    noise: Vec<i8>,
}

/// A period longer than a row, so that rows differ.
const NOISE_LEN: usize = 1 << 16;

impl Scene {
    /// Prepares what stands still.
    #[must_use]
    pub fn new(number: u32, look: Look, size: Size) -> Self {
        let room = draw_room(number, size);
        let amplitude = if look == Look::Healthy || look == Look::Frozen { 3 } else { 2 };
        let noise = (0..NOISE_LEN)
            .map(|n| {
                let h = hash(n as u32, number);
                ((h % (2 * amplitude + 1)) as i32 - amplitude as i32) as i8
            })
            .collect();
        Self { number, look, frame: room.clone(), room, noise }
    }

    /// The picture `n` of `fps` a second.
    pub fn draw(&mut self, n: u32, fps: u32) -> &mut Frame {
        let n = if self.look == Look::Frozen { 0 } else { n };
        self.frame.copy_from(&self.room);
        let phase = (n % (LOOP_SECS * fps)) as f32 / (LOOP_SECS * fps) as f32 * TAU;
        draw_people(&mut self.frame, self.number, phase);
        match self.look {
            Look::Healthy | Look::Frozen => {}
            Look::Black => self.fill_all(Colour::rgb(2, 2, 2)),
            Look::White => self.fill_all(Colour::rgb(253, 253, 253)),
            Look::Covered => {
                let (width, height) = (self.frame.width, self.frame.height);
                self.frame.fill(Rect { x: 0, y: 0, w: width * 9 / 10 / 2 * 2, h: height }, Colour::rgb(52, 24, 16));
            }
            Look::Blurred => blur(&mut self.frame),
            Look::Moved => turn(&mut self.frame),
        }
        self.add_noise(n);
        &mut self.frame
    }

    fn fill_all(&mut self, colour: Colour) {
        let (w, h) = (self.frame.width, self.frame.height);
        self.frame.fill(Rect { x: 0, y: 0, w, h }, colour);
    }

    fn add_noise(&mut self, n: u32) {
        let width = self.frame.width;
        for (y, row) in self.frame.luma_mut().chunks_mut(width).enumerate() {
            let from = hash(n, y as u32) as usize % (NOISE_LEN - width);
            for (pixel, noise) in row.iter_mut().zip(&self.noise[from..from + width]) {
                *pixel = pixel.saturating_add_signed(*noise);
            }
        }
    }
}

/// Walls, window, board and desks, in the colours of the scene.
fn draw_room(number: u32, Size { width, height }: Size) -> Frame {
    let tints = [(196, 204, 190), (206, 198, 184), (184, 196, 210), (200, 190, 200)];
    let (r, g, b) = tints[number as usize % tints.len()];
    let mut frame = Frame::new(width, height, Colour::rgb(r, g, b));
    let at = |x: usize, y: usize, w: usize, h: usize| Rect {
        x: x * width / 100,
        y: y * height / 100,
        w: (w * width / 100).max(2),
        h: (h * height / 100).max(2),
    };
    // Light falls off to the sides, and the wall is not quite even.
    for y in (0..height * 45 / 100).step_by(2) {
        for x in (0..width).step_by(2) {
            let shade = (x as i32 - width as i32 / 2).abs() * 50 / width as i32;
            let grain = (hash((x * 320 / width) as u32, (y * 180 / height) as u32 ^ number << 16) % 9) as i32;
            let d = grain - shade;
            let wall = Colour::rgb((r + d).clamp(0, 255), (g + d).clamp(0, 255), (b + d).clamp(0, 255));
            frame.fill(Rect { x, y, w: 2, h: 2 }, wall);
        }
    }
    frame.fill(at(0, 45, 100, 55), Colour::rgb(150, 130, 106)); // floor
    for line in 0..14 {
        frame.fill(Rect { h: (height / 180).max(1), ..at(0, 46 + line * 4, 100, 1) }, Colour::rgb(118, 100, 80));
    }
    let shift = number as usize * 7 % 30;
    frame.fill(at(28 + shift, 18, 34, 19), Colour::rgb(96, 74, 52));
    frame.fill(at(29 + shift, 20, 32, 15), Colour::rgb(34, 74, 54)); // board
    for stroke in 0..9 {
        frame.fill(at(31 + shift + stroke * 3, 23 + stroke % 3 * 3, 2, 1), Colour::rgb(210, 220, 210));
    }
    for pane in 0..3 {
        frame.fill(at(3 + pane * 7, 16, 6, 22), Colour::rgb(90, 90, 92));
        frame.fill(at(4 + pane * 7, 18, 4, 18), Colour::rgb(232, 240, 250)); // window
    }
    frame.fill(at(94, 20, 5, 40), Colour::rgb(112, 72, 44)); // door
    for row in 0..4 {
        for column in 0..6 {
            let (x, y) = desk(row, column, number);
            frame.fill(at(x, y, 9, 3), Colour::rgb(190, 150, 96));
            frame.fill(at(x, y + 3, 9, 1), Colour::rgb(88, 64, 40));
            frame.fill(at(x + 3, y + 1, 3, 1), Colour::rgb(244, 244, 240)); // the paper
            frame.fill(at(x + 1, y + 4, 1, 5), Colour::rgb(70, 70, 74));
            frame.fill(at(x + 7, y + 4, 1, 5), Colour::rgb(70, 70, 74));
        }
    }
    frame
}

/// Place of a desk, in hundredths.
fn desk(row: usize, column: usize, number: u32) -> (usize, usize) {
    (5 + column * 15 + (row + number as usize) % 2 * 3, 52 + row * 12)
}

fn draw_people(frame: &mut Frame, number: u32, phase: f32) {
    let (w, h) = (frame.width as f32, frame.height as f32);
    for row in 0..4 {
        for column in 0..6 {
            let seed = hash((row * 6 + column) as u32, number);
            if seed.is_multiple_of(7) {
                continue; // absent
            }
            let (x, y) = desk(row, column, number);
            // Whole cycles in a loop, so that it closes.
            let sway = (phase * (1 + seed % 3) as f32 + (seed % 100) as f32).sin();
            let (cx, cy) = ((x as f32 + 4.5 + sway) / 100.0 * w, (y as f32 - 1.0 + sway * 0.4) / 100.0 * h);
            let shirts = [(60, 90, 160), (170, 60, 60), (230, 230, 225), (50, 60, 66), (80, 140, 90)];
            let (r, g, b) = shirts[seed as usize / 8 % shirts.len()];
            let body =
                Rect { x: (cx - w * 0.022) as usize, y: cy as usize, w: (w * 0.044) as usize, h: (h * 0.05) as usize };
            frame.fill(body, Colour::rgb(r, g, b));
            frame.disc(cx as i32, (cy - h * 0.012) as i32, (h * 0.028) as i32, Colour::rgb(36, 28, 24));
            frame.disc(cx as i32, (cy - h * 0.004) as i32, (h * 0.019) as i32, Colour::rgb(224, 182, 150));
        }
    }
    let walk = phase.sin() * 0.3 + 0.5;
    let (cx, cy) = ((walk * w) as i32, (h * 0.42) as i32);
    let coat = Rect {
        x: (cx - (w * 0.018) as i32).max(0) as usize,
        y: cy as usize,
        w: (w * 0.036) as usize,
        h: (h * 0.16) as usize,
    };
    frame.fill(coat, Colour::rgb(40, 44, 90));
    frame.disc(cx, cy - (h * 0.02) as i32, (h * 0.03) as i32, Colour::rgb(224, 182, 150));
}

/// A box blur of a fortieth of the width, along rows and columns, twice.
fn blur(frame: &mut Frame) {
    for (width, height, plane) in frame.planes_mut() {
        let radius = (width / 50).max(2);
        for _ in 0..2 {
            let mut line = vec![0u8; width.max(height)];
            for row in plane.chunks_mut(width) {
                line[..width].copy_from_slice(row);
                smear(&line[..width], radius, |x, value| row[x] = value);
            }
            for x in 0..width {
                for y in 0..height {
                    line[y] = plane[y * width + x];
                }
                smear(&line[..height], radius, |y, value| plane[y * width + x] = value);
            }
        }
    }
}

fn smear(line: &[u8], radius: usize, mut put: impl FnMut(usize, u8)) {
    let at = |n: isize| u32::from(line[n.clamp(0, line.len() as isize - 1) as usize]);
    let (r, count) = (radius as isize, 2 * radius as u32 + 1);
    let mut sum: u32 = (-r..=r).map(at).sum();
    for n in 0..line.len() {
        put(n, (sum / count) as u8);
        sum = sum + at(n as isize + r + 1) - at(n as isize - r);
    }
}

/// Shows what is 15 % of the width to the right; beyond the edge the room goes on as in a mirror.
fn turn(frame: &mut Frame) {
    for (width, _, plane) in frame.planes_mut() {
        let by = width * 15 / 100;
        let mut copy = vec![0u8; width];
        for row in plane.chunks_mut(width) {
            copy.copy_from_slice(row);
            row[..width - by].copy_from_slice(&copy[by..]);
            for (n, pixel) in row[width - by..].iter_mut().enumerate() {
                *pixel = copy[width - 1 - n];
            }
        }
    }
}

fn hash(a: u32, b: u32) -> u32 {
    let mut h = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca6b).rotate_left(13);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^ h >> 13
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 640, height: 360 };

    fn picture(look: Look, n: u32) -> Vec<u8> {
        Scene::new(1, look, SIZE).draw(n, 15).luma_mut().to_vec()
    }

    fn mean(luma: &[u8]) -> f64 {
        luma.iter().map(|y| f64::from(*y)).sum::<f64>() / luma.len() as f64
    }

    /// Mean difference of neighbours: how sharp a picture is.
    fn edges(luma: &[u8]) -> f64 {
        luma.windows(2).map(|p| f64::from(p[0].abs_diff(p[1]))).sum::<f64>() / luma.len() as f64
    }

    #[test]
    fn a_healthy_scene_moves_and_returns() {
        assert_ne!(picture(Look::Healthy, 0), picture(Look::Healthy, 7));
        assert_eq!(picture(Look::Frozen, 0), picture(Look::Frozen, 7));
        let still = |n| {
            let mut scene = Scene::new(1, Look::Healthy, SIZE);
            scene.noise.fill(0);
            scene.draw(n, 15).bytes().to_vec()
        };
        assert_eq!(still(0), still(LOOP_SECS * 15));
        assert_ne!(Scene::new(0, Look::Healthy, SIZE).room, Scene::new(1, Look::Healthy, SIZE).room);
    }

    #[test]
    fn each_fault_looks_like_itself() {
        let healthy = picture(Look::Healthy, 5);
        assert!((80.0..190.0).contains(&mean(&healthy)) && edges(&healthy) > 3.0, "{}", edges(&healthy));
        assert!(mean(&picture(Look::Black, 5)) < 24.0);
        assert!(mean(&picture(Look::White, 5)) > 225.0);
        assert!(mean(&picture(Look::Covered, 5)) < 70.0);
        assert!(edges(&picture(Look::Blurred, 5)) < edges(&healthy) / 2.0);
        let moved = picture(Look::Moved, 5);
        let apart: f64 = healthy.iter().zip(&moved).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        assert!(apart / healthy.len() as f64 > 15.0);
    }
}
