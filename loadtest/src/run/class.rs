//! `class`: a teacher with the clip and students who join by the link, all through the class WebSocket.

use super::{
    Load, LogIn, SourceArgs, Target, runtime,
    verdict::conclude,
    watch::{in_class, ramp, student_name},
};
use crate::{
    client::{
        api::Api,
        near_and_far,
        peer::{Sender, lines_of},
        room::Room,
        world::{ClassWish, World},
    },
    report::{Outputs, Report},
    source::Source,
};
use anyhow::{Context, Result, bail};
use lectern_media::TrackSource;
use lectern_protocol::{
    api::ClassMode,
    ws::{ClientMessage, LessonState, PublishLine, RoomRole, ServerMessage},
};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long the end of a class may take.
const GOOD_BYE_MAX: Duration = Duration::from_secs(5);

/// `lectern-loadtest class`
#[derive(Debug, Clone, clap::Args)]
pub struct ClassArgs {
    #[command(flatten)]
    target: Target,
    /// An administrator, who makes school, teacher and class.
    #[command(flatten)]
    admin: LogIn,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    load: Load,
    /// Height in pixels at which students show the picture.
    #[arg(long, default_value_t = 720)]
    height: u16,
    /// Record the lesson.
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    outputs: Outputs,
}

impl ClassArgs {
    /// Runs the command; true if the students had what they came for.
    ///
    /// # Errors
    /// If the class can't be held.
    pub fn run(&self) -> Result<bool> {
        let source = self.source.prepare()?;
        runtime()?.block_on(async {
            let report = Report::begin(&format!("a class of {} for {} s", self.load.viewers, self.load.secs));
            let password = self.admin.password()?;
            let mut admin = Api::new(&self.target.url, self.target.insecure)?;
            admin.sign_in(&self.admin.login, &password).await.context("signing in")?;
            let wish =
                ClassWish { title: "负载测试课", mode: ClassMode::Dedicated, record: self.record, minutes: 45 };
            let World { teacher, class } = World::make(&admin, &teacher_secret(&password), wish).await?;
            let (teaching, on_air) = (Teaching { api: teacher, code: class.code.clone() }, oneshot::channel());
            let (stop, stopped) = oneshot::channel::<()>();
            let lesson = tokio::spawn(async move { teaching.teach(&source, on_air.0, stopped).await });
            if on_air.1.await.is_err() {
                lesson.await.context("the teacher crashed")??;
                bail!("the lesson ended before it began");
            }
            let pupils = Api::new(&self.target.url, self.target.insecure)?;
            let results = ramp(&self.load, |n, stay| {
                in_class(pupils.clone(), class.code.clone(), student_name(n), self.height, stay)
            })
            .await;
            let _ = stop.send(());
            lesson.await.context("the teacher crashed")??;
            conclude(report, &results, &self.outputs)
        })
    }
}

/// The synthetic teacher's password: derived from the administrator's, so that a later run knows it and nobody else does.
pub fn teacher_secret(admin_password: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, admin_password.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, b"lectern-loadtest demo-teacher");
    tag.as_ref()[..15].iter().map(|b| format!("{b:02x}")).collect()
}

/// A teacher's place in a class.
struct Teaching {
    /// Signed in as the teacher.
    api: Api,
    /// The class's code.
    code: String,
}

impl Teaching {
    /// Opens the class, sends the clip until told to stop, and ends the class. `on_air` is told when media can flow.
    async fn teach(&self, source: &Source, on_air: oneshot::Sender<()>, stop: oneshot::Receiver<()>) -> Result<()> {
        let mut room = enter_as_teacher(&self.api, &self.code).await?;
        if room.snapshot.state != LessonState::Live {
            room.say(ClientMessage::Open {}).await?;
        }
        let (near, _) = near_and_far(self.api.url());
        let (mut sender, offer) = Sender::new(source, near).await?;
        let lines = lines_of(&offer).into_iter().map(|(mid, video)| PublishLine {
            mid,
            source: if video { TrackSource::Camera } else { TrackSource::Microphone },
        });
        let (answer, _) = room.publish(offer.clone(), lines.collect()).await?;
        sender.accept(&answer).await?;
        let _ = on_air.send(()); // nobody may wait for it
        let begun = Instant::now();
        {
            let closed = async {
                while let Some(news) = room.news.recv().await {
                    match news {
                        ServerMessage::Closed { reason } => return format!("the class was closed: {reason:?}"),
                        ServerMessage::PeerLost { publish: true } => {
                            return "the server lost the connection".to_owned();
                        }
                        _ => {}
                    }
                }
                "the class socket closed".to_owned()
            };
            tokio::select! {
                why = sender.run(source, None) => { why?; bail!("the connection ended after {:?}", begun.elapsed()) }
                why = closed => bail!(why),
                _ = stop => {}
            }
        }
        end_for_all(room).await?;
        sender.close().await;
        Ok(())
    }
}

/// Enters a class that one teaches.
///
/// # Errors
/// What the server says.
pub async fn enter_as_teacher(api: &Api, code: &str) -> Result<Room> {
    let grant = api.join(code, "").await.context("joining as teacher")?;
    if grant.role != RoomRole::Teacher {
        bail!("the server takes the teacher for a {:?}", grant.role);
    }
    Room::enter(api, &grant.grant).await
}

/// Ends the class, and waits until it is over: the server says good-bye then.
///
/// # Errors
/// If the socket is closed.
pub async fn end_for_all(mut room: Room) -> Result<()> {
    room.say(ClientMessage::End {}).await?;
    let over = async {
        while let Some(news) = room.news.recv().await {
            if matches!(news, ServerMessage::Closed { .. }) {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(GOOD_BYE_MAX, over).await; // it was asked for, whether or not it is confirmed
    Ok(())
}
