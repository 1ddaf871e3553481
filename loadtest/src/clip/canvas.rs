//! A 4:2:0 picture and the few shapes a slide needs, in BT.601 limited range.

/// A colour as the encoder sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour {
    y: u8,
    u: u8,
    v: u8,
}

impl Colour {
    /// From 8-bit RGB.
    #[must_use]
    pub const fn rgb(r: i32, g: i32, b: i32) -> Self {
        Self {
            y: (16 + (66 * r + 129 * g + 25 * b + 128) / 256) as u8,
            u: (128 + (-38 * r - 74 * g + 112 * b + 128) / 256) as u8,
            v: (128 + (112 * r - 94 * g - 18 * b + 128) / 256) as u8,
        }
    }
}

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: usize,
    /// Top edge.
    pub y: usize,
    /// Width.
    pub w: usize,
    /// Height.
    pub h: usize,
}

/// A planar 4:2:0 picture: `width × height` luma, then U, then V, without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Width in pixels, even.
    pub width: usize,
    /// Height in pixels, even.
    pub height: usize,
    bytes: Vec<u8>,
}

impl Frame {
    /// A picture of one colour.
    #[must_use]
    pub fn new(width: usize, height: usize, colour: Colour) -> Self {
        let mut frame = Self { width, height, bytes: vec![0; width * height * 3 / 2] };
        frame.fill(Rect { x: 0, y: 0, w: width, h: height }, colour);
        frame
    }

    /// All planes, as `rawvideo` wants them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The luma plane.
    #[cfg(test)]
    pub fn luma(&self) -> &[u8] {
        &self.bytes[..self.width * self.height]
    }

    /// The luma plane, to be drawn on.
    pub fn luma_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.width * self.height]
    }

    /// Width, height and bytes of each of the three planes.
    pub fn planes_mut(&mut self) -> [(usize, usize, &mut [u8]); 3] {
        let (width, height) = (self.width, self.height);
        let (luma, chroma) = self.bytes.split_at_mut(width * height);
        let (u, v) = chroma.split_at_mut(width * height / 4);
        [(width, height, luma), (width / 2, height / 2, u), (width / 2, height / 2, v)]
    }

    /// Makes this a copy of `other`, which has the same size.
    pub fn copy_from(&mut self, other: &Self) {
        self.bytes.copy_from_slice(&other.bytes);
    }

    fn chroma_at(&self, plane: usize, x: usize, y: usize) -> usize {
        let luma = self.width * self.height;
        luma + plane * luma / 4 + (y / 2) * (self.width / 2) + x / 2
    }

    /// Sets one pixel (and the chroma it shares with its neighbours).
    pub fn put(&mut self, x: usize, y: usize, colour: Colour) {
        if x < self.width && y < self.height {
            self.bytes[y * self.width + x] = colour.y;
            let (u, v) = (self.chroma_at(0, x, y), self.chroma_at(1, x, y));
            self.bytes[u] = colour.u;
            self.bytes[v] = colour.v;
        }
    }

    /// Mixes one pixel with `colour`; `cover` 255 is all of it.
    pub fn blend(&mut self, x: usize, y: usize, colour: Colour, cover: u8) {
        if x >= self.width || y >= self.height || cover == 0 {
            return;
        }
        let mix = |old: u8, new: u8| {
            let (old, new, cover) = (u32::from(old), u32::from(new), u32::from(cover));
            ((old * (255 - cover) + new * cover + 127) / 255) as u8
        };
        let at = y * self.width + x;
        self.bytes[at] = mix(self.bytes[at], colour.y);
        if x.is_multiple_of(2) && y.is_multiple_of(2) {
            for (plane, new) in [(0, colour.u), (1, colour.v)] {
                let at = self.chroma_at(plane, x, y);
                self.bytes[at] = mix(self.bytes[at], new);
            }
        }
    }

    /// Fills a rectangle, cut to the picture.
    pub fn fill(&mut self, rect: Rect, colour: Colour) {
        let (right, bottom) = ((rect.x + rect.w).min(self.width), (rect.y + rect.h).min(self.height));
        for y in rect.y..bottom {
            let row = y * self.width;
            if rect.x < right {
                self.bytes[row + rect.x..row + right].fill(colour.y);
            }
            if y.is_multiple_of(2) && rect.x < right {
                for (plane, value) in [(0, colour.u), (1, colour.v)] {
                    let (from, to) = (self.chroma_at(plane, rect.x, y), self.chroma_at(plane, right - 1, y));
                    self.bytes[from..=to].fill(value);
                }
            }
        }
    }

    /// A filled disc.
    pub fn disc(&mut self, cx: i32, cy: i32, radius: i32, colour: Colour) {
        for dy in -radius..=radius {
            for dx in -radius..=radius {
                if dx * dx + dy * dy <= radius * radius && cx + dx >= 0 && cy + dy >= 0 {
                    self.put((cx + dx) as usize, (cy + dy) as usize, colour);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_have_their_textbook_values() {
        // (r, g, b, y, u, v), BT.601 limited range
        for (r, g, b, y, u, v) in [(0, 0, 0, 16, 128, 128), (255, 255, 255, 235, 128, 128), (255, 0, 0, 82, 91, 239)] {
            let c = Colour::rgb(r, g, b);
            let near = |a: u8, b: i32| (i32::from(a) - b).abs() <= 1;
            assert!(near(c.y, y) && near(c.u, u) && near(c.v, v), "{c:?}");
        }
    }

    #[test]
    fn shapes_are_cut_at_the_edge() {
        let mut frame = Frame::new(8, 4, Colour::rgb(0, 0, 0));
        let white = Colour::rgb(255, 255, 255);
        frame.fill(Rect { x: 6, y: 2, w: 100, h: 100 }, white);
        frame.fill(Rect { x: 100, y: 0, w: 1, h: 1 }, white);
        frame.disc(-3, -3, 2, white);
        assert_eq!(frame.luma().iter().filter(|y| **y == 235).count(), 4);
        assert_eq!(frame.bytes().len(), 8 * 4 * 3 / 2);
    }
}
