//! A CSV file to fill in, in the language of whoever asks.

use axum::{http::header, response::IntoResponse};
use serde::Deserialize;

/// `?lang=`: a language tag (RFC 5646); Chinese unless it is English.
#[derive(Debug, Deserialize)]
pub(crate) struct Language {
    #[serde(default)]
    lang: String,
}

/// The file that `text` makes (`true`: in English). Names are percent-encoded (RFC 8187 §3.2): the English one, then the Chinese one.
pub(crate) fn file(language: &Language, names: (&str, &str), text: fn(bool) -> String) -> impl IntoResponse + use<> {
    let english = language.lang.starts_with("en");
    let name = if english { names.0 } else { names.1 };
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{name}")),
    ];
    (headers, text(english))
}
