//! Signing in and out, choosing and changing passwords, and what a guesser meets.

use crate::world::{Answer, Person, World};
use axum::{
    body::Body,
    http::{Method, Request, StatusCode, Version, header},
};
use lectern_auth::PasswordHash;
use lectern_library::AccountChange;
use lectern_signaling::app::Settings;
use serde_json::{Value, json};

const PASSWORD: &str = "seven-horses-graze";

async fn give_password(w: &World, person: &Person) {
    let change = AccountChange { password: Some(PasswordHash::of(PASSWORD)), ..AccountChange::default() };
    w.app.library.store().change_account(person.account.id, change).await.unwrap();
}

async fn sign_in(w: &World, login: &str, password: &str) -> Answer {
    w.ask(None, Method::POST, "/api/v1/session", Some(json!({"login": login, "password": password}))).await
}

/// The cookie of an answer, as a browser sends it back.
fn cookie(answer: &Answer) -> String {
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

async fn with_cookie(w: &World, method: Method, path: &str, cookie: &str, csrf: &str, body: Option<Value>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::COOKIE, cookie)
        .header("x-csrf-token", csrf)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.map(|b| b.to_string()).unwrap_or_default()));
    w.send(request.unwrap()).await
}

#[tokio::test]
async fn in_and_out_again() {
    let w = World::new().await;
    give_password(&w, &w.teacher).await;
    let answer = sign_in(&w, " Wang.FANG ", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["account"]["login"], "wang.fang");
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    for flag in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(set.contains(flag), "{set}");
    }
    assert!(!set.contains("Secure") && set.starts_with("lectern="), "plain http on localhost: {set}");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let (cookie, csrf) = (cookie(&answer), answer.json()["csrf"].as_str().unwrap().to_owned());

    let me = with_cookie(&w, Method::GET, "/api/v1/me", &cookie, "", None).await;
    assert_eq!(me.json()["csrf"], csrf, "the token is the session's");
    assert_eq!(me.json()["zone"], "Asia/Shanghai", "days and times of day are in the service's zone");
    let out = with_cookie(&w, Method::DELETE, "/api/v1/session", &cookie, &csrf, None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    let me = with_cookie(&w, Method::GET, "/api/v1/me", &cookie, "", None).await;
    assert_eq!(me.code(), "not_signed_in", "the cookie is worth nothing any more");
}

#[tokio::test]
async fn over_tls_the_cookie_is_bound_to_the_host() {
    let w = World::with(Settings { tls: true, ..Settings::default() }).await;
    give_password(&w, &w.teacher).await;
    let answer = sign_in(&w, "wang.fang", PASSWORD).await;
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("__Host-lectern=") && set.contains("; Secure"), "{set}");
}

#[tokio::test]
async fn wrong_unknown_disabled_and_invited_look_the_same() {
    let w = World::new().await;
    for person in [&w.teacher, &w.staff] {
        give_password(&w, person).await;
    }
    let disabled = AccountChange { disabled: Some(true), ..AccountChange::default() };
    w.app.library.store().change_account(w.staff.account.id, disabled).await.unwrap();
    let mut seen = vec![];
    for (login, password) in [
        ("wang.fang", "wrong password"),
        ("nobody", PASSWORD),
        ("staff", PASSWORD),
        ("head", PASSWORD),
        ("", ""),
        (&"x".repeat(1_000), PASSWORD),
    ] {
        let answer = sign_in(&w, login, password).await;
        assert!(answer.headers.get(header::SET_COOKIE).is_none());
        let mut problem = answer.json();
        problem["request_id"] = Value::Null;
        seen.push((answer.status, problem.to_string()));
    }
    assert_eq!(seen[0].0, StatusCode::UNAUTHORIZED);
    assert!(seen.iter().all(|answer| *answer == seen[0]), "{seen:?}");
}

#[tokio::test]
async fn guessing_is_slowed_down_also_for_names_that_nobody_has() {
    let w = World::new().await;
    give_password(&w, &w.teacher).await;
    for login in ["wang.fang", "nobody"] {
        let mut refused = None;
        for _ in 0..8 {
            let answer = sign_in(&w, login, "a wrong password").await;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                refused = Some(answer);
                break;
            }
        }
        let refused = refused.unwrap_or_else(|| panic!("{login}: guessing goes on"));
        assert_eq!(refused.code(), "too_often");
        assert!(refused.headers[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    }
    // Even with the right password one has to wait, and others don't.
    assert_eq!(sign_in(&w, "wang.fang", PASSWORD).await.code(), "too_often");
    give_password(&w, &w.staff).await;
    assert_eq!(sign_in(&w, "staff", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_invitation_is_used_once_and_signs_in() {
    let w = World::new().await;
    let new = json!({"login": "li.ming", "name": "李明", "roles": [{"role": "teacher", "place": w.school}]});
    let made = w.post(&w.head, "/api/v1/accounts", new).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let link = made.json()["link"].as_str().unwrap().to_owned();
    let token = link.strip_prefix("/welcome#").unwrap();
    let choose = async |token: &str, password: &str| {
        let body = json!({"token": token, "password": password});
        w.ask(None, Method::POST, "/api/v1/password", Some(body)).await
    };
    let weak = choose(token, "short").await;
    assert_eq!((weak.code().as_str(), weak.json()["field"].as_str()), ("weak_password", Some("password")));
    assert_eq!(choose(token, "xx-li.ming-xx").await.code(), "weak_password", "the rules know the name");
    assert_eq!(choose("made-up", PASSWORD).await.code(), "link_expired");
    let done = choose(token, PASSWORD).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    assert_eq!(done.json()["account"]["invited"], false);
    assert_eq!(with_cookie(&w, Method::GET, "/api/v1/me", &cookie(&done), "", None).await.status, StatusCode::OK);
    assert_eq!(choose(token, PASSWORD).await.code(), "link_expired", "once");
    assert_eq!(sign_in(&w, "li.ming", PASSWORD).await.status, StatusCode::OK);
    // A reset ends what was open.
    let id = made.json()["account"]["id"].as_str().unwrap().to_owned();
    let reset = w.post(&w.head, &format!("/api/v1/accounts/{id}/invitation"), json!(null)).await;
    let token = reset.json()["link"].as_str().unwrap().strip_prefix("/welcome#").unwrap().to_owned();
    assert_eq!(choose(&token, "eight-cows-sleep").await.status, StatusCode::OK);
    assert_eq!(with_cookie(&w, Method::GET, "/api/v1/me", &cookie(&done), "", None).await.code(), "not_signed_in");
    assert_eq!(sign_in(&w, "li.ming", PASSWORD).await.code(), "bad_credentials");
}

#[tokio::test]
async fn changing_the_password_keeps_this_browser_and_ends_the_others() {
    let w = World::new().await;
    give_password(&w, &w.teacher).await;
    let (here, there) = (sign_in(&w, "wang.fang", PASSWORD).await, sign_in(&w, "wang.fang", PASSWORD).await);
    let csrf = here.json()["csrf"].as_str().unwrap().to_owned();
    let change = async |old: &str, new: &str| {
        let body = Some(json!({"old": old, "new": new}));
        with_cookie(&w, Method::POST, "/api/v1/password/change", &cookie(&here), &csrf, body).await
    };
    assert_eq!(change("wrong", "eight-cows-sleep").await.json()["field"], "old");
    assert_eq!(change(PASSWORD, "short").await.code(), "weak_password");
    let changed = change(PASSWORD, "eight-cows-sleep").await;
    assert_eq!(changed.status, StatusCode::OK);
    for (answer, want) in
        [(&changed, StatusCode::OK), (&here, StatusCode::UNAUTHORIZED), (&there, StatusCode::UNAUTHORIZED)]
    {
        assert_eq!(with_cookie(&w, Method::GET, "/api/v1/me", &cookie(answer), "", None).await.status, want);
    }
}

#[tokio::test]
async fn what_is_no_sign_in_is_a_problem_document() {
    let w = World::new().await;
    let post = async |content_type: &str, origin: Option<&str>, body: String| {
        let mut request =
            Request::builder().method(Method::POST).uri("/api/v1/session").header(header::HOST, "class.example");
        request = request.header(header::CONTENT_TYPE, content_type);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        w.send(request.body(Body::from(body)).unwrap()).await
    };
    let good = json!({"login": "x", "password": "y"}).to_string();
    for (what, answer, status, code) in [
        ("text", post("text/plain", None, good.clone()).await, 415, "unsupported_type"),
        ("no JSON", post("application/json", None, "{".into()).await, 400, "bad_json"),
        ("other JSON", post("application/json", None, "{\"login\":1}".into()).await, 400, "bad_json"),
        ("too large", post("application/json", None, "x".repeat(5_000)).await, 413, "too_large"),
        (
            "other site",
            post("application/json", Some("https://evil.example"), good.clone()).await,
            403,
            "foreign_origin",
        ),
    ] {
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{what}: {}", answer.text());
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json", "{what}");
        assert_eq!(answer.json()["request_id"], answer.headers["x-request-id"].to_str().unwrap(), "{what}");
    }
    let own = post("application/json", Some("http://class.example"), good).await;
    assert_eq!(own.code(), "bad_credentials", "our own page gets through");
}

/// Browsers speak HTTP/2 as soon as there is TLS; it names the host in the request's URI and sends no `Host`.
#[tokio::test]
async fn our_own_page_gets_through_over_http_2_too() {
    let w = World::new().await;
    for (origin, code) in [("http://class.example", "bad_credentials"), ("https://evil.example", "foreign_origin")] {
        let request = Request::builder()
            .version(Version::HTTP_2)
            .method(Method::POST)
            .uri("http://class.example/api/v1/session")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ORIGIN, origin)
            .body(Body::from(json!({"login": "x", "password": "y"}).to_string()));
        assert_eq!(w.send(request.unwrap()).await.code(), code, "{origin}");
    }
}
