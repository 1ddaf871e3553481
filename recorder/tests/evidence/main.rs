//! Evidence, from cameras to a verdict: an archive written by the recorder itself, exported, changed in every way one can
//! think of, verified by us and by a program that shares no code with us.

mod container;
mod edits;
mod export;
mod moved;
mod site;
