//! One plain file for download, made on read: one picture and one sound, and it says so. MP4, or WebM where the picture is
//! VP8, which hardly anything plays in MP4.

use super::{
    Assembled, Recording, VodError,
    facts::{PICTURES, Track},
    segments::{LineSource, Name},
};
use crate::recover::read_range;
use lectern_fmp4::{
    FragmentInfo, SampleInfo, TrackConfig,
    config::opus::{SILENCE, SILENCE_TICKS},
    movie::{self, Chunk, Texts},
    scan,
};
use lectern_media::{Codec, TrackSource};

/// Which picture a download holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// The teacher's camera.
    Camera,
    /// The teacher's shared screen.
    Screen,
}

impl Picture {
    const fn source(self) -> TrackSource {
        match self {
            Self::Camera => PICTURES[0],
            Self::Screen => PICTURES[1],
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Screen => "screen",
        }
    }
}

/// Packets of silence that a hole in the sound is filled with: a day.
const SILENCE_PACKETS_MAX: usize = 24 * 3600 * 50;

/// Where a chunk's bytes are: some made here, then a range of a file.
#[derive(Default)]
pub(super) struct Place {
    pub(super) bytes: Vec<u8>,
    pub(super) range: Option<(usize, u64, u64)>,
}

impl Recording {
    /// The pictures that can be downloaded.
    #[must_use]
    pub fn pictures(&self) -> Vec<Picture> {
        let has = |p: &Picture| self.line(Name::Teacher(LineSource(p.source()))).is_ok();
        [Picture::Camera, Picture::Screen].into_iter().filter(has).collect()
    }

    /// The teacher's `picture` and microphone as one file, the picture first shown where the recording begins: MP4, or WebM
    /// if the picture is VP8. Without a picture of that kind it is refused; without a microphone it is silent.
    ///
    /// # Errors
    /// [`VodError::NotFound`] if there is no such picture.
    pub fn download(&self, picture: Picture) -> Result<Assembled, VodError> {
        let pictures = self.line(Name::Teacher(LineSource(picture.source())))?;
        let sounds = self.line(Name::Teacher(LineSource(TrackSource::Microphone))).unwrap_or_default();
        let webm = pictures.first().is_some_and(|t| t.info.codec == Codec::Vp8);
        let (ending, content_type) = if webm { ("webm", "video/webm") } else { ("mp4", "video/mp4") };
        let mut out = Assembled::new(format!("{}.{ending}", self.file_stem(picture.word())), content_type);
        let lines = [&pictures, &sounds].into_iter().filter(|l| !l.is_empty());
        let tracks = lines.map(|line| self.movie_track(line, &mut out)).collect::<Result<Vec<_>, _>>()?;
        let texts = self.texts(picture, !sounds.is_empty());
        if webm {
            return self.webm_movie(out, &texts, &pictures, tracks);
        }
        let (tracks, mut places): (Vec<_>, Vec<_>) = tracks.into_iter().unzip();
        let plan = movie::plan(&tracks, &texts);
        out.bytes(plan.head);
        for (track, chunk) in plan.order {
            let place = std::mem::take(&mut places[track][chunk]);
            if !place.bytes.is_empty() {
                out.bytes(place.bytes);
            }
            if let Some((file, offset, len)) = place.range {
                out.range(file, offset, len);
            }
        }
        Ok(out)
    }

    /// What a download says of itself.
    fn texts(&self, picture: Picture, sound: bool) -> Texts {
        let missing: u64 = self.facts.gaps.iter().filter(|g| g.track.is_none()).map(|g| g.to_ms - g.from_ms).sum();
        let held = if sound { "the teacher's microphone" } else { "no sound" };
        let missing =
            if missing > 0 { format!("; {:.1} s are missing", missing as f64 / 1000.0) } else { String::new() };
        let meta = &self.facts.meta;
        Texts {
            title: meta.title.clone(),
            artist: meta.teacher.clone(),
            date: self.day(),
            comment: format!(
                "Holds the teacher's {} and {held}; not the students{missing}. Recording {}.",
                picture.word(),
                meta.id
            ),
        }
    }

    /// The chunks of a line of tracks; holes in sound are filled with silence. If the parameter sets change on the way, each
    /// keyframe carries its own.
    fn movie_track(&self, line: &[&Track], out: &mut Assembled) -> Result<(movie::Track, Vec<Place>), VodError> {
        // Another codec after a reload would need another track: the first one's decides.
        let codec = line[0].info.codec;
        let line: Vec<&Track> = line.iter().copied().filter(|t| t.info.codec == codec).collect();
        let mut configs = line.iter().flat_map(|t| &t.parts).map(|p| &p.config);
        let config = configs.next().ok_or_else(|| VodError::NotFound("media".into()))?.clone();
        let changes = configs.any(|c| *c != config);
        let mut track = movie::Track { config, chunks: Vec::new() };
        let mut places = Vec::new();
        let mut end = None;
        for t in line {
            for (fragment, head) in t.fragments.iter().zip(heads(self, t)?) {
                if end.is_some_and(|e| fragment.dts < e) {
                    continue;
                }
                if let Some(end) = end.filter(|_| codec == Codec::Opus) {
                    let packets = ((fragment.dts - end) / u64::from(SILENCE_TICKS)) as usize;
                    // A longer hole stays one: players show the last sample's time.
                    if (1..=SILENCE_PACKETS_MAX).contains(&packets) {
                        let silence = SampleInfo {
                            duration: SILENCE_TICKS,
                            size: SILENCE.len() as u32,
                            keyframe: true,
                            composition: 0,
                        };
                        track.chunks.push(Chunk { dts: end, samples: vec![silence; packets] });
                        places.push(Place { bytes: SILENCE.repeat(packets), range: None });
                    }
                }
                let file = out.file(self.facts.file(&self.dir, t, fragment.part));
                let len = head.samples.iter().map(|s| u64::from(s.size)).sum();
                let mut chunk = Chunk { dts: head.dts, samples: head.samples };
                let mut place =
                    Place { range: Some((file, fragment.offset + head.data_offset as u64, len)), bytes: Vec::new() };
                if let TrackConfig::Avc(avc) = &t.parts[fragment.part].config
                    && let Some(first) = chunk.samples.first_mut().filter(|s| changes && s.keyframe)
                {
                    place.bytes = avc.in_band();
                    first.size += place.bytes.len() as u32;
                }
                places.push(place);
                end = Some(fragment.end());
                track.chunks.push(chunk);
            }
        }
        Ok((track, places))
    }

    /// A file name people recognise, without what file systems refuse.
    pub(super) fn file_stem(&self, what: &str) -> String {
        let meta = &self.facts.meta;
        let clean = |s: &str| -> String {
            s.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { ' ' } else { c }).take(60).collect()
        };
        let title = clean(&meta.title);
        format!("{} {} {what}", self.day(), title.trim()).trim().to_owned()
    }

    /// The day on which it began, as people there count days.
    fn day(&self) -> String {
        let began = jiff::Timestamp::from_millisecond(self.facts.meta.started.0).unwrap_or_default();
        began.to_zoned(self.zone.clone()).strftime("%Y-%m-%d").to_string()
    }
}

/// The boxes of every fragment of a track.
pub(super) fn heads(recording: &Recording, track: &Track) -> Result<Vec<FragmentInfo>, VodError> {
    /// A fragment's boxes fit in here unless it has hundreds of samples.
    const HEAD_BYTES: u64 = 2048;
    let mut out = Vec::with_capacity(track.fragments.len());
    for f in &track.fragments {
        let path = recording.facts.file(&recording.dir, track, f.part);
        let damaged = |_| VodError::Damaged { path: path.clone(), offset: f.offset };
        let mut bytes = read_range(&path, f.offset, f.len.min(HEAD_BYTES)).map_err(VodError::io(&path))?;
        let needed = scan::fragment_head_len(&bytes).map_err(damaged)? as u64;
        if needed > bytes.len() as u64 {
            bytes = read_range(&path, f.offset, needed).map_err(VodError::io(&path))?;
        }
        let head = scan::parse_fragment_head(&bytes).map_err(damaged)?;
        if head.len as u64 != f.len || head.dts != f.dts {
            return Err(VodError::Damaged { path, offset: f.offset });
        }
        out.push(head);
    }
    Ok(out)
}
