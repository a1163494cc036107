//! What a person at the venue does to it while it runs: trades broken or corrected, symbols halted, sessions ended.
//!
//! A command is one JSON object, `{"command": "break", "match": 17}`; its answer says `"ok": true` and what was done, or `"ok": false` and why not. What is refused has changed nothing.

use model::{Px, Symbol};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Phase, Venue, VenueCounts};
use crate::exchange::accounts::Account;
use crate::exchange::entry::MARKET_PRICE;
use crate::exchange::script::MarketAction;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, clap::Subcommand)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// What has happened so far.
    Status,
    /// Undo a trade, on both sides and on the feed; one of an auction with all that it matched.
    Break {
        /// The trade's match number.
        #[serde(rename = "match")]
        #[arg(value_name = "MATCH")]
        number: u64,
    },
    /// Give a trade another price, for accounts whose protocol can say so (OUCH 4.2, FIX). The feed cannot.
    Correct {
        /// The trade's match number.
        #[serde(rename = "match")]
        #[arg(value_name = "MATCH")]
        number: u64,
        /// USD, such as 101.25.
        price: String,
    },
    /// No trading in a symbol.
    Halt {
        /// Which.
        symbol: String,
    },
    /// A trading pause of a symbol.
    Pause {
        /// Which.
        symbol: String,
    },
    /// Quotation only, before the cross that ends a halt.
    Quote {
        /// Which.
        symbol: String,
    },
    /// Trade a symbol again, by a cross where orders were collected for one.
    Resume {
        /// Which.
        symbol: String,
    },
    /// End the session of accounts in mid-day: who logs in again begins another. Their orders live on, unless the port cancels on disconnect.
    EndSession {
        /// One account's username; all that do not speak FIX without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
    },
}

impl Venue {
    /// Carries out a line of the control socket; the answer.
    pub fn on_control(&mut self, now: u64, line: &[u8]) -> Value {
        let done = match serde_json::from_slice(line) {
            Ok(command) => self.operate(now, &command),
            Err(e) => Err(format!("not a command: {e}")),
        };
        match done {
            Ok(mut done) => {
                done["ok"] = true.into();
                done
            }
            Err(error) => json!({"ok": false, "error": error}),
        }
    }

    fn operate(&mut self, now: u64, command: &Command) -> Result<Value, String> {
        self.advance(now);
        if self.phase != Phase::Open && *command != Command::Status {
            return Err("the day has not begun, or is over".into());
        }
        let done = match command {
            Command::Status => Ok(self.status()),
            Command::Break { number } => self.break_trade(*number),
            Command::Correct { number, price } => self.correct(*number, price),
            Command::Halt { symbol } => self.at_market(symbol, MarketAction::Halt),
            Command::Pause { symbol } => self.at_market(symbol, MarketAction::Pause),
            Command::Quote { symbol } => self.at_market(symbol, MarketAction::Quote),
            Command::Resume { symbol } => self.at_market(symbol, MarketAction::Resume),
            Command::EndSession { account } => self.end_sessions(account.as_deref()),
        }?;
        self.settle();
        Ok(done)
    }

    fn status(&self) -> Value {
        let counts = self.counts();
        let VenueCounts { messages, logins, accepted, fills, .. } = counts;
        let account = |a: &Account| {
            let view = a.view();
            let c = view.counts;
            json!({
                "username": view.username, "live_orders": view.live_orders.len(),
                "accepted": c.accepted, "replaced": c.replaced, "rejected": c.rejected,
            })
        };
        json!({
            "counts": {"messages": messages, "logins": logins, "accepted": accepted, "fills": fills},
            "accounts": self.floor.accounts.iter().map(account).collect::<Vec<_>>(),
        })
    }

    /// The trade of a match that an account was part of and that stands.
    fn standing(&self, number: u64) -> Result<u64, String> {
        match self.floor.accounts.iter().find_map(|a| a.trade_of(number)) {
            None => Err(format!("no account has a trade with match number {number}")),
            Some((_, true)) => Err(format!("the trade with match number {number} is broken already")),
            Some((trade, false)) => Ok(trade),
        }
    }

    fn break_trade(&mut self, number: u64) -> Result<Value, String> {
        let trade = self.standing(number)?;
        Ok(json!({"broken": self.floor.break_trade(trade)}))
    }

    fn correct(&mut self, number: u64, price: &str) -> Result<Value, String> {
        self.standing(number)?;
        let px: Px = price.parse().map_err(|e| format!("{price:?}: {e}"))?;
        if !(1..MARKET_PRICE as i64).contains(&px.0) {
            return Err(format!("{price} is no price: more than 0, less than 200000"));
        }
        let sides = self.floor.accounts.iter().filter(|a| a.trade_of(number).is_some());
        for side in sides {
            if let Some(protocol) = side.has_no_corrections() {
                let name = &side.credentials.username;
                return Err(format!("{name} trades by {protocol}, which cannot say it; `break` it instead"));
            }
        }
        self.floor.correct_match(number, px);
        Ok(json!({"corrected": number, "price": px.to_string()}))
    }

    fn at_market(&mut self, symbol: &str, action: MarketAction) -> Result<Value, String> {
        let listing = Symbol::new(symbol).and_then(|symbol| self.floor.find(symbol));
        let listing = listing.ok_or_else(|| format!("{symbol:?} is not listed here"))?;
        if action == MarketAction::Resume && self.floor.listings[listing].state == b'T' {
            return Err(format!("{symbol} trades already"));
        }
        self.perform(action, listing);
        let state = char::from(self.floor.listings[listing].state).to_string();
        Ok(json!({"symbol": symbol, "state": state}))
    }

    fn end_sessions(&mut self, of: Option<&str>) -> Result<Value, String> {
        let is_it = |a: &&Account| of.is_none_or(|of| a.credentials.username.eq_ignore_ascii_case(of));
        let chosen: Vec<_> =
            self.floor.accounts.iter().filter(is_it).map(|a| (a.index, a.rules.fix.is_none())).collect();
        match (of, chosen.first()) {
            (Some(of), None) => return Err(format!("there is no account {of:?}")),
            (Some(of), Some((_, false))) => {
                return Err(format!("{of} speaks FIX, whose sessions do not end in mid-day"));
            }
            _ => {}
        }
        let soup: Vec<u16> = chosen.iter().filter(|(_, is_soup)| *is_soup).map(|(at, _)| *at).collect();
        soup.iter().for_each(|at| self.desk.end_session(&mut self.floor, *at));
        let name = |at: &u16| self.floor.accounts[usize::from(*at)].credentials.username.clone();
        Ok(json!({"ended": soup.iter().map(name).collect::<Vec<_>>()}))
    }
}
