//! One plain MP4 (ISO/IEC 14496-12): `moov` in front, so that it plays while it downloads, samples left where they are.
//!
//! A track is a list of chunks in order of time; a chunk's samples lie together in the output. Holes before and between chunks
//! become an empty edit (before the first) or a longer last sample; the caller fills sound beforehand if it wants silence.

use crate::{
    SampleInfo, TrackConfig,
    boxes::BoxWriter,
    init::{dinf, hdlr, mdhd, media_header, mvhd, stsd, tkhd},
};

/// Consecutive samples that lie together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Decode time of the first sample, in ticks of the track.
    pub dts: u64,
    /// The samples.
    pub samples: Vec<SampleInfo>,
}

impl Chunk {
    fn bytes(&self) -> u64 {
        self.samples.iter().map(|s| u64::from(s.size)).sum()
    }

    fn ticks(&self) -> u64 {
        self.samples.iter().map(|s| u64::from(s.duration)).sum()
    }
}

/// One track of the movie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// What decodes it. One for all: Chromium refuses a second sample description, so what changes must be in-band.
    pub config: TrackConfig,
    /// Chunks in order of time.
    pub chunks: Vec<Chunk>,
}

/// Texts for the file's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// Title (`©nam`).
    pub title: String,
    /// Who teaches (`©ART`).
    pub artist: String,
    /// When, as `yyyy-mm-dd` (`©day`).
    pub date: String,
    /// What the file holds (`©cmt`).
    pub comment: String,
}

/// The plan of a movie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// `ftyp`, `moov` and the `mdat` header.
    pub head: Vec<u8>,
    /// What follows the head: (track, chunk) in order.
    pub order: Vec<(usize, usize)>,
}

/// Plans a movie of `tracks`, interleaved by time.
#[must_use]
pub fn plan(tracks: &[Track], texts: &Texts) -> Plan {
    let mut order: Vec<(usize, usize)> =
        tracks.iter().enumerate().flat_map(|(t, track)| (0..track.chunks.len()).map(move |c| (t, c))).collect();
    let at = |&(t, c): &(usize, usize)| {
        let track = &tracks[t];
        (u128::from(track.chunks[c].dts) * 1_000_000 / u128::from(timescale(track)), t)
    };
    order.sort_by_key(at);
    let payload: u64 = tracks.iter().flat_map(|t| &t.chunks).map(Chunk::bytes).sum();
    // Offsets have a fixed width, so the head's length does not depend on them: measure, then write.
    let measured = head(tracks, texts, &order, payload, 0).len() as u64;
    Plan { head: head(tracks, texts, &order, payload, measured), order }
}

fn timescale(track: &Track) -> u32 {
    track.config.timescale().hz()
}

fn ms(ticks: u64, timescale: u32) -> u64 {
    ticks * 1000 / u64::from(timescale)
}

fn head(tracks: &[Track], texts: &Texts, order: &[(usize, usize)], payload: u64, data_at: u64) -> Vec<u8> {
    let mut offsets: Vec<Vec<u64>> = tracks.iter().map(|t| vec![0; t.chunks.len()]).collect();
    let mut at = data_at;
    for &(t, c) in order {
        offsets[t][c] = at;
        at += tracks[t].chunks[c].bytes();
    }
    let end_ms = |t: &Track| t.chunks.last().map_or(0, |c| ms(c.dts + c.ticks(), timescale(t)));
    let duration_ms = tracks.iter().map(end_ms).max().unwrap_or(0);
    let mut w = BoxWriter::with_capacity(4096);
    w.put(b"ftyp", |w| _ = w.bytes(b"isom").u32(0x200).bytes(b"isomiso2avc1mp41"));
    w.put(b"moov", |w| {
        mvhd(w, duration_ms, tracks.len() as u32 + 1);
        for (i, track) in tracks.iter().enumerate().filter(|(_, t)| !t.chunks.is_empty()) {
            trak(w, i as u32 + 1, track, &offsets[i]);
        }
        udta(w, texts);
    });
    // The 64-bit form of the box header: a long lesson exceeds 4 GiB.
    w.u32(1).bytes(b"mdat").u64(payload + 16);
    w.finish()
}

fn trak(w: &mut BoxWriter, id: u32, track: &Track, offsets: &[u64]) {
    let scale = timescale(track);
    let first = track.chunks[0].dts;
    let end = track.chunks.last().map_or(first, |c| c.dts + c.ticks());
    let durations = durations(track);
    w.put(b"trak", |w| {
        tkhd(w, id, &track.config, ms(end, scale));
        w.put(b"edts", |w| {
            // An empty edit up to the first sample (media time -1), then the media.
            let delay = ms(first, scale);
            w.full(b"elst", 1, 0, |w| {
                w.u32(1 + u32::from(delay > 0));
                if delay > 0 {
                    w.u64(delay).u64(u64::MAX).u32(0x1_0000);
                }
                w.u64(ms(end, scale).saturating_sub(delay)).u64(0).u32(0x1_0000);
            });
        });
        w.put(b"mdia", |w| {
            mdhd(w, scale, end - first);
            hdlr(w, &track.config);
            w.put(b"minf", |w| {
                media_header(w, &track.config);
                dinf(w);
                w.put(b"stbl", |w| {
                    stsd(w, &track.config);
                    stts(w, &durations);
                    ctts(w, track);
                    stss(w, track);
                    stsc(w, track);
                    w.full(b"stsz", 0, 0, |w| {
                        w.u32(0).u32(durations.len() as u32);
                        track.chunks.iter().flat_map(|c| &c.samples).for_each(|s| _ = w.u32(s.size));
                    });
                    w.full(b"co64", 0, 0, |w| {
                        w.u32(offsets.len() as u32);
                        offsets.iter().for_each(|o| _ = w.u64(*o));
                    });
                });
            });
        });
    });
}

/// Durations of all samples; the last of a chunk lasts until the next chunk begins.
fn durations(track: &Track) -> Vec<u32> {
    let mut out = Vec::new();
    for (i, chunk) in track.chunks.iter().enumerate() {
        out.extend(chunk.samples.iter().map(|s| s.duration));
        if let (Some(next), Some(last)) = (track.chunks.get(i + 1), out.last_mut()) {
            let hole = next.dts.saturating_sub(chunk.dts + chunk.ticks());
            *last = last.saturating_add(u32::try_from(hole).unwrap_or(u32::MAX));
        }
    }
    out
}

fn stts(w: &mut BoxWriter, durations: &[u32]) {
    let runs: Vec<(u32, u32)> = durations.chunk_by(|a, b| a == b).map(|r| (r.len() as u32, r[0])).collect();
    w.full(b"stts", 0, 0, |w| {
        w.u32(runs.len() as u32);
        runs.iter().for_each(|(n, d)| _ = w.u32(*n).u32(*d));
    });
}

/// When samples are shown after their decode times, signed (version 1); left out if all are shown when they are decoded.
fn ctts(w: &mut BoxWriter, track: &Track) {
    let offsets: Vec<i32> = track.chunks.iter().flat_map(|c| &c.samples).map(|s| s.composition).collect();
    if offsets.iter().all(|o| *o == 0) {
        return;
    }
    let runs: Vec<(u32, i32)> = offsets.chunk_by(|a, b| a == b).map(|r| (r.len() as u32, r[0])).collect();
    w.full(b"ctts", 1, 0, |w| {
        w.u32(runs.len() as u32);
        runs.iter().for_each(|(n, offset)| _ = w.u32(*n).u32(offset.cast_unsigned()));
    });
}

/// Which samples are keyframes; left out if all are (sound).
fn stss(w: &mut BoxWriter, track: &Track) {
    let samples = || track.chunks.iter().flat_map(|c| &c.samples);
    if samples().all(|s| s.keyframe) {
        return;
    }
    let keys: Vec<u32> = samples().zip(1u32..).filter(|(s, _)| s.keyframe).map(|(_, n)| n).collect();
    w.full(b"stss", 0, 0, |w| {
        w.u32(keys.len() as u32);
        keys.iter().for_each(|k| _ = w.u32(*k));
    });
}

fn stsc(w: &mut BoxWriter, track: &Track) {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (chunk, n) in track.chunks.iter().zip(1u32..) {
        let samples = chunk.samples.len() as u32;
        if runs.last().is_none_or(|r| r.1 != samples) {
            runs.push((n, samples));
        }
    }
    w.full(b"stsc", 0, 0, |w| {
        w.u32(runs.len() as u32);
        runs.iter().for_each(|(first, samples)| _ = w.u32(*first).u32(*samples).u32(1));
    });
}

/// Metadata in the form players of QuickTime descent read: `udta/meta/ilst`.
fn udta(w: &mut BoxWriter, texts: &Texts) {
    let items: [(&[u8; 4], &str); 4] = [
        (b"\xa9nam", &texts.title),
        (b"\xa9ART", &texts.artist),
        (b"\xa9day", &texts.date),
        (b"\xa9cmt", &texts.comment),
    ];
    w.put(b"udta", |w| {
        w.full(b"meta", 0, 0, |w| {
            w.full(b"hdlr", 0, 0, |w| _ = w.u32(0).bytes(b"mdirappl").zeros(9));
            w.put(b"ilst", |w| {
                for (kind, text) in items.iter().filter(|(_, t)| !t.is_empty()) {
                    w.put(kind, |w| w.put(b"data", |w| _ = w.u32(1).u32(0).bytes(text.as_bytes())));
                }
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{OpusConfig, Vp8Config};

    #[test]
    fn chunks_are_interleaved_by_time_and_a_hole_lengthens_the_sample_before_it() {
        let sample = |duration| SampleInfo { duration, size: 10, keyframe: true, composition: 0 };
        let video = Track {
            config: TrackConfig::Vp8(Vp8Config { width: 64, height: 48 }),
            chunks: vec![
                Chunk { dts: 9000, samples: vec![sample(3000); 2] },
                Chunk { dts: 45_000, samples: vec![sample(3000)] },
            ],
        };
        let audio = Track {
            config: TrackConfig::Opus(OpusConfig::default()),
            chunks: vec![Chunk { dts: 9600, samples: vec![sample(960); 5] }],
        };
        assert_eq!(durations(&video), [3000, 33_000, 3000]);
        let plan = plan(&[video, audio], &Texts { title: "课".into(), ..Texts::default() });
        assert_eq!(plan.order, [(0, 0), (1, 0), (0, 1)]);
        let at = plan.head.windows(4).position(|w| w == b"co64").unwrap();
        let first = u64::from_be_bytes(plan.head[at + 12..at + 20].try_into().unwrap());
        assert_eq!(first, plan.head.len() as u64, "the first chunk follows the head");
    }
}
