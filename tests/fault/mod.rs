//! Faults: the process dies at a named point, or a server it needs is cut off or hangs, under a small load. Afterwards
//! an oracle looks at what is stored: nothing lost, nothing twice, all in order.
//!
//! | file | what is in it |
//! |---|---|
//! | `crash` | one story per crash point of `platform::crash` |
//! | `many` | the process is killed in the middle of what is done for many |
//! | `outage` | one story per server and kind of outage |
//! | `load` | what clients do meanwhile: they retry as GraphQL clients do |
//! | `oracle` | what must hold afterwards |

mod crash;
mod load;
mod many;
mod oracle;
mod outage;
