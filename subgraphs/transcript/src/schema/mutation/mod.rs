//! Changes that people ask for.

pub mod section;
pub mod segment;
pub mod share;
pub mod task;

use async_graphql::MergedObject;

use section::SectionMutation;
use segment::SegmentMutation;
use share::ShareMutation;
use task::TaskMutation;

/// Changes that can be asked for.
#[derive(Debug, Clone, Copy, Default, MergedObject)]
pub struct Mutation(TaskMutation, SectionMutation, SegmentMutation, ShareMutation);
