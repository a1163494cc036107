//! What a person may ask of a running feed: beside the strategy, for it concerns what the feed hears and not what is traded on it.
//!
//! ```text
//!   ctl ── socket ──► ControlServer ──► FeedDoor ── FeedDemands, two flags ──► FeedAgent, on its own thread, some times a second
//!                                          └─ memberships: renewed here, on the control thread
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use net::udp::Membership;
use serde_json::{Value, json};

/// What was asked of a feed's thread and not done yet.
#[derive(Debug, Default)]
pub struct FeedDemands {
    resync: AtomicBool,
    reconnect: AtomicBool,
}

impl FeedDemands {
    /// Whether books are wanted anew; said once.
    pub fn take_resync(&self) -> bool {
        self.resync.swap(false, Ordering::Relaxed)
    }

    /// Whether the session with the snapshot server is to begin anew; said once.
    pub fn take_reconnect(&self) -> bool {
        self.reconnect.swap(false, Ordering::Relaxed)
    }
}

/// A feed, from the control thread's side.
#[derive(Debug)]
pub struct FeedDoor {
    /// Its id in the configuration.
    pub id: String,
    /// Whether there is a server that could bring its books anew.
    pub can_resync: bool,
    /// What its thread looks at.
    pub demands: Arc<FeedDemands>,
    /// Of those of its lines that are multicast groups.
    pub memberships: Vec<Membership>,
}

impl FeedDoor {
    /// Wants its books anew.
    ///
    /// # Errors
    /// In words: there is no server that could bring them.
    pub fn resync(&self) -> Result<Value, String> {
        if !self.can_resync {
            return Err(format!(
                "feed {} has no re-request server and no snapshot server that could bring its books anew",
                self.id
            ));
        }
        self.demands.resync.store(true, Ordering::Relaxed);
        Ok(json!({"id": self.id}))
    }

    /// Joins its groups again, and wants its session with the snapshot server begun anew. Two system calls a group.
    ///
    /// # Errors
    /// In words: groups that cannot be joined. The others are, and the session begins anew.
    pub fn reconnect(&self) -> Result<Value, String> {
        self.demands.reconnect.store(true, Ordering::Relaxed);
        let renewed = self.memberships.iter().map(Membership::renew).filter_map(Result::err);
        let refused: Vec<String> = renewed.map(|e| e.to_string()).collect();
        if !refused.is_empty() {
            return Err(format!("feed {}: {}", self.id, refused.join("; ")));
        }
        Ok(json!({"id": self.id, "rejoined": self.memberships.len()}))
    }
}

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    Resync,
    Reconnect,
}

/// Asks it of one feed or, without an id, of all: what was done of each, or in its `error` why it was not. An error where it was done of none.
pub(super) fn ask(doors: &[FeedDoor], id: Option<&str>, demand: Demand) -> Result<Vec<Value>, String> {
    if let Some(id) = id.filter(|id| !doors.iter().any(|d| d.id == *id)) {
        let all: Vec<&str> = doors.iter().map(|d| d.id.as_str()).collect();
        return Err(format!("there is no feed {id:?} here, but {}", all.join(", ")));
    }
    let wanted = doors.iter().filter(|d| id.is_none_or(|id| d.id == id));
    let done = wanted.map(|door| {
        let done = match demand {
            Demand::Resync => door.resync(),
            Demand::Reconnect => door.reconnect(),
        };
        (door, done)
    });
    let done: Vec<_> = done.collect();
    if let [(_, Err(error)), rest @ ..] = &done[..]
        && rest.iter().all(|(_, done)| done.is_err())
    {
        return Err(error.clone());
    }
    let answer = |(door, done): (&FeedDoor, Result<Value, String>)| {
        done.unwrap_or_else(|error| json!({"id": door.id, "error": error}))
    };
    Ok(done.into_iter().map(answer).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(id: &str, can_resync: bool) -> FeedDoor {
        FeedDoor { id: id.into(), can_resync, demands: Arc::default(), memberships: Vec::new() }
    }

    #[test]
    fn one_feed_or_all_are_asked_and_each_demand_is_taken_once() {
        let doors = [door("f1", true), door("f2", true)];
        ask(&doors, Some("f2"), Demand::Resync).unwrap();
        assert_eq!(doors.each_ref().map(|d| d.demands.take_resync()), [false, true]);
        assert!(!doors[1].demands.take_resync());
        let done = ask(&doors, None, Demand::Reconnect).unwrap();
        assert_eq!(done, [json!({"id": "f1", "rejoined": 0}), json!({"id": "f2", "rejoined": 0})]);
        assert_eq!(doors.each_ref().map(|d| d.demands.take_reconnect()), [true, true]);
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let doors = [door("f1", true), door("f2", false)];
        let unknown = ask(&doors, Some("f9"), Demand::Reconnect).unwrap_err();
        assert!(unknown.contains("\"f9\"") && unknown.contains("f1, f2"), "{unknown}");
        assert!(!doors[0].demands.take_reconnect());
        let bare = ask(&doors, Some("f2"), Demand::Resync).unwrap_err();
        assert!(bare.contains("f2 has no re-request server"), "{bare}");
        // Of all: each by itself.
        for doors in [[door("f1", true), door("f2", false)], [door("f2", false), door("f1", true)]] {
            let done = ask(&doors, None, Demand::Resync).unwrap();
            let of = |id: &str| done.iter().find(|d| d["id"] == id).unwrap();
            assert!(of("f1")["error"].is_null() && of("f2")["error"].is_string(), "{done:?}");
            assert!(doors.iter().all(|d| d.can_resync == d.demands.take_resync()));
        }
        assert!(ask(&[door("f2", false), door("f3", false)], None, Demand::Resync).is_err());
    }
}
