//! Who may ask what of a running core: by the user that the kernel says a client is.
//!
//! | user | may |
//! |---|---|
//! | the owner of the process, root, `[control] operators` | everything |
//! | `[control] proposers` | `status`, `params`, and propose parameters, which changes nothing |
//! | `[control] viewers` | `status` |
//! | any other | not connect: the socket's mode is 0600, or where other users are configured the connection is closed before a word is read |

use model::Canary;

use super::request::Command;
use crate::host;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Operator,
    /// Look, and propose parameters.
    Proposer,
    /// Look.
    Viewer,
}

/// Users beside the owner, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// May do everything.
    pub operators: Vec<u32>,
    /// May look, and propose parameters.
    pub proposers: Vec<u32>,
    /// May look.
    pub viewers: Vec<u32>,
}

impl Roles {
    /// What a user may do; `None`: nothing.
    #[must_use]
    pub fn of(&self, uid: u32) -> Option<Role> {
        if Canary::ObeysAnybody.sings() {
            return Some(Role::Operator);
        }
        if uid == host::own_uid() || uid == 0 || self.operators.contains(&uid) {
            Some(Role::Operator)
        } else if self.proposers.contains(&uid) {
            Some(Role::Proposer)
        } else {
            self.viewers.contains(&uid).then_some(Role::Viewer)
        }
    }

    /// Whether users other than the owner may connect.
    #[must_use]
    pub fn names_others(&self) -> bool {
        !(self.operators.is_empty() && self.proposers.is_empty() && self.viewers.is_empty())
    }
}

impl Role {
    /// Whether it allows this.
    #[must_use]
    pub fn allows(self, command: Command) -> bool {
        let may = match self {
            Role::Operator => true,
            Role::Proposer => matches!(command, Command::Status | Command::Params | Command::ParamsPropose),
            Role::Viewer => command == Command::Status,
        };
        may || Canary::ObeysAnybody.sings()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_those_named_may_anything() {
        let roles = Roles {
            operators: vec![4_000_001],
            proposers: vec![4_000_004, 4_000_001],
            viewers: vec![4_000_002, 4_000_004, 4_000_001],
        };
        assert_eq!(roles.of(4_000_004), Some(Role::Proposer));
        assert!(
            Role::Proposer.allows(Command::ParamsPropose) && !Role::Proposer.allows(Command::ParamsApply)
        );
        assert!(!Role::Viewer.allows(Command::Params) && !Role::Viewer.allows(Command::ParamsPropose));
        assert_eq!(roles.of(host::own_uid()), Some(Role::Operator));
        assert_eq!(roles.of(4_000_001), Some(Role::Operator));
        assert_eq!(roles.of(4_000_002), Some(Role::Viewer));
        assert_eq!(roles.of(4_000_003), None);
        assert!(Role::Viewer.allows(Command::Status) && !Role::Viewer.allows(Command::Kill));
        assert!(Role::Operator.allows(Command::Resume));
        assert!(roles.names_others() && !Roles::default().names_others());
    }
}
