//! Lessons of a day, and who attended.

use super::{
    classes::Names,
    params::{Id, Params},
};
use crate::{
    app::App,
    error::{ApiError, ApiResult},
    extract::Caller,
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::{Timestamp, civil::Date};
use lectern_auth::{Action, PlaceTree};
use lectern_library::{AttendanceRow, Class, Lesson, timetable};
use lectern_media::{LessonId, UnixMillis};
use lectern_protocol::{api, ws::RoomRole};
use serde::Deserialize;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Get, "/api/v1/lessons", Right::SignedIn, "The lessons of a day that the caller may see", || {
        get(of_day)
    })
    .gives_list::<api::LessonItem>(),
    Route::new(Verb::Get, "/api/v1/lessons/{id}", Right::May(Action::ViewClass), "One lesson", || get(one))
        .gives::<api::LessonItem>(),
    Route::new(
        Verb::Get,
        "/api/v1/lessons/{id}/attendance",
        Right::May(Action::ViewAttendance),
        "Who attended, from when to when",
        || get(attendance),
    )
    .gives_list::<api::Attendance>(),
    Route::new(
        Verb::Get,
        "/api/v1/lessons/{id}/attendance.csv",
        Right::May(Action::ViewAttendance),
        "Who attended, as a table for Excel",
        || get(attendance_csv),
    ),
];

#[derive(Debug, Deserialize)]
struct DayQuery {
    /// `2026-09-01`; today if it is absent.
    day: Option<String>,
}

async fn of_day(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<DayQuery>,
) -> ApiResult<Json<Vec<api::LessonItem>>> {
    let day = match query.day {
        None => timetable::day_of(UnixMillis::now(), app.library.zone()),
        Some(day) => day.parse::<Date>().map_err(|_| ApiError::field("day", "a day such as 2026-09-01"))?,
    };
    let mut names = Names::new(&app);
    let mut items = Vec::new();
    for (class, lesson) in app.library.lessons_of_day(day, &caller.rights).await? {
        items.push(item(&app, &mut names, &caller, class, lesson).await?);
    }
    Ok(Json(items))
}

async fn item(
    app: &App,
    names: &mut Names<'_>,
    caller: &Caller,
    class: Class,
    lesson: Lesson,
) -> ApiResult<api::LessonItem> {
    let tree: &PlaceTree = &caller.tree;
    let recording = match lesson.recording {
        // A deleted recording is no longer offered.
        Some(id) => app.library.recording(id, Action::WatchRecording, &caller.rights).await?.map(|r| r.id),
        None => None,
    };
    let now = UnixMillis::now();
    let mine = class.entry.teacher == caller.account;
    // Only while the class has nothing else on: a join link leads to what comes next.
    let again = mine
        && app.library.again(&class, &lesson, now).is_some()
        && app.library.current_lesson(&class, now).await?.id == lesson.id;
    Ok(api::LessonItem {
        id: lesson.id,
        class: class.id,
        code: class.code,
        teacher: names.of(class.entry.teacher).await?,
        school: tree.school_name(class.entry.place).unwrap_or_default().to_owned(),
        starts: lesson.starts,
        duration_min: class.entry.duration_min,
        state: lesson.state,
        mine,
        again,
        recording,
        participants: app.rooms.present(class.room),
        title: class.entry.title,
        subject: class.entry.subject,
        grade: class.entry.grade,
    })
}

/// A lesson with its class, if the caller may do `action` to it: 404 if it may not be seen, 403 if only the right is
/// missing.
async fn lesson(app: &App, caller: &Caller, id: LessonId, action: Action) -> ApiResult<(Class, Lesson)> {
    let store = app.library.store();
    let found = match app.library.lesson(id).await? {
        Some(lesson) => store.class(lesson.class).await?.map(|class| (class, lesson)),
        None => None,
    };
    let found = found.filter(|(class, _)| caller.may(Action::ViewClass, class));
    let (class, lesson) = found.ok_or_else(|| ApiError::not_found("lesson"))?;
    caller.require(action, &class)?;
    Ok((class, lesson))
}

async fn one(State(app): State<App>, caller: Caller, Id(id): Id<LessonId>) -> ApiResult<Json<api::LessonItem>> {
    let (class, lesson) = lesson(&app, &caller, id, Action::ViewClass).await?;
    Ok(Json(item(&app, &mut Names::new(&app), &caller, class, lesson).await?))
}

async fn attendance(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<LessonId>,
) -> ApiResult<Json<Vec<api::Attendance>>> {
    lesson(&app, &caller, id, Action::ViewAttendance).await?;
    let rows = app.library.store().attendance(id).await?;
    let rows = rows.into_iter().map(|row| api::Attendance {
        participant: row.participant,
        name: row.name.0,
        role: row.role,
        from: row.from,
        to: row.to,
    });
    Ok(Json(rows.collect()))
}

#[derive(Debug, Deserialize)]
struct CsvQuery {
    #[serde(default)]
    lang: String,
}

async fn attendance_csv(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<LessonId>,
    Params(query): Params<CsvQuery>,
) -> ApiResult<Response> {
    lesson(&app, &caller, id, Action::ViewAttendance).await?;
    let rows = app.library.store().attendance(id).await?;
    let csv = table(&rows, query.lang.starts_with("en"), &|at| {
        let local = Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(app.library.zone().clone());
        local.strftime("%Y-%m-%d %H:%M:%S").to_string()
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"attendance-{id}.csv\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, csv).into_response())
}

/// The table with a byte order mark, so that Excel reads it as UTF-8.
fn table(rows: &[AttendanceRow], english: bool, time: &dyn Fn(UnixMillis) -> String) -> String {
    let header = if english { "name,role,from,to,minutes" } else { "姓名,身份,进入,离开,分钟" };
    let mut text = format!("\u{feff}{header}\r\n");
    for row in rows {
        let role = match (row.role, english) {
            (RoomRole::Teacher, true) => "teacher",
            (RoomRole::Student, true) => "student",
            (RoomRole::Classroom, true) => "classroom",
            (RoomRole::Viewer, true) => "viewer",
            (RoomRole::Teacher, false) => "教师",
            (RoomRole::Student, false) => "学生",
            (RoomRole::Classroom, false) => "听讲教室",
            (RoomRole::Viewer, false) => "观看者",
        };
        let minutes = row.to.map(|to| (to.since(row.from).as_secs_f64() / 60.0).round().to_string());
        let cells = [
            cell(&row.name.0),
            role.to_owned(),
            time(row.from),
            row.to.map(time).unwrap_or_default(),
            minutes.unwrap_or_default(),
        ];
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A name as a cell: quoted, and never the beginning of a formula. People choose their names; Excel runs what begins
/// with one of these signs.
fn cell(name: &str) -> String {
    let guard = if name.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    format!("\"{guard}{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_auth::Redacted;
    use lectern_media::ParticipantId;

    #[test]
    fn the_table_of_attendance() {
        let row = |name: &str, to| AttendanceRow {
            participant: ParticipantId::generate(),
            account: None,
            name: Redacted(name.into()),
            role: RoomRole::Student,
            from: UnixMillis(0),
            to,
        };
        let rows = [row("王芳", Some(UnixMillis(150_000))), row("=HYPERLINK(\"x\")", None)];
        let text = table(&rows, false, &|at| at.0.to_string());
        assert_eq!(
            text,
            "\u{feff}姓名,身份,进入,离开,分钟\r\n\"王芳\",学生,0,150000,3\r\n\"'=HYPERLINK(\"\"x\"\")\",学生,0,,\r\n"
        );
    }
}
