//! Every capacity of the engine in one place. All memory is taken from these at construction; what does not fit is refused and
//! counted, never grown on the hot path.

/// Intents that one strategy callback may leave; more are refused.
pub const INTENTS_PER_CALLBACK: usize = 16;

/// Commands that one input may cause: a callback's intents, or a part of a cancel sweep. A sweep over more orders goes on with the
/// inputs after it, so that a ring towards a gateway needs only this much room before an input is taken.
pub const COMMANDS_PER_INPUT: usize = 64;

/// Cancels that one input may add to a sweep; the rest of [`COMMANDS_PER_INPUT`] stays for the strategy.
pub const SWEEP_PER_INPUT: usize = 32;

/// Orders that may be open at once, whatever the configuration allows.
pub const OPEN_ORDERS_MAX: usize = 8_192;

/// Instruments that a configuration may name.
pub const INSTRUMENTS_MAX: usize = 4_096;

/// Messages a second that the rolling window can count.
pub const MESSAGES_PER_SECOND_MAX: usize = 65_536;

/// Units that a gateway's throttle can count in one window, or hold in its bucket.
pub const UNITS_MAX: u32 = 65_536;

/// Windows that a gateway's throttle may have.
pub const WINDOWS_MAX: usize = 4;

/// Requests of one gateway that may wait for room.
pub const WAITING_MAX: usize = 256;

/// Requests that waited which one input may send.
pub const RELEASED_PER_INPUT: usize = 16;

/// Requests that waited which one input may drop; further ones are dropped with the inputs after it.
pub const DROPPED_PER_INPUT: usize = 64;

/// New orders that the duplicate check can remember: what the message rate lets pass in its window may not be more.
pub const DUPLICATE_MEMORY_MAX: usize = 131_072;

/// Rules of circuit breakers that a configuration may name.
pub const BREAKERS_MAX: usize = 32;

/// Alarms kept of one input; all are counted.
pub const ALARMS_PER_INPUT: usize = 32;

const _: () = assert!(SWEEP_PER_INPUT + 2 * INTENTS_PER_CALLBACK <= COMMANDS_PER_INPUT);
const _: () = assert!(OPEN_ORDERS_MAX.is_power_of_two());
const _: () =
    assert!(DUPLICATE_MEMORY_MAX.is_power_of_two() && DUPLICATE_MEMORY_MAX >= MESSAGES_PER_SECOND_MAX);
