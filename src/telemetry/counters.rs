//! Every counter: fixed id (its place in the table), name, unit and meaning. A new one goes to the end of its table.

/// One counter's entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name in JSON and metrics.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What it says.
    pub help: &'static str,
}

macro_rules! counters {
    ($(#[$doc:meta])* $module:ident { $($id:ident: $unit:literal, $help:literal;)* }) => {
        $(#[$doc])*
        pub mod $module {
            use super::Entry;

            #[expect(non_camel_case_types, reason = "the identifier is the published name")]
            #[expect(clippy::upper_case_acronyms, reason = "the identifier is the published name")]
            #[repr(usize)]
            enum Id { $($id,)* COUNT }

            $(
                #[doc = $help]
                #[expect(non_upper_case_globals, reason = "the identifier is the published name")]
                pub const $id: usize = Id::$id as usize;
            )*

            /// How many there are.
            pub const COUNT: usize = Id::COUNT as usize;

            /// The table, by id.
            pub const TABLE: [Entry; COUNT] =
                [$(Entry { name: stringify!($id), unit: $unit, help: $help }),*];
        }
    };
}

counters! {
    /// Of one agent.
    agent {
        heartbeat_ns: "ns", "Time of the last duty cycle, since the Unix epoch";
        cycles: "1", "Duty cycles";
        work: "1", "Units of work done";
        core: "1", "The core it was configured to be pinned to, plus one; 0 where none was";
        phase: "1", "0 starting, 1 running, 2 ended in order, 3 ended by a panic";
        allocations: "1", "Times that its thread asked for memory; 0 where the program does not count";
    }
}

counters! {
    /// Of one feed.
    feed {
        datagrams: "1", "Datagrams received on its lines";
        messages: "1", "Messages delivered in order";
        events: "1", "Events of configured instruments passed to the strategy";
        duplicates: "1", "Messages that another line had brought before";
        gaps: "1", "Gaps opened";
        gaps_filled: "1", "Gaps filled";
        gaps_lost: "1", "Gaps given up with messages lost";
        gaps_open: "1", "Gaps open now";
        messages_lost: "1", "Messages that never came";
        rerequests: "1", "Re-requests sent";
        malformed: "1", "Messages of a known type that are too short or hold a letter that cannot be";
        rejected_datagrams: "1", "Datagrams that are no packet of the session that is followed, and frames by AF_XDP that are no datagram of a line";
        ring_full: "1", "Times that the ring to the strategy was full and the sockets were left waiting";
        expected: "1", "The next sequence expected";
        synced: "1", "1 while every message was delivered";
        kernel_drops: "1", "Datagrams that the kernel dropped for want of buffer; asked by the cold thread, for asking is a syscall";
        capture_refused: "1", "Batches that the capture could not take";
        undecodable: "1", "Of the malformed those that a book or a trading state may hang on: the feed's books are stale until its next session or snapshot";
        unknown_types: "1", "Messages of a type that is not known, skipped; a newer feed has them";
        odd_executions: "1", "Executions whose printable letter is neither Y nor N, taken as not printable";
        oversize: "1", "Datagrams dropped because they were longer than the buffer, on lines and from re-request servers";
        refused: "1", "Times that a re-request server's host said that nobody listens there";
        line_count: "1", "Lines that are configured";
        snapshots: "1", "Snapshots taken whole";
        snapshots_failed: "1", "Snapshots that broke off or did not come; the next is tried, ever later";
        snapshot_messages: "1", "Messages of snapshots";
        snapshot_refused: "1", "1 when the snapshot server refused user or password: no login is tried again before a restart or `ctl feed reconnect`";
        resyncs: "1", "Times that books were begun to be made anew because a person asked";
        disputed: "1", "Copies that differ from the message that came first under their number: the feed's books are stale until its next session or snapshot";
    }
}

counters! {
    /// Of one line of a feed.
    line {
        packets: "1", "Datagrams received, rejected ones included";
        won: "1", "Messages that came here first";
        duplicates: "1", "Messages that another line had brought before";
        last_heard_ns: "ns", "When the last packet of the session came, since the Unix epoch; 0 for never";
        silent: "1", "1 while the session was not heard here for longer than makes a feed silent";
        kernel_drops: "1", "Datagrams that the kernel dropped here for want of buffer";
        strays: "1", "Datagrams that came by the kernel though the line is heard past it: by another queue, in fragments, with options";
    }
}

counters! {
    /// Of one gateway.
    gateway {
        state: "1", "0 disconnected, 1 connecting, 2 logged in, 3 ready";
        connects: "1", "Connections made";
        disconnects: "1", "Connections lost";
        login_rejects: "1", "Logins refused";
        sent: "1", "Requests taken by the socket";
        unsent: "1", "Requests dropped because their session was gone before they left";
        reports: "1", "Reports received";
        ring_full: "1", "Times that the ring of reports was full and the socket was left waiting";
        protocol_errors: "1", "Breaches of protocol; each drops the connection";
        last_sequence: "1", "The last sequenced message of the session";
        undecodable: "1", "Sequenced messages that are not understood";
        spilled: "1", "Items for the strategy that found no room in its ring and had to wait";
        receipts_lost: "1", "Receipts dropped because the strategy took nothing for too long";
        given_up: "1", "1 when the venue refused user or password, 2 when it counts other sequence numbers: no login is tried again before a restart";
        mass_cancels: "1", "Mass cancels sent at an end in disorder";
        mass_canceled: "1", "Mass cancels that the venue has taken, a person's among them";
        entry_off: "1", "1 while the venue's last word is that it takes no orders of the firm";
        last_order_ns: "ns", "When the socket took the last new order or replace, since the Unix epoch; 0 for never";
        held_back: "1", "New orders and replaces that the kill switch kept from leaving";
    }
}

counters! {
    /// Of the control plane.
    control {
        clients: "1", "Clients of the control socket";
        commands: "1", "Commands carried out";
        ring_full: "1", "Control inputs that found no room in the ring to the strategy: commands are refused, tokens wait";
        killed_at_ns: "ns", "When the last kill came that stands, since the Unix epoch; 0 while nothing is killed";
        mode: "1", "What orders reach: 0 a venue for tests, 1 a simulated venue in the core itself (paper), 2 the market";
    }
}

counters! {
    /// Of the engine.
    engine {
        inputs: "1", "Inputs applied";
        market_events: "1", "Market events applied";
        new_orders: "1", "New orders sent";
        replaces: "1", "Replaces sent";
        cancels: "1", "Cancels sent";
        refusals: "1", "Intents refused by risk";
        reports: "1", "Reports applied";
        accepted: "1", "Orders accepted by the venue";
        rejected: "1", "Orders and replaces refused by the venue";
        fills: "1", "Fills";
        shares: "shares", "Shares traded";
        duplicate_reports: "1", "Reports seen before";
        late_reports: "1", "Reports about orders that have ended, or that need no action";
        adopted: "1", "Orders of an earlier run taken over";
        anomalies: "1", "Reports that cannot be true, and streams that lack a part; each halts trading";
        unknown_refs: "1", "Book messages about orders that the book does not hold";
        order_ring_full: "1", "Cycles in which no input was taken because a gateway's ring had no room";
        journal_refused: "1", "Records that the journal could not take";
        journal_records: "1", "Records in the journal";
        unsettled: "1", "Orders that stayed unknown though their session became ready";
        written_off: "1", "Orders that a person wrote off";
        controls_refused: "1", "Resumes and write-offs that were refused";
        broken_prints: "1", "Trades of the market that the venue declared void";
        held: "1", "New orders and replaces that waited for room in a venue's message rate";
        dropped: "1", "Of these, what was not sent";
        alarms: "1", "Breakers that tripped or were taken back, instruments disabled, limits nearly used";
        corrected: "1", "Fills that the venue corrected";
        lots_merged: "1", "Fills that found no room for a lot of their own (first in, first out): their shares leave at the average of the lot that they joined";
        kill: "1", "0 nothing is killed, 1 orders within a kill may live, 2 the venue has confirmed that none does";
        kill_flat_ns: "ns", "When the venue had confirmed that nothing lives of what is killed, since the Unix epoch; 0 while it has not";
        change: "1", "Number of the last change of parameters and limits that is in force; 0 where the configuration's are";
        change_refused: "1", "Number of the last such change that the strategy refused";
    }
}

counters! {
    /// Of one ring, as the strategy thread sees it when it publishes.
    ring {
        fill: "1", "Items that wait in it";
        capacity: "1", "Items that it holds at most";
    }
}

counters! {
    /// Of the cold thread.
    cold {
        records_followed: "1", "Records of the core's journal that the log and the chain of seals have taken";
        unsynced_bytes: "bytes", "Bytes of the core's journal that are not on the disk";
        clock_offset_ns: "ns", "How far the wall clock is off the core's, either way";
        clock_error_ns: "ns", "How far the wall clock may be from UTC, by what keeps it; says nothing while nothing does";
        clock_kept: "1", "1 while something keeps the wall clock, by the kernel's word";
        clock_steps: "1", "Times that the wall clock was stepped";
        drift: "1", "What the strategy does that is not as expected, a bit each: 1 P&L, 2 orders, 4 fills an order, 8 markout, 16 return less the benchmark's";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_places_in_the_table() {
        assert_eq!(feed::TABLE[feed::gaps].name, "gaps");
        assert_eq!(engine::TABLE.len(), engine::COUNT);
        assert_eq!(agent::heartbeat_ns, 0);
    }

    #[test]
    fn names_are_words_of_their_own_and_say_something() {
        let tables = [
            &agent::TABLE[..],
            &feed::TABLE,
            &line::TABLE,
            &gateway::TABLE,
            &control::TABLE,
            &engine::TABLE,
            &ring::TABLE,
            &cold::TABLE,
        ];
        for table in tables {
            let names: BTreeSet<_> = table.iter().map(|e| e.name).collect();
            assert_eq!(names.len(), table.len(), "each name once");
            for e in table {
                assert!(!e.help.is_empty() && ["1", "ns", "shares", "bytes"].contains(&e.unit), "{e:?}");
                assert_eq!(e.name.ends_with("_ns"), e.unit == "ns", "{e:?}");
            }
        }
    }
}
