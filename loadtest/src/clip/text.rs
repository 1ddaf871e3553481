//! Chinese and Latin text on a [`Frame`], with the Noto CJK font of the system.

use super::canvas::{Colour, Frame};
use ab_glyph::{Font, FontVec, GlyphId, PxScale, ScaleFont, point};
use anyhow::{Context, Result};
use std::path::Path;

/// Where Debian's `fonts-noto-cjk` puts it.
const FONT_PATHS: [&str; 2] =
    ["/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc"];

/// The simplified-Chinese face within the collection (JP, KR, SC, TC, HK).
const FACE_SC: u32 = 2;

/// A loaded font.
pub struct Pen {
    font: FontVec,
}

impl Pen {
    /// Loads the system's font.
    ///
    /// # Errors
    /// If it is not installed.
    pub fn load() -> Result<Self> {
        let path = FONT_PATHS
            .iter()
            .find(|p| Path::new(p).exists())
            .context("no Noto Sans CJK font found; install the package fonts-noto-cjk")?;
        let bytes = std::fs::read(path).with_context(|| format!("reading {path}"))?;
        let font = FontVec::try_from_vec_and_index(bytes, FACE_SC).with_context(|| format!("{path} is no font"))?;
        Ok(Self { font })
    }

    /// Writes `text` with its top left corner at (`x`, `y`), `size` pixels high; returns the width.
    pub fn write(&self, frame: &mut Frame, (x, y): (usize, usize), size: f32, colour: Colour, text: &str) -> f32 {
        let font = self.font.as_scaled(PxScale::from(size));
        let (mut at, base) = (x as f32, y as f32 + font.ascent());
        let mut last: Option<GlyphId> = None;
        for letter in text.chars() {
            let id = font.glyph_id(letter);
            at += last.map_or(0.0, |l| font.kern(l, id));
            let glyph = id.with_scale_and_position(PxScale::from(size), point(at, base));
            if let Some(outline) = self.font.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                outline.draw(|dx, dy, cover| {
                    let (px, py) = (bounds.min.x as i32 + dx as i32, bounds.min.y as i32 + dy as i32);
                    if px >= 0 && py >= 0 {
                        frame.blend(px as usize, py as usize, colour, (cover.clamp(0.0, 1.0) * 255.0) as u8);
                    }
                });
            }
            at += font.h_advance(id);
            last = Some(id);
        }
        at - x as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_and_latin_leave_ink() {
        let pen = Pen::load().expect("the font");
        for text in ["分数", "1/2 = 0.5"] {
            let mut frame = Frame::new(200, 60, Colour::rgb(0, 0, 0));
            let width = pen.write(&mut frame, (4, 4), 40.0, Colour::rgb(255, 255, 255), text);
            let ink = frame.luma().iter().filter(|y| **y > 128).count();
            assert!(ink > 200 && width > 40.0, "{text}: {ink} px over {width}");
        }
    }
}
