//! Where to look: for each stretch of about 64 KiB of a month's file its first number and its earliest and latest moment.
//! A year of a million entries is some five thousand stretches, so all of it stays in memory.

use crate::{
    chain::Head,
    entry::{LINE_LEN_MAX, number_and_time},
    scan::Month,
};
use lectern_media::UnixMillis;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    sync::Arc,
};

/// A stretch is closed once it has this many bytes.
const BLOCK_BYTES: u64 = 64 * 1024;
/// Months whose index is kept; the oldest go first and are read again when asked for.
const MONTHS_KEPT: usize = 36;

/// Whole lines beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) first_n: u64,
    pub(crate) earliest: UnixMillis,
    pub(crate) latest: UnixMillis,
}

/// The stretches of one file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MonthIndex(Vec<Block>);

impl MonthIndex {
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.0
    }

    /// Takes the next line of the file in.
    pub(crate) fn push(&mut self, offset: u64, len: u64, n: u64, at: UnixMillis) {
        match self.0.last_mut() {
            Some(block) if block.len < BLOCK_BYTES => {
                block.len += len;
                block.earliest = block.earliest.min(at);
                block.latest = block.latest.max(at);
            }
            _ => self.0.push(Block { offset, len, first_n: n, earliest: at, latest: at }),
        }
    }

    /// Reads a whole file. Lines that are none are in the stretch of those before them.
    fn read(path: &Path) -> io::Result<Self> {
        let mut index = Self::default();
        let mut from = BufReader::with_capacity(256 * 1024, File::open(path)?);
        let (mut line, mut offset) = (Vec::new(), 0);
        loop {
            line.clear();
            let len = (&mut from).take(LINE_LEN_MAX as u64).read_until(b'\n', &mut line)? as u64;
            if len == 0 {
                return Ok(index);
            }
            // Whether the chain is whole is for `verify` to say.
            let last = index.0.last();
            let before = || last.map_or((1, UnixMillis(0)), |block| (block.first_n, block.latest));
            let (n, at) = number_and_time(&line).unwrap_or_else(before);
            index.push(offset, len, n, at);
            offset += len;
        }
    }
}

/// What the writer and the readers share.
#[derive(Default)]
pub(crate) struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    head: Head,
    /// The month that is written, with its index.
    current: Option<(Month, MonthIndex)>,
    closed: BTreeMap<Month, Arc<MonthIndex>>,
}

impl Shared {
    pub(crate) fn head(&self) -> Head {
        self.0.lock().head
    }

    pub(crate) fn set_head(&self, head: Head) {
        self.0.lock().head = head;
    }

    /// Begins a month, or takes it up with what was read of it.
    pub(crate) fn begin(&self, month: Month, index: MonthIndex) {
        let mut state = self.0.lock();
        if let Some((before, index)) = state.current.replace((month, index)) {
            state.closed.insert(before, Arc::new(index));
        }
    }

    /// Takes durable lines in, (offset, length, number, moment) each, and the new head.
    pub(crate) fn written(&self, lines: &[(u64, u64, u64, UnixMillis)], head: Head) {
        let mut state = self.0.lock();
        if let Some((_, index)) = &mut state.current {
            lines.iter().for_each(|(offset, len, n, at)| index.push(*offset, *len, *n, *at));
        }
        state.head = head;
    }

    /// The index of a month.
    pub(crate) fn month(&self, month: Month, path: &Path) -> io::Result<Arc<MonthIndex>> {
        {
            let state = self.0.lock();
            match &state.current {
                Some((current, index)) if *current == month => return Ok(Arc::new(index.clone())),
                _ => {}
            }
            if let Some(index) = state.closed.get(&month) {
                return Ok(Arc::clone(index));
            }
        }
        let index = Arc::new(MonthIndex::read(path)?);
        let mut state = self.0.lock();
        state.closed.insert(month, Arc::clone(&index));
        while state.closed.len() > MONTHS_KEPT {
            state.closed.pop_first();
        }
        Ok(index)
    }
}
