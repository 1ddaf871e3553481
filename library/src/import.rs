//! CSV to timetable rows: UTF-8 with or without byte order mark, Chinese or English headers in any order, comma,
//! semicolon or tab. All or nothing: every fault is named by line and column, and nothing is made if there is one.
//!
//! Pure. Does not belong here: which teacher and place the names mean, and who may enter them (the library asks).

pub mod cameras;

use crate::timetable;
use jiff::{
    civil::{Date, Time},
    tz::TimeZone,
};
use lectern_media::UnixMillis;
use lectern_protocol::api::{ClassMode, Repeat};

/// Rows of one file.
pub const ROWS_MAX: usize = 5_000;
/// Bytes of one file.
pub const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Faults that are listed; the rest is left out.
pub const FAULTS_MAX: usize = 200;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What can be wrong with a file. Stable; the client has words for each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FaultCode { $($(#[$doc])* $name,)* }

        impl FaultCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it stands in the answer.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

faults! {
    /// Not UTF-8, and it looks like GBK: Excel's "CSV" instead of "CSV UTF-8".
    Gbk = "csv_gbk";
    /// Not UTF-8.
    NotUtf8 = "csv_not_utf8";
    /// No line below the header.
    Empty = "csv_empty";
    /// More than [`ROWS_MAX`] rows.
    TooManyRows = "csv_too_many_rows";
    /// The header names a column that is not known.
    UnknownColumn = "csv_unknown_column";
    /// The header names a column twice.
    RepeatedColumn = "csv_repeated_column";
    /// The header lacks a column that is needed.
    MissingColumn = "csv_missing_column";
    /// A row has more fields than the header, or its quotes don't close.
    BadRow = "csv_bad_row";
    /// A field that is needed is empty.
    MissingValue = "csv_missing_value";
    /// A text is too long.
    TooLong = "csv_too_long";
    /// Not a date such as 2026-09-01 or 2026/9/1.
    BadDate = "csv_bad_date";
    /// Not a time such as 08:30.
    BadTime = "csv_bad_time";
    /// Not a whole number in the range.
    BadNumber = "csv_bad_number";
    /// Not one of the words that stand here.
    BadWord = "csv_bad_word";
    /// The last day is before the first.
    EndsBeforeStart = "csv_ends_before_start";
    /// No account has this log-in name, or it is not yours to see.
    UnknownTeacher = "csv_unknown_teacher";
    /// No place has this name, or it is not yours to see.
    UnknownPlace = "csv_unknown_place";
    /// Several places have this name: write the path, such as 成都/第一小学.
    AmbiguousPlace = "csv_ambiguous_place";
    /// You may not enter a class of this teacher at this place.
    NotAllowed = "csv_not_allowed";
    /// Not an address of a camera, or one that is not taken.
    BadAddress = "csv_bad_address";
    /// Not the 20 digits of a camera's code.
    BadCameraCode = "csv_bad_camera_code";
    /// Another camera at the place has this name.
    CameraNameTaken = "csv_camera_name_taken";
    /// Another camera has this code.
    CameraCodeTaken = "csv_camera_code_taken";
}

/// One fault of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, the header is 1.
    pub line: u32,
    /// The column's name as the file writes it; empty if the whole line is meant.
    pub column: String,
    /// What.
    pub code: FaultCode,
    /// English detail.
    pub detail: String,
}

/// A row that was understood. Names are not resolved yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its line.
    pub line: u32,
    /// Title.
    pub title: String,
    /// Subject, may be empty.
    pub subject: String,
    /// Grade, may be empty.
    pub grade: String,
    /// Log-in name of the teacher.
    pub teacher: String,
    /// Name or path of the place.
    pub place: String,
    /// How it is taught.
    pub mode: ClassMode,
    /// First start.
    pub starts: UnixMillis,
    /// Length in minutes.
    pub duration_min: u32,
    /// How often.
    pub repeat: Repeat,
    /// A moment on the last day.
    pub until: Option<UnixMillis>,
    /// Waiting room.
    pub waiting_room: bool,
    /// Record.
    pub record: bool,
}

/// A file that was understood, with the names its columns have in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// The rows.
    pub rows: Vec<Row>,
    /// The teacher column's name, for faults found later.
    pub teacher_column: String,
    /// The place column's name.
    pub place_column: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Title,
    Subject,
    Grade,
    Teacher,
    Place,
    Mode,
    Date,
    Time,
    Minutes,
    Repeat,
    Until,
    WaitingRoom,
    Record,
}

/// Column, Chinese header, English header, further headers that are understood, needed.
type ColumnWords = (Column, &'static str, &'static str, &'static [&'static str], bool);

const COLUMNS: [ColumnWords; 13] = [
    (Column::Title, "课程名称", "title", &["课程", "名称", "标题", "课题"], true),
    (Column::Subject, "学科", "subject", &["科目"], false),
    (Column::Grade, "年级", "grade", &[], false),
    (Column::Teacher, "教师登录名", "teacher", &["教师", "主讲教师", "老师", "teacher login"], true),
    (Column::Place, "学校", "school", &["学校或班级", "地点", "place"], true),
    (Column::Mode, "授课方式", "mode", &["方式"], false),
    (Column::Date, "日期", "date", &["开始日期"], true),
    (Column::Time, "时间", "time", &["开始时间", "start"], true),
    (Column::Minutes, "时长（分钟）", "minutes", &["时长", "时长(分钟)", "分钟", "duration"], false),
    (Column::Repeat, "重复", "repeat", &[], false),
    (Column::Until, "截止日期", "until", &["结束日期"], false),
    (Column::WaitingRoom, "等候室", "waiting room", &["候课室", "waiting_room"], false),
    (Column::Record, "录制", "record", &["录像"], false),
];

/// The template to fill in: a header and two examples, UTF-8 with byte order mark so that Excel reads it as such.
#[must_use]
pub fn template(english: bool) -> String {
    let header: Vec<&str> = COLUMNS.iter().map(|(_, zh, en, ..)| if english { *en } else { *zh }).collect();
    let rows = if english {
        "Fractions I,Maths,Grade 6,zhang.wei,First School,dedicated,2026-09-01,08:30,40,weekly,2027-01-15,no,yes\r\n\
         Physics lecture,Physics,Grade 8,li.ming,First School,famous,2026-09-05,14:00,45,once,,yes,yes\r\n"
    } else {
        "分数乘法（一）,数学,六年级,wang.fang,第一小学,专递课堂,2026-09-01,08:30,40,每周,2027-01-15,否,是\r\n\
         名师讲物理,物理,八年级,li.ming,第一小学,名师课堂,2026-09-05,14:00,45,一次,,是,是\r\n"
    };
    format!("\u{feff}{}\r\n{rows}", header.join(","))
}

/// Reads a file.
///
/// # Errors
/// Every fault, at most [`FAULTS_MAX`], in the order of lines.
pub fn parse(bytes: &[u8], zone: &TimeZone) -> Result<Sheet, Vec<Fault>> {
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
    let columns = columns(&header)?;
    let mut faults = Vec::new();
    let mut rows = Vec::new();
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                let line = e.position().map_or(0, |p| p.line() as u32);
                faults.push(fault(line, "", FaultCode::BadRow, &e.to_string()));
                continue;
            }
        };
        if record.iter().all(str::is_empty) {
            continue;
        }
        let line = record.position().map_or(0, |p| p.line() as u32);
        if record.len() > columns.len() {
            faults.push(fault(line, "", FaultCode::BadRow, "the line has more fields than the header"));
            continue;
        }
        if rows.len() >= ROWS_MAX {
            faults.push(fault(line, "", FaultCode::TooManyRows, "import at most 5000 rows at once"));
            break;
        }
        let mut cells = Cells { line, record: &record, columns: &columns, faults: vec![] };
        let row = cells.row(zone);
        match (row, cells.faults.is_empty()) {
            (Some(row), true) => rows.push(row),
            (_, true) => faults.push(fault(line, "", FaultCode::BadRow, "the line is not understood")),
            (_, false) => faults.append(&mut cells.faults),
        }
        if faults.len() >= FAULTS_MAX {
            break;
        }
    }
    if rows.is_empty() && faults.is_empty() {
        faults.push(fault(2, "", FaultCode::Empty, "there is no line below the header"));
    }
    faults.truncate(FAULTS_MAX);
    let name = |wanted| columns.iter().find(|(c, _)| *c == wanted).map(|(_, name)| name.clone()).unwrap_or_default();
    if faults.is_empty() {
        Ok(Sheet { rows, teacher_column: name(Column::Teacher), place_column: name(Column::Place) })
    } else {
        Err(faults)
    }
}

fn fault(line: u32, column: &str, code: FaultCode, detail: &str) -> Fault {
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

fn columns(header: &csv::StringRecord) -> Result<Vec<(Column, String)>, Vec<Fault>> {
    let mut columns: Vec<(Column, String)> = Vec::new();
    let mut faults = Vec::new();
    for name in header {
        let folded = name.to_lowercase();
        let known = COLUMNS
            .iter()
            .find(|(_, zh, en, more, _)| [*zh, *en].contains(&folded.as_str()) || more.contains(&folded.as_str()));
        match known {
            None => faults.push(fault(1, name, FaultCode::UnknownColumn, "no column has this name")),
            Some((column, ..)) if columns.iter().any(|(c, _)| c == column) => {
                faults.push(fault(1, name, FaultCode::RepeatedColumn, "the column stands there twice"));
            }
            Some((column, ..)) => columns.push((*column, name.to_owned())),
        }
    }
    let chinese = header.iter().any(|name| !name.is_ascii());
    for (column, zh, en, _, needed) in &COLUMNS {
        if *needed && !columns.iter().any(|(c, _)| c == column) {
            let name = if chinese { zh } else { en };
            faults.push(fault(1, name, FaultCode::MissingColumn, "the column is needed"));
        }
    }
    if faults.is_empty() { Ok(columns) } else { Err(faults) }
}

/// The fields of one line, and what is wrong with them.
struct Cells<'a> {
    line: u32,
    record: &'a csv::StringRecord,
    columns: &'a [(Column, String)],
    faults: Vec<Fault>,
}

impl Cells<'_> {
    fn row(&mut self, zone: &TimeZone) -> Option<Row> {
        let title = self.text(Column::Title, 200, true);
        let subject = self.text(Column::Subject, 50, false);
        let grade = self.text(Column::Grade, 50, false);
        let teacher = self.text(Column::Teacher, 64, true);
        let place = self.text(Column::Place, 300, true);
        let mode = self.word(
            Column::Mode,
            ClassMode::Dedicated,
            &[(&["专递课堂", "dedicated"], ClassMode::Dedicated), (&["名师课堂", "famous"], ClassMode::Famous)],
        );
        let repeat = self.word(
            Column::Repeat,
            Repeat::Once,
            &[(&["一次", "单次", "once"], Repeat::Once), (&["每周", "weekly"], Repeat::Weekly)],
        );
        let yes_no: &[(&[&str], bool)] =
            &[(&["是", "yes", "y", "1", "true"], true), (&["否", "no", "n", "0", "false"], false)];
        let waiting_room = self.word(Column::WaitingRoom, false, yes_no);
        let record = self.word(Column::Record, true, yes_no);
        let duration_min = self.minutes();
        let day = self.date(Column::Date, true);
        let time = self.time();
        let last = self.date(Column::Until, false);
        if let (Some(first), Some(last)) = (day, last)
            && last < first
        {
            self.wrong(Column::Until, FaultCode::EndsBeforeStart, "the last day is before the first");
        }
        let starts = timetable::moment(day?, time?, zone)?;
        let until = match last {
            Some(last) => Some(timetable::moment(last, Time::midnight(), zone)?),
            None => None,
        };
        Some(Row {
            line: self.line,
            title: title?,
            subject: subject?,
            grade: grade?,
            teacher: teacher?,
            place: place?,
            mode: mode?,
            starts,
            duration_min: duration_min?,
            repeat: repeat?,
            until,
            waiting_room: waiting_room?,
            record: record?,
        })
    }

    /// The field, empty if the line or the file lacks it.
    fn cell(&self, column: Column) -> &str {
        let at = self.columns.iter().position(|(c, _)| *c == column);
        at.and_then(|at| self.record.get(at)).unwrap_or_default()
    }

    fn wrong(&mut self, column: Column, code: FaultCode, detail: &str) {
        let name = self.columns.iter().find(|(c, _)| *c == column).map(|(_, name)| name.as_str()).unwrap_or_default();
        self.faults.push(fault(self.line, name, code, detail));
    }

    fn text(&mut self, column: Column, chars_max: usize, needed: bool) -> Option<String> {
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

    fn word<T: Copy>(&mut self, column: Column, absent: T, words: &[(&[&str], T)]) -> Option<T> {
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

    fn minutes(&mut self) -> Option<u32> {
        let cell = self.cell(Column::Minutes);
        if cell.is_empty() {
            return Some(40);
        }
        let minutes = cell.parse().ok().filter(|m| (1..=600).contains(m));
        if minutes.is_none() {
            self.wrong(Column::Minutes, FaultCode::BadNumber, "a whole number from 1 to 600");
        }
        minutes
    }

    fn date(&mut self, column: Column, needed: bool) -> Option<Date> {
        let cell = self.cell(column);
        if cell.is_empty() {
            if needed {
                self.wrong(column, FaultCode::MissingValue, "this field is needed");
            }
            return None;
        }
        let folded = cell.replace(['/', '.', '年', '月'], "-").replace('日', "");
        let mut parts = folded.split('-').map(|part| part.trim().parse::<i16>().ok());
        let date = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(year @ 1970..=2200)), Some(Some(month)), Some(Some(day)), None) => {
                Date::new(year, i8::try_from(month).unwrap_or(0), i8::try_from(day).unwrap_or(0)).ok()
            }
            _ => None,
        };
        if date.is_none() {
            self.wrong(column, FaultCode::BadDate, "a date such as 2026-09-01");
        }
        date
    }

    fn time(&mut self) -> Option<Time> {
        let cell = self.cell(Column::Time);
        if cell.is_empty() {
            self.wrong(Column::Time, FaultCode::MissingValue, "this field is needed");
            return None;
        }
        let folded = cell.replace('：', ":");
        let mut parts = folded.split(':').map(|part| part.trim().parse::<i8>().ok());
        let time = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(hour)), Some(Some(minute)), None | Some(Some(0)), None) => Time::new(hour, minute, 0, 0).ok(),
            _ => None,
        };
        if time.is_none() {
            self.wrong(Column::Time, FaultCode::BadTime, "a time such as 08:30");
        }
        time
    }
}

#[cfg(test)]
mod tests;
