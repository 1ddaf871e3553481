//! Reading recordings, running ones too: facts, playlists, segments, downloads.
//!
//! Everything here is a function of a recording's directory; nothing is cached and nothing is written. Whoever serves it
//! over HTTP decides who may. Files are found by the chain's records, so what is served was durable when it was chained.

mod assembled;
mod facts;
mod mp4;
mod playlist;
mod segments;
mod webm;

pub use assembled::Assembled;
pub use facts::{Facts, Fragment, Part, Role, Track};
pub use mp4::Picture;
pub use segments::{Item, LineSource, Name, Segment, Still};

pub(crate) use facts::{CAMERA_GAP_MS_MAX, add_records, clock_rates, gaps};
pub(crate) use segments::{cut, is_missing, segment_bytes};

use crate::{Header, HeaderError, Seal};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why something can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VodError {
    /// The header can't be used.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// There is no such track, segment, part or picture, or it is not in a form that was asked for.
    #[error("the recording has no {0}")]
    NotFound(String),
    /// A file can't be read.
    #[error("cannot read {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what the chain says.
    #[error("{path} is damaged at byte {offset}: run `lectern recorder check`")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
}

impl VodError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// One recording as it stands now. Load it again to see a running one grow.
#[derive(Debug, Clone)]
pub struct Recording {
    pub(crate) dir: PathBuf,
    pub(crate) facts: Facts,
    pub(crate) zone: jiff::tz::TimeZone,
}

impl Recording {
    /// Reads what the recording in `dir` holds.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn load(dir: impl Into<PathBuf>) -> Result<Self, VodError> {
        let dir = dir.into();
        let (header, _) = Header::read(&dir)?;
        let seal = Seal::read(&dir)?;
        let facts = Facts::read(&dir, header.meta, seal)?;
        Ok(Self { dir, facts, zone: jiff::tz::TimeZone::UTC })
    }

    /// The day that a download names is one of this zone; without it, of UTC.
    #[must_use]
    pub fn in_zone(self, zone: jiff::tz::TimeZone) -> Self {
        Self { zone, ..self }
    }

    /// What it holds.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}
