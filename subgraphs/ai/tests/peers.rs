//! The transcript and the todo service as this one asks them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{
    Context, EmptyMutation, EmptySubscription, ID, Object, Result, Schema, SimpleObject,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use platform::identity::Identity;
use platform::kernel::Kernel;
use platform::page::{Connection, Page};
use platform::subgraph::{Endpoint, Request, Response, Transport, TransportError};
use uuid::Uuid;

/// What they know. All clones are one.
#[derive(Clone, Default)]
pub(crate) struct Peers(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// Labels by segment, and the transcript that the segment is of.
    labels: Vec<(Uuid, Uuid, String)>,
    /// Todos by meeting: id, status, evidence.
    todos: HashMap<Uuid, Vec<(Uuid, String, Vec<Uuid>)>>,
}

impl Peers {
    /// Answers the kernel's service from now on.
    pub(crate) fn of(kernel: &Kernel) -> Self {
        let peers = Self::default();
        peers.come(kernel);
        peers
    }

    /// Makes both reachable.
    pub(crate) fn come(&self, kernel: &Kernel) {
        let schema = Schema::new(Transcripts(self.clone()), EmptyMutation, EmptySubscription);
        let peer = Endpoint::new("transcript", kernel.keys.clone(), schema, |request| request);
        kernel.peers.set("transcript", peer);
        let schema = Schema::new(Todos(self.clone()), EmptyMutation, EmptySubscription);
        let peer = Endpoint::new("todo", kernel.keys.clone(), schema, |request| request);
        kernel.peers.set("todo", peer);
    }

    /// Makes the todo service unreachable.
    pub(crate) fn leave(kernel: &Kernel) {
        kernel.peers.set("todo", Arc::new(Away));
    }

    /// Somebody has named a speaker.
    pub(crate) fn speaks(&self, transcript: Uuid, segment: Uuid, label: &str) {
        self.with(|known| known.labels.push((transcript, segment, label.to_owned())));
    }

    /// A meeting has a todo.
    pub(crate) fn todo(&self, meeting: Uuid, status: &str, evidence: &[Uuid]) -> Uuid {
        let id = Uuid::now_v7();
        let todo = (id, status.to_owned(), evidence.to_vec());
        self.with(|known| known.todos.entry(meeting).or_default().push(todo));
        id
    }

    fn with<T>(&self, what: impl FnOnce(&mut Known) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A service that can't be reached.
struct Away;

impl Transport for Away {
    fn call(&self, _: Request) -> BoxFuture<'static, Result<Response, TransportError>> {
        async { Err(TransportError::Connect("nobody listens".into())) }.boxed()
    }
}

struct Transcripts(Peers);

struct Transcript {
    id: Uuid,
    segments: Vec<(Uuid, String)>,
}

#[derive(SimpleObject)]
struct Segment {
    id: ID,
    speaker: Option<Speaker>,
}

#[derive(SimpleObject)]
struct Speaker {
    label: String,
}

/// A page of one item, so that there is always another.
fn one_a_page<N: async_graphql::OutputType>(
    after: Option<&str>,
    items: Vec<N>,
    id: impl Fn(&N) -> Uuid,
) -> Result<Connection<N>> {
    let page = Page::new(Some(1), after)?;
    let rest = items.into_iter().filter(|item| page.after.is_none_or(|after| id(item) > after));
    Ok(Connection::new(page, rest.take(2).collect(), id))
}

#[Object]
impl Transcript {
    async fn id(&self) -> ID {
        self.id.into()
    }

    async fn segments(&self, first: i32, after: Option<String>) -> Result<Connection<Segment>> {
        assert_eq!(first, 100);
        let mut segments = self.segments.clone();
        segments.sort();
        let segments = segments
            .into_iter()
            .map(|(id, label)| Segment { id: id.into(), speaker: Some(Speaker { label }) });
        one_a_page(after.as_deref(), segments.collect(), |segment| {
            segment.id.parse().expect("an id")
        })
    }
}

#[Object]
impl Transcripts {
    async fn nothing(&self) -> bool {
        true
    }

    #[graphql(entity)]
    async fn find_transcript(&self, ctx: &Context<'_>, id: ID) -> Result<Transcript> {
        Identity::from_ctx(ctx).service()?;
        let id: Uuid = id.parse()?;
        let segments = self.0.with(|known| {
            let of = known.labels.iter().filter(|(transcript, ..)| *transcript == id);
            of.map(|(_, segment, label)| (*segment, label.clone())).collect()
        });
        Ok(Transcript { id, segments })
    }
}

struct Todos(Peers);

struct Meeting {
    id: Uuid,
    todos: Vec<(Uuid, String, Vec<Uuid>)>,
}

#[derive(SimpleObject)]
struct Todo {
    id: ID,
    status: String,
    evidence: Vec<Segment>,
}

#[Object]
impl Meeting {
    async fn id(&self) -> ID {
        self.id.into()
    }

    async fn todos(&self, first: i32, after: Option<String>) -> Result<Connection<Todo>> {
        assert_eq!(first, 100);
        let todos = self.todos.clone().into_iter().map(|(id, status, evidence)| Todo {
            id: id.into(),
            status,
            evidence: evidence
                .into_iter()
                .map(|id| Segment { id: id.into(), speaker: None })
                .collect(),
        });
        one_a_page(after.as_deref(), todos.collect(), |todo| todo.id.parse().expect("an id"))
    }
}

#[Object]
impl Todos {
    async fn nothing(&self) -> bool {
        true
    }

    #[graphql(entity)]
    async fn find_meeting(&self, ctx: &Context<'_>, id: ID) -> Result<Meeting> {
        Identity::from_ctx(ctx).service()?;
        let id: Uuid = id.parse()?;
        let todos = self.0.with(|known| known.todos.get(&id).cloned().unwrap_or_default());
        Ok(Meeting { id, todos })
    }
}
