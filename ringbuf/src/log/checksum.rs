//! crc32c over a record's bytes on their way into a segment: checksum and copy in one pass.
//!
//! The result is that of the `crc32c` crate over the same bytes, which is what readers use: the two sides
//! share no code. Fused, because the writer has the words in registers anyway, and because calling the crate
//! costs as much as the sum itself at 64 bytes.
use crate::sync::{AtomicU64, Ordering};

/// Continues `crc` over the words `index` and `head` and then over `payload`, filled up with zeros to whole
/// words; stores the latter, relaxed, into `to`, which has room for them.
///
/// A path of its own beside [`join`], because instructions are what it costs: the general one takes twice as
/// many for the ordinary payload of one part.
#[inline(always)]
pub(super) fn copy(crc: u32, index: u64, head: u64, payload: &[u8], to: &[AtomicU64]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the feature that the function is compiled for was just detected.
        return unsafe { copy_sse42(crc, index, head, payload, to) };
    }
    copy_portable(crc, index, head, payload, to)
}

/// As [`copy`], of a payload in whole words already.
#[inline(always)]
pub(super) fn copy_words(crc: u32, index: u64, head: u64, payload: &[u64], to: &[AtomicU64]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the feature that the function is compiled for was just detected.
        return unsafe { copy_words_sse42(crc, index, head, payload, to) };
    }
    run_words(crc, index, head, payload, to, step_portable)
}

/// As [`copy`], of parts that follow one another without gaps.
#[inline]
pub(super) fn join(crc: u32, index: u64, head: u64, parts: &[&[u8]], to: &[AtomicU64]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the feature that the function is compiled for was just detected.
        return unsafe { join_sse42(crc, index, head, parts, to) };
    }
    join_portable(crc, index, head, parts, to)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
#[inline]
fn copy_sse42(crc: u32, index: u64, head: u64, payload: &[u8], to: &[AtomicU64]) -> u32 {
    let step = |state, word| std::arch::x86_64::_mm_crc32_u64(state, word);
    !(run(u64::from(!crc), index, head, payload, to, step) as u32)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
#[inline]
fn copy_words_sse42(crc: u32, index: u64, head: u64, payload: &[u64], to: &[AtomicU64]) -> u32 {
    let step = |state, word| std::arch::x86_64::_mm_crc32_u64(state, word);
    !(run_words(u64::from(!crc), index, head, payload, to, step) as u32)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn join_sse42(crc: u32, index: u64, head: u64, parts: &[&[u8]], to: &[AtomicU64]) -> u32 {
    let step = |state, word| std::arch::x86_64::_mm_crc32_u64(state, word);
    !(run_parts(u64::from(!crc), index, head, parts, to, step) as u32)
}

fn copy_portable(crc: u32, index: u64, head: u64, payload: &[u8], to: &[AtomicU64]) -> u32 {
    run(crc, index, head, payload, to, step_portable)
}

fn join_portable(crc: u32, index: u64, head: u64, parts: &[&[u8]], to: &[AtomicU64]) -> u32 {
    run_parts(crc, index, head, parts, to, step_portable)
}

#[inline]
fn step_portable(crc: u32, word: u64) -> u32 {
    crc32c::crc32c_append(crc, &word.to_le_bytes())
}

/// The pass of [`copy`], compiled once for each step. `S` is what the step carries along.
#[inline(always)]
fn run<S>(
    state: S,
    index: u64,
    head: u64,
    payload: &[u8],
    to: &[AtomicU64],
    step: impl Fn(S, u64) -> S,
) -> S {
    let mut state = step(step(state, index), head);
    let (whole, rest) = payload.as_chunks::<8>();
    for (word, place) in whole.iter().zip(to) {
        let word = u64::from_le_bytes(*word);
        place.store(word, Ordering::Relaxed);
        state = step(state, word);
    }
    if !rest.is_empty() {
        let word = unfinished(payload, rest);
        if let Some(place) = to.get(whole.len()) {
            place.store(word, Ordering::Relaxed);
        }
        state = step(state, word);
    }
    state
}

/// The pass of [`copy_words`].
#[inline(always)]
fn run_words<S>(
    state: S,
    index: u64,
    head: u64,
    payload: &[u64],
    to: &[AtomicU64],
    step: impl Fn(S, u64) -> S,
) -> S {
    payload.iter().zip(to).fold(step(step(state, index), head), |state, (word, place)| {
        place.store(*word, Ordering::Relaxed);
        step(state, *word)
    })
}

/// The pass of [`join`].
#[inline(always)]
fn run_parts<S: Copy>(
    state: S,
    index: u64,
    head: u64,
    parts: &[&[u8]],
    to: &[AtomicU64],
    step: impl Fn(S, u64) -> S,
) -> S {
    let mut state = step(step(state, index), head);
    let mut places = to.iter();
    let mut put = |word: u64| {
        if let Some(place) = places.next() {
            place.store(word, Ordering::Relaxed);
        }
        state = step(state, word);
    };
    // The word that the parts so far left unfinished, and how many bytes of it they filled.
    let (mut held, mut held_len) = (0, 0);
    for part in parts {
        let mut part = *part;
        if held_len > 0 {
            let (first, rest) = part.split_at(part.len().min(8 - held_len));
            held |= short(first) << (8 * held_len);
            held_len += first.len();
            if held_len < 8 {
                continue;
            }
            put(held);
            part = rest;
        }
        let (whole, rest) = part.as_chunks::<8>();
        whole.iter().for_each(|word| put(u64::from_le_bytes(*word)));
        held_len = rest.len();
        held = if rest.is_empty() { 0 } else { unfinished(part, rest) };
    }
    if held_len > 0 {
        put(held);
    }
    state
}

/// The last word of `part`, of which only the bytes `rest` (1 to 7) are there. No variable-length copy, which would
/// be a call: it is the top of the last eight bytes, which overlap the word before.
#[inline(always)]
fn unfinished(part: &[u8], rest: &[u8]) -> u64 {
    match part.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
        None => short(rest),
    }
}

/// Up to eight bytes as a word, the first lowest.
#[inline(always)]
fn short(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::words::Words;
    use proptest::prelude::*;

    fn stored(to: &Words) -> Vec<u8> {
        to.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect()
    }

    proptest! {
        #[test]
        fn all_ways_agree_with_the_crate(
            crc: u32,
            index: u64,
            head: u64,
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
        ) {
            let payload = parts.concat();
            let mut padded = payload.clone();
            padded.resize(padded.len().next_multiple_of(8), 0);
            let bytes = [&index.to_le_bytes(), &head.to_le_bytes(), &padded[..]].concat();
            let expected = crc32c::crc32c_append(crc, &bytes);
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            let words: Vec<u64> =
                padded.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
            for way in 0..6 {
                let to = Words::zeroed(padded.len() / 8);
                let sum = match way {
                    0 => copy(crc, index, head, &payload, &to),
                    1 => copy_portable(crc, index, head, &payload, &to),
                    2 => join(crc, index, head, &parts, &to),
                    3 => copy_words(crc, index, head, &words, &to),
                    4 => run_words(crc, index, head, &words, &to, step_portable),
                    _ => join_portable(crc, index, head, &parts, &to),
                };
                prop_assert_eq!(sum, expected, "way {}", way);
                prop_assert_eq!(stored(&to), &padded[..], "way {}", way);
            }
        }
    }
}
