//! A school, a teacher and a class to measure with, made through the API as an administrator would.

use super::api::{Api, has_role};
use anyhow::{Context, Result};
use lectern_media::UnixMillis;
use lectern_protocol::api::{Class, ClassMode, NewAccount, NewClass, NewPlace, PlaceLevel, Repeat, Role, RoleAt};

const SCHOOL: &str = "讲台示范学校";
/// The synthetic teacher's log-in name.
pub const TEACHER_LOGIN: &str = "demo-teacher";
const TEACHER_NAME: &str = "李老师（示范）";

/// The synthetic teacher with a class.
pub struct World {
    /// Signed in as the teacher.
    pub teacher: Api,
    /// The class.
    pub class: Class,
}

/// What class to make.
#[derive(Debug, Clone, Copy)]
pub struct ClassWish {
    /// Title.
    pub title: &'static str,
    /// How it is taught.
    pub mode: ClassMode,
    /// Whether it is recorded.
    pub record: bool,
    /// Length in minutes.
    pub minutes: u32,
}

impl World {
    /// Makes the class, and the school and its teacher if they are not there from an earlier run.
    ///
    /// # Errors
    /// What the server says.
    pub async fn make(admin: &Api, secret: &str, wish: ClassWish) -> Result<Self> {
        let places = admin.places().await?;
        let root = places.iter().find(|p| p.parent.is_none()).context("the tree of places has no root")?;
        let school = match places.iter().find(|p| p.name == SCHOOL) {
            Some(place) => place.id,
            None => {
                let place = NewPlace { parent: root.id, level: PlaceLevel::School, name: SCHOOL.to_owned() };
                admin.new_place(&place).await?.id
            }
        };
        let mut teacher = Api::new(admin.url(), admin.insecure())?;
        let me = match teacher.sign_in(TEACHER_LOGIN, secret).await {
            Ok(me) if has_role(&me.account, Role::Teacher) => me,
            _ => {
                let roles = vec![RoleAt { role: Role::Teacher, place: school }];
                let account = NewAccount { login: TEACHER_LOGIN.to_owned(), name: TEACHER_NAME.to_owned(), roles };
                let invitation = admin.new_account(&account).await?;
                teacher.choose_password(&invitation.link, secret).await?
            }
        };
        let class = NewClass {
            title: wish.title.to_owned(),
            subject: "数学".to_owned(),
            grade: "五年级".to_owned(),
            teacher: me.account.id,
            place: school,
            mode: wish.mode,
            starts: UnixMillis::now(),
            duration_min: wish.minutes,
            repeat: Repeat::Once,
            until: None,
            waiting_room: false,
            record: wish.record,
        };
        let class = admin.new_class(&class).await?;
        Ok(Self { teacher, class })
    }
}
