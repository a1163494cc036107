//! What the views of `feeds` say of a message is all of it: put one after the other, their values are the message again.

use std::fs;

use feeds::itch50::wire;
use model::{Nanos, Symbol};

use crate::binaryfile;
use crate::captured;
use crate::program;

/// A field's value as it was on the wire.
trait Wire {
    fn wire(&self) -> Vec<u8>;
}

macro_rules! numbers {
    ($($ty:ty)*) => {$(
        impl Wire for $ty {
            fn wire(&self) -> Vec<u8> {
                self.to_be_bytes().to_vec()
            }
        }
    )*};
}

numbers! { u8 u16 u32 u64 }

impl<const N: usize> Wire for [u8; N] {
    fn wire(&self) -> Vec<u8> {
        self.to_vec()
    }
}

impl Wire for Symbol {
    fn wire(&self) -> Vec<u8> {
        self.0.to_vec()
    }
}

/// A stamp has six bytes in the head of every message; a time of day elsewhere has eight.
fn stamp(t: Nanos) -> Vec<u8> {
    t.0.to_be_bytes()[2..].to_vec()
}

impl Wire for Nanos {
    fn wire(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }
}

/// The fields of each type in the order of the specification, by no more than their names.
macro_rules! encode {
    ($msg:expr, $($view:ident { $($field:ident)* })*) => {
        match $msg[0] {
            $(wire::$view::KIND => {
                let view = wire::$view::new($msg).unwrap();
                let mut out = vec![wire::$view::KIND];
                out.extend(view.stock_locate().wire());
                out.extend(view.tracking_number().wire());
                out.extend(stamp(view.timestamp()));
                $(out.extend(view.$field().wire());)*
                out
            })*
            other => panic!("type {other} has no view"),
        }
    };
}

fn encoded(msg: &[u8]) -> Vec<u8> {
    encode! { msg,
        SystemEvent { event_code }
        StockDirectory {
            stock market_category financial_status round_lot_size round_lots_only issue_classification
            issue_subtype authenticity short_sale_threshold ipo_flag luld_tier etp_flag etp_leverage inverse
        }
        TradingAction { stock trading_state reserved reason }
        RegShoRestriction { stock reg_sho_action }
        ParticipantPosition { mpid stock primary_mm mm_mode mp_state }
        MwcbDecline { level1 level2 level3 }
        MwcbStatus { breached_level }
        IpoQuoting { stock ipo_release_time_s ipo_qualifier ipo_price }
        AuctionCollar { stock ref_price upper_price lower_price extension }
        OperationalHalt { stock market_code action }
        AddOrder { order_ref side shares stock price }
        AddOrderMpid { order_ref side shares stock price attribution }
        OrderExecuted { order_ref executed_shares match_number }
        OrderExecutedWithPrice { order_ref executed_shares match_number printable execution_price }
        OrderCancel { order_ref cancelled_shares }
        OrderDelete { order_ref }
        OrderReplace { orig_order_ref new_order_ref shares price }
        Trade { order_ref side shares stock price match_number }
        CrossTrade { shares stock cross_price match_number cross_type }
        BrokenTrade { match_number }
        Imbalance {
            paired_shares imbalance_shares imbalance_direction stock far_price near_price ref_price
            cross_type price_variation
        }
        RetailInterest { stock interest_flag }
        DirectListing {
            stock open_eligibility min_price max_price near_price near_time lower_collar upper_collar
        }
    }
}

#[test]
fn every_captured_message_is_its_fields_again() {
    let Some(captures) = captured::captures() else { return };
    let mut types = std::collections::BTreeSet::new();
    for capture in captures {
        for m in captured::messages(&capture) {
            assert_eq!(encoded(&m), m, "{}", capture.display());
            types.insert(m[0]);
        }
    }
    assert_eq!(types.len(), wire::TYPES.len(), "every type is covered");
}

#[test]
fn every_historical_message_is_its_fields_again() {
    let Some(folder) = program::shared("data/itch50") else { return };
    for file in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        let bytes = fs::read(&file).unwrap();
        let messages = binaryfile::messages(&bytes);
        assert!(!messages.is_empty(), "{}", file.display());
        for (n, m) in messages.into_iter().enumerate() {
            assert_eq!(encoded(m), m, "{}: message {}", file.display(), n + 1);
        }
    }
}
