//! CSV to cameras of a site, in the form of the timetable's files: UTF-8, Chinese or English headers in any order, all or
//! nothing, every fault named by line and column.
//!
//! Pure. Does not belong here: which place a name means, whether an address may be connected to, sealing passwords.

pub use super::rows::Columns;
use super::{
    Fault,
    rows::{Cells, ColumnWords, Form, YES_NO},
};
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

const COLUMNS: [ColumnWords<Column>; 11] = [
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

const FORM: Form<Column> =
    Form { columns: &COLUMNS, rows_max: ROWS_MAX, too_many: "import at most 2000 cameras at once" };

/// A file that was understood.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// The rows.
    pub rows: Vec<Row>,
    /// Its columns.
    pub columns: Columns<Column>,
}

/// The template to fill in: a header and two examples, UTF-8 with byte order mark so that Excel reads it as such.
#[must_use]
pub fn template(english: bool) -> String {
    let rows = if english {
        "Room 1 front,Room 1,exam_room,,rtsp://10.1.1.11:554/main,rtsp://10.1.1.11:554/sub,tcp,admin,,6000,yes\r\n\
         Main gate,,gate,,rtsp://10.1.1.2:554/main,rtsp://10.1.1.2:554/sub,udp,admin,,6000,yes\r\n"
    } else {
        "第一考场前,第一考场,考场,,rtsp://10.1.1.11:554/main,rtsp://10.1.1.11:554/sub,TCP,admin,,6000,是\r\n\
         大门,,大门,,rtsp://10.1.1.2:554/main,rtsp://10.1.1.2:554/sub,UDP,admin,,6000,是\r\n"
    };
    FORM.template(english, rows)
}

/// Reads a file.
///
/// # Errors
/// Every fault, at most [`FAULTS_MAX`], in the order of lines. Passwords are in none.
pub fn parse(bytes: &[u8]) -> Result<Sheet, Vec<Fault>> {
    let (rows, columns) = FORM.read(bytes, row)?;
    Ok(Sheet { rows, columns })
}

fn row(cells: &mut Cells<'_, Column>) -> Option<Row> {
    use CameraGroup::{Corridor, ExamRoom, Gate, Other, SealedRoom};
    let name = cells.text(Column::Name, 60, true);
    let place = cells.text(Column::Place, 300, false);
    let group = cells.word(
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
    let code = cells.text(Column::Code, 40, false);
    let main_url = cells.text(Column::MainUrl, 500, true);
    let sub_url = cells.text(Column::SubUrl, 500, false);
    let transport = cells.word(
        Column::Transport,
        CameraTransport::Tcp,
        &[(&["tcp"], CameraTransport::Tcp), (&["udp"], CameraTransport::Udp)],
    );
    let username = cells.text(Column::Username, 100, false);
    let password = cells.text(Column::Password, 200, false);
    let kbps_max = cells.number(Column::KbpsMax, KBPS_DEFAULT, 256..=20_000);
    let record = cells.word(Column::Record, true, YES_NO);
    let filled = |text: String| Some(text).filter(|t| !t.is_empty());
    Some(Row {
        line: cells.line,
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

#[cfg(test)]
mod tests {
    use super::{super::FaultCode, *};

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
