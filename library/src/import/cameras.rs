//! CSV to cameras of a site, in the form of the timetable's files: UTF-8, Chinese or English headers in any order, all or
//! nothing, every fault named by line and column.
//!
//! Pure. Does not belong here: which place a name means, whether an address may be connected to, sealing passwords.

use super::{FAULTS_MAX, Fault, FaultCode, delimiter, fault, not_utf8};
use lectern_auth::Secret;
use lectern_protocol::api::{CameraGroup, CameraTransport};

/// Cameras of one file.
pub const ROWS_MAX: usize = 2_000;
/// Bytes of one file.
pub const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The bit rate of a main stream where the file says none, in kilobits a second.
pub const KBPS_DEFAULT: u32 = 6_000;

/// A row that was understood.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its line.
    pub line: u32,
    /// Name.
    pub name: String,
    /// Name or path of the place; empty: the place that the file is for.
    pub place: String,
    /// What it watches.
    pub group: CameraGroup,
    /// 20 digits.
    pub code: Option<String>,
    /// Main stream, as typed.
    pub main_url: String,
    /// Substream, as typed.
    pub sub_url: Option<String>,
    /// Transport.
    pub transport: CameraTransport,
    /// User.
    pub username: String,
    /// Password.
    pub password: Option<Secret>,
    /// The most the main stream may send.
    pub kbps_max: u32,
    /// Whether it is recorded.
    pub record: bool,
}

/// The columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Name.
    Name,
    /// Place.
    Place,
    /// Group.
    Group,
    /// Code.
    Code,
    /// Main stream.
    MainUrl,
    /// Substream.
    SubUrl,
    /// Transport.
    Transport,
    /// User.
    Username,
    /// Password.
    Password,
    /// Bit rate.
    KbpsMax,
    /// Recorded.
    Record,
}

type ColumnWords = (Column, &'static str, &'static str, &'static [&'static str], bool);

const COLUMNS: [ColumnWords; 11] = [
    (Column::Name, "名称", "name", &["摄像机", "摄像机名称", "camera"], true),
    (Column::Place, "地点", "place", &["考场", "位置", "room"], false),
    (Column::Group, "类型", "group", &["类别", "type"], false),
    (Column::Code, "编码", "code", &["国标编码", "gb code"], false),
    (Column::MainUrl, "主码流", "main_url", &["主码流地址", "main", "main stream", "url"], true),
    (Column::SubUrl, "子码流", "sub_url", &["子码流地址", "辅码流", "sub", "substream"], false),
    (Column::Transport, "传输", "transport", &["传输方式"], false),
    (Column::Username, "用户名", "username", &["user", "用户"], false),
    (Column::Password, "密码", "password", &["口令"], false),
    (Column::KbpsMax, "码率上限", "kbps_max", &["码率", "kbps"], false),
    (Column::Record, "录像", "record", &["录制"], false),
];

/// The columns of one file, with the names they have in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(Vec<(Column, String)>);

impl Columns {
    /// A fault of a row that was found later.
    #[must_use]
    pub fn fault(&self, line: u32, column: Column, code: FaultCode, detail: &str) -> Fault {
        let name = self.0.iter().find(|(c, _)| *c == column).map(|(_, name)| name.as_str()).unwrap_or_default();
        fault(line, name, code, detail)
    }
}

/// A file that was understood.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// The rows.
    pub rows: Vec<Row>,
    /// Its columns.
    pub columns: Columns,
}

/// The template to fill in: a header and two examples, UTF-8 with byte order mark so that Excel reads it as such.
#[must_use]
pub fn template(english: bool) -> String {
    let header: Vec<&str> = COLUMNS.iter().map(|(_, zh, en, ..)| if english { *en } else { *zh }).collect();
    let rows = if english {
        "Room 1 front,Room 1,exam_room,,rtsp://10.1.1.11:554/main,rtsp://10.1.1.11:554/sub,tcp,admin,,6000,yes\r\n\
         Main gate,,gate,,rtsp://10.1.1.2:554/main,rtsp://10.1.1.2:554/sub,udp,admin,,6000,yes\r\n"
    } else {
        "第一考场前,第一考场,考场,,rtsp://10.1.1.11:554/main,rtsp://10.1.1.11:554/sub,TCP,admin,,6000,是\r\n\
         大门,,大门,,rtsp://10.1.1.2:554/main,rtsp://10.1.1.2:554/sub,UDP,admin,,6000,是\r\n"
    };
    format!("\u{feff}{}\r\n{rows}", header.join(","))
}

/// Reads a file.
///
/// # Errors
/// Every fault, at most [`FAULTS_MAX`], in the order of lines. Passwords are in none.
pub fn parse(bytes: &[u8]) -> Result<Sheet, Vec<Fault>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| vec![not_utf8(bytes, e.valid_up_to())])?;
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
        } else if rows.len() >= ROWS_MAX {
            faults.push(fault(line, "", FaultCode::TooManyRows, "import at most 2000 cameras at once"));
            break;
        } else {
            let mut cells = Cells { line, record: &record, columns: &columns, faults: vec![] };
            match cells.row() {
                Some(row) if cells.faults.is_empty() => rows.push(row),
                _ => faults.append(&mut cells.faults),
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
    if faults.is_empty() { Ok(Sheet { rows, columns }) } else { Err(faults) }
}

fn columns(header: &csv::StringRecord) -> Result<Columns, Vec<Fault>> {
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
    faults.truncate(FAULTS_MAX);
    if faults.is_empty() { Ok(Columns(columns)) } else { Err(faults) }
}

struct Cells<'a> {
    line: u32,
    record: &'a csv::StringRecord,
    columns: &'a Columns,
    faults: Vec<Fault>,
}

impl Cells<'_> {
    fn row(&mut self) -> Option<Row> {
        use CameraGroup::{Corridor, ExamRoom, Gate, Other, SealedRoom};
        let name = self.text(Column::Name, 60, true);
        let place = self.text(Column::Place, 300, false);
        let group = self.word(
            Column::Group,
            ExamRoom,
            &[
                (&["考场", "exam_room", "exam room"], ExamRoom),
                (&["试卷保密室", "保密室", "sealed_room", "sealed room"], SealedRoom),
                (&["大门", "校门", "gate"], Gate),
                (&["走廊", "corridor"], Corridor),
                (&["其他", "other"], Other),
            ],
        );
        let code = self.text(Column::Code, 40, false);
        let main_url = self.text(Column::MainUrl, 500, true);
        let sub_url = self.text(Column::SubUrl, 500, false);
        let transport = self.word(
            Column::Transport,
            CameraTransport::Tcp,
            &[(&["tcp"], CameraTransport::Tcp), (&["udp"], CameraTransport::Udp)],
        );
        let username = self.text(Column::Username, 100, false);
        let password = self.text(Column::Password, 200, false);
        let kbps_max = self.kbps();
        let record = self.word(
            Column::Record,
            true,
            &[(&["是", "yes", "y", "1", "true"], true), (&["否", "no", "n", "0", "false"], false)],
        );
        let filled = |text: String| Some(text).filter(|t| !t.is_empty());
        Some(Row {
            line: self.line,
            name: name?,
            place: place?,
            group: group?,
            code: filled(code?),
            main_url: main_url?,
            sub_url: filled(sub_url?),
            transport: transport?,
            username: username?,
            password: filled(password?).map(Secret::new),
            kbps_max: kbps_max?,
            record: record?,
        })
    }

    fn cell(&self, column: Column) -> &str {
        let at = self.columns.0.iter().position(|(c, _)| *c == column);
        at.and_then(|at| self.record.get(at)).unwrap_or_default()
    }

    fn wrong(&mut self, column: Column, code: FaultCode, detail: &str) {
        let fault = self.columns.fault(self.line, column, code, detail);
        self.faults.push(fault);
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

    fn kbps(&mut self) -> Option<u32> {
        let cell = self.cell(Column::KbpsMax);
        if cell.is_empty() {
            return Some(KBPS_DEFAULT);
        }
        let kbps = cell.parse().ok().filter(|k| (256..=20_000).contains(k));
        if kbps.is_none() {
            self.wrong(Column::KbpsMax, FaultCode::BadNumber, "a whole number from 256 to 20000");
        }
        kbps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for english in [false, true] {
            let sheet = parse(template(english).as_bytes()).unwrap();
            assert_eq!(sheet.rows.len(), 2);
            assert_eq!((sheet.rows[0].group, sheet.rows[1].group), (CameraGroup::ExamRoom, CameraGroup::Gate));
            assert_eq!(sheet.rows[1].transport, CameraTransport::Udp);
            assert!(sheet.rows[0].record && sheet.rows[0].password.is_none() && sheet.rows[0].code.is_none());
        }
    }

    #[test]
    fn faults_name_line_and_column() {
        for (text, line, column, code) in [
            ("", 1, "", FaultCode::Empty),
            ("名称,主码流\n", 2, "", FaultCode::Empty),
            ("名称\n一号\n", 1, "主码流", FaultCode::MissingColumn),
            ("name,main_url,colour\n", 1, "colour", FaultCode::UnknownColumn),
            ("name,name,main_url\n", 1, "name", FaultCode::RepeatedColumn),
            ("名称,主码流\n一号,rtsp://a/b\n,rtsp://a/c\n", 3, "名称", FaultCode::MissingValue),
            ("名称,主码流,类型\n一号,rtsp://a/b,厨房\n", 2, "类型", FaultCode::BadWord),
            ("名称,主码流,码率\n一号,rtsp://a/b,100\n", 2, "码率", FaultCode::BadNumber),
            ("名称,主码流\n一号,rtsp://a/b,x\n", 2, "", FaultCode::BadRow),
        ] {
            let faults = parse(text.as_bytes()).unwrap_err();
            let first = &faults[0];
            assert_eq!((first.line, first.column.as_str(), first.code), (line, column, code), "{text:?}");
        }
        let gbk = b"\xc3\xfb\xb3\xc6,\xd6\xf7\xc2\xeb\xc1\xf7\n";
        assert_eq!(parse(gbk).unwrap_err()[0].code, FaultCode::Gbk);
        let many = format!("name,main_url\n{}", "a,rtsp://a/b\n".repeat(ROWS_MAX + 1));
        assert_eq!(parse(many.as_bytes()).unwrap_err()[0].code, FaultCode::TooManyRows);
    }

    #[test]
    fn passwords_are_not_shown() {
        let sheet = parse("name,main_url,password\na,rtsp://a/b,hunter2hunter2\n".as_bytes()).unwrap();
        assert!(!format!("{sheet:?}").contains("hunter2"));
        let wrong = parse("name,main_url,password,kbps_max\na,rtsp://a/b,hunter2hunter2,x\n".as_bytes()).unwrap_err();
        assert!(!format!("{wrong:?}").contains("hunter2"));
    }
}
