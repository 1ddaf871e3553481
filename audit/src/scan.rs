//! Reading a month's file line by line, and following its chain.

use crate::{
    chain::Hash,
    entry::{LINE_LEN_MAX, Line},
};
use std::{
    fs, io,
    io::{BufRead, Read as _},
    path::{Path, PathBuf},
};

/// Where the chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    /// Number of the last line.
    pub(crate) n: u64,
    /// Its hash.
    pub(crate) hash: Hash,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineFault {
    #[error("the line is not one of an audit log")]
    NotALine,
    #[error("the line was changed: its hash does not fit")]
    Changed,
    #[error("lines are missing, repeated or moved: expected number {expected}, found {found}")]
    WrongNumber { expected: u64, found: u64 },
    #[error("the line before was changed or exchanged: its hash is not the one named here")]
    WrongPrevious,
    #[error("the last line is not whole")]
    Torn,
}

/// One line as it was read.
pub(crate) struct Read<'a> {
    /// Counted from 1, within the file.
    pub(crate) line_no: u64,
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// Its bytes, without the line break.
    pub(crate) bytes: &'a [u8],
    /// With its line break.
    pub(crate) len: u64,
    pub(crate) line: Result<Line, LineFault>,
}

/// Reads lines to the end, following the chain from `cursor`. After a fault the chain goes on from what the line says of
/// itself, so that one change is reported once and not with every line behind it. Stops when `each` says so.
pub(crate) fn lines(
    mut from: impl BufRead,
    cursor: &mut Cursor,
    mut each: impl FnMut(Read<'_>) -> bool,
) -> io::Result<()> {
    let (mut offset, mut line_no) = (0_u64, 0_u64);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        // A file that is one endless line must not fill the memory.
        let mut limited = (&mut from).take(LINE_LEN_MAX as u64);
        let len = limited.read_until(b'\n', &mut bytes)? as u64;
        if len == 0 {
            return Ok(());
        }
        line_no += 1;
        let whole = bytes.last() == Some(&b'\n');
        let content = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let parsed = Line::parse(content);
        let before = *cursor;
        // Go on from what is there.
        match &parsed {
            Some(line) => *cursor = Cursor { n: line.n, hash: line.hash },
            None if whole => cursor.n += 1,
            None => {}
        }
        let line = match parsed {
            _ if !whole && len < LINE_LEN_MAX as u64 => Err(LineFault::Torn),
            None => Err(LineFault::NotALine),
            Some(line) => check(&line, &before).map(|()| line),
        };
        if !each(Read { line_no, offset, bytes: content, len, line }) {
            return Ok(());
        }
        offset += len;
    }
}

fn check(line: &Line, cursor: &Cursor) -> Result<(), LineFault> {
    if line.hash != line.real_hash {
        return Err(LineFault::Changed);
    }
    let expected = cursor.n + 1;
    if line.n != expected {
        return Err(LineFault::WrongNumber { expected, found: line.n });
    }
    if line.previous != cursor.hash {
        return Err(LineFault::WrongPrevious);
    }
    Ok(())
}

/// A month as it is in the names of files: `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month (UTC) of a moment; what no calendar knows is the epoch's.
    pub(crate) fn of(at: lectern_media::UnixMillis) -> Self {
        let time = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
        Self { year: date.year(), month: date.month() }
    }

    pub(crate) fn file_name(self) -> String {
        format!("audit-{:04}-{:02}.jsonl", self.year, self.month)
    }

    fn parse(name: &str) -> Option<Self> {
        let (year, month) = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?.split_once('-')?;
        let month = Self { year: year.parse().ok()?, month: month.parse().ok()? };
        ((1..=12).contains(&month.month) && month.file_name() == name).then_some(month)
    }
}

/// The months in a directory, oldest first.
pub(crate) fn months(dir: &Path) -> io::Result<Vec<(Month, PathBuf)>> {
    let mut months = Vec::new();
    for file in fs::read_dir(dir)? {
        let file = file?;
        if let Some(month) = file.file_name().to_str().and_then(Month::parse) {
            months.push((month, file.path()));
        }
    }
    months.sort();
    Ok(months)
}
