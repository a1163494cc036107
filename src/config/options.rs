//! `[gateways.options]`: what every order of a gateway says beside its values, in the appendage of OUCH 5.0. The other protocols have none.

use gateways::ouch50::appendage::{Element, Options};
use serde::{Deserialize, Serialize};

use super::resolve::Checks;
use crate::order_protocol::OrderProtocol;

/// As written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OrderOptions {
    /// The row of tokens that is used (`UserRefIdx`), 1 to 255, where several cores or programs share an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<i64>,
    /// `R` retail or `N` not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_type: Option<String>,
    /// Group for mass cancels, 1 to 65,535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<i64>,
    /// Whether an order that would trade at once is canceled instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_only: Option<bool>,
    /// Which of two own orders goes that would trade with each other, a letter of the venue's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_match: Option<String>,
    /// Where shares for short sales are located, 4 letters or digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locate_broker: Option<String>,
}

/// One ASCII letter or digit for each byte of `N`.
fn text<const N: usize>(c: &mut Checks, key: &str, found: Option<&String>, allowed: &str) -> Option<[u8; N]> {
    let found = found?;
    let text = <[u8; N]>::try_from(found.as_bytes()).ok().filter(|t| t.iter().all(u8::is_ascii_alphanumeric));
    if text.is_none() {
        c.problem(key, format!("{found:?}"), allowed);
    }
    text
}

/// The elements, under `key`.
pub(super) fn resolve(
    c: &mut Checks,
    key: &str,
    written: Option<&OrderOptions>,
    protocol: OrderProtocol,
) -> Options {
    let mut options = Options::default();
    let Some(w) = written else { return options };
    if protocol != OrderProtocol::Ouch50 {
        c.problem(key, "a table", "nothing: only ouch50 has options");
        return options;
    }
    let at = |name: &str| format!("{key}.{name}");
    let channel = w.channel.map(|_| c.range(&at("channel"), w.channel, 1, 1, 255) as u8);
    let group = w.group.map(|_| c.range(&at("group"), w.group, 1, 1, 65_535) as u16);
    let customer = w
        .customer_type
        .as_ref()
        .and_then(|word| c.word(&at("customer_type"), word, &[("R", b'R'), ("N", b'N')]));
    let self_match = text::<1>(c, &at("self_match"), w.self_match.as_ref(), "a letter");
    let broker = text::<4>(c, &at("locate_broker"), w.locate_broker.as_ref(), "4 letters or digits");
    let elements = [
        channel.map(Element::UserRefIdx),
        group.map(Element::GroupId),
        customer.map(Element::CustomerType),
        w.post_only.map(|only| Element::PostOnly(if only { b'P' } else { b'N' })),
        self_match.map(|[letter]| Element::AiqStrategy(letter)),
        broker.map(|_| Element::SharesLocated(b'Y')),
        broker.map(Element::LocateBroker),
    ];
    for element in elements.into_iter().flatten() {
        let added = options.add(element);
        debug_assert!(added, "each is of an Enter Order, and all of them fit");
    }
    options
}
