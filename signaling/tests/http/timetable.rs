//! Classes, their import, lessons of a day, attendance.

use crate::world::{NOW, SECRET, World};
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::{Value, json};

fn class(w: &World) -> Value {
    json!({
        "title": "圆的面积", "subject": "数学", "grade": "六年级", "teacher": w.teacher.account.id, "place": w.school,
        "mode": "dedicated", "starts": NOW.0, "duration_min": 40, "repeat": "weekly", "until": null,
        "waiting_room": true, "record": true
    })
}

#[tokio::test]
async fn a_class_is_entered_changed_and_removed() {
    let w = World::new().await;
    let made = w.post(&w.teacher, "/api/v1/classes", class(&w)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let made = made.json();
    assert_eq!((made["title"].as_str(), made["code"].as_str().unwrap().len()), (Some("圆的面积"), 9));
    assert_eq!(made["school"], format!("{SECRET}小学"));
    let path = format!("/api/v1/classes/{}", made["id"].as_str().unwrap());
    let mut changed = class(&w);
    changed["title"] = "圆的周长".into();
    let answer = w.ask(Some(&w.teacher), Method::PUT, &path, Some(changed)).await.json();
    assert_eq!(
        (&answer["title"], &answer["code"], &answer["room"]),
        (&"圆的周长".into(), &made["code"], &made["room"])
    );
    assert_eq!(w.get(&w.student, "/api/v1/classes").await.json().as_array().unwrap().len(), 2);
    assert_eq!(w.ask(Some(&w.teacher), Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(w.get(&w.teacher, &path).await.status, StatusCode::NOT_FOUND);
    let restored = w.post(&w.teacher, &format!("{path}/restore"), json!(null)).await;
    assert_eq!(restored.json()["code"], made["code"]);
}

#[tokio::test]
async fn what_is_typed_wrong_is_named() {
    let w = World::new().await;
    for (field, value) in [
        ("title", json!("")),
        ("title", json!("长".repeat(201))),
        ("subject", json!("长".repeat(51))),
        ("duration_min", json!(0)),
        ("duration_min", json!(601)),
        ("starts", json!(-5)),
        ("starts", json!(9_999_999_999_999_i64)),
        ("until", json!(NOW.0 - 3 * 86_400_000)),
        ("teacher", json!(w.outsider.account.id)),
        ("place", json!(w.other_school)),
    ] {
        let mut body = class(&w);
        body[field] = value.clone();
        let refused = w.post(&w.head, "/api/v1/classes", body).await;
        assert_eq!((refused.status.as_u16(), refused.json()["field"].as_str()), (422, Some(field)), "{field} {value}");
    }
    // A teacher enters own classes only.
    let mut body = class(&w);
    body["teacher"] = json!(w.staff.account.id);
    assert_eq!(w.post(&w.teacher, "/api/v1/classes", body).await.status.as_u16(), 422);
}

#[tokio::test]
async fn a_timetable_is_imported_all_or_nothing() {
    let w = World::new().await;
    let import = async |csv: String| {
        let request = w.request(Some(&w.head), &Method::POST, "/api/v1/classes/import", true).await;
        let request = request.header(header::CONTENT_TYPE, "text/csv; charset=utf-8").body(Body::from(csv));
        w.send(request.unwrap()).await
    };
    let template = w.get(&w.head, "/api/v1/classes/template").await;
    assert!(template.headers[header::CONTENT_DISPOSITION].to_str().unwrap().starts_with("attachment"));
    assert!(template.text().starts_with("\u{feff}课程名称"));
    assert!(w.get(&w.head, "/api/v1/classes/template?lang=en").await.text().starts_with("\u{feff}title"));
    // The template's teachers are examples, which nobody here is.
    let wrong = import(template.text()).await.json();
    assert_eq!(wrong["created"], 0);
    assert_eq!(wrong["errors"][0]["line"], 2);
    assert_eq!(wrong["errors"][0]["code"], "csv_unknown_place");
    let good = format!(
        "课程,教师,学校,日期,时间\n圆,wang.fang,{SECRET}小学,2026-09-02,08:30\n角,wang.fang,{SECRET}小学,2026-09-03,08:30\n"
    );
    let done = import(good).await.json();
    assert_eq!(done, json!({"created": 2, "errors": []}));
    assert_eq!(w.get(&w.head, "/api/v1/classes").await.json().as_array().unwrap().len(), 3);
    let large = import("x".repeat(3 << 20)).await;
    assert_eq!((large.status.as_u16(), large.code().as_str()), (413, "too_large"));
    assert_eq!(w.post(&w.head, "/api/v1/classes/import", json!({})).await.code(), "unsupported_type");
}

#[tokio::test]
async fn the_lessons_of_a_day() {
    let w = World::new().await;
    let day = async |who, day: &str| w.get(who, &format!("/api/v1/lessons?day={day}")).await.json();
    let today = day(&w.teacher, "2026-09-01").await;
    assert_eq!(today.as_array().unwrap().len(), 1);
    assert_eq!((&today[0]["id"], &today[0]["mine"]), (&json!(w.lesson.id), &json!(true)));
    assert_eq!(today[0]["state"], "scheduled");
    assert_eq!(today[0]["recording"], json!(w.recording.id));
    assert_eq!(day(&w.student, "2026-09-01").await[0]["mine"], false);
    assert_eq!(day(&w.teacher, "2026-09-02").await, json!([]));
    assert_eq!(day(&w.teacher, "2026-09-08").await.as_array().unwrap().len(), 1, "weekly");
    assert_eq!(day(&w.outsider, "2026-09-01").await, json!([]));
    assert_eq!(day(&w.teacher, "yesterday").await["field"], "day");
    assert_eq!(w.get(&w.teacher, "/api/v1/lessons").await.status, StatusCode::OK, "today, if no day is named");
    // A deleted recording is not offered.
    w.app.library.delete_recording(w.recording.id, NOW).await.unwrap();
    assert_eq!(day(&w.teacher, "2026-09-01").await[0]["recording"], Value::Null);
}

#[tokio::test]
async fn attendance_as_list_and_as_table() {
    let w = World::new().await;
    let path = format!("/api/v1/lessons/{}/attendance", w.lesson.id);
    let rows = w.get(&w.teacher, &path).await.json();
    assert_eq!((rows[0]["name"].as_str(), rows[0]["to"].as_str()), (Some("凤凰小明"), None));
    let csv = w.get(&w.teacher, &format!("{path}.csv")).await;
    assert!(csv.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/csv"));
    assert_eq!(csv.text(), "\u{feff}姓名,身份,进入,离开,分钟\r\n\"凤凰小明\",学生,2026-09-01 08:00:00,,\r\n");
    assert!(w.get(&w.teacher, &format!("{path}.csv?lang=en")).await.text().contains("student"));
}

#[tokio::test]
async fn a_join_link_shows_its_class_to_everybody() {
    let w = World::new().await;
    let path = format!("/api/v1/classes/by-code/{}", w.class.code);
    let stranger = w.ask(None, Method::GET, &path, None).await.json();
    assert_eq!((stranger["title"].as_str(), stranger["mine"].as_bool()), (Some("凤凰课"), Some(false)));
    assert_eq!(w.get(&w.teacher, &path).await.json()["mine"], true);
    let unknown = w.ask(None, Method::GET, "/api/v1/classes/by-code/222222222", None).await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (404, "unknown_class"));
}
