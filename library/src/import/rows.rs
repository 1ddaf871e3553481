//! Reading a sheet line by line, whatever its columns are: encoding, separator, header, and the fields of a line with what is
//! wrong with them.
//!
//! Does not belong here: which columns there are, and what a row is.

use super::{FAULTS_MAX, Fault, FaultCode};
use std::ops::RangeInclusive;

/// Column, Chinese header, English header, further headers that are understood, needed.
pub(super) type ColumnWords<C> = (C, &'static str, &'static str, &'static [&'static str], bool);

/// A form of sheet.
pub(super) struct Form<C: 'static> {
    /// Its columns.
    pub(super) columns: &'static [ColumnWords<C>],
    /// The most rows.
    pub(super) rows_max: usize,
    /// What is said when there are more.
    pub(super) too_many: &'static str,
}

/// The columns of one file, with the names they have in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns<C>(Vec<(C, String)>);

impl<C: Copy + PartialEq> Columns<C> {
    /// The column's name as the file writes it; empty if the file lacks it.
    #[must_use]
    pub fn name(&self, column: C) -> &str {
        self.0.iter().find(|(c, _)| *c == column).map(|(_, name)| name.as_str()).unwrap_or_default()
    }

    /// A fault of a row that was found later.
    #[must_use]
    pub fn fault(&self, line: u32, column: C, code: FaultCode, detail: &str) -> Fault {
        fault(line, self.name(column), code, detail)
    }
}

impl<C: Copy + PartialEq> Form<C> {
    /// The header of the template to fill in, behind a byte order mark so that Excel reads it as UTF-8.
    pub(super) fn template(&self, english: bool, rows: &str) -> String {
        let header: Vec<&str> = self.columns.iter().map(|(_, zh, en, ..)| if english { *en } else { *zh }).collect();
        format!("\u{feff}{}\r\n{rows}", header.join(","))
    }

    /// Reads a file; `row` makes a row of a line, or says in [`Cells`] what is wrong with it.
    ///
    /// # Errors
    /// Every fault, at most [`FAULTS_MAX`], in the order of lines. What stands in a field is in none of them.
    pub(super) fn read<R>(
        &self,
        bytes: &[u8],
        mut row: impl FnMut(&mut Cells<'_, C>) -> Option<R>,
    ) -> Result<(Vec<R>, Columns<C>), Vec<Fault>> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|e| vec![not_utf8(bytes, e.valid_up_to())])?;
        // The reader counts lines by `\n` and sees that of a `\r\n` only with the next line.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter(&text))
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut records = reader.records();
        let Some(Ok(header)) = records.next() else {
            return Err(vec![fault(1, "", FaultCode::Empty, "the file has no header")]);
        };
        let columns = self.header(&header)?;
        let (mut rows, mut faults) = (Vec::new(), Vec::new());
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(e) => {
                    let line = e.position().map_or(0, |p| p.line() as u32);
                    faults.push(fault(line, "", FaultCode::BadRow, "the line is not understood"));
                    continue;
                }
            };
            if record.iter().all(str::is_empty) {
                continue;
            }
            let line = record.position().map_or(0, |p| p.line() as u32);
            if record.len() > columns.0.len() {
                faults.push(fault(line, "", FaultCode::BadRow, "the line has more fields than the header"));
            } else if rows.len() >= self.rows_max {
                faults.push(fault(line, "", FaultCode::TooManyRows, self.too_many));
                break;
            } else {
                let mut cells = Cells { line, record: &record, columns: &columns, faults: vec![] };
                match (row(&mut cells), cells.faults.is_empty()) {
                    (Some(row), true) => rows.push(row),
                    (None, true) => faults.push(fault(line, "", FaultCode::BadRow, "the line is not understood")),
                    (_, false) => faults.append(&mut cells.faults),
                }
            }
            if faults.len() >= FAULTS_MAX {
                break;
            }
        }
        if rows.is_empty() && faults.is_empty() {
            faults.push(fault(2, "", FaultCode::Empty, "there is no line below the header"));
        }
        faults.truncate(FAULTS_MAX);
        if faults.is_empty() { Ok((rows, columns)) } else { Err(faults) }
    }

    fn header(&self, header: &csv::StringRecord) -> Result<Columns<C>, Vec<Fault>> {
        let mut columns: Vec<(C, String)> = Vec::new();
        let mut faults = Vec::new();
        for name in header {
            let folded = name.to_lowercase();
            let is = |zh: &str, en: &str, more: &[&str]| [zh, en].contains(&&*folded) || more.contains(&&*folded);
            match self.columns.iter().find(|(_, zh, en, more, _)| is(zh, en, more)) {
                None => faults.push(fault(1, name, FaultCode::UnknownColumn, "no column has this name")),
                Some((column, ..)) if columns.iter().any(|(c, _)| c == column) => {
                    faults.push(fault(1, name, FaultCode::RepeatedColumn, "the column stands there twice"));
                }
                Some((column, ..)) => columns.push((*column, name.to_owned())),
            }
        }
        let chinese = header.iter().any(|name| !name.is_ascii());
        for (column, zh, en, _, needed) in self.columns {
            if *needed && !columns.iter().any(|(c, _)| c == column) {
                let name = if chinese { zh } else { en };
                faults.push(fault(1, name, FaultCode::MissingColumn, "the column is needed"));
            }
        }
        faults.truncate(FAULTS_MAX);
        if faults.is_empty() { Ok(Columns(columns)) } else { Err(faults) }
    }
}

/// The fields of one line, and what is wrong with them.
pub(super) struct Cells<'a, C> {
    pub(super) line: u32,
    record: &'a csv::StringRecord,
    columns: &'a Columns<C>,
    faults: Vec<Fault>,
}

/// Words for yes and no.
pub(super) const YES_NO: &[(&[&str], bool)] =
    &[(&["是", "yes", "y", "1", "true"], true), (&["否", "no", "n", "0", "false"], false)];

impl<'a, C: Copy + PartialEq> Cells<'a, C> {
    /// The field, empty if the line or the file lacks it.
    pub(super) fn cell(&self, column: C) -> &'a str {
        let at = self.columns.0.iter().position(|(c, _)| *c == column);
        at.and_then(|at| self.record.get(at)).unwrap_or_default()
    }

    pub(super) fn wrong(&mut self, column: C, code: FaultCode, detail: &str) {
        self.faults.push(self.columns.fault(self.line, column, code, detail));
    }

    pub(super) fn text(&mut self, column: C, chars_max: usize, needed: bool) -> Option<String> {
        let text = self.cell(column).to_owned();
        if text.is_empty() && needed {
            self.wrong(column, FaultCode::MissingValue, "this field is needed");
            return None;
        }
        if text.chars().count() > chars_max {
            self.wrong(column, FaultCode::TooLong, &format!("at most {chars_max} characters"));
            return None;
        }
        Some(text)
    }

    pub(super) fn word<T: Copy>(&mut self, column: C, absent: T, words: &[(&[&str], T)]) -> Option<T> {
        let cell = self.cell(column).to_lowercase();
        if cell.is_empty() {
            return Some(absent);
        }
        let found = words.iter().find(|(names, _)| names.contains(&cell.as_str())).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<&str> = words.iter().flat_map(|(names, _)| names.iter().copied()).collect();
            self.wrong(column, FaultCode::BadWord, &format!("write one of: {}", all.join(", ")));
        }
        found
    }

    pub(super) fn number(&mut self, column: C, absent: u32, range: RangeInclusive<u32>) -> Option<u32> {
        let cell = self.cell(column);
        if cell.is_empty() {
            return Some(absent);
        }
        let number = cell.parse().ok().filter(|n| range.contains(n));
        if number.is_none() {
            let detail = format!("a whole number from {} to {}", range.start(), range.end());
            self.wrong(column, FaultCode::BadNumber, &detail);
        }
        number
    }
}

pub(super) fn fault(line: u32, column: &str, code: FaultCode, detail: &str) -> Fault {
    Fault { line, column: column.to_owned(), code, detail: detail.to_owned() }
}

/// Excel separates by semicolon in some languages, and by tab when told to write "Unicode text".
fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let count = |c: char| header.matches(c).count();
    [b'\t', b';'].into_iter().find(|d| count(char::from(*d)) > count(',')).unwrap_or(b',')
}

/// Whether what is not UTF-8 looks like GBK: pairs of a lead byte 0x81–0xFE and a trail byte 0x40–0xFE, nothing else
/// above ASCII.
fn not_utf8(bytes: &[u8], valid_up_to: usize) -> Fault {
    let line = bytes[..valid_up_to].iter().filter(|b| **b == b'\n').count() as u32 + 1;
    let mut rest = bytes;
    let mut pairs = 0;
    let gbk = loop {
        match rest {
            [] => break pairs > 0,
            [ascii, tail @ ..] if ascii.is_ascii() => rest = tail,
            [0x81..=0xfe, 0x40..=0x7e | 0x80..=0xfe, tail @ ..] => {
                pairs += 1;
                rest = tail;
            }
            _ => break false,
        }
    };
    if gbk {
        fault(line, "", FaultCode::Gbk, "the file is written in GBK: save it as \"CSV UTF-8\" and import that")
    } else {
        fault(line, "", FaultCode::NotUtf8, "the file is not UTF-8 text")
    }
}
