//! CSV to timetable rows: UTF-8 with or without byte order mark, Chinese or English headers in any order, comma,
//! semicolon or tab. All or nothing: every fault is named by line and column, and nothing is made if there is one.
//!
//! Pure. Does not belong here: which teacher and place the names mean, and who may enter them (the library asks).

pub mod cameras;
mod rows;

use self::rows::{Cells, ColumnWords, Form, YES_NO};
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

const COLUMNS: [ColumnWords<Column>; 13] = [
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

const FORM: Form<Column> = Form { columns: &COLUMNS, rows_max: ROWS_MAX, too_many: "import at most 5000 rows at once" };

/// The template to fill in: a header and two examples, UTF-8 with byte order mark so that Excel reads it as such.
#[must_use]
pub fn template(english: bool) -> String {
    let rows = if english {
        "Fractions I,Maths,Grade 6,zhang.wei,First School,dedicated,2026-09-01,08:30,40,weekly,2027-01-15,no,yes\r\n\
         Physics lecture,Physics,Grade 8,li.ming,First School,famous,2026-09-05,14:00,45,once,,yes,yes\r\n"
    } else {
        "分数乘法（一）,数学,六年级,wang.fang,第一小学,专递课堂,2026-09-01,08:30,40,每周,2027-01-15,否,是\r\n\
         名师讲物理,物理,八年级,li.ming,第一小学,名师课堂,2026-09-05,14:00,45,一次,,是,是\r\n"
    };
    FORM.template(english, rows)
}

/// Reads a file.
///
/// # Errors
/// Every fault, at most [`FAULTS_MAX`], in the order of lines.
pub fn parse(bytes: &[u8], zone: &TimeZone) -> Result<Sheet, Vec<Fault>> {
    let (rows, columns) = FORM.read(bytes, |cells| row(cells, zone))?;
    let name = |column| columns.name(column).to_owned();
    Ok(Sheet { rows, teacher_column: name(Column::Teacher), place_column: name(Column::Place) })
}

fn row(cells: &mut Cells<'_, Column>, zone: &TimeZone) -> Option<Row> {
    let title = cells.text(Column::Title, 200, true);
    let subject = cells.text(Column::Subject, 50, false);
    let grade = cells.text(Column::Grade, 50, false);
    let teacher = cells.text(Column::Teacher, 64, true);
    let place = cells.text(Column::Place, 300, true);
    let mode = cells.word(
        Column::Mode,
        ClassMode::Dedicated,
        &[(&["专递课堂", "dedicated"], ClassMode::Dedicated), (&["名师课堂", "famous"], ClassMode::Famous)],
    );
    let repeat = cells.word(
        Column::Repeat,
        Repeat::Once,
        &[(&["一次", "单次", "once"], Repeat::Once), (&["每周", "weekly"], Repeat::Weekly)],
    );
    let waiting_room = cells.word(Column::WaitingRoom, false, YES_NO);
    let record = cells.word(Column::Record, true, YES_NO);
    let duration_min = cells.number(Column::Minutes, 40, 1..=600);
    let day = date(cells, Column::Date, true);
    let time = time(cells);
    let last = date(cells, Column::Until, false);
    if let (Some(first), Some(last)) = (day, last)
        && last < first
    {
        cells.wrong(Column::Until, FaultCode::EndsBeforeStart, "the last day is before the first");
    }
    let starts = timetable::moment(day?, time?, zone)?;
    let until = match last {
        Some(last) => Some(timetable::moment(last, Time::midnight(), zone)?),
        None => None,
    };
    Some(Row {
        line: cells.line,
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

fn date(cells: &mut Cells<'_, Column>, column: Column, needed: bool) -> Option<Date> {
    let cell = cells.cell(column);
    if cell.is_empty() {
        if needed {
            cells.wrong(column, FaultCode::MissingValue, "this field is needed");
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
        cells.wrong(column, FaultCode::BadDate, "a date such as 2026-09-01");
    }
    date
}

fn time(cells: &mut Cells<'_, Column>) -> Option<Time> {
    let cell = cells.cell(Column::Time);
    if cell.is_empty() {
        cells.wrong(Column::Time, FaultCode::MissingValue, "this field is needed");
        return None;
    }
    let folded = cell.replace('：', ":");
    let mut parts = folded.split(':').map(|part| part.trim().parse::<i8>().ok());
    let time = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Some(hour)), Some(Some(minute)), None | Some(Some(0)), None) => Time::new(hour, minute, 0, 0).ok(),
        _ => None,
    };
    if time.is_none() {
        cells.wrong(Column::Time, FaultCode::BadTime, "a time such as 08:30");
    }
    time
}

#[cfg(test)]
mod tests;
