//! Histograms out of HdrHistogram's interval log: what a core leaves of its latencies, and what the tools of many others write.
//!
//! ```text
//!   #[StartTime: 1794830400.000 (seconds since epoch)]
//!   Tag=tick_to_order,0.000,60.000,0.091,HISTFAAAA...        tag, from, length, largest; base64 of the V2 encoding, packed by zlib or plain
//! ```
//!
//! The file may be anybody's. What is unpacked is bounded, a line is judged before the crate decodes it, and a last line that somebody is still writing is not read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry, Tag};

use crate::journal::RunDir;
use crate::telemetry::intervals;

/// Longest log that is read: of a core, some weeks.
const FILE_MAX: u64 = 256 << 20;
/// Most that one histogram is unpacked to.
const UNPACKED_MAX: u64 = 1 << 20;
/// What V2 begins with, plain and packed.
const COOKIES: [u32; 2] = [0x1c84_9313, 0x1c84_9314];
/// Bytes before the counts of a plain one.
const HEAD: usize = 40;
/// A count takes no more bytes than this: 2^41 of one value are a million a second for a month, and the sum of all stays below 2^63.
const COUNT_BYTES: usize = 6;

/// Values (ns, ascending) and how often each was counted, over all histograms of the log with this tag. A folder stands for the log of its run.
///
/// # Errors
/// In words: what cannot be read, is damaged, or has nothing with this tag.
pub(super) fn counts(given: &Path, tag: Option<&str>) -> Result<Vec<(u64, u64)>, String> {
    let path = match given.is_dir() {
        true => RunDir::find(given).join(intervals::FILE),
        false => given.to_path_buf(),
    };
    let mut bytes = Vec::new();
    let file = File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(format!("longer than {} MiB", FILE_MAX >> 20));
    }
    of_log(&bytes, tag)
}

fn of_log(bytes: &[u8], tag: Option<&str>) -> Result<Vec<(u64, u64)>, String> {
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
    let line = |rest: usize| bytes[..rest].iter().filter(|b| **b == b'\n').count() + 1;
    let mut all: BTreeMap<u64, u64> = BTreeMap::new();
    let mut tags: Vec<&str> = Vec::new();
    for entry in IntervalLogIterator::new(&bytes[..whole]) {
        let interval = match entry {
            Ok(LogEntry::Interval(interval)) => interval,
            Ok(LogEntry::StartTime(_) | LogEntry::BaseTime(_)) => continue,
            Err(hdrhistogram::serialization::interval_log::LogIteratorError::ParseError { offset }) => {
                return Err(format!("line {}: no line of an HdrHistogram interval log", line(offset)));
            }
        };
        let name = interval.tag().map(|t: Tag<'_>| t.as_str());
        if name != tag {
            tags.extend(name.filter(|name| !tags.contains(name)));
            continue;
        }
        let at = interval.encoded_histogram().as_ptr() as usize - bytes.as_ptr() as usize;
        let histogram = decoded(&interval).map_err(|e| format!("line {}: {e}", line(at)))?;
        for v in histogram.iter_recorded() {
            let n = all.entry(v.value_iterated_to()).or_default();
            *n = n.saturating_add(v.count_at_value());
        }
    }
    if all.is_empty() {
        let wanted = tag.map_or("without a tag".to_owned(), |tag| format!("tagged {tag:?}"));
        let there = if tags.is_empty() { "none".to_owned() } else { tags.join(", ") };
        return Err(format!("no histogram {wanted} counted anything; other tags: {there}"));
    }
    Ok(all.into_iter().collect())
}

fn decoded(interval: &IntervalLogHistogram<'_>) -> Result<Histogram<u64>, String> {
    let bytes = STANDARD.decode(interval.encoded_histogram()).map_err(|e| format!("base64: {e}"))?;
    let word = |bytes: &[u8], at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let plain = match word(&bytes, 0) {
        Some(cookie) if cookie == COOKIES[0] => bytes,
        Some(cookie) if cookie == COOKIES[1] => {
            let mut plain = Vec::new();
            let packed = bytes.get(8..).unwrap_or_default();
            let unpacked = ZlibDecoder::new(packed).take(UNPACKED_MAX + 1).read_to_end(&mut plain);
            unpacked.map_err(|e| format!("zlib: {e}"))?;
            plain
        }
        _ => return Err("no histogram of HdrHistogram's V2 encoding".into()),
    };
    if plain.len() as u64 > UNPACKED_MAX {
        return Err(format!("a histogram of more than {} KiB", UNPACKED_MAX >> 10));
    }
    let counts = plain.get(HEAD..).ok_or("cut off")?;
    if word(&plain, 0) != Some(COOKIES[0]) || word(&plain, 4).map(|n| n as usize) != Some(counts.len()) {
        return Err("its length is not the one that it says".into());
    }
    // The decoder negates and adds these unchecked.
    if counts.windows(COUNT_BYTES).any(|bytes| bytes.iter().all(|b| b & 0x80 != 0)) {
        return Err("a count that is none".into());
    }
    Deserializer::new().deserialize(&mut &plain[..]).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer, V2Serializer};

    use super::*;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut h = Histogram::new(3).unwrap();
        values.iter().for_each(|v| h.record(*v).unwrap());
        h
    }

    fn written<S: Serializer>(mut serializer: S, all: &[(Option<&'static str>, &[u64])]) -> Vec<u8> {
        let mut log = Vec::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder.add_comment("by a test").with_start_time(std::time::UNIX_EPOCH);
        let mut writer = builder.begin_log_with(&mut log, &mut serializer).unwrap();
        for (k, (tag, values)) in (0..).zip(all) {
            let tag = tag.map(|t| Tag::new(t).unwrap());
            let (from, length) = (Duration::from_secs(k * 60), Duration::from_secs(60));
            assert!(writer.write_histogram(&histogram(values), from, length, tag).is_ok());
        }
        log
    }

    /// One line with these bytes as its histogram.
    fn line(bytes: &[u8]) -> Vec<u8> {
        format!("0.000,1.000,1.000,{}\n", STANDARD.encode(bytes)).into_bytes()
    }

    /// A plain histogram with these bytes as its counts.
    fn plain(counts: &[u8], says: u32, digits: u32, high: u64) -> Vec<u8> {
        let mut bytes = COOKIES[0].to_be_bytes().to_vec();
        for word in [says, 0, digits] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(1u64.to_be_bytes());
        bytes.extend(high.to_be_bytes());
        bytes.extend(1f64.to_be_bytes());
        bytes.extend(counts);
        bytes
    }

    #[test]
    fn intervals_of_a_tag_are_added_up_and_others_left_alone() {
        let all: [(Option<&str>, &[u64]); 4] =
            [(Some("a"), &[5, 5, 900]), (Some("b"), &[7]), (None, &[8]), (Some("a"), &[5, 70_000])];
        let plain = written(V2Serializer::new(), &all);
        for log in [written(V2DeflateSerializer::new(), &all), plain] {
            // 70,000 stands in a bucket of 64 ns, and is counted at its end: never below what was measured.
            assert_eq!(of_log(&log, Some("a")).unwrap(), [(5, 3), (900, 1), (70_015, 1)]);
            assert_eq!(of_log(&log, None).unwrap(), [(8, 1)]);
            let missing = of_log(&log, Some("c")).unwrap_err();
            assert!(missing.contains("\"c\"") && missing.contains("a, b"), "{missing}");
        }
    }

    #[test]
    fn a_line_that_is_being_written_is_not_read() {
        let log = written(V2DeflateSerializer::new(), &[(Some("a"), &[5]), (Some("a"), &[6])]);
        let second = log[..log.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
        for end in second..log.len() {
            assert_eq!(of_log(&log[..end], Some("a")).unwrap(), [(5, 1)], "cut at {end}");
        }
    }

    #[test]
    fn what_is_no_histogram_is_named_by_its_line() {
        let good = written(V2DeflateSerializer::new(), &[(None, &[5])]);
        let lines = good.iter().filter(|b| **b == b'\n').count();
        let zeros = |n: usize| {
            use std::io::Write as _;
            let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
            packed.write_all(&vec![0; n]).unwrap();
            let packed = packed.finish().unwrap();
            [&COOKIES[1].to_be_bytes()[..], &(packed.len() as u32).to_be_bytes(), &packed].concat()
        };
        // The least of 64 bits, which has no negative; counts whose sum has no 64 bits; more counts than values; more zeros than any.
        let least = [0xff; 9];
        let beyond = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f].repeat(4);
        let hostile: [(&str, Vec<u8>); 11] = [
            ("base64", b"0.000,1.000,1.000,?!\n".to_vec()),
            ("V2", line(&[])),
            ("V2", line(&[0x1c, 0x84, 0x93, 0x08, 0, 0, 0, 0])),
            ("zlib", line(&[0x1c, 0x84, 0x93, 0x14, 0, 0, 0, 9, 1, 2, 3])),
            ("KiB", line(&zeros(64 << 20))),
            ("cut off", line(&plain(&[], 0, 3, 1_000)[..39])),
            ("length", line(&plain(&[2], u32::MAX, 3, 1_000))),
            ("count", line(&plain(&least, 9, 3, 1_000))),
            ("count", line(&plain(&beyond, 32, 3, 1_000))),
            ("invalid", line(&plain(&[2], 1, 3, 0))),
            ("longer", line(&plain(&[2].repeat(4_000), 4_000, 1, 100))),
        ];
        for (why, bad) in hostile {
            let said = of_log(&[&good[..], &bad].concat(), None).unwrap_err();
            let said = said.to_lowercase();
            let place = format!("line {}:", lines + 1);
            assert!(said.contains(&why.to_lowercase()) && said.contains(&place), "{why}: {said}");
        }
        for nothing in ["", "#only a comment\n", "no line end"] {
            assert!(of_log(nothing.as_bytes(), None).unwrap_err().contains("none"), "{nothing:?}");
        }
        assert!(of_log(b"colo: what is this\n", None).unwrap_err().contains("line 1"));
    }

    #[test]
    fn no_byte_of_a_log_can_be_changed_so_that_it_panics() {
        let good = written(V2Serializer::new(), &[(Some("a"), &[5, 900, 70_000])]);
        for at in 0..good.len() {
            for byte in [0, b'\n', b',', b'/', b'A', 0xff] {
                let mut bad = good.clone();
                bad[at] = byte;
                // Some of these are logs all the same.
                let _ = of_log(&bad, Some("a"));
            }
        }
    }
}
