//! `[control]`: who may ask what of a running core beside its owner, as written and resolved.
//!
//! ```toml
//! [control]
//! operators = ["trader", 1007]     # users by name or number: everything
//! proposers = ["research"]         # `status`, `params`, `params propose`
//! viewers = ["desk"]               # `status`
//! ```
//!
//! A name is looked up in `/etc/passwd` at the start; what is not in there is a number.

use serde::{Deserialize, Serialize};

use super::resolve::Checks;
use crate::control::roles::Roles;

/// As written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Users who may do everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<User>,
    /// Users who may look and propose parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposers: Vec<User>,
    /// Users who may look.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub viewers: Vec<User>,
}

/// A user of the host.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum User {
    /// By number.
    Number(u32),
    /// By name.
    Name(String),
}

pub(super) fn resolve(c: &mut Checks, written: &Control) -> Roles {
    let mut all = written.operators.iter().chain(&written.proposers).chain(&written.viewers);
    let named = all.any(|u| matches!(u, User::Name(_)));
    let users =
        if named { std::fs::read_to_string("/etc/passwd").unwrap_or_default() } else { String::new() };
    let mut of = |key: &str, list: &[User]| -> Vec<u32> {
        let number = |(k, user): (usize, &User)| match user {
            User::Number(uid) => Some(*uid),
            User::Name(name) => {
                let found = uid_of(&users, name);
                if found.is_none() {
                    let allowed = "a user of this host, by name or number";
                    c.problem(format!("control.{key}[{k}]"), format!("{name:?}"), allowed);
                }
                found
            }
        };
        list.iter().enumerate().filter_map(number).collect()
    };
    Roles {
        operators: of("operators", &written.operators),
        proposers: of("proposers", &written.proposers),
        viewers: of("viewers", &written.viewers),
    }
}

/// A user's number in a file as passwd(5) has it.
fn uid_of(users: &str, name: &str) -> Option<u32> {
    let mut lines = users.lines().map(|line| line.split(':'));
    lines.find_map(|mut f| if f.next() == Some(name) { f.nth(1)?.parse().ok() } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_as_a_whole() {
        let users = "root:x:0:0::/:/bin/sh\ntrader:x:1007:1007::/:/bin/sh\nbroken:x\n";
        assert_eq!((uid_of(users, "trader"), uid_of(users, "root")), (Some(1007), Some(0)));
        assert_eq!((uid_of(users, "trade"), uid_of(users, "broken"), uid_of(users, "")), (None, None, None));
    }
}
