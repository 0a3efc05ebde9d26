//! A notification service of its own for each test, on the real servers.

use std::sync::Arc;
use std::time::Duration;

use contract::event::kind;
use contract::testing::{tell, tell_meeting};
use notification::channel::Channel;
use notification::{Config, NAME, Service, migrator};
use platform::config::{Over, Values};
use platform::kernel::Kernel;
use platform::shutdown::Shutdown;
pub(crate) use platform::testing::viewer;
use platform::testing::{Caller, DEADLINE_MS, Scope, eventually};
use platform::topology::Backoff;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) const DEADLINE: Duration = Duration::from_millis(DEADLINE_MS);

/// A running service and what a test does with it.
pub(crate) struct Stage {
    pub(crate) kernel: Kernel,
    pub(crate) caller: Caller,
    shutdown: Shutdown,
    // Last: what the test made is deleted after all else has ended.
    scope: Scope,
}

impl Stage {
    /// A service that works.
    pub(crate) async fn new() -> Self {
        Self::with(None).await
    }

    /// A service that works, with a way to people outside.
    pub(crate) async fn with(channel: Option<Arc<dyn Channel>>) -> Self {
        Self::start(channel, Values::new(), None).await
    }

    /// A service that works, with these settings.
    pub(crate) async fn configured(settings: Values) -> Self {
        Self::start(None, settings, None).await
    }

    /// The same, which asks providers that are away again and again, without long pauses.
    pub(crate) async fn impatient(settings: Values) -> Self {
        let first = Duration::from_millis(100);
        Self::start(None, settings, Some(Backoff { first, longest: 3 * first })).await
    }

    async fn start(
        channel: Option<Arc<dyn Channel>>,
        settings: Values,
        pauses: Option<Backoff>,
    ) -> Self {
        let scope = Scope::new().await;
        let kernel = scope.kernel(NAME, migrator()).await;
        let source = scope.source();
        let mut config = Config::from(&Over { first: settings, then: &source }).unwrap();
        if let Some(channel) = channel {
            config = config.channel(channel);
        }
        config.pauses = pauses.unwrap_or(config.pauses);
        let service = Service::new(kernel.clone(), config).await.unwrap();
        let caller = Caller::new(service.endpoint(), &kernel.keys);
        let shutdown = Shutdown::default();
        service.work(&shutdown);
        Self { kernel, caller, shutdown, scope }
    }

    /// Somebody who has an account, in this language.
    pub(crate) async fn person(&self, locale: &str) -> Uuid {
        let id = Uuid::now_v7();
        let email = format!("{id}@example.com");
        let profile = json!({ "userId": id, "locale": locale, "email": email });
        tell(&self.kernel, kind::USER_CREATED, id, id, profile).await;
        self.told(id, "WELCOME").await;
        id
    }

    /// A meeting of these people, the first of whom leads it, of which they were told.
    pub(crate) async fn meeting(&self, people: &[Uuid]) -> Uuid {
        let meeting = Uuid::now_v7();
        let plan = json!({ "meetingTitle": "Weekly" });
        tell_meeting(&self.kernel, kind::MEETING_CREATED, meeting, people, plan).await;
        for guest in &people[1..] {
            self.told(*guest, "MEETING_INVITATION").await;
        }
        meeting
    }

    /// Somebody's inbox, newest first.
    pub(crate) async fn inbox(&self, who: Uuid) -> Vec<Value> {
        let fields = "notifications(first: 100) { nodes { id kind title body meeting { id }
            todo { id } taskId readAt } } unreadNotificationCount";
        let me = self.caller.entity(&viewer(who), "User", who, fields).await;
        me["notifications"]["nodes"].as_array().unwrap().clone()
    }

    /// The kinds in somebody's inbox, oldest first.
    pub(crate) async fn kinds(&self, who: Uuid) -> Vec<String> {
        let inbox = self.inbox(who).await;
        let kind = |item: &Value| item["kind"].as_str().unwrap().to_owned();
        inbox.iter().rev().map(kind).collect()
    }

    /// Waits until somebody was told of something; gives the newest of that kind.
    pub(crate) async fn told(&self, who: Uuid, kind: &str) -> Value {
        eventually(DEADLINE, || async { self.kinds(who).await.iter().any(|one| one == kind) })
            .await;
        self.inbox(who).await.into_iter().find(|item| item["kind"] == kind).unwrap()
    }
}

impl Stage {
    /// Ends what works, wherever it is, and begins again with another process's eyes.
    pub(crate) async fn restart(&mut self) {
        self.shutdown.trigger();
        let config = Config::from(&self.scope.source()).unwrap();
        let service = Service::new(self.kernel.clone(), config).await.unwrap();
        self.shutdown = Shutdown::default();
        service.work(&self.shutdown);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}
