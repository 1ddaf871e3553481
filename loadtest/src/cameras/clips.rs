//! Encoded scenes: made once by `ffmpeg` into a cache directory, cut into access units, and shared by all cameras.
//!
//! An H.264 clip is encoded with slices, so that its first rows (strip and text) can be left away and written anew for
//! each picture ([`super::paint`]). In the encoded picture these rows are a coarse chequer that no scene resembles: no
//! motion vector points there, so it does not matter that other rows are shown.
//!
//! A clip with B-frames has its pictures in the order of decoding; a file beside it says when each is shown.

use super::{
    bits::nals_of,
    h264::{self, Params, SliceHead},
    scene::{LOOP_SECS, Look, Scene},
};
use crate::{
    clip::{Colour, Pen, Rect, Size},
    strip::{self, Mark},
};
use anyhow::{Context, Result, ensure};
use std::{
    collections::HashMap,
    fs,
    io::Write as _,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
};

/// Changes when clips are made otherwise: older files are not used again.
const VERSION: u32 = 1;
/// Seconds between keyframes.
pub const GOP_SECS: u32 = 2;
/// Seconds between keyframes of a clip with few.
pub const LONG_GOP_SECS: u32 = 30;
/// B-frames behind each other in a stream that has them. No other picture refers to them.
pub const B_FRAMES: u32 = 2;

/// How a picture is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
}

/// Size and rates of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Main stream or substream.
    pub main: bool,
    /// How it is encoded.
    pub codec: Codec,
    /// Kilobits per second.
    pub kbps: u32,
    /// Whether pictures come in another order than the one in which they are shown.
    pub b_frames: bool,
}

impl Shape {
    /// Frames per second.
    #[must_use]
    pub fn fps(self) -> u32 {
        if self.main { 25 } else { 15 }
    }

    /// How many pictures later than at once a picture is sent: the one behind its B-frames comes before them.
    #[must_use]
    pub fn lag(self) -> u32 {
        if self.b_frames { B_FRAMES } else { 0 }
    }
}

/// Which clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    /// Which room.
    pub scene: u32,
    /// What is wrong with it.
    pub look: Look,
    /// How it is encoded.
    pub shape: Shape,
    /// Another size than the usual.
    pub other_size: bool,
    /// A keyframe in 30 s.
    pub long_gop: bool,
}

impl Order {
    fn size(self) -> Size {
        let (width, height) = match (self.shape.main, self.other_size) {
            (true, false) => (1920, 1080),
            (true, true) => (1280, 720),
            (false, false) => (640, 360),
            (false, true) => (512, 288),
        };
        Size { width, height }
    }

    fn gop_secs(self) -> u32 {
        if self.long_gop { LONG_GOP_SECS } else { GOP_SECS }
    }

    fn secs(self) -> u32 {
        self.gop_secs().max(LOOP_SECS)
    }

    fn file(self) -> String {
        let Shape { main, codec, kbps, b_frames } = self.shape;
        let kind = if main { "main" } else { "sub" };
        let b = if b_frames { "-b" } else { "" };
        let extra = if self.other_size {
            "-othersize"
        } else if self.long_gop {
            "-long"
        } else {
            ""
        };
        let ending = if codec == Codec::H264 { "h264" } else { "h265" };
        format!("v{VERSION}-{kind}{b}-scene{}-{}{extra}-{kbps}k.{ending}", self.scene, self.look.name())
    }
}

/// The rows of macroblocks that are written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Of each of the two rows of the strip.
    pub strip: u32,
    /// Of the line of text.
    pub text: u32,
}

impl Rows {
    fn of(height: usize) -> Self {
        let strip = strip::height_px(height).div_ceil(16) as u32;
        Self { strip, text: if height >= 700 { 2 } else { 1 } }
    }

    /// All of them.
    #[must_use]
    pub fn all(self) -> u32 {
        2 * self.strip + self.text
    }
}

/// One picture of a clip.
#[derive(Debug)]
pub struct Picture {
    /// How its slices begin; only H.264.
    pub head: Option<SliceHead>,
    /// The NAL units that are sent as they are, in the clip's bytes.
    pub nals: Vec<Range<usize>>,
    /// Whether decoding can begin here.
    pub key: bool,
    /// Its place among the clip's pictures as they are shown.
    pub shown: usize,
}

/// An encoded scene.
#[derive(Debug)]
pub struct Clip {
    /// How it is encoded.
    pub shape: Shape,
    /// Picture size.
    pub size: Size,
    /// Parameter sets: VPS (H.265), SPS, PPS.
    pub parameters: Vec<Vec<u8>>,
    /// For slices of our own; only H.264.
    pub h264: Option<Params>,
    /// Where these stand.
    pub rows: Rows,
    /// All pictures, in the order of decoding; the first is a keyframe.
    pub pictures: Vec<Picture>,
    bytes: Vec<u8>,
}

impl Clip {
    /// The bytes of a NAL unit.
    #[must_use]
    pub fn nal(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }

    /// `shown`: the place of each picture as they are shown; none: as they come.
    fn parse(order: Order, bytes: Vec<u8>, shown: Option<&[usize]>) -> Result<Self> {
        let size = order.size();
        let rows = Rows::of(size.height);
        let base = bytes.as_ptr() as usize;
        let mut parameters: Vec<Vec<u8>> = Vec::new();
        let mut coded: Vec<Range<usize>> = Vec::new();
        for nal in nals_of(&bytes) {
            let from = nal.as_ptr() as usize - base;
            match kind_of(order.shape.codec, nal[0]) {
                Kind::Parameters if !parameters.iter().any(|p| p == nal) => parameters.push(nal.to_vec()),
                Kind::Slice => coded.push(from..from + nal.len()),
                Kind::Parameters | Kind::Other => {}
            }
        }
        let h264 = match order.shape.codec {
            Codec::H264 => {
                ensure!(parameters.len() == 2, "an H.264 clip has one SPS and one PPS");
                let params = Params::read(&parameters[0], &parameters[1])?;
                ensure!(params.mb_width as usize == size.width.div_ceil(16), "the SPS has another size");
                Some(params)
            }
            Codec::H265 => {
                ensure!(parameters.len() == 3, "an H.265 clip has one VPS, SPS and PPS");
                None
            }
        };
        let mut clip = Self { shape: order.shape, size, parameters, h264, rows, pictures: Vec::new(), bytes };
        for range in coded {
            clip.take_slice(range)?;
        }
        let pictures = order.secs() * order.shape.fps();
        ensure!(clip.pictures.len() as u32 == pictures, "{} pictures, not {pictures}", clip.pictures.len());
        let gop = order.gop_secs() * order.shape.fps();
        for (n, picture) in clip.pictures.iter_mut().enumerate() {
            ensure!(picture.key == (n as u32).is_multiple_of(gop), "a keyframe is not where it belongs");
            ensure!(!picture.nals.is_empty(), "picture {n} has no slices left");
            if let Some(shown) = shown {
                picture.shown = *shown.get(n).context("the order ends before the clip")?;
            }
        }
        for group in clip.pictures.chunks(gop as usize) {
            // Nothing is shown before the keyframe it follows, so that each group stands alone.
            ensure!(group.iter().all(|p| p.shown >= group[0].shown), "a picture leads a keyframe");
        }
        let ahead = clip.pictures.iter().enumerate().map(|(n, p)| p.shown.saturating_sub(n)).max();
        ensure!(ahead == Some(order.shape.lag() as usize), "B-frames: {ahead:?} behind each other at most");
        Ok(clip)
    }

    fn begin_picture(&mut self, head: Option<SliceHead>, key: bool) {
        self.pictures.push(Picture { head, nals: Vec::new(), key, shown: self.pictures.len() });
    }

    fn take_slice(&mut self, range: Range<usize>) -> Result<()> {
        let nal = &self.bytes[range.clone()];
        let Some((params, width)) = self.h264.as_ref().map(|p| (p, p.mb_width)) else {
            // H.265 §7.3.1.2: six bits of type in the first byte; first_slice_segment_in_pic_flag is the first bit behind.
            let key = (16..=21).contains(&(nal[0] >> 1 & 0x3f));
            if nal.get(2).is_some_and(|b| b & 0x80 != 0) {
                self.begin_picture(None, key);
            }
            self.pictures.last_mut().context("the clip begins in a picture")?.nals.push(range);
            return Ok(());
        };
        let head = params.slice(nal).context("a slice header is cut off")?;
        if head.first_mb == 0 {
            self.begin_picture(Some(head), head.is_idr());
        }
        let ours = self.rows.all() * width;
        let picture = self.pictures.last_mut().context("the clip begins in a picture")?;
        if head.first_mb >= ours {
            ensure!(head.first_mb == ours || !picture.nals.is_empty(), "the first slice is longer than the strip");
            picture.nals.push(range);
        }
        Ok(())
    }
}

enum Kind {
    Parameters,
    Slice,
    Other,
}

fn kind_of(codec: Codec, first: u8) -> Kind {
    match codec {
        Codec::H264 => match first & 0x1f {
            1 | h264::NAL_IDR => Kind::Slice,
            h264::NAL_SPS | h264::NAL_PPS => Kind::Parameters,
            _ => Kind::Other,
        },
        Codec::H265 => match first >> 1 & 0x3f {
            0..=31 => Kind::Slice,
            32..=34 => Kind::Parameters,
            _ => Kind::Other,
        },
    }
}

/// All clips in use; encodes what the directory lacks.
#[derive(Debug)]
pub struct Clips {
    cache: PathBuf,
    clips: HashMap<Order, Rc<Clip>>,
}

impl Clips {
    /// Uses (and makes) a directory.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn new(cache: &Path) -> Result<Self> {
        fs::create_dir_all(cache).with_context(|| format!("making {}", cache.display()))?;
        Ok(Self { cache: cache.to_owned(), clips: HashMap::new() })
    }

    /// Has a clip at hand, encoding it if need be. Takes seconds the first time.
    ///
    /// # Errors
    /// If `ffmpeg` is missing or fails.
    pub fn prepare(&mut self, order: Order) -> Result<Rc<Clip>> {
        if let Some(clip) = self.clips.get(&order) {
            return Ok(Rc::clone(clip));
        }
        let path = self.cache.join(order.file());
        let times = path.with_extension("order");
        if !path.exists() {
            encode(order, &path).with_context(|| format!("encoding {}", path.display()))?;
        }
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let shown = if order.shape.b_frames {
            let text = fs::read_to_string(&times).with_context(|| format!("reading {}", times.display()))?;
            Some(places(&text).with_context(|| format!("{}", times.display()))?)
        } else {
            None
        };
        let clip = Clip::parse(order, bytes, shown.as_deref()).with_context(|| format!("{}", path.display()))?;
        let clip = Rc::new(clip);
        self.clips.insert(order, Rc::clone(&clip));
        Ok(clip)
    }

    /// A clip that was prepared.
    #[must_use]
    pub fn get(&self, order: Order) -> Option<Rc<Clip>> {
        self.clips.get(&order).cloned()
    }
}

/// How many slices x264 has to make so that its first one is our rows: it divides the rows evenly, rounding.
fn slices_for(rows: u32, ours: u32) -> Option<u32> {
    (2..=32).find(|slices| (rows + slices / 2) / slices == ours)
}

/// The place of each picture as they are shown, from the lines of ffmpeg's `framecrc`: stream, decode time, time shown, …
fn places(text: &str) -> Option<Vec<usize>> {
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    let times: Option<Vec<i64>> = lines.map(|l| l.split(',').nth(2)?.trim().parse().ok()).collect();
    let times = times?;
    let mut sorted = times.clone();
    sorted.sort_unstable();
    times.iter().map(|t| sorted.binary_search(t).ok()).collect()
}

fn encode(order: Order, path: &Path) -> Result<()> {
    let (Size { width, height }, fps) = (order.size(), order.shape.fps());
    let Shape { main, codec, kbps, b_frames } = order.shape;
    let b = if b_frames { B_FRAMES } else { 0 };
    let gop = order.gop_secs() * fps;
    let rows = Rows::of(height);
    let coder = match codec {
        Codec::H264 => {
            let slices = slices_for(height.div_ceil(16) as u32, rows.all()).context("no number of slices fits")?;
            let profile = if main || b_frames { "main" } else { "baseline" };
            vec![
                "-c:v".to_owned(),
                "libx264".to_owned(),
                "-preset".to_owned(),
                "superfast".to_owned(),
                "-profile:v".to_owned(),
                profile.to_owned(),
                "-x264-params".to_owned(),
                format!(
                    "keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b}:b-adapt=0:b-pyramid=none:weightb=0:cabac=0:ref=1:no-deblock=1:weightp=0:\
                     slices={slices}:sliced-threads=0:rc-lookahead=0:sync-lookahead=0"
                ),
            ]
        }
        Codec::H265 => vec![
            "-c:v".to_owned(),
            "libx265".to_owned(),
            "-preset".to_owned(),
            "ultrafast".to_owned(),
            "-x265-params".to_owned(),
            format!(
                "keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b}:b-adapt=0:b-pyramid=0:open-gop=0:info=0:log-level=error"
            ),
        ],
    };
    let part = part_of(path);
    let part_name = part.file_name().and_then(|n| n.to_str()).context("a name of a file")?;
    let format = if codec == Codec::H264 { "h264" } else { "hevc" };
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"])
        .args(["-s", &order.size().to_string(), "-r", &fps.to_string(), "-i", "-"])
        .args(coder)
        .args(["-b:v", &format!("{kbps}k"), "-maxrate", &format!("{kbps}k"), "-bufsize", &format!("{kbps}k")])
        // In the directory itself: the names of the files are ours, and `tee` would take other characters for its own.
        .args(["-map", "0:v", "-f", "tee", &format!("[f={format}]{part_name}|[f=framecrc]{part_name}.order")])
        .current_dir(path.parent().context("a directory")?)
        .stdin(Stdio::piped())
        .spawn()
        .context("starting ffmpeg (package ffmpeg)")?;
    let mut input = ffmpeg.stdin.take().context("ffmpeg has no standard input")?;
    let mut scene = Scene::new(order.scene, order.look, order.size());
    let pen = Pen::load()?;
    for n in 0..order.secs() * fps {
        let frame = scene.draw(n, fps);
        let ours = rows.all() as usize * 16;
        match codec {
            Codec::H264 => chequer(frame.luma_mut(), width, ours),
            Codec::H265 => {
                // Nothing is written anew here: the strip counts the pictures and milliseconds of the loop.
                let top = Rect { x: 0, y: 0, w: width, h: ours };
                frame.fill(top, Colour::rgb(24, 24, 24));
                let line = rows.strip as usize * 32;
                let text = format!("H.265 picture {n:03} of the loop of scene {}", order.scene);
                pen.write(frame, (8, line), 28.0, Colour::rgb(230, 230, 230), &text);
                Mark { frame: n, millis: n * 1000 / fps }.draw(frame.luma_mut(), width, width, height);
            }
        }
        input.write_all(frame.bytes()).context("ffmpeg stopped reading")?;
    }
    drop(input);
    ensure!(ffmpeg.wait().context("waiting for ffmpeg")?.success(), "ffmpeg failed");
    let times = part.with_file_name(format!("{part_name}.order"));
    if b_frames {
        fs::rename(&times, path.with_extension("order")).context("putting the order in its place")?;
    } else {
        fs::remove_file(&times).context("removing the order, which is that of the stream")?;
    }
    fs::rename(&part, path).context("putting the clip in its place")
}

/// Where a file is written before it is whole: others may be making the same.
pub fn part_of(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    path.with_extension(format!("part{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Squares of 8 pixels of the deepest black and the brightest white.
fn chequer(luma: &mut [u8], width: usize, height: usize) {
    for (y, row) in luma.chunks_mut(width).take(height).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = if (x / 8 + y / 8) % 2 == 0 { 0 } else { 255 };
        }
    }
}
