//! The clip as a live publisher needs it: encoded once by `ffmpeg`, kept in a cache directory, replayed with new times.
//!
//! H.264 constrained baseline or VP8 in one or three layers, Opus in packets of 20 ms, a keyframe every second (what is
//! encoded beforehand can't answer a keyframe request). Belongs here: encoded frames. Does not belong here: RTP.

mod parse;

pub use parse::nal_units;

use crate::clip::{self, Order, SAMPLE_RATE_HZ, Size};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use std::{
    fs,
    io::BufWriter,
    path::{Path, PathBuf},
};

/// How the picture is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// H.264 constrained baseline.
    H264,
    /// VP8.
    Vp8,
}

impl VideoCodec {
    const fn ending(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Vp8 => "ivf",
        }
    }
}

/// What to encode.
#[derive(Debug, Clone, Copy)]
pub struct SourceOrder {
    /// The clip; its size is that of the highest layer.
    pub clip: Order,
    /// Codec.
    pub codec: VideoCodec,
    /// Rate of the highest layer in kilobits per second.
    pub kbps: u32,
    /// Three layers (quarter, half, full) instead of one.
    pub simulcast: bool,
}

/// One encoded picture.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Whether decoding can begin here.
    pub key: bool,
    /// Annex B access unit without delimiter, or VP8 frame.
    pub data: Bytes,
}

/// One layer.
#[derive(Debug, Clone)]
pub struct LayerSource {
    /// RID: `q`, `h`, `f`, lowest first; empty without simulcast.
    pub rid: &'static str,
    /// Height in pixels.
    pub height: u16,
    /// One per frame of the clip.
    pub pictures: Vec<Picture>,
}

/// The encoded clip.
#[derive(Debug, Clone)]
pub struct Source {
    /// Codec of the picture.
    pub codec: VideoCodec,
    /// Frames per second.
    pub fps: u32,
    /// Lowest first.
    pub layers: Vec<LayerSource>,
    /// Opus packets of 20 ms.
    pub sound: Vec<Bytes>,
}

/// What a layer is made of.
struct LayerKind {
    rid: &'static str,
    /// Divisor of the clip's size.
    divisor: usize,
    /// Rate in kilobits per second, given that of the full layer.
    kbps: fn(u32) -> u32,
}

/// Lowest first. The lowest fits a line of 250 kbit/s with sound and repairs.
const LAYERS: [LayerKind; 3] = [
    LayerKind { rid: "q", divisor: 4, kbps: |full| (full / 13).clamp(80, 120) },
    LayerKind { rid: "h", divisor: 2, kbps: |full| full * 3 / 10 },
    LayerKind { rid: "f", divisor: 1, kbps: |full| full },
];

impl Source {
    /// Takes the clip from `cache`, or makes it and leaves it there.
    ///
    /// # Errors
    /// If a program or the font is missing, or a file can't be written.
    pub fn prepare(order: SourceOrder, cache: &Path) -> Result<Self> {
        fs::create_dir_all(cache).with_context(|| format!("making {}", cache.display()))?;
        let paths = Paths::new(order, cache);
        if !paths.all().all(|p| p.exists()) {
            eprintln!("encoding {} s of lecture into {} …", order.clip.secs, cache.display());
            paths.encode()?;
        }
        let layers = order
            .layers()
            .map(|(rid, size, _)| {
                let path = paths.layer(rid);
                let file = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
                let pictures = match order.codec {
                    VideoCodec::H264 => parse::annex_b_pictures(&file),
                    VideoCodec::Vp8 => parse::ivf_pictures(&file),
                };
                ensure!(
                    pictures.len() == order.clip.frames() as usize && pictures.first().is_some_and(|p| p.key),
                    "{} holds {} pictures instead of {}; delete it",
                    path.display(),
                    pictures.len(),
                    order.clip.frames()
                );
                Ok(LayerSource { rid, height: size.height as u16, pictures })
            })
            .collect::<Result<Vec<_>>>()?;
        let sound = parse::ogg_packets(&fs::read(paths.sound()).context("reading the sound")?);
        ensure!(!sound.is_empty(), "{} holds no sound; delete it", paths.sound().display());
        Ok(Self { codec: order.codec, fps: order.clip.fps, layers, sound })
    }
}

impl SourceOrder {
    fn layers(self) -> impl Iterator<Item = (&'static str, Size, u32)> {
        let Size { width, height } = self.clip.size;
        let even = |n: usize| n & !1;
        LAYERS.iter().filter(move |l| self.simulcast || l.divisor == 1).map(move |l| {
            let size = Size { width: even(width / l.divisor), height: even(height / l.divisor) };
            (if self.simulcast { l.rid } else { "" }, size, (l.kbps)(self.kbps))
        })
    }
}

struct Paths {
    order: SourceOrder,
    cache: PathBuf,
    name: String,
}

impl Paths {
    fn new(order: SourceOrder, cache: &Path) -> Self {
        let c = order.clip;
        let kind = if order.simulcast { "s" } else { "" };
        let name = format!("lecture-1-{}-{}fps-{}s-{}k{kind}", c.size, c.fps, c.secs, order.kbps);
        Self { order, cache: cache.to_owned(), name }
    }

    fn layer(&self, rid: &str) -> PathBuf {
        self.cache.join(format!("{}{rid}.{}", self.name, self.order.codec.ending()))
    }

    fn sound(&self) -> PathBuf {
        self.cache.join(format!("{}.ogg", self.name))
    }

    fn all(&self) -> impl Iterator<Item = PathBuf> {
        self.order.layers().map(|(rid, ..)| self.layer(rid)).chain([self.sound()])
    }

    /// Encodes into a directory of its own and moves the files when all are complete, so that a cache never holds halves
    /// and two runs don't meet.
    fn encode(&self) -> Result<()> {
        let work = tempfile::tempdir_in(&self.cache).context("making a directory to encode in")?;
        let wav = work.path().join("sound.wav");
        let samples = clip::soundtrack(self.order.clip.secs)?;
        clip::write_wav(&mut BufWriter::new(fs::File::create(&wav)?), &samples)?;
        let mut command = clip::raw_input(self.order.clip);
        command.arg("-i").arg(&wav);
        let gop = self.order.clip.fps.to_string();
        for (rid, size, kbps) in self.order.layers() {
            let (rate, burst) = (format!("{kbps}k"), format!("{}k", kbps / 2));
            command.args(["-map", "0:v", "-vf", &format!("scale={}:{}", size.width, size.height)]);
            match self.order.codec {
                VideoCodec::H264 => {
                    command.args([
                        "-c:v",
                        "libx264",
                        "-profile:v",
                        "baseline",
                        "-preset",
                        "veryfast",
                        "-tune",
                        "zerolatency",
                    ]);
                    command.args([
                        "-x264-params",
                        "aud=1:repeat-headers=1:sliced-threads=0:scenecut=0",
                        "-pix_fmt",
                        "yuv420p",
                    ]);
                }
                VideoCodec::Vp8 => {
                    command.args(["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0"]);
                }
            }
            command.args(["-b:v", &rate, "-maxrate", &rate, "-bufsize", &burst, "-g", &gop, "-keyint_min", &gop]);
            command.args(["-f", self.order.codec.ending()]).arg(work.path().join(format!("picture{rid}")));
        }
        debug_assert_eq!(SAMPLE_RATE_HZ, 48_000, "Opus packets of 20 ms need its own rate");
        command.args(["-map", "1:a", "-c:a", "libopus", "-b:a", "28k", "-frame_duration", "20", "-vbr", "constrained"]);
        command.args(["-f", "ogg"]).arg(work.path().join("sound"));
        clip::feed(command, self.order.clip)?;
        for (rid, ..) in self.order.layers() {
            fs::rename(work.path().join(format!("picture{rid}")), self.layer(rid)).context("keeping a layer")?;
        }
        fs::rename(work.path().join("sound"), self.sound()).context("keeping the sound")
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Two seconds of small lecture, made once for all tests of this run.
    pub fn small(codec: VideoCodec, simulcast: bool) -> Source {
        let clip = Order { size: Size { width: 640, height: 360 }, fps: 25, secs: 2 };
        let cache = std::env::temp_dir().join("lectern-loadtest-tests");
        Source::prepare(SourceOrder { clip, codec, kbps: 500, simulcast }, &cache)
            .expect("ffmpeg, espeak-ng and the font")
    }

    #[test]
    fn layers_are_complete_and_begin_with_a_keyframe_each_second() {
        for codec in [VideoCodec::H264, VideoCodec::Vp8] {
            let source = small(codec, true);
            let heights: Vec<_> = source.layers.iter().map(|l| (l.rid, l.height)).collect();
            assert_eq!(heights, [("q", 90), ("h", 180), ("f", 360)]);
            for layer in &source.layers {
                let keys: Vec<_> = layer.pictures.iter().enumerate().filter(|(_, p)| p.key).map(|(n, _)| n).collect();
                assert_eq!(keys, [0, 25], "{codec:?} {}", layer.rid);
            }
            assert!((100..=103).contains(&source.sound.len()), "{} packets of 20 ms", source.sound.len());
        }
    }
}
