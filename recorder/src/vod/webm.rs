//! VP8 as WebM, made on read: browsers refuse it in MP4.

use super::{
    Assembled, Recording, VodError,
    facts::Track,
    mp4::{Place, heads},
};
use lectern_fmp4::{
    TrackConfig,
    movie::{self, Texts},
    webm::{Frame, Piece, plan},
};
use lectern_media::{Codec, TrackId};

/// Where a frame's bytes are.
enum Source {
    Made(Vec<u8>),
    Range(usize, u64),
}

impl Recording {
    /// `/vod/{recording}/{track}.webm`: a VP8 track whose time begins with the recording's.
    ///
    /// # Errors
    /// [`VodError::NotFound`] if it is not VP8.
    pub fn webm(&self, id: TrackId) -> Result<Assembled, VodError> {
        let not_found = || VodError::NotFound(format!("WebM of track {id}"));
        let track: &Track = self.facts.track(id).filter(|t| !t.fragments.is_empty()).ok_or_else(not_found)?;
        if track.info.codec != Codec::Vp8 {
            return Err(not_found());
        }
        let mut out = Assembled::new(format!("{}.webm", self.file_stem("camera")), "video/webm");
        let mut frames = Vec::new();
        for (fragment, head) in track.fragments.iter().zip(heads(self, track)?) {
            let file = out.file(self.facts.file(&self.dir, track, fragment.part));
            let (mut at, mut offset) = (head.dts, fragment.offset + head.data_offset as u64);
            for s in &head.samples {
                let frame = Frame { track: 0, at_ms: track.ms(at), keyframe: s.keyframe, size: s.size.into() };
                frames.push((frame, Source::Range(file, offset)));
                at += u64::from(s.duration);
                offset += u64::from(s.size);
            }
        }
        let config = track.parts.first().ok_or_else(not_found)?.config.clone();
        let texts = Texts { title: self.facts.meta.title.clone(), ..Texts::default() };
        let config = largest(config, &[track]);
        self.assemble(out, &[config], &texts, track.to_ms(), frames).ok_or_else(not_found)
    }

    /// Pictures and sounds as one WebM.
    pub(super) fn webm_movie(
        &self,
        out: Assembled,
        texts: &Texts,
        pictures: &[&Track],
        tracks: Vec<(movie::Track, Vec<Place>)>,
    ) -> Result<Assembled, VodError> {
        let (mut configs, mut frames, mut end_ms) = (Vec::new(), Vec::new(), 0);
        for (number, (track, places)) in tracks.into_iter().enumerate() {
            let hz = u64::from(track.config.timescale().hz());
            for (chunk, place) in track.chunks.iter().zip(places) {
                let mut at = chunk.dts;
                let Place { bytes, range } = place;
                let mut used = 0;
                let mut offset = range.map(|(file, offset, _)| (file, offset));
                for s in &chunk.samples {
                    // A chunk is made here as a whole, or lies in a file.
                    let source = match &mut offset {
                        Some((file, offset)) => {
                            let from = *offset;
                            *offset += u64::from(s.size);
                            Source::Range(*file, from)
                        }
                        None => {
                            let from = used;
                            used = bytes.len().min(from + s.size as usize);
                            Source::Made(bytes[from..used].to_vec())
                        }
                    };
                    let at_ms = at.saturating_mul(1000) / hz;
                    frames.push((Frame { track: number, at_ms, keyframe: s.keyframe, size: s.size.into() }, source));
                    at += u64::from(s.duration);
                    end_ms = end_ms.max(at.saturating_mul(1000) / hz);
                }
            }
            configs.push(if number == 0 { largest(track.config, pictures) } else { track.config });
        }
        frames.sort_by_key(|(frame, _)| (frame.at_ms, frame.track));
        let nothing = || VodError::NotFound("picture that WebM can hold".into());
        self.assemble(out, &configs, texts, end_ms, frames).ok_or_else(nothing)
    }

    fn assemble(
        &self,
        mut out: Assembled,
        configs: &[TrackConfig],
        texts: &Texts,
        duration_ms: u64,
        frames: Vec<(Frame, Source)>,
    ) -> Option<Assembled> {
        let (frames, mut sources): (Vec<_>, Vec<_>) = frames.into_iter().unzip();
        for piece in plan(configs, texts, duration_ms, &frames)? {
            match piece {
                Piece::Bytes(bytes) => out.bytes(bytes),
                Piece::Frame(i) => match &mut sources[i] {
                    Source::Made(bytes) => out.bytes(std::mem::take(bytes)),
                    Source::Range(file, offset) => out.range(*file, *offset, frames[i].size),
                },
            }
        }
        Some(out)
    }
}

/// VP8 carries its size in each keyframe; the header tells the largest.
fn largest(mut config: TrackConfig, tracks: &[&Track]) -> TrackConfig {
    if let TrackConfig::Vp8(vp8) = &mut config {
        let sizes = || tracks.iter().map(|t| t.size());
        vp8.width = sizes().map(|s| s.0).max().unwrap_or(0) as u16;
        vp8.height = sizes().map(|s| s.1).max().unwrap_or(0) as u16;
    }
    config
}
