//! From evidence to a live run: what each piece is asked for, what each changed byte does, and the whole way with real keys, files, processes and packets.
//!
//! | module | what |
//! |---|---|
//! | `case` | a desk on paper: keys, policies, evidence, a log, at a time of its own |
//! | `shown` | evidence held to a policy: what is missing, falls short, is old, is another's, or was changed |
//! | `signed` | keys, signatures, the log, and what a core looks at before it logs in |
//! | `written` | policies and approvers' files that cannot be |
//! | `live` | the program: keygen, evidence by the tools, two approvers, a core that trades, refusals, a step up, the way back, a fleet |

mod case;
mod live;
#[path = "../program/mod.rs"]
mod program;
mod shown;
mod signed;
mod written;
