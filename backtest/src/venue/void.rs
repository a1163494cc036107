//! A market that cannot be followed any more: a message is lost, a session or a snapshot begins.
//!
//! Nobody knows who stands before an order then, nor what has traded. So that no fill is made up, the venue takes back what rests, in one report each, and begins with
//! empty books; a real one does so when it loses its own state.

use engine::book::Books;

use super::{Said, Venue};

/// The reason of a cancel that nobody asked for (OUCH 5.0: Z, system cancel).
pub const BY_THE_SYSTEM: u8 = b'Z';

impl Venue {
    /// Cancels all that rests and forgets the books. Every instrument waits for its trading action again.
    #[cold]
    pub fn void(&mut self, said: &mut Said) {
        self.floor.cancel_where(BY_THE_SYSTEM, |_| true, said);
        self.history.clear();
        self.floor.missing.clear();
        self.floor.listings.iter_mut().for_each(|listing| listing.trading = false);
    }

    /// Cancels all that rests, because whoever sent it is about to go.
    #[cold]
    pub fn cancel_all(&mut self, said: &mut Said) {
        self.floor.cancel_where(b'U', |_| true, said);
    }
}
