//! The HTTP API from outside: every route with every kind of caller, and what people do with it.

mod around;
mod library;
#[path = "../common/patrol.rs"]
mod patrol;
mod people;
mod rights;
mod session;
mod timetable;
mod world;
