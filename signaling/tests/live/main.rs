//! Live classes from outside: joining, sockets, WHIP and WHEP against a media plane and a recorder that only take notes.

mod again;
mod devices;
mod join;
#[path = "../common/patrol.rs"]
mod patrol;
mod recording;
mod restart;
mod socket;
mod whip;
mod world;
