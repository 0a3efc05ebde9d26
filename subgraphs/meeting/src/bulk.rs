//! Many meetings at once: asked for in one request, created by a worker.

use async_graphql::Result;
use platform::{
    departure,
    error::{Internal as _, UserError},
    idempotency::{self, Claim},
    queue::QueueError,
    task::{NewTask, Priority, Task},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::{
    domain::{plan::MAX_MEETINGS_AT_ONCE, refusal::Refusal},
    error::MeetingError,
    meeting::{Checked, Meetings, Plan, check_key},
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
    /// Asks for many meetings whose host is `viewer`: all of them are accepted, or none. User errors
    /// name the meeting by its place in the list, from 0, and the field to mend: `meetings.3.title`.
    ///
    /// # Errors
    /// `QUEUE_FULL`; inner ones, masked.
    pub async fn create_many(
        &self,
        viewer: Uuid,
        plans: &[Plan],
        idempotency_key: Option<&str>,
    ) -> Result<std::result::Result<Task, Vec<UserError>>> {
        let refused = |refusal: Refusal| Ok(Err(vec![MeetingError::from(refusal).told()?]));
        if plans.is_empty() || plans.len() > MAX_MEETINGS_AT_ONCE {
            return refused(Refusal::WrongNumberOfMeetings);
        }
        let key = match check_key(idempotency_key) {
            Ok(key) => key,
            Err(error) => return Ok(Err(vec![error.told()?])),
        };
        let meetings = match self.check_all(viewer, plans).await {
            Ok(Ok(meetings)) => meetings,
            Ok(Err(errors)) => return Ok(Err(errors)),
            Err(error) => return Ok(Err(vec![error.told()?])),
        };

        // They have no meeting in common: the task's events have an order of their own.
        let batch = Uuid::now_v7();
        let mut tx = self.kernel.pool.begin().await.internal()?;
        if departure::has_gone(&mut tx, viewer).await.internal()? {
            return refused(Refusal::NoAccount);
        }
        if let Some(key) = key
            && let Claim::Answered(answer) =
                idempotency::claim(&mut tx, viewer, "createMeetings", key, batch)
                    .await
                    .internal()?
        {
            let task = self.tasks.of(&[answer]).await.internal()?.remove(&answer);
            let task = task.unwrap_or_default().into_iter().next();
            return Ok(Ok(task.ok_or(sqlx::Error::RowNotFound).internal()?));
        }
        let input = Input { host_id: viewer, meetings };
        let new = NewTask {
            kind: TASK_KIND,
            typename: TASK_TYPENAME,
            queue: QUEUE,
            job_kind: JOB,
            priority: Priority::Normal,
            ordering_key: batch,
            requested_by: Some(viewer),
            input: serde_json::to_value(input).internal()?,
            dedupe_key: None,
            changed: json!({}),
        };
        let asked = self.tasks.request(&mut tx, new).await;
        let task = asked.map_err(QueueError::into_graphql)?;
        tx.commit().await.internal()?;
        self.kernel.outbox.wake();
        Ok(Ok(task))
    }

    /// The plans as they will be written, or what is to be mended in each.
    async fn check_all(
        &self,
        host: Uuid,
        plans: &[Plan],
    ) -> std::result::Result<std::result::Result<Vec<Checked>, Vec<UserError>>, MeetingError> {
        let own = self.own_templates(host, plans).await?;
        let (mut checked, mut errors) = (Vec::with_capacity(plans.len()), Vec::new());
        for (place, plan) in plans.iter().enumerate() {
            match Checked::of(host, plan, &own) {
                Ok(plan) => checked.push(plan),
                Err(refusal) => errors.push(at(place, refusal)),
            }
        }
        if !errors.is_empty() {
            return Ok(Err(errors));
        }
        let known = self.users_among(&everybody(&checked)).await?;
        for (place, plan) in checked.iter().enumerate() {
            if !plan.attendees.iter().all(|who| known.contains(who)) {
                errors.push(at(place, Refusal::UnknownParticipant));
            }
        }
        Ok(if errors.is_empty() { Ok(checked) } else { Err(errors) })
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
