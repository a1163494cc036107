//! What the specification allows in which message: the checks behind SessionRejectReason.
//!
//! The tables are text beside this file (`fix44.txt`, `fix42.txt`), read once when a session is made. A line begins with its kind; a line that begins with spaces
//! goes on with the one before:
//!
//! ```text
//!   k 1-19 21-23 ..        tags that the specification defines
//!   a 0 1 2 ..             message types that it defines
//!   h 8! 9! .. 627(628 ..) fields of the header; `!` required, `(..)` the members of a repeating group, of which the first begins an entry
//!   t 93 89 10!            fields of the trailer
//!   m D 11! 526 ..         fields of a message spoken here
//!   f 40:c:1,2,3           what a field holds: i whole number, d decimal, c character, b Y or N, u UTC timestamp, m words, s text, x data; its values
//! ```

use super::framing::{FieldValues, Message};
use super::{tags, value};

/// Why a message is rejected: SessionRejectReason (373), and which tag it is about (371).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The reason.
    pub reason: RejectReason,
    /// The tag.
    pub tag: Option<i32>,
}

/// SessionRejectReason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RejectReason {
    /// No such tag in the specification.
    InvalidTag = 0,
    /// A required tag is missing.
    RequiredTagMissing = 1,
    /// The tag is not one of this message's.
    TagNotDefined = 2,
    /// A tag with nothing behind it.
    NoValue = 4,
    /// Not one of the values allowed.
    ValueIncorrect = 5,
    /// Not the format of the field.
    IncorrectFormat = 6,
    /// Not for us, or not from the counterparty.
    CompIdProblem = 9,
    /// SendingTime too far from our clock, or before OrigSendingTime.
    SendingTimeAccuracy = 10,
    /// No such message type.
    InvalidMsgType = 11,
    /// The same tag twice.
    RepeatedTag = 13,
    /// A field of the header in the body.
    OutOfOrder = 14,
    /// Not as many entries as the group's count says.
    GroupCount = 16,
}

impl RejectReason {
    /// What Text (58) says.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            RejectReason::InvalidTag => "Invalid tag number",
            RejectReason::RequiredTagMissing => "Required tag missing",
            RejectReason::TagNotDefined => "Tag not defined for this message type",
            RejectReason::NoValue => "Tag specified without a value",
            RejectReason::ValueIncorrect => "Value is incorrect (out of range) for this tag",
            RejectReason::IncorrectFormat => "Incorrect data format for value",
            RejectReason::CompIdProblem => "CompID problem",
            RejectReason::SendingTimeAccuracy => "SendingTime accuracy problem",
            RejectReason::InvalidMsgType => "Invalid MsgType",
            RejectReason::RepeatedTag => "Tag appears more than once",
            RejectReason::OutOfOrder => "Tag specified out of required order",
            RejectReason::GroupCount => "Incorrect NumInGroup count for repeating group",
        }
    }

    /// The fault of `tag`.
    #[must_use]
    pub const fn of(self, tag: i32) -> Fault {
        Fault { reason: self, tag: Some(tag) }
    }
}

/// How much of a message must be as the specification has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// All of it: an acceptor that certifies its counterparties.
    Full,
    /// What is needed to understand it. Fields, values and message types of the counterparty's own are let through: a client that refuses a report for an
    /// unknown tag does not know what it has traded.
    Tolerant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Decimal,
    Char,
    Bool,
    Utc,
    Words,
    Text,
}

#[derive(Debug)]
struct Definition {
    tag: i32,
    kind: Kind,
    values: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Block {
    /// In the order written, members of groups not among them.
    fields: Vec<i32>,
    required: Vec<i32>,
    groups: Vec<(i32, Block)>,
}

/// The tables of one version.
#[derive(Debug)]
pub struct Dictionary {
    known: Vec<(i32, i32)>,
    types: Vec<Vec<u8>>,
    header: Block,
    trailer: Block,
    messages: Vec<(Vec<u8>, Block)>,
    /// By tag.
    definitions: Vec<Definition>,
}

impl Block {
    /// Reads `tag[!][(members)]` up to the end or a closing bracket.
    fn read<'t>(words: &mut impl Iterator<Item = &'t str>) -> Block {
        let mut block = Block::default();
        while let Some(word) = words.next() {
            if word == ")" {
                break;
            }
            let (tag, required) = word.strip_suffix('!').map_or((word, false), |tag| (tag, true));
            if tag == "(" {
                let count = *block.fields.last().expect("a group has a count");
                block.groups.push((count, Block::read(words)));
                continue;
            }
            let tag = tag.parse().expect("a tag of the dictionary");
            block.fields.push(tag);
            if required {
                block.required.push(tag);
            }
        }
        block.required.sort_unstable();
        block
    }

    fn of(text: &str) -> Block {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        Block::read(&mut spaced.split_whitespace())
    }

    fn has(&self, tag: i32) -> bool {
        self.fields.contains(&tag)
    }

    fn group(&self, count: i32) -> Option<&Block> {
        self.groups.iter().find_map(|(tag, block)| (*tag == count).then_some(block))
    }
}

type Values<'a> = core::iter::Peekable<FieldValues<'a>>;

impl Dictionary {
    /// FIX 4.4. Allocates.
    #[must_use]
    pub fn fix44() -> Dictionary {
        Dictionary::read(include_str!("fix44.txt"))
    }

    /// FIX 4.2. Allocates.
    #[must_use]
    pub fn fix42() -> Dictionary {
        Dictionary::read(include_str!("fix42.txt"))
    }

    fn read(text: &str) -> Dictionary {
        let mut d = Dictionary {
            known: Vec::new(),
            types: Vec::new(),
            header: Block::default(),
            trailer: Block::default(),
            messages: Vec::new(),
            definitions: Vec::new(),
        };
        let unfolded = text.replace("\n ", " ");
        for line in unfolded.lines().filter(|line| !line.starts_with('#')) {
            let (letter, rest) = line.split_once(' ').expect("a line of the dictionary");
            match letter {
                "k" => d.known.extend(rest.split_whitespace().map(|word| {
                    let (from, to) = word.split_once('-').unwrap_or((word, word));
                    (from.parse().expect("a tag"), to.parse().expect("a tag"))
                })),
                "a" => d.types.extend(rest.split_whitespace().map(|word| word.as_bytes().to_vec())),
                "h" => d.header = Block::of(rest),
                "t" => d.trailer = Block::of(rest),
                "m" => {
                    let (kind, fields) = rest.split_once(' ').expect("a message and its fields");
                    d.messages.push((kind.as_bytes().to_vec(), Block::of(fields)));
                }
                "f" => d.definitions.extend(rest.split_whitespace().filter_map(definition)),
                _ => unreachable!("a line of an unknown kind"),
            }
        }
        d.definitions.sort_by_key(|definition| definition.tag);
        d
    }

    /// Whether the specification has a message of this type.
    #[must_use]
    pub fn has_type(&self, kind: &[u8]) -> bool {
        self.types.iter().any(|t| t == kind)
    }

    /// Whether the header has this field.
    #[must_use]
    pub fn in_header(&self, tag: i32) -> bool {
        self.header.has(tag)
    }

    /// Judges a message. Messages of types that the specification has and this table has not are judged by their header alone.
    ///
    /// # Errors
    /// The first [`Fault`], in the order of the fields but for what is missing.
    pub fn check(&self, m: &Message<'_>, strictness: Strictness) -> Result<(), Fault> {
        let full = strictness == Strictness::Full;
        if full && !self.has_type(m.kind()) {
            return Err(Fault { reason: RejectReason::InvalidMsgType, tag: None });
        }
        let body = self.messages.iter().find_map(|(kind, block)| (kind == m.kind()).then_some(block));
        if full {
            self.order(m)?;
        }
        for block in [Some(&self.header), body].into_iter().flatten() {
            for tag in &block.required {
                if m.get(*tag).is_none() {
                    return Err(RejectReason::RequiredTagMissing.of(*tag));
                }
            }
        }
        if full { self.fields(m, body) } else { self.formats(m) }
    }

    /// Header, body, trailer.
    fn order(&self, m: &Message<'_>) -> Result<(), Fault> {
        let mut in_header = true;
        for (tag, _) in m.fields() {
            let header = self.header.has(tag) || self.header.groups.iter().any(|(_, group)| group.has(tag));
            if header && !in_header {
                return Err(RejectReason::OutOfOrder.of(tag));
            }
            in_header &= header;
        }
        Ok(())
    }

    /// The formats of the fields that are understood.
    fn formats(&self, m: &Message<'_>) -> Result<(), Fault> {
        for (tag, text) in m.fields() {
            if text.is_empty() && self.header.required.contains(&tag) {
                return Err(RejectReason::NoValue.of(tag));
            }
        }
        Ok(())
    }

    fn fields(&self, m: &Message<'_>, body: Option<&Block>) -> Result<(), Fault> {
        let mut seen = Seen::default();
        let mut values = m.fields().peekable();
        while let Some((tag, text)) = values.next() {
            if seen.again(tag) {
                return Err(RejectReason::RepeatedTag.of(tag));
            }
            self.value(tag, text)?;
            let home = [&self.header, &self.trailer].into_iter().chain(body).find(|block| block.has(tag));
            match home {
                Some(block) => {
                    if let Some(group) = block.group(tag) {
                        self.group(tag, value::uint(text), group, &mut values)?;
                    }
                }
                None if !self.known.iter().any(|(from, to)| (*from..=*to).contains(&tag)) => {
                    return Err(RejectReason::InvalidTag.of(tag));
                }
                None if body.is_some() => return Err(RejectReason::TagNotDefined.of(tag)),
                None => {}
            }
        }
        Ok(())
    }

    /// The entries of a group: each begins with the first member.
    fn group(
        &self,
        count: i32,
        said: Option<u64>,
        group: &Block,
        values: &mut Values<'_>,
    ) -> Result<(), Fault> {
        let first = group.fields.first().copied();
        let mut entries = 0;
        let mut seen = Seen::default();
        while let Some((tag, text)) = values.next_if(|(tag, _)| group.has(*tag)) {
            if Some(tag) == first {
                entries += 1;
                seen = Seen::default();
            } else if entries == 0 {
                break;
            }
            if seen.again(tag) {
                return Err(RejectReason::RepeatedTag.of(tag));
            }
            self.value(tag, text)?;
            if let Some(inner) = group.group(tag) {
                self.group(tag, value::uint(text), inner, values)?;
            }
        }
        if said == Some(entries) { Ok(()) } else { Err(RejectReason::GroupCount.of(count)) }
    }

    fn value(&self, tag: i32, text: &[u8]) -> Result<(), Fault> {
        if text.is_empty() {
            return Err(RejectReason::NoValue.of(tag));
        }
        let Ok(at) = self.definitions.binary_search_by_key(&tag, |definition| definition.tag) else {
            return Ok(());
        };
        let definition = &self.definitions[at];
        let whole = |text: &[u8]| value::uint(text.strip_prefix(b"-").unwrap_or(text)).is_some();
        let fits = match definition.kind {
            Kind::Int => whole(text),
            Kind::Decimal => is_decimal(text),
            Kind::Char => text.len() == 1,
            Kind::Bool => matches!(text, b"Y" | b"N"),
            Kind::Utc => value::utc(text).is_some(),
            Kind::Words | Kind::Text => true,
        };
        if !fits {
            return Err(RejectReason::IncorrectFormat.of(tag));
        }
        let allowed =
            |word: &[u8]| definition.values.is_empty() || definition.values.iter().any(|v| v == word);
        let right = match definition.kind {
            Kind::Words => text.split(|b| *b == b' ').all(allowed),
            _ => allowed(text),
        };
        if right { Ok(()) } else { Err(RejectReason::ValueIncorrect.of(tag)) }
    }
}

/// Any decimal at all: what is too fine for us is the application's to refuse, not the session's.
fn is_decimal(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let points = digits.iter().filter(|b| **b == b'.').count();
    points <= 1 && digits.len() > points && digits.iter().all(|b| b.is_ascii_digit() || *b == b'.')
}

fn definition(word: &str) -> Option<Definition> {
    let mut parts = word.split(':');
    let (tag, kind) = (parts.next()?.parse().expect("a tag"), parts.next()?);
    let kind = match kind {
        "i" => Kind::Int,
        "d" => Kind::Decimal,
        "c" => Kind::Char,
        "b" => Kind::Bool,
        "u" => Kind::Utc,
        "m" => Kind::Words,
        "s" => Kind::Text,
        _ => return None,
    };
    // The message type is judged by itself.
    let values = parts.next().filter(|_| tag != tags::MSG_TYPE).unwrap_or_default();
    let values = values.split(',').filter(|v| !v.is_empty()).map(|v| v.as_bytes().to_vec()).collect();
    Some(Definition { tag, kind, values })
}

/// Tags below 1,024 that were met; those above are not defined by any version spoken here.
#[derive(Default)]
struct Seen([u64; 16]);

impl Seen {
    fn again(&mut self, tag: i32) -> bool {
        let Some(word) = usize::try_from(tag).ok().and_then(|tag| self.0.get_mut(tag / 64)) else {
            return false;
        };
        let bit = 1 << (tag % 64);
        let met = *word & bit != 0;
        *word |= bit;
        met
    }
}

#[cfg(test)]
mod tests {
    use super::super::compose::{Fields, finish};
    use super::super::framing::split;
    use super::*;

    fn check(d: &Dictionary, body: &str, strictness: Strictness) -> Result<(), Fault> {
        let mut out = Fields::new(4096);
        assert!(finish(&mut out, b"FIX.4.4", body.replace('|', "\x01").as_bytes()));
        let bytes = out.finished().unwrap();
        let mut fields = Vec::with_capacity(128);
        split(bytes, &mut fields).unwrap();
        d.check(&Message::new(bytes, &fields), strictness)
    }

    const HEAD: &str = "34=2|49=A|52=20240101-00:00:00|56=B|";

    #[test]
    fn both_tables_are_read_whole() {
        for (d, types, parties) in [(Dictionary::fix44(), 17, true), (Dictionary::fix42(), 14, false)] {
            assert_eq!(d.messages.len(), types);
            let order = d.messages.iter().find(|(kind, _)| kind == b"D").unwrap();
            assert!(order.1.required.contains(&tags::CL_ORD_ID));
            assert_eq!(order.1.group(453).is_some(), parties);
            assert!(
                d.definitions.iter().all(|definition| definition.kind != Kind::Int || definition.tag > 0)
            );
        }
    }

    #[test]
    fn nested_groups_are_counted() {
        let d = Dictionary::fix44();
        let order = format!(
            "35=D|{HEAD}11=a|453=2|448=x|452=1|802=2|523=p|803=1|523=q|448=y|54=1|60=20240101-00:00:00|40=1|"
        );
        assert_eq!(check(&d, &order, Strictness::Full), Ok(()));
        let wrong = |from: &str, to: &str| check(&d, &order.replace(from, to), Strictness::Full);
        assert_eq!(wrong("802=2", "802=3"), Err(RejectReason::GroupCount.of(802)));
        assert_eq!(wrong("453=2", "453=1"), Err(RejectReason::GroupCount.of(453)));
        assert_eq!(wrong("448=x|", ""), Err(RejectReason::GroupCount.of(453)));
        assert_eq!(wrong("448=x|", "448=x|452=1|"), Err(RejectReason::RepeatedTag.of(452)));
    }

    #[test]
    fn a_client_takes_what_it_does_not_know() {
        let d = Dictionary::fix44();
        let report = format!("35=8|{HEAD}37=1|17=1|150=0|39=0|54=1|151=1|14=0|6=0|9999=own|851=7|");
        assert_eq!(check(&d, &report, Strictness::Tolerant), Ok(()));
        assert_eq!(check(&d, &report, Strictness::Full), Err(RejectReason::InvalidTag.of(9999)));
        assert_eq!(
            check(&d, &report.replace("9999=own|", ""), Strictness::Full),
            Err(RejectReason::ValueIncorrect.of(851))
        );
        let lacks = check(&d, &report.replace("17=1|", ""), Strictness::Tolerant);
        assert_eq!(lacks, Err(RejectReason::RequiredTagMissing.of(17)));
        assert_eq!(check(&d, &format!("35=U1|{HEAD}"), Strictness::Tolerant), Ok(()));
    }
}
