//! Tasks as clients see them: `interface Task`, and the fields that each service's own type of task
//! has in common.
//!
//! A service declares its type, whose kinds are an enum of its own, and registers the interface:
//!
//! ```
//! use async_graphql::{EmptyMutation, EmptySubscription, Enum, Object, Schema};
//! use platform::task::{Task, TaskFields, TaskInterface};
//!
//! #[derive(Clone, Copy, PartialEq, Eq, Enum)]
//! enum TaskKind { Printing }
//!
//! struct PrintTask(Task);
//!
//! /// Puts a text on paper.
//! #[Object]
//! impl PrintTask {
//!     #[graphql(flatten)]
//!     async fn fields(&self) -> TaskFields<TaskKind> {
//!         TaskFields::new(&self.0, TaskKind::Printing)
//!     }
//!
//!     /// What it came to, once it is completed.
//!     async fn result(&self) -> Option<i32> { None }
//! }
//!
//! struct Query;
//! #[Object]
//! impl Query {
//!     async fn print_task(&self) -> Option<PrintTask> { None }
//! }
//!
//! let schema = Schema::build(Query, EmptyMutation, EmptySubscription)
//!     .register_output_type::<TaskInterface<PrintTask, TaskKind>>()
//!     .finish();
//! assert!(schema.sdl().contains("type PrintTask implements Task"));
//! assert!(!schema.sdl().contains("TaskFields"));
//! ```

use std::borrow::Cow;
use std::marker::PhantomData;

use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaType, MetaTypeId, Registry};
use async_graphql::{
    ContextSelectionSet, ID, Object, ObjectType, OutputType, Positioned, ServerResult,
    SimpleObject, TypeName, Value,
};
use chrono::{DateTime, Utc};

use super::{Task, TaskStatus};
use crate::access::viewer_independent;

/// Name of the interface.
const INTERFACE: &str = "Task";

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
#[graphql(shareable)]
pub struct TaskError {
    /// What programs look at: a stable word in upper case.
    #[graphql(directive = viewer_independent::apply())]
    pub code: String,
    /// What people read.
    #[graphql(directive = viewer_independent::apply())]
    pub message: String,
}

/// The fields that all tasks have. `K` is the service's enum of kinds.
#[derive(Clone, Debug)]
pub struct TaskFields<K> {
    id: ID,
    kind: K,
    status: TaskStatus,
    progress: i32,
    attempts: i32,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    error: Option<TaskError>,
}

impl<K> TaskFields<K> {
    /// A task's fields, with its kind as the service's schema calls it.
    #[must_use]
    pub fn new(task: &Task, kind: K) -> Self {
        let message = task.error_message.clone().unwrap_or_default();
        Self {
            id: task.id.into(),
            kind,
            status: task.status,
            progress: task.progress,
            attempts: task.attempts,
            created_at: task.created_at,
            started_at: task.started_at,
            completed_at: task.completed_at,
            error: task.error_code.clone().map(|code| TaskError { code, message }),
        }
    }
}

/// Work that takes its time: asked for now, done later.
#[Object(name_type, shareable, inaccessible)]
impl<K: OutputType> TaskFields<K> {
    /// Id of the task.
    #[graphql(directive = viewer_independent::apply())]
    async fn id(&self) -> &ID {
        &self.id
    }

    /// What kind of work it is.
    #[graphql(directive = viewer_independent::apply())]
    async fn kind(&self) -> &K {
        &self.kind
    }

    /// How far it is.
    #[graphql(directive = viewer_independent::apply())]
    async fn status(&self) -> TaskStatus {
        self.status
    }

    /// Percent done, 0 to 100; never falls.
    #[graphql(directive = viewer_independent::apply())]
    async fn progress(&self) -> i32 {
        self.progress
    }

    /// How often work was started.
    #[graphql(directive = viewer_independent::apply())]
    async fn attempts(&self) -> i32 {
        self.attempts
    }

    /// When it was asked for.
    #[graphql(directive = viewer_independent::apply())]
    async fn created_at(&self) -> DateTime<Utc> {
        self.created_at
    }

    /// When work first started.
    #[graphql(directive = viewer_independent::apply())]
    async fn started_at(&self) -> Option<DateTime<Utc>> {
        self.started_at
    }

    /// When it was completed, failed or cancelled.
    #[graphql(directive = viewer_independent::apply())]
    async fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.completed_at
    }

    /// Why it failed, if it did.
    #[graphql(directive = viewer_independent::apply())]
    async fn error(&self) -> Option<&TaskError> {
        self.error.as_ref()
    }
}

impl<K: OutputType> TypeName for TaskFields<K> {
    fn type_name() -> Cow<'static, str> {
        // Its fields are those of the type that it is put into. It stands in the subgraphs' schemas
        // beside that (the library registers what it flattens), and nobody is shown it.
        "TaskFields".into()
    }
}

/// `interface Task` with the service's own type `T`, to be registered with its schema: no field of a
/// service gives the interface, the push plane's do.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskInterface<T, K>(PhantomData<fn() -> (T, K)>);

impl<T: ObjectType + OutputType, K: OutputType> OutputType for TaskInterface<T, K> {
    fn type_name() -> Cow<'static, str> {
        INTERFACE.into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Interface, |registry| {
            T::create_type_info(registry);
            registry.add_implements(&T::type_name(), INTERFACE);
            let fields = match registry.create_fake_output_type::<TaskFields<K>>() {
                MetaType::Object { fields, .. } => fields,
                _ => Default::default(),
            };
            // It only lends its fields, and has no place of its own in the schema.
            registry.types.remove(&*<TaskFields<K> as TypeName>::type_name());
            let description = "Work that takes its time: asked for now, done later.";
            MetaType::Interface {
                name: INTERFACE.to_owned(),
                description: Some(description.to_owned()),
                fields,
                possible_types: [T::type_name().into_owned()].into_iter().collect(),
                extends: false,
                keys: None,
                visible: None,
                inaccessible: false,
                tags: Vec::new(),
                rust_typename: Some(std::any::type_name::<Self>()),
                directive_invocations: Vec::new(),
                requires_scopes: Vec::new(),
            }
        })
    }

    async fn resolve(
        &self,
        _: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        // There are no values of it.
        Ok(Value::Null)
    }
}
