//! Many meetings at once: asked for in one request, created by a worker.

use platform::{
    error::{Internal as _, Refused, UserError},
    idempotency::Once,
    task::{Asked, NewTask, Priority, Requests, Task},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::{
    domain::{plan::MAX_MEETINGS_AT_ONCE, refusal::Refusal},
    error::MeetingError,
    meeting::{Checked, Meetings, Plan},
    worker::{JOB, QUEUE, TASK_KIND, TASK_TYPENAME},
};

/// What a task is to create. The meetings have their ids already, so that one that is there isn't
/// created again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    /// Who leads the meetings.
    pub(crate) host_id: Uuid,
    /// The meetings, in the order in which they were given.
    pub(crate) meetings: Vec<Checked>,
}

impl Meetings {
    /// Asks for many meetings whose host is the one who asks: all of them are accepted, or none. User errors
    /// name the meeting by its place in the list, from 0, and the field to mend: `meetings.3.title`.
    ///
    /// # Errors
    /// What the user can mend; `QUEUE_FULL`; inner ones, masked.
    pub async fn create_many(&self, once: Once<'_>, plans: &[Plan]) -> Result<Task, Refused> {
        if plans.is_empty() || plans.len() > MAX_MEETINGS_AT_ONCE {
            return Err(MeetingError::from(Refusal::WrongNumberOfMeetings).into());
        }
        let viewer = once.viewer();
        let meetings = self.check_all(viewer, plans).await?;
        let mut asking = match Requests::new(self.tasks.clone()).ask(once).await? {
            Asked::There(task) => return Ok(task),
            Asked::New(asking) => asking,
        };
        let input = Input { host_id: viewer, meetings };
        let new = NewTask {
            kind: TASK_KIND,
            typename: TASK_TYPENAME,
            queue: QUEUE,
            job_kind: JOB,
            priority: Priority::Normal,
            // They have no meeting in common: the task's events have an order of their own.
            ordering_key: Uuid::now_v7(),
            requested_by: None,
            input: serde_json::to_value(input).internal()?,
            dedupe_key: None,
            changed: json!({}),
        };
        let task = asking.request(new).await?;
        asking.answer(task).await
    }

    /// The plans as they will be written, or what is to be mended in each.
    async fn check_all(&self, host: Uuid, plans: &[Plan]) -> Result<Vec<Checked>, Refused> {
        let own = self.own_templates(host, plans).await?;
        let (mut checked, mut errors) = (Vec::with_capacity(plans.len()), Vec::new());
        for (place, plan) in plans.iter().enumerate() {
            match Checked::of(host, plan, &own) {
                Ok(plan) => checked.push(plan),
                Err(refusal) => errors.push(at(place, refusal)),
            }
        }
        if !errors.is_empty() {
            return Err(errors.into());
        }
        let known = self.users_among(&everybody(&checked)).await?;
        for (place, plan) in checked.iter().enumerate() {
            if !plan.attendees.iter().all(|who| known.contains(who)) {
                errors.push(at(place, Refusal::UnknownParticipant));
            }
        }
        if errors.is_empty() { Ok(checked) } else { Err(errors.into()) }
    }
}

/// Everybody who is to take part besides the host, each once.
pub(crate) fn everybody(plans: &[Checked]) -> Vec<Uuid> {
    let mut people: Vec<Uuid> = plans.iter().flat_map(|plan| plan.attendees.clone()).collect();
    people.sort_unstable();
    people.dedup();
    people
}

/// A refusal of the plan at this place of the list.
fn at(place: usize, refusal: Refusal) -> UserError {
    let field = match refusal.field() {
        Some(field) => format!("meetings.{place}.{field}"),
        None => format!("meetings.{place}"),
    };
    UserError::new(refusal.code(), refusal.to_string()).on(field)
}
