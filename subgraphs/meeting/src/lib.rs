//! The meeting subgraph: meetings, participants, recordings.
