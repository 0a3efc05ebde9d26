//! A GraphQL federation router with a push plane.
