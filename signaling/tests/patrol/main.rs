//! Exam patrol from outside: who may do what over the real routes, what is forbidden however it is asked, walls, and what
//! people do, against parts that take notes.

mod alarms;
#[path = "../common/patrol.rs"]
mod common;
mod flow;
mod forbidden;
mod gone;
mod matrix;
mod moved;
mod wall;
mod ways_around;
mod world;
