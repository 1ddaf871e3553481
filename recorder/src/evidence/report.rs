//! What verification says: authentic, or which camera, stream and second is wrong and how.

use super::format::Viewer;
use jiff::tz::{Offset, TimeZone};
use lectern_media::{CameraId, CameraStream, UnixMillis};
use serde::Serialize;
use std::fmt;

/// The most findings that are listed; the rest is counted.
pub const FINDINGS_MAX: usize = 500;

/// How something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Bytes are not those that were recorded.
    Changed,
    /// Something that was recorded is not here.
    Missing,
    /// Something is here that was not recorded.
    Added,
    /// It is not where it was recorded.
    OutOfOrder,
    /// Its time was changed.
    TimeChanged,
    /// The file, or a stream, ends before it should.
    CutOff,
    /// A signature does not fit.
    Signature,
    /// It is signed by another key than the one that was asked for.
    OtherKey,
    /// What is said about the export was changed: who, when, why, viewers, the sheet.
    Manifest,
    /// The container was changed around its members.
    Container,
    /// It can't be read as an evidence file, or not by this version.
    Unreadable,
}

impl Problem {
    fn words(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Added => "added",
            Self::OutOfOrder => "out of order",
            Self::TimeChanged => "time changed",
            Self::CutOff => "cut off",
            Self::Signature => "signature wrong",
            Self::OtherKey => "signed by another key",
            Self::Manifest => "description changed",
            Self::Container => "container changed",
            Self::Unreadable => "unreadable",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Of which camera; none if it is of the whole file.
    pub camera: Option<CameraId>,
    /// Of which stream, if it is of one.
    pub stream: Option<CameraStream>,
    /// From when.
    pub from: Option<UnixMillis>,
    /// Until when.
    pub to: Option<UnixMillis>,
    /// How.
    pub problem: Problem,
    /// In which member.
    pub member: String,
    /// In words.
    pub detail: String,
}

/// What was checked of one camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CameraChecked {
    /// Which.
    pub camera: CameraId,
    /// Its name.
    pub name: String,
    /// Recordings of which excerpts are here.
    pub recordings: u64,
    /// Links of their chains that were computed anew.
    pub records: u64,
    /// Signed heads.
    pub signatures: u64,
    /// The first picture or sound.
    pub from: Option<UnixMillis>,
    /// The end of the last.
    pub to: Option<UnixMillis>,
}

/// What is known of the key that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyVerdict {
    /// None was asked for: whose key it is must be told by its fingerprint.
    NotGiven,
    /// It is the one.
    Expected,
    /// It is another.
    Other,
}

/// The verdict on one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing was found, and the key is the one that was asked for, if one was.
    pub authentic: bool,
    /// What was found, as far as it is listed.
    pub findings: Vec<Finding>,
    /// What was found beyond that.
    pub more: u64,
    /// The public key that signed the file, hexadecimal.
    pub key: Option<String>,
    /// Its fingerprint: SHA-256 of the public key, in groups.
    pub fingerprint: Option<String>,
    /// Whether it is the expected one.
    pub key_verdict: KeyVerdict,
    /// The server that exported.
    pub server: String,
    /// When.
    pub made: Option<UnixMillis>,
    /// By whom.
    pub by: Option<Viewer>,
    /// Local time is UTC plus this many seconds.
    pub utc_offset_s: i32,
    /// The range that was asked for.
    pub range: Option<(UnixMillis, UnixMillis)>,
    /// What was checked of each camera.
    pub cameras: Vec<CameraChecked>,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Report {
    /// A moment in the file's local time.
    #[must_use]
    pub fn local(&self, at: UnixMillis) -> String {
        local(at, self.utc_offset_s)
    }

    /// A camera's name, or its id if it has none here.
    #[must_use]
    pub fn camera_name(&self, camera: CameraId) -> String {
        let known = self.cameras.iter().find(|c| c.camera == camera && !c.name.is_empty());
        known.map_or_else(|| camera.to_string(), |c| format!("{} ({camera})", c.name))
    }
}

/// A moment in local time, to the second.
pub(super) fn local(at: UnixMillis, utc_offset_s: i32) -> String {
    let offset = Offset::from_seconds(utc_offset_s).unwrap_or(Offset::UTC);
    match jiff::Timestamp::from_millisecond(at.0) {
        Ok(t) => t.to_zoned(TimeZone::fixed(offset)).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{} ms", at.0),
    }
}

/// `UTC+8`, `UTC-3:30`: how far local time is ahead.
pub(super) fn offset_words(utc_offset_s: i32) -> String {
    let (sign, minutes) = (if utc_offset_s < 0 { '-' } else { '+' }, utc_offset_s.unsigned_abs() / 60);
    match (minutes / 60, minutes % 60) {
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

/// The fingerprint of a public key: SHA-256 in groups of four digits.
#[must_use]
pub fn fingerprint(public: &[u8; 32]) -> String {
    use sha2::Digest as _;
    let hex = hex::encode(sha2::Sha256::digest(public));
    let groups: Vec<&str> = (0..hex.len()).step_by(4).map(|i| &hex[i..i + 4]).collect();
    groups.join(" ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.authentic {
            true => writeln!(f, "AUTHENTIC")?,
            false => writeln!(f, "NOT AUTHENTIC")?,
        }
        if let Some(by) = &self.by {
            let at = self.made.map(|at| self.local(at)).unwrap_or_default();
            writeln!(f, "exported by {} ({}) from {} at {at}", by.name, by.login, self.server)?;
        }
        if let Some((from, to)) = self.range {
            writeln!(f, "asked for: {} to {} ({})", self.local(from), self.local(to), offset_words(self.utc_offset_s))?;
        }
        for c in &self.cameras {
            let span = match (c.from, c.to) {
                (Some(from), Some(to)) => format!("{} to {}", self.local(from), self.local(to)),
                _ => "nothing recorded".into(),
            };
            let name = self.camera_name(c.camera);
            writeln!(f, "  {name}: {span}, {} links, {} signed heads", c.records, c.signatures)?;
        }
        if let Some(fingerprint) = &self.fingerprint {
            let verdict = match self.key_verdict {
                KeyVerdict::NotGiven => "compare it with the one the recorder's operator published",
                KeyVerdict::Expected => "the expected key",
                KeyVerdict::Other => "NOT the expected key",
            };
            writeln!(f, "key: {fingerprint} ({verdict})")?;
        }
        for finding in &self.findings {
            let Finding { camera, stream, from, to, problem, member, detail } = finding;
            let camera = camera.map_or_else(|| "the file".into(), |c| self.camera_name(c));
            let stream = stream.map_or(String::new(), |s| format!(", {}", super::format::stream_name(s)));
            let when = match (from, to) {
                (Some(from), Some(to)) if from.0 / 1000 != to.0 / 1000 => {
                    format!(", {} to {}", self.local(*from), self.local(*to))
                }
                (Some(at), _) | (None, Some(at)) => format!(", {}", self.local(*at)),
                (None, None) => String::new(),
            };
            writeln!(f, "WRONG: {camera}{stream}{when}: {}: {detail} [{member}]", problem.words())?;
        }
        if self.more > 0 {
            writeln!(f, "… and {} more", self.more)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_named_to_the_minute() {
        for (offset_s, words) in
            [(28_800, "UTC+8"), (0, "UTC+0"), (20_700, "UTC+5:45"), (-12_600, "UTC-3:30"), (-39_600, "UTC-11")]
        {
            assert_eq!(offset_words(offset_s), words);
        }
    }
}
