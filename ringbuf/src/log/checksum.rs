//! crc32c over a record's bytes on their way into a segment: checksum and copy in one pass.
//!
//! The result is that of the `crc32c` crate over the same bytes, which is what readers use: the two sides
//! share no code. Fused, because the writer has the words in registers anyway, and because calling the crate
//! costs as much as the sum itself at 64 bytes.
use crate::sync::{AtomicU64, Ordering};

/// Continues `crc` over the two words of `prefix` and then over `parts`, one after another without gaps and
/// filled up with zeros to whole words; stores the latter, relaxed, into `to`, which has room for them.
#[inline(always)]
pub(super) fn copy(crc: u32, prefix: [u64; 2], parts: &[&[u8]], to: &[AtomicU64]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("sse4.2") {
        // SAFETY: the feature that the function is compiled for was just detected.
        return unsafe { copy_sse42(crc, prefix, parts, to) };
    }
    copy_portable(crc, prefix, parts, to)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
#[inline]
fn copy_sse42(crc: u32, prefix: [u64; 2], parts: &[&[u8]], to: &[AtomicU64]) -> u32 {
    let step = |state, word| std::arch::x86_64::_mm_crc32_u64(state, word);
    !(run(u64::from(!crc), prefix, parts, to, step) as u32)
}

fn copy_portable(crc: u32, prefix: [u64; 2], parts: &[&[u8]], to: &[AtomicU64]) -> u32 {
    run(crc, prefix, parts, to, |crc, word| crc32c::crc32c_append(crc, &word.to_le_bytes()))
}

/// The pass itself, compiled once for each step. `S` is what the step carries along.
#[inline(always)]
fn run<S>(
    mut state: S,
    prefix: [u64; 2],
    parts: &[&[u8]],
    to: &[AtomicU64],
    step: impl Fn(S, u64) -> S,
) -> S {
    for word in prefix {
        state = step(state, word);
    }
    let mut places = to.iter();
    // Bytes of a word that a part left unfinished.
    let mut held = [0; 8];
    let mut held_len = 0;
    for part in parts {
        let mut part = *part;
        if held_len > 0 {
            let (first, rest) = part.split_at(part.len().min(8 - held_len));
            held[held_len..held_len + first.len()].copy_from_slice(first);
            held_len += first.len();
            part = rest;
            if held_len < 8 {
                continue;
            }
            let word = u64::from_le_bytes(held);
            if let Some(place) = places.next() {
                place.store(word, Ordering::Relaxed);
            }
            state = step(state, word);
        }
        let (whole, rest) = part.as_chunks::<8>();
        for (chunk, place) in whole.iter().zip(&mut places) {
            let word = u64::from_le_bytes(*chunk);
            place.store(word, Ordering::Relaxed);
            state = step(state, word);
        }
        held = [0; 8];
        held[..rest.len()].copy_from_slice(rest);
        held_len = rest.len();
    }
    if held_len > 0 {
        held[held_len..].fill(0);
        let word = u64::from_le_bytes(held);
        if let Some(place) = places.next() {
            place.store(word, Ordering::Relaxed);
        }
        state = step(state, word);
    }
    state
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::words::Words;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_agree_with_the_crate(
            crc: u32,
            prefix: [u64; 2],
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
        ) {
            let mut bytes = parts.concat();
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            let expected = prefix.iter().fold(crc, |crc, w| crc32c::crc32c_append(crc, &w.to_le_bytes()));
            let expected = crc32c::crc32c_append(expected, &bytes);
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            for sum in [copy, copy_portable] {
                let to = Words::zeroed(bytes.len() / 8);
                prop_assert_eq!(sum(crc, prefix, &parts, &to), expected);
                let stored: Vec<u8> =
                    to.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
                prop_assert_eq!(&stored, &bytes);
            }
        }
    }
}
