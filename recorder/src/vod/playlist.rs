//! HLS playlists (RFC 8216) as text.

use super::{
    Recording, VodError,
    facts::{PICTURES, Track},
    segments::{Item, LineSource, Name, Still},
};
use lectern_media::{TrackKind, TrackSource};
use lectern_protocol::api::RecordingStatus;
use std::fmt::Write;

/// A gap is listed in stretches of this many microseconds at most, so that it never outgrows the target duration.
const GAP_STEP_US: u64 = 4_000_000;

impl Recording {
    /// `/vod/{recording}/index.m3u8`: the teacher's main picture (camera, else screen; or `picture`) with each sound to choose from.
    ///
    /// # Errors
    /// [`VodError::NotFound`] if nothing in it plays in HLS.
    pub fn multivariant(&self, picture: Option<Name>) -> Result<String, VodError> {
        let teacher = |source| Name::Teacher(LineSource(source));
        let plays = |name: &Name| self.items(*name).is_ok();
        let main = picture.or_else(|| PICTURES.map(teacher).into_iter().find(plays));
        let mut sounds: Vec<(Name, String)> = [TrackSource::Microphone, TrackSource::ScreenAudio]
            .map(|s| {
                (
                    teacher(s),
                    if s == TrackSource::Microphone { self.facts.meta.teacher.clone() } else { "screen".into() },
                )
            })
            .into_iter()
            .filter(|(name, _)| plays(name))
            .collect();
        let others =
            self.facts.tracks.iter().filter(|t| t.kind() == TrackKind::Audio && !t.role.teacher && t.plays_in_hls());
        sounds.extend(others.map(|t| (Name::Track(t.info.id), t.role.name.clone())));
        let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        let mut codecs: Vec<String> = Vec::new();
        // A sound listed alone is the variant itself.
        if main.is_some() {
            for (i, (name, label)) in sounds.iter().enumerate() {
                let (default, number) = (if i == 0 { "YES" } else { "NO" }, i + 1);
                let label = label.replace(['"', '\n', '\r'], " ");
                let _ = writeln!(
                    out,
                    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"{number} {label}\",DEFAULT={default},AUTOSELECT={default},URI=\"{name}/index.m3u8\""
                );
            }
        }
        let variant = main.or_else(|| sounds.first().map(|(name, _)| *name));
        let Some(variant) = variant else { return Err(VodError::NotFound("playable media".into())) };
        let line = self.line(variant)?;
        for part in line.iter().flat_map(|t| &t.parts) {
            let codec = part.config.rfc6381();
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        let with_sound = main.is_some() && !sounds.is_empty();
        if with_sound {
            codecs.push("opus".into());
        }
        let bandwidth =
            line.iter().map(|t| bandwidth(t)).max().unwrap_or(0).max(1000) + if with_sound { 64_000 } else { 0 };
        let (width, height) = line.iter().map(|t| t.size()).max().unwrap_or((0, 0));
        let size = if width > 0 { format!(",RESOLUTION={width}x{height}") } else { String::new() };
        let group = if with_sound { ",AUDIO=\"sound\"" } else { "" };
        let codecs = codecs.join(",");
        let _ = writeln!(
            out,
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{codecs}\"{size}{group}\n{variant}/index.m3u8"
        );
        Ok(out)
    }

    /// `/vod/{recording}/{name}/index.m3u8`: one line, from the start of the recording. URIs are relative to it.
    ///
    /// # Errors
    /// [`VodError::NotFound`].
    pub fn media_playlist(&self, name: Name) -> Result<String, VodError> {
        let items = self.items(name)?;
        let longest = items
            .iter()
            .map(|i| match i {
                Item::Gap { us } => (*us).min(GAP_STEP_US),
                Item::Segment { us, .. } | Item::Hold { us, .. } => *us,
            })
            .max()
            .unwrap_or(0);
        let live = self.facts.status == RecordingStatus::Live;
        let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        let _ = writeln!(out, "#EXT-X-PLAYLIST-TYPE:{}", if live { "EVENT" } else { "VOD" });
        // RFC 8216 §4.3.3.1: each EXTINF, rounded, is at most the target. Five seconds at least, so that it rarely changes.
        let _ = writeln!(out, "#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:0", longest.div_ceil(1_000_000).max(5));
        // Players that are told no start try to load the gap that a track begins with, and hls.js tries for ever.
        let lead_us: u64 = items.iter().map_while(|i| if let Item::Gap { us } = i { Some(*us) } else { None }).sum();
        if lead_us > 0 && !live {
            let _ = writeln!(out, "#EXT-X-START:TIME-OFFSET={:.6},PRECISE=YES", lead_us as f64 / 1e6);
        }
        let mut map: Option<(&Track, usize)> = None;
        // A gap needs a map before it like any other segment.
        let first = items.iter().find_map(|i| match i {
            Item::Segment { track, segment, .. } => Some((*track, segment.part)),
            Item::Hold { .. } | Item::Gap { .. } => None,
        });
        let mut at_us = 0;
        for item in &items {
            let (next_map, us) = match item {
                Item::Gap { us } | Item::Hold { us, .. } => (map.or(first), *us),
                Item::Segment { track, segment, us, .. } => (Some((*track, segment.part)), *us),
            };
            if let Some((track, part)) = next_map
                && !map.is_some_and(|(t, p)| t.info.id == track.info.id && p == part)
            {
                let config = |(t, p): (&Track, usize)| t.parts[p].config.clone();
                let changed = map.is_some_and(|m| config(m) != config((track, part)));
                if changed {
                    out.push_str("#EXT-X-DISCONTINUITY\n");
                }
                if changed || map.is_none() {
                    let number = track.parts[part].number;
                    let _ = writeln!(out, "#EXT-X-MAP:URI=\"../{}/init-{number}.mp4\"", track.info.id);
                }
                map = Some((track, part));
            }
            match item {
                Item::Gap { .. } => gap(&mut out, us, self.date(at_us)),
                Item::Hold { track, still, from_us, .. } => {
                    let still = if *still == Still::First { "first" } else { "last" };
                    self.listed(&mut out, at_us, us, track, &format!("{still}-{from_us}-{us}"));
                }
                Item::Segment { track, segment, .. } => {
                    self.listed(&mut out, at_us, us, track, &segment.number.to_string());
                }
            }
            at_us += us;
        }
        // A line whose tracks are over may still go on while the recording runs: the teacher may come back.
        if !live {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        Ok(out)
    }

    fn listed(&self, out: &mut String, at_us: u64, us: u64, track: &Track, name: &str) {
        let (date, seconds, id) = (self.date(at_us), us as f64 / 1e6, track.info.id);
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:{seconds:.6},\n../{id}/{name}.m4s");
    }

    /// The wall time at `us` microseconds of the recording.
    fn date(&self, us: u64) -> String {
        let ms = self.facts.meta.started.0.saturating_add((us / 1000) as i64);
        let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
        at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }
}

fn gap(out: &mut String, mut us: u64, date: String) {
    let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{date}");
    while us > 0 {
        let step = us.min(GAP_STEP_US);
        us -= step;
        let _ = writeln!(out, "#EXT-X-GAP\n#EXTINF:{:.6},\ngap.m4s", step as f64 / 1e6);
    }
}

/// The highest rate over any segment-long stretch, in bits per second.
fn bandwidth(track: &Track) -> u64 {
    let hz = u64::from(track.hz());
    let rate = |fragments: &[super::Fragment]| {
        let bytes: u64 = fragments.iter().map(|f| f.len).sum();
        let ticks: u64 = fragments.iter().map(|f| f.duration).sum();
        bytes * 8 * hz / ticks.max(hz / 10)
    };
    track.fragments.chunks(8).map(rate).max().unwrap_or(0)
}
