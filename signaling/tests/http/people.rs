//! Places and accounts.

use crate::world::{SECRET, World};
use axum::http::{Method, StatusCode};
use lectern_media::PlaceId;
use serde_json::{Value, json};

fn ids(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn everybody_sees_the_path_to_their_places() {
    let w = World::new().await;
    let all = w.get(&w.admin, "/api/v1/places").await.json();
    assert_eq!(ids(&all, "name"), ["全国".to_owned(), format!("{SECRET}小学"), "第七中学".into()]);
    let seen = w.get(&w.student, "/api/v1/places").await.json();
    assert_eq!(ids(&seen, "name"), ["全国".to_owned(), format!("{SECRET}小学")]);
    let seen = w.get(&w.outsider, "/api/v1/places").await.json();
    assert_eq!(ids(&seen, "name"), ["全国", "第七中学"]);
}

#[tokio::test]
async fn the_tree_grows_and_shrinks() {
    let w = World::new().await;
    let made =
        w.post(&w.head, "/api/v1/places", json!({"parent": w.school, "level": "class", "name": " 六年级一班 "})).await;
    assert_eq!((made.status, made.json()["name"].as_str()), (StatusCode::CREATED, Some("六年级一班")));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    for (body, field) in [
        (json!({"parent": w.school, "level": "city", "name": "x"}), "level"),
        (json!({"parent": w.school, "level": "class", "name": "  "}), "name"),
        (json!({"parent": w.school, "level": "class", "name": "长".repeat(101)}), "name"),
        (json!({"parent": w.school, "level": "class", "name": "a\nb"}), "name"),
    ] {
        let refused = w.post(&w.head, "/api/v1/places", body.clone()).await;
        assert_eq!((refused.status.as_u16(), refused.json()["field"].as_str()), (422, Some(field)), "{body}");
    }
    let path = format!("/api/v1/places/{id}");
    let renamed = w.ask(Some(&w.head), Method::PATCH, &path, Some(json!({"name": "六一班"}))).await;
    assert_eq!(renamed.json()["name"], "六一班");
    let in_use = w.ask(Some(&w.admin), Method::DELETE, &format!("/api/v1/places/{}", w.school), None).await;
    assert_eq!((in_use.status, in_use.code().as_str()), (StatusCode::CONFLICT, "in_use"));
    assert_eq!(w.ask(Some(&w.head), Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(w.ask(Some(&w.head), Method::DELETE, &path, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(w.ask(Some(&w.head), Method::DELETE, "/api/v1/places/nonsense", None).await.code(), "not_found");
}

#[tokio::test]
async fn who_sees_which_accounts() {
    let w = World::new().await;
    let logins = async |who| {
        let mut logins = ids(&w.get(who, "/api/v1/accounts").await.json(), "login");
        logins.sort();
        logins
    };
    assert_eq!(logins(&w.admin).await, ["admin", "head", "outsider", "staff", "student", "wang.fang"]);
    assert_eq!(logins(&w.head).await, ["head", "staff", "student", "wang.fang"]);
    assert_eq!(logins(&w.teacher).await, ["wang.fang"], "others see themselves");
    let teacher = async |query: &str| w.get(&w.teacher, &format!("/api/v1/accounts?{query}")).await.json();
    assert_eq!(teacher("q=head").await, json!([]));
    assert_eq!(teacher(&format!("after={}", w.teacher.account.id)).await, json!([]), "page by page, too");
    let found = w.get(&w.admin, "/api/v1/accounts?q=WANG").await.json();
    assert_eq!(ids(&found, "login"), ["wang.fang"]);
    let first = w.get(&w.admin, "/api/v1/accounts?limit=2").await.json();
    let rest = w.get(&w.admin, &format!("/api/v1/accounts?after={}", ids(&first, "id")[1])).await.json();
    assert_eq!((ids(&first, "id").len(), ids(&rest, "id").len()), (2, 4));
    assert!(!w.get(&w.admin, "/api/v1/accounts").await.text().contains("argon2"), "no hash leaves the server");
}

#[tokio::test]
async fn accounts_are_made_where_one_administers() {
    let w = World::new().await;
    let new = |login: &str, role: &str, place: PlaceId| json!({"login": login, "name": "李明", "roles": [{"role": role, "place": place}]});
    for (who, body, want, why) in [
        (&w.head, new("li.ming", "teacher", w.school), 201, "at the own school"),
        (&w.head, new("LI.MING", "teacher", w.school), 409, "the name is taken"),
        (&w.head, new("li.hua", "administrator", w.root), 403, "not above"),
        (&w.head, new("li.hua", "teacher", w.other_school), 422, "not elsewhere, where nothing is seen"),
        (&w.head, json!({"login": "li.hua", "name": "李华", "roles": []}), 403, "not nowhere"),
        (&w.head, new("a b", "teacher", w.school), 422, "a name with a space"),
        (&w.teacher, new("li.hua", "student", w.school), 403, "teachers make no accounts"),
        (&w.admin, json!({"login": "li.hua", "name": "李华", "roles": []}), 201, "the root's administrator may"),
    ] {
        let answer = w.post(who, "/api/v1/accounts", body).await;
        assert_eq!(answer.status.as_u16(), want, "{why}: {}", answer.text());
    }
}

#[tokio::test]
async fn roles_elsewhere_are_neither_shown_nor_lost() {
    let w = World::new().await;
    // The teacher also works at the other school.
    let both = json!({"roles": [{"role": "teacher", "place": w.school}, {"role": "staff", "place": w.other_school}]});
    let path = format!("/api/v1/accounts/{}", w.teacher.account.id);
    let changed = w.ask(Some(&w.admin), Method::PATCH, &path, Some(both)).await;
    assert_eq!(changed.json()["roles"].as_array().unwrap().len(), 2, "{}", changed.text());
    let seen = w.get(&w.head, &path).await.json();
    assert_eq!(seen["roles"], json!([{"role": "teacher", "place": w.school}]));
    // The head of the school gives another role there; what is not shown stays.
    let more = json!({"roles": [{"role": "teacher", "place": w.school}, {"role": "staff", "place": w.school}]});
    assert_eq!(w.ask(Some(&w.head), Method::PATCH, &path, Some(more)).await.status, StatusCode::OK);
    assert_eq!(w.get(&w.admin, &path).await.json()["roles"].as_array().unwrap().len(), 3);
    // But the account is no longer the head's alone: no new password, no new name, no disabling.
    for (method, path, body) in [
        (Method::POST, format!("{path}/invitation"), None),
        (Method::PATCH, path.clone(), Some(json!({"name": "x"}))),
        (Method::PATCH, path.clone(), Some(json!({"disabled": true}))),
        (Method::PATCH, path.clone(), Some(json!({"roles": [{"role": "administrator", "place": w.root}]}))),
    ] {
        let refused = w.ask(Some(&w.head), method, &path, body.clone()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path} {body:?}: {}", refused.text());
    }
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once() {
    let w = World::new().await;
    let request = w.request(Some(&w.staff), &Method::GET, "/api/v1/me", false).await;
    let path = format!("/api/v1/accounts/{}", w.staff.account.id);
    let disabled = w.ask(Some(&w.head), Method::PATCH, &path, Some(json!({"disabled": true}))).await;
    assert_eq!(disabled.json()["disabled"], true);
    assert_eq!(w.send(request.body(axum::body::Body::empty()).unwrap()).await.status, StatusCode::UNAUTHORIZED);
    let link = w.post(&w.head, &format!("{path}/invitation"), json!(null)).await;
    assert_eq!(link.code(), "conflict", "no link for a disabled account");
    let enabled = w.ask(Some(&w.head), Method::PATCH, &path, Some(json!({"disabled": false}))).await;
    assert_eq!(enabled.json()["disabled"], false);
    let own = format!("/api/v1/accounts/{}", w.head.account.id);
    for body in [json!({"disabled": true}), json!({"roles": []})] {
        assert_eq!(
            w.ask(Some(&w.head), Method::PATCH, &own, Some(body)).await.code(),
            "conflict",
            "nobody locks out themselves"
        );
    }
}
