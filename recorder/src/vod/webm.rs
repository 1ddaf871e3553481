//! A VP8 track as WebM, made on read.

use super::{Assembled, Recording, VodError, facts::Track, mp4::heads};
use lectern_fmp4::{
    TrackConfig,
    webm::{Frame, Piece, plan_for},
};
use lectern_media::TrackId;

impl Recording {
    /// `/vod/{recording}/{track}.webm`: a VP8 track whose time begins with the recording's.
    ///
    /// # Errors
    /// [`VodError::NotFound`] if it is not VP8.
    pub fn webm(&self, id: TrackId) -> Result<Assembled, VodError> {
        let not_found = || VodError::NotFound(format!("WebM of track {id}"));
        let track: &Track = self.facts.track(id).filter(|t| !t.fragments.is_empty()).ok_or_else(not_found)?;
        // VP8 carries its size in each keyframe; the header tells the largest.
        let (width, height) = track.size();
        let mut config = track.parts.first().ok_or_else(not_found)?.config.clone();
        let TrackConfig::Vp8(vp8) = &mut config else { return Err(not_found()) };
        (vp8.width, vp8.height) = (width as u16, height as u16);

        let mut out = Assembled::new(format!("{}.webm", self.file_stem("camera")), "video/webm");
        let mut frames = Vec::new();
        let mut places = Vec::new();
        for (fragment, head) in track.fragments.iter().zip(heads(self, track)?) {
            let file = out.file(self.facts.file(&self.dir, track, fragment.part));
            let (mut at, mut offset) = (head.dts, fragment.offset + head.data_offset as u64);
            for s in &head.samples {
                frames.push(Frame { at_ms: track.ms(at), keyframe: s.keyframe, size: s.size.into() });
                places.push((file, offset));
                at += u64::from(s.duration);
                offset += u64::from(s.size);
            }
        }
        let pieces = plan_for(&config, &self.facts.meta.title, track.to_ms(), &frames).ok_or_else(not_found)?;
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => out.bytes(bytes),
                Piece::Frame(i) => out.range(places[i].0, places[i].1, frames[i].size),
            }
        }
        Ok(out)
    }
}
