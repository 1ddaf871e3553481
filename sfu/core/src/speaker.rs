//! Who speaks loudest in a room, from the audio-level header extension (RFC 6464). Not here: telling anyone.
//!
//! Each source's loudness is smoothed with a quick rise and a slow fall, so that words count and pauses between them do
//! not. The title passes to another source only after it has been clearly louder for [`TAKE_OVER`]: coughs and
//! interjections do not move the picture.

use crate::packet::{AudioLevel, SourceId};
use std::time::{Duration, Instant};

/// The most sources that take part; the quietest gives way to a new one.
pub const SPEAKERS_MAX: usize = 64;
/// Below this loudness (dB above silence at −127 dBov) nobody speaks: −50 dBov.
const SPEECH_MIN: f32 = 77.0;
/// How much louder a challenger has to be, in decibels.
const MARGIN: f32 = 6.0;
/// For how long.
pub const TAKE_OVER: Duration = Duration::from_millis(400);
/// Time constants of the smoothing.
const RISE: f32 = 0.08;
const FALL: f32 = 0.6;
/// A source that sends nothing for this long is silent (discontinuous transmission, mute).
const SILENT_AFTER: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
struct Voice {
    source: SourceId,
    loudness: f32,
    heard: Instant,
    /// Since when it has been clearly louder than the dominant one.
    ahead_since: Option<Instant>,
}

/// The loudness race of one room. Bounded by [`SPEAKERS_MAX`] sources.
#[derive(Debug, Default)]
pub struct Speakers {
    voices: Vec<Voice>,
    dominant: Option<SourceId>,
}

impl Speakers {
    /// Notes the level of one audio packet.
    pub fn on_level(&mut self, now: Instant, source: SourceId, level: AudioLevel) {
        let loudness = f32::from(127 - level.below_full_dbov.min(127));
        let Some(v) = self.voices.iter_mut().find(|v| v.source == source) else {
            if self.voices.len() >= SPEAKERS_MAX && !self.make_room() {
                return;
            }
            self.voices.push(Voice { source, loudness, heard: now, ahead_since: None });
            return;
        };
        let elapsed = now.saturating_duration_since(v.heard).as_secs_f32().min(1.0);
        let constant = if loudness > v.loudness { RISE } else { FALL };
        v.loudness += (loudness - v.loudness) * (1.0 - (-elapsed / constant).exp());
        v.heard = now;
    }

    /// Forgets a source that ended.
    pub fn remove(&mut self, source: SourceId) {
        self.voices.retain(|v| v.source != source);
        if self.dominant == Some(source) {
            self.dominant = None;
        }
    }

    /// Weighs the last moments; call every 100 to 300 ms. Returns the dominant speaker if it changed.
    pub fn poll(&mut self, now: Instant) -> Option<SourceId> {
        for v in &mut self.voices {
            if now.saturating_duration_since(v.heard) > SILENT_AFTER {
                v.loudness = 0.0;
            }
        }
        let bar = self
            .voices
            .iter()
            .find(|v| Some(v.source) == self.dominant && v.loudness >= SPEECH_MIN)
            .map_or(SPEECH_MIN, |v| v.loudness + MARGIN);
        let dominant = self.dominant;
        let mut best: Option<Voice> = None;
        for v in &mut self.voices {
            if v.loudness < bar || Some(v.source) == dominant {
                v.ahead_since = None;
                continue;
            }
            let since = *v.ahead_since.get_or_insert(now);
            let long_enough = dominant.is_none() || now.saturating_duration_since(since) >= TAKE_OVER;
            if long_enough && best.is_none_or(|b| v.loudness > b.loudness) {
                best = Some(*v);
            }
        }
        self.dominant = Some(best?.source);
        self.dominant
    }

    /// Who speaks now or spoke last.
    #[must_use]
    pub const fn dominant(&self) -> Option<SourceId> {
        self.dominant
    }

    /// The loudness of a source, 0 (silence) to 127; for showing meters.
    #[must_use]
    pub fn loudness(&self, source: SourceId) -> u8 {
        self.voices.iter().find(|v| v.source == source).map_or(0, |v| v.loudness as u8)
    }

    /// Drops the quietest voice that is not the dominant one.
    fn make_room(&mut self) -> bool {
        let quietest = (0..self.voices.len())
            .filter(|i| Some(self.voices[*i].source) != self.dominant)
            .min_by(|a, b| self.voices[*a].loudness.total_cmp(&self.voices[*b].loudness));
        quietest.map(|i| self.voices.swap_remove(i)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEACHER: SourceId = SourceId(1);
    const STUDENT: SourceId = SourceId(2);

    /// Runs `ms` milliseconds of 20 ms packets with the given levels (dB below full scale; 127 is silence).
    fn talk(s: &mut Speakers, at: &mut Instant, ms: u64, teacher: u8, student: u8) {
        for i in 0..ms / 20 {
            *at += Duration::from_millis(20);
            for (source, below) in [(TEACHER, teacher), (STUDENT, student)] {
                s.on_level(*at, source, AudioLevel { below_full_dbov: below, voice: true });
            }
            if i % 5 == 0 {
                s.poll(*at);
            }
        }
    }

    #[test]
    fn the_title_passes_to_who_speaks_and_not_to_who_coughs() {
        let mut s = Speakers::default();
        let mut at = Instant::now();
        talk(&mut s, &mut at, 500, 127, 127);
        assert_eq!(s.dominant(), None, "silence has no speaker");
        talk(&mut s, &mut at, 300, 30, 127);
        assert_eq!(s.dominant(), Some(TEACHER), "the first to speak is taken at once");
        talk(&mut s, &mut at, 240, 60, 15);
        assert_eq!(s.dominant(), Some(TEACHER), "a cough");
        talk(&mut s, &mut at, 1_000, 30, 60);
        assert_eq!(s.dominant(), Some(TEACHER));
        talk(&mut s, &mut at, 1_500, 127, 28);
        assert_eq!(s.dominant(), Some(STUDENT), "an answer");
        talk(&mut s, &mut at, 2_000, 127, 127);
        assert_eq!(s.dominant(), Some(STUDENT), "who spoke last stays");
        talk(&mut s, &mut at, 1_500, 30, 34);
        assert_eq!(s.dominant(), Some(STUDENT), "equals do not flicker");
        assert!(s.loudness(TEACHER) > 80);
        s.remove(STUDENT);
        assert_eq!(s.dominant(), None);
    }

    #[test]
    fn the_race_is_bounded() {
        let mut s = Speakers::default();
        let now = Instant::now();
        for n in 0..1_000 {
            s.on_level(now, SourceId(n), AudioLevel { below_full_dbov: (n % 100) as u8, voice: true });
        }
        assert_eq!(s.voices.len(), SPEAKERS_MAX);
    }
}
