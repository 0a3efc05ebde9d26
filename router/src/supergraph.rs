//! The supergraph: what it is composed of and how to plan on it.

use std::sync::Arc;

use crate::{
    authorization::Rules,
    independence::Independence,
    name::Names,
    planner::{self, PlanError, Planner},
    schema::Schema,
};

/// A subgraph as the supergraph names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subgraph {
    /// Its name (`join__Graph`'s `name`).
    pub name: String,
    /// Where it is served, as composed; may be empty.
    pub url: String,
}

/// A loaded supergraph.
pub struct Supergraph {
    sdl: Arc<str>,
    pub(crate) planner: Planner,
    pub(crate) schema: Schema,
    /// Interfaces and unions of the whole supergraph.
    pub(crate) abstract_names: Names,
    /// Names of all fields of the whole supergraph.
    pub(crate) field_names: Names,
    /// Who may see what.
    pub(crate) rules: Rules,
    /// What is the same for every viewer.
    pub(crate) independence: Independence,
    subgraphs: Vec<Subgraph>,
}

/// Why a supergraph cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SupergraphError {
    /// The text is not an SDL document.
    #[error("the supergraph is not valid GraphQL SDL: {0}")]
    Syntax(String),
    /// The text is a schema but not one made by a composer.
    #[error("this is no supergraph: it has no `join__Graph` enum; compose the subgraphs first")]
    NotComposed,
    /// The planner cannot work with it.
    #[error("the supergraph cannot be planned on")]
    Plan(#[from] PlanError),
}

impl Supergraph {
    /// Loads a composed supergraph from its SDL.
    ///
    /// # Errors
    /// Where the SDL is malformed, not composed, or unusable for planning.
    pub fn load(sdl: impl Into<Arc<str>>) -> Result<Self, SupergraphError> {
        let sdl = sdl.into();
        if !sdl.contains("join__Graph") {
            return Err(SupergraphError::NotComposed);
        }
        let planner = Planner::load(&sdl)?;
        let schema = Schema::new(planner.public_schema());
        let mut subgraphs = planner.subgraphs();
        subgraphs.sort_by(|a, b| a.name.cmp(&b.name));
        let document = planner::read(&sdl)?;
        let rules = Rules::new(&document, &schema);
        let independence = Independence::new(&document);
        let (abstract_names, field_names) = (planner.abstract_names(), planner.field_names());
        Ok(Self {
            sdl,
            planner,
            schema,
            abstract_names,
            field_names,
            rules,
            independence,
            subgraphs,
        })
    }

    /// The SDL it was loaded from.
    pub fn sdl(&self) -> &str {
        &self.sdl
    }

    /// All subgraphs, by name.
    pub fn subgraphs(&self) -> &[Subgraph] {
        &self.subgraphs
    }
}
