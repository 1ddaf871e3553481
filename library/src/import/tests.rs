use super::*;
use jiff::civil::{date, time};
use proptest::prelude::*;

fn zone() -> TimeZone {
    timetable::zone("Asia/Shanghai").unwrap()
}

fn faults(text: impl AsRef<[u8]>) -> Vec<(u32, String, FaultCode)> {
    let faults = parse(text.as_ref(), &zone()).unwrap_err();
    faults.into_iter().map(|f| (f.line, f.column, f.code)).collect()
}

#[test]
fn the_templates_are_valid_and_say_the_same() {
    for english in [false, true] {
        let sheet = parse(template(english).as_bytes(), &zone()).unwrap();
        assert_eq!(sheet.rows.len(), 2);
        let first = &sheet.rows[0];
        assert_eq!(first.starts, timetable::moment(date(2026, 9, 1), time(8, 30, 0, 0), &zone()).unwrap());
        assert_eq!((first.duration_min, first.repeat, first.mode), (40, Repeat::Weekly, ClassMode::Dedicated));
        assert_eq!(first.until, timetable::moment(date(2027, 1, 15), time(0, 0, 0, 0), &zone()));
        assert!(!first.waiting_room && first.record);
        let second = &sheet.rows[1];
        assert_eq!((second.repeat, second.until, second.mode), (Repeat::Once, None, ClassMode::Famous));
        assert!(second.waiting_room);
    }
}

#[test]
fn files_as_people_make_them() {
    for (what, text) in [
        ("byte order mark, CRLF", "\u{feff}课程,教师,学校,日期,时间\r\n数学,wang,一小,2026-9-1,8:30\r\n"),
        ("no line break at the end", "课程,教师,学校,日期,时间\n数学,wang,一小,2026/09/01,08:30"),
        ("other order, upper case", "Time,Date,School,Teacher,Title\n8:30,2026.9.1,一小,wang,数学"),
        ("semicolons", "title;teacher;school;date;time\n数学;wang;一小;2026年9月1日;8：30"),
        ("tabs", "title\tteacher\tschool\tdate\ttime\n数学\twang\t一小\t2026-09-01\t08:30:00"),
        ("empty lines and spaces", "title,teacher,school,date,time\n\n 数学 , wang,一小 ,2026-09-01, 08:30\n,,,,\n"),
        ("quotes", "title,teacher,school,date,time\n\"数学\",\"wang\",\"一小\",\"2026-09-01\",\"08:30\"\n"),
        ("short line", "title,teacher,school,date,time,record\n数学,wang,一小,2026-09-01,08:30\n"),
    ] {
        let sheet = parse(text.as_bytes(), &zone()).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        assert_eq!(sheet.rows.len(), 1, "{what}");
        let row = &sheet.rows[0];
        assert_eq!((row.title.as_str(), row.teacher.as_str(), row.place.as_str()), ("数学", "wang", "一小"), "{what}");
        assert_eq!(row.starts, timetable::moment(date(2026, 9, 1), time(8, 30, 0, 0), &zone()).unwrap(), "{what}");
        assert!(row.record && row.duration_min == 40, "{what}");
    }
}

#[test]
fn faults_are_named_by_line_and_column() {
    let header = "课程,教师,学校,日期,时间,时长,重复,截止日期,录制";
    for (line, want) in [
        (",wang,一小,2026-09-01,08:30,,,,", vec![("课程", FaultCode::MissingValue)]),
        ("数学,wang,一小,2026-02-30,08:30,,,,", vec![("日期", FaultCode::BadDate)]),
        ("数学,wang,一小,昨天,25:00,,,,", vec![("日期", FaultCode::BadDate), ("时间", FaultCode::BadTime)]),
        ("数学,wang,一小,2026-09-01,08:30,0,,,", vec![("时长", FaultCode::BadNumber)]),
        ("数学,wang,一小,2026-09-01,08:30,四十,,,", vec![("时长", FaultCode::BadNumber)]),
        ("数学,wang,一小,2026-09-01,08:30,,每天,,", vec![("重复", FaultCode::BadWord)]),
        ("数学,wang,一小,2026-09-01,08:30,,每周,2026-08-01,", vec![("截止日期", FaultCode::EndsBeforeStart)]),
        ("数学,wang,一小,2026-09-01,08:30,,,,maybe", vec![("录制", FaultCode::BadWord)]),
        ("数学,wang,一小,2026-09-01,08:30,,,,,extra", vec![("", FaultCode::BadRow)]),
    ] {
        let text = format!("{header}\n数学,wang,一小,2026-09-01,08:30,,,,\n{line}\n");
        let want: Vec<_> = want.into_iter().map(|(column, code)| (3, column.to_owned(), code)).collect();
        assert_eq!(faults(&text), want, "{line}");
        assert_eq!(faults(text.replace('\n', "\r\n")), want, "{line}, CRLF");
        assert_eq!(faults(text.replace('\n', "\r")), want, "{line}, CR");
    }
    let long = format!("{header}\n{},wang,一小,2026-09-01,08:30,,,,", "长".repeat(201));
    assert_eq!(faults(long), [(2, "课程".into(), FaultCode::TooLong)]);
}

#[test]
fn headers_that_are_wrong() {
    let one = |column: &str, code| (1, column.to_owned(), code);
    assert_eq!(faults(""), [one("", FaultCode::Empty)]);
    assert_eq!(faults("课程,教师,学校,日期,时间\n"), [(2, String::new(), FaultCode::Empty)]);
    assert_eq!(faults("课程,教师,学校,日期,时间,天气\n"), [one("天气", FaultCode::UnknownColumn)]);
    assert_eq!(faults("课程,教师,老师,学校,日期,时间\n"), [one("老师", FaultCode::RepeatedColumn)]);
    assert_eq!(faults("课程,教师,学校,日期\n"), [one("时间", FaultCode::MissingColumn)]);
    assert_eq!(faults("title,teacher,school,date\n"), [one("time", FaultCode::MissingColumn)]);
}

#[test]
fn gbk_is_recognised() {
    // 课程,教师 in GBK.
    let gbk = [0xBF, 0xCE, 0xB3, 0xCC, b',', 0xBD, 0xCC, 0xCA, 0xA6, b'\n'];
    assert_eq!(faults(gbk), [(1, String::new(), FaultCode::Gbk)]);
    assert_eq!(faults([b"title\n".as_slice(), &gbk].concat()), [(2, String::new(), FaultCode::Gbk)]);
    assert_eq!(faults([0xFF, 0xFE, b'a', 0]), [(1, String::new(), FaultCode::NotUtf8)]);
}

#[test]
fn sizes_are_bounded() {
    let header = "课程,教师,学校,日期,时间\n";
    let good = "数学,wang,一小,2026-09-01,08:30\n";
    assert_eq!(parse(format!("{header}{}", good.repeat(ROWS_MAX)).as_bytes(), &zone()).unwrap().rows.len(), ROWS_MAX);
    let last = faults(format!("{header}{}", good.repeat(ROWS_MAX + 1)));
    assert_eq!(last, [(ROWS_MAX as u32 + 2, String::new(), FaultCode::TooManyRows)]);
    assert_eq!(faults(format!("{header}{}", ",,,,x\n".repeat(10_000))).len(), FAULTS_MAX);
}

proptest! {
    #[test]
    fn no_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes, &zone());
    }

    #[test]
    fn no_row_panics(cells in proptest::collection::vec("\\PC{0,12}", 5)) {
        let _ = parse(format!("课程,教师,学校,日期,时间\n{}\n", cells.join(",")).as_bytes(), &zone());
    }
}
