//! What the lecture shows: slides by the script below, a pointer, a moving picture, the running time, the strip.

use super::{
    Order, Size,
    canvas::{Colour, Frame, Rect},
    text::Pen,
};
use crate::strip::{self, Mark};
use anyhow::Result;

/// How long a slide stays, in seconds.
pub const SLIDE_SECS: u32 = 12;

/// One slide and what is said to it.
pub struct Slide {
    /// Heading.
    pub title: &'static str,
    /// Lines below it.
    pub lines: &'static [&'static str],
    /// Spoken text; fits into [`SLIDE_SECS`].
    pub speech: &'static str,
}

/// The lesson.
pub const SLIDES: &[Slide] = &[
    Slide {
        title: "第三课　分数的初步认识",
        lines: &["五年级数学　专递课堂", "主讲：李老师", "Lesson 3: Fractions"],
        speech: "同学们好，今天我们一起来认识分数。请大家准备好课本和练习本。",
    },
    Slide {
        title: "把一个苹果平均分",
        lines: &["平均分成两份，每份是它的二分之一", "写作 1/2，读作“二分之一”", "One half"],
        speech: "把一个苹果平均分成两份，每一份就是这个苹果的二分之一。",
    },
    Slide {
        title: "分子与分母",
        lines: &["分母：平均分成几份", "分子：取其中的几份", "分数线：表示平均分"],
        speech: "分数线下面的数叫做分母，上面的数叫做分子。请跟我读一遍。",
    },
    Slide {
        title: "比一比，谁大？",
        lines: &["1/2 ○ 1/3", "分子相同，分母小的分数大", "Compare 1/2 and 1/3"],
        speech: "二分之一和三分之一，哪一个大？请远端教室的同学举手回答。",
    },
    Slide {
        title: "课堂练习",
        lines: &["① 3/8 ＋ 2/8 ＝ ？", "② 7/9 － 4/9 ＝ ？", "③ 用纸折出四分之一"],
        speech: "现在做三道练习题，做完以后把答案写在讨论区里，我们一起来看。",
    },
    Slide {
        title: "小结与作业",
        lines: &["平均分 → 分数", "同分母分数相加减", "作业：课本第 42 页，第 1～4 题"],
        speech: "今天我们学习了分数的意义和简单的加减法。下课，同学们再见。",
    },
];

const PAPER: Colour = Colour::rgb(247, 249, 252);
const INK: Colour = Colour::rgb(24, 32, 48);
const SOFT: Colour = Colour::rgb(90, 104, 128);
const BAR: Colour = Colour::rgb(29, 95, 209);
const POINTER: Colour = Colour::rgb(214, 40, 40);
const WHITE: Colour = Colour::rgb(255, 255, 255);

/// Draws the frames of a lecture.
pub struct Lecture {
    order: Order,
    pen: Pen,
    slides: Vec<Frame>,
    frame: Frame,
}

impl Lecture {
    /// Prepares the slides.
    ///
    /// # Errors
    /// If the font is missing.
    pub fn new(order: Order) -> Result<Self> {
        let pen = Pen::load()?;
        let slides = SLIDES.iter().map(|slide| draw_slide(&pen, slide, order.size)).collect();
        Ok(Self { order, pen, slides, frame: Frame::new(order.size.width, order.size.height, PAPER) })
    }

    /// Draws frame `n`, marked with `millis`.
    pub fn draw(&mut self, n: u32, millis: u32) -> &Frame {
        let Size { width, height } = self.order.size;
        let second = n / self.order.fps;
        let slide = (second / SLIDE_SECS) as usize % self.slides.len();
        self.frame.copy_from(&self.slides[slide]);
        // Motion depends on time, not on the frame rate: the same picture at the same moment whatever the rate.
        let tick = (u64::from(n) * 100 / u64::from(self.order.fps)) as u32; // hundredths of a second
        draw_picture(&mut self.frame, picture_place(self.order.size), tick);
        self.draw_pointer(tick);
        let clock = format!("{:02}:{:02}", second / 60, second % 60);
        let size = height as f32 / 18.0;
        self.pen.write(&mut self.frame, (width * 86 / 100, height * 91 / 100), size, SOFT, &clock);
        self.frame.fill(Rect { x: 0, y: 0, w: width, h: strip::height_px(height) }, WHITE); // neutral chroma below it
        Mark { frame: n, millis }.draw(self.frame.luma_mut(), width, width, height);
        &self.frame
    }

    fn draw_pointer(&mut self, tick: u32) {
        let Size { width, height } = self.order.size;
        let (x, y) = (wave(tick * 2), wave(tick * 3 + 300)); // −1000 to 1000
        let cx = width as i32 * 28 / 100 + x * width as i32 / 4800;
        let cy = height as i32 * 55 / 100 + y * height as i32 / 3600;
        self.frame.disc(cx, cy, (height / 60).max(3) as i32, POINTER);
    }
}

fn draw_slide(pen: &Pen, slide: &Slide, Size { width, height }: Size) -> Frame {
    let mut frame = Frame::new(width, height, PAPER);
    let (left, unit) = (width * 5 / 100, height as f32 / 100.0);
    pen.write(&mut frame, (left, height * 10 / 100), unit * 9.0, INK, slide.title);
    frame.fill(Rect { x: left, y: height * 25 / 100, w: width * 18 / 100, h: (height / 120).max(2) }, BAR);
    for (line, text) in slide.lines.iter().enumerate() {
        let y = height * (32 + 14 * line) / 100;
        pen.write(&mut frame, (left, y), unit * 6.0, if line == 2 { SOFT } else { INK }, text);
    }
    pen.write(&mut frame, (left, height * 91 / 100), unit * 4.5, SOFT, "讲台 Lectern　测试课");
    frame
}

/// Where the moving picture is: a camera's share of a slide.
fn picture_place(Size { width, height }: Size) -> Rect {
    Rect { x: width * 62 / 100, y: height * 42 / 100, w: width * 33 / 100, h: height * 44 / 100 }
}

/// A textured, drifting picture with a pendulum: detail and motion, so that a publisher uses the rate it has.
fn draw_picture(frame: &mut Frame, place: Rect, tick: u32) {
    let scale = (place.w / 40).max(1) as u32;
    for dy in 0..place.h {
        for dx in 0..place.w {
            let (x, y) = (dx as u32 * 40 / scale, dy as u32 * 40 / scale);
            let drift =
                wave(x + tick * 9) + wave(y * 2 + x / 2 + 4000 - tick % 4000 * 7 % 4000) + wave(x + y + tick * 5);
            let grain = hash(dx as u32 / 2, dy as u32 / 2, tick / 8) % 24;
            let luma = (120 + drift / 40 + grain as i32).clamp(16, 235);
            let tint = wave(tick + y) / 60;
            frame.put(place.x + dx, place.y + dy, Colour::rgb(luma + tint, luma, (luma - tint).max(0)));
        }
    }
    let swing = wave(tick * 4) * place.w as i32 / 3000;
    let (cx, cy) = (place.x as i32 + place.w as i32 / 2 + swing, place.y as i32 + place.h as i32 / 2);
    frame.disc(cx, cy, (place.h / 8).max(4) as i32, Colour::rgb(250, 190, 60));
}

/// A sine-like wave in whole numbers, period 1,000, from −1,000 to 1,000: two parabolas.
fn wave(at: u32) -> i32 {
    let (half, x) = (at % 1000 / 500, (at % 500) as i32);
    let hump = x * (500 - x) * 16 / 1000;
    if half == 0 { hump } else { -hump }
}

fn hash(a: u32, b: u32, c: u32) -> u32 {
    let mut h = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca6b) ^ c.wrapping_mul(0xc2b2_ae35);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^ h >> 13
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lecture() -> Lecture {
        Lecture::new(Order { size: Size { width: 320, height: 180 }, fps: 25, secs: 1 }).expect("the font")
    }

    #[test]
    fn the_same_frame_is_the_same_picture() {
        let (mut a, mut b) = (lecture(), lecture());
        a.draw(9, 0);
        let one = a.draw(10, 400).clone();
        assert_eq!(&one, b.draw(10, 400));
        assert_ne!(&one, b.draw(11, 440), "it moves");
    }

    #[test]
    fn every_frame_carries_its_mark() {
        let mut lecture = lecture();
        for n in [0, 1, 24, 25, 1_000_000] {
            let frame = lecture.draw(n, n * 40);
            let mark = Mark::read(frame.luma(), 320, 320, 180);
            assert_eq!(mark, Some(Mark { frame: n, millis: n * 40 }));
        }
    }

    #[test]
    fn the_wave_stays_in_its_range() {
        assert!((0..4000).all(|at| (-1000..=1000).contains(&wave(at))));
        assert_eq!((wave(0), wave(250), wave(750)), (0, 1000, -1000));
    }
}
