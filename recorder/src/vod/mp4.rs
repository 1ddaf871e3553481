//! One plain MP4 for download, made on read: one picture and one sound, and it says so.

use super::{
    Assembled, Recording, VodError,
    facts::{PICTURES, Track},
    segments::{LineSource, Name},
};
use crate::recover::read_range;
use lectern_fmp4::{
    FragmentInfo, SampleInfo,
    config::opus::{SILENCE, SILENCE_TICKS},
    movie::{self, Chunk, Texts},
    scan,
};
use lectern_media::TrackSource;

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

/// Where a chunk's bytes are.
enum Place {
    File { file: usize, offset: u64, len: u64 },
    Silence(usize),
}

impl Recording {
    /// The pictures that can be downloaded.
    #[must_use]
    pub fn pictures(&self) -> Vec<Picture> {
        let has = |p: &Picture| self.line(Name::Teacher(LineSource(p.source()))).is_ok();
        [Picture::Camera, Picture::Screen].into_iter().filter(has).collect()
    }

    /// The teacher's `picture` and microphone as one MP4, the picture first shown where the recording begins. Without a
    /// picture of that kind it is refused; without a microphone it is silent.
    ///
    /// # Errors
    /// [`VodError::NotFound`] if there is no such picture.
    pub fn mp4(&self, picture: Picture) -> Result<Assembled, VodError> {
        let pictures = self.line(Name::Teacher(LineSource(picture.source())))?;
        let sounds = self.line(Name::Teacher(LineSource(TrackSource::Microphone))).unwrap_or_default();
        let mut out = Assembled::new(format!("{}.mp4", self.file_stem(picture.word())), "video/mp4");
        let (mut tracks, mut places) = (Vec::new(), Vec::new());
        for line in [&pictures, &sounds].into_iter().filter(|l| !l.is_empty()) {
            let (track, place) = self.movie_track(line, &mut out)?;
            tracks.push(track);
            places.push(place);
        }
        let date = jiff::Timestamp::from_millisecond(self.facts.meta.started.0).unwrap_or_default();
        let missing: u64 = self.facts.gaps.iter().filter(|g| g.track.is_none()).map(|g| g.to_ms - g.from_ms).sum();
        let held = if sounds.is_empty() { "no sound" } else { "the teacher's microphone" };
        let missing =
            if missing > 0 { format!("; {:.1} s are missing", missing as f64 / 1000.0) } else { String::new() };
        let meta = &self.facts.meta;
        let texts = Texts {
            title: meta.title.clone(),
            artist: meta.teacher.clone(),
            date: date.strftime("%Y-%m-%d").to_string(),
            comment: format!(
                "Holds the teacher's {} and {held}; not the students{missing}. Recording {}.",
                picture.word(),
                meta.id
            ),
        };
        let plan = movie::plan(&tracks, &texts);
        out.bytes(plan.head);
        for (track, chunk) in plan.order {
            match places[track][chunk] {
                Place::File { file, offset, len } => out.range(file, offset, len),
                Place::Silence(packets) => out.bytes(SILENCE.repeat(packets)),
            }
        }
        Ok(out)
    }

    /// The chunks of a line of tracks; holes in sound are filled with silence.
    fn movie_track(&self, line: &[&Track], out: &mut Assembled) -> Result<(movie::Track, Vec<Place>), VodError> {
        let mut track = movie::Track { configs: Vec::new(), chunks: Vec::new() };
        let mut places = Vec::new();
        let mut end = None;
        for t in line {
            let codec = t.info.codec;
            // Another codec after a reload would need another track: the first one's decides.
            if line[0].info.codec != codec {
                continue;
            }
            for (fragment, head) in t.fragments.iter().zip(heads(self, t)?) {
                if end.is_some_and(|e| fragment.dts < e) {
                    continue;
                }
                let config = &t.parts[fragment.part].config;
                let index = track.configs.iter().position(|c| c == config).unwrap_or_else(|| {
                    track.configs.push(config.clone());
                    track.configs.len() - 1
                });
                if let Some(end) = end.filter(|_| codec == lectern_media::Codec::Opus) {
                    let packets = ((fragment.dts - end) / u64::from(SILENCE_TICKS)) as usize;
                    if packets > 0 {
                        let silence =
                            SampleInfo { duration: SILENCE_TICKS, size: SILENCE.len() as u32, keyframe: true };
                        track.chunks.push(Chunk { dts: end, config: index, samples: vec![silence; packets] });
                        places.push(Place::Silence(packets));
                    }
                }
                let file = out.file(self.facts.file(&self.dir, t, fragment.part));
                let len = head.samples.iter().map(|s| u64::from(s.size)).sum();
                places.push(Place::File { file, offset: fragment.offset + head.data_offset as u64, len });
                end = Some(fragment.end());
                track.chunks.push(Chunk { dts: head.dts, config: index, samples: head.samples });
            }
        }
        Ok((track, places))
    }

    /// A file name people recognise, without what file systems refuse.
    pub(super) fn file_stem(&self, what: &str) -> String {
        let meta = &self.facts.meta;
        let date = jiff::Timestamp::from_millisecond(meta.started.0).unwrap_or_default();
        let clean = |s: &str| -> String {
            s.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { ' ' } else { c }).take(60).collect()
        };
        let title = clean(&meta.title);
        format!("{} {} {what}", date.strftime("%Y-%m-%d"), title.trim()).trim().to_owned()
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
