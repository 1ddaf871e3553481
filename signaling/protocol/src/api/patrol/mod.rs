//! Exam patrol: cameras, walls, the day of a camera, evidence, alarms, the audit log.

mod alarms;
mod audit;
mod cameras;
mod evidence;
mod factor;
mod rules;
mod timeline;
mod walls;

pub use self::{alarms::*, audit::*, cameras::*, evidence::*, factor::*, rules::*, timeline::*, walls::*};

/// Shows every body to `visitor`, for the TypeScript twin.
pub(crate) fn visit_types(v: &mut impl ts_rs::TypeVisitor) {
    cameras::visit_types(v);
    walls::visit_types(v);
    timeline::visit_types(v);
    evidence::visit_types(v);
    alarms::visit_types(v);
    audit::visit_types(v);
    factor::visit_types(v);
    rules::visit_types(v);
}
