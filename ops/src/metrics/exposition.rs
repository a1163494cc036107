//! Families of samples, written as OpenMetrics 1.0 or as Prometheus' text format 0.0.4.
//!
//! The two differ in little: OpenMetrics names a counter's family without `_total`, has `# UNIT` lines and ends in `# EOF`. A scraper says by `Accept` which it takes.

use std::collections::HashMap;
use std::fmt::Write;

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows, save for a restart.
    Counter,
    /// Counts by upper bound.
    Histogram,
}

/// Which of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus' own, 0.0.4.
    Text,
}

impl Format {
    /// What a request's `Accept` asks for: OpenMetrics where it is named at all, which no browser does.
    #[must_use]
    pub fn accepted(accept: &str) -> Format {
        if accept.contains("application/openmetrics-text") { Format::OpenMetrics } else { Format::Text }
    }

    /// The answer's `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A family's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family(usize);

#[derive(Debug)]
struct Entry {
    /// Without `_total`.
    name: String,
    kind: Kind,
    unit: &'static str,
    help: String,
    /// What stands behind the name, the labels and the value of each sample.
    samples: Vec<(&'static str, String, f64)>,
}

/// A set of families, each with its samples.
#[derive(Debug, Default)]
pub struct Exposition {
    families: Vec<Entry>,
    places: HashMap<String, usize>,
}

impl Exposition {
    /// The family of this name, made where it is not there. A counter is named without `_total`; `unit` is empty or the name's end.
    pub fn family(&mut self, name: &str, kind: Kind, unit: &'static str, help: &str) -> Family {
        let families = &mut self.families;
        let place = *self.places.entry(name.to_owned()).or_insert_with(|| {
            families.push(Entry {
                name: name.to_owned(),
                kind,
                unit,
                help: help.to_owned(),
                samples: Vec::new(),
            });
            families.len() - 1
        });
        debug_assert_eq!(self.families[place].kind, kind, "{name}");
        Family(place)
    }

    /// Adds a sample of a gauge or a counter.
    pub fn add(&mut self, family: Family, labels: &[(&str, &str)], value: f64) {
        let entry = &mut self.families[family.0];
        let suffix = if entry.kind == Kind::Counter { "_total" } else { "" };
        entry.samples.push((suffix, labelled(labels, None), value));
    }

    /// Adds a histogram: `(upper bound, count at or below it)`, ascending, all of them counted, and the sum of the values.
    pub fn add_histogram(
        &mut self,
        family: Family,
        labels: &[(&str, &str)],
        buckets: &[(f64, u64)],
        count: u64,
        sum: f64,
    ) {
        let samples = &mut self.families[family.0].samples;
        for (bound, n) in buckets {
            samples.push(("_bucket", labelled(labels, Some(&number(*bound))), *n as f64));
        }
        samples.push(("_bucket", labelled(labels, Some("+Inf")), count as f64));
        samples.push(("_count", labelled(labels, None), count as f64));
        samples.push(("_sum", labelled(labels, None), sum));
    }

    /// How many series there are.
    #[must_use]
    pub fn series(&self) -> usize {
        self.families.iter().map(|f| f.samples.len()).sum()
    }

    /// All of it as text.
    #[must_use]
    pub fn text(&self, format: Format) -> String {
        let mut out = String::with_capacity(64 * self.series());
        for f in self.families.iter().filter(|f| !f.samples.is_empty()) {
            let is_open = format == Format::OpenMetrics;
            let named = match f.kind {
                Kind::Counter if !is_open => format!("{}_total", f.name),
                _ => f.name.clone(),
            };
            let kind = match f.kind {
                Kind::Gauge => "gauge",
                Kind::Counter => "counter",
                Kind::Histogram => "histogram",
            };
            let help = escape(&f.help, is_open);
            let _ = write!(out, "# HELP {named} {help}\n# TYPE {named} {kind}\n");
            if is_open && !f.unit.is_empty() {
                let _ = writeln!(out, "# UNIT {named} {}", f.unit);
            }
            for (suffix, labels, value) in &f.samples {
                let _ = writeln!(out, "{}{suffix}{labels} {}", f.name, number(*value));
            }
        }
        if format == Format::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }
}

/// `{a="b",le="1"}`, or nothing where there are none.
fn labelled(labels: &[(&str, &str)], bound: Option<&str>) -> String {
    let each = labels.iter().copied().chain(bound.map(|b| ("le", b)));
    let all: Vec<_> = each.map(|(k, v)| format!("{k}=\"{}\"", escape(v, true))).collect();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

/// Backslash, line feed and, in labels and in OpenMetrics, the quote.
fn escape(s: &str, quotes: bool) -> String {
    let escaped = s.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { escaped.replace('"', "\\\"") } else { escaped }
}

/// As both formats want it.
fn number(v: f64) -> String {
    if v.is_nan() {
        "NaN".into()
    } else if v.is_infinite() {
        if v > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        format!("{v}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Exposition {
        let mut e = Exposition::default();
        let gauge = e.family("colo_age_seconds", Kind::Gauge, "seconds", "How \"old\"\\");
        e.add(gauge, &[("core", "a\"b\\c\nd")], 0.5);
        let counter = e.family("colo_fills", Kind::Counter, "", "Fills");
        e.add(counter, &[], 7.0);
        let again = e.family("colo_fills", Kind::Counter, "", "Fills");
        assert_eq!(counter, again);
        let empty = e.family("colo_nothing", Kind::Gauge, "", "None");
        assert_ne!(empty, counter);
        let h = e.family("colo_latency_seconds", Kind::Histogram, "seconds", "Latency");
        e.add_histogram(h, &[("stage", "x")], &[(0.001, 1), (0.002, 3)], 4, 0.25);
        e
    }

    #[test]
    fn open_metrics_is_as_its_specification_has_it() {
        let want = r#"# HELP colo_age_seconds How \"old\"\\
# TYPE colo_age_seconds gauge
# UNIT colo_age_seconds seconds
colo_age_seconds{core="a\"b\\c\nd"} 0.5
# HELP colo_fills Fills
# TYPE colo_fills counter
colo_fills_total 7
# HELP colo_latency_seconds Latency
# TYPE colo_latency_seconds histogram
# UNIT colo_latency_seconds seconds
colo_latency_seconds_bucket{stage="x",le="0.001"} 1
colo_latency_seconds_bucket{stage="x",le="0.002"} 3
colo_latency_seconds_bucket{stage="x",le="+Inf"} 4
colo_latency_seconds_count{stage="x"} 4
colo_latency_seconds_sum{stage="x"} 0.25
# EOF
"#;
        assert_eq!(some().text(Format::OpenMetrics), want);
    }

    #[test]
    fn the_older_format_names_a_counter_as_its_samples() {
        let text = some().text(Format::Text);
        assert!(text.contains("# TYPE colo_fills_total counter\ncolo_fills_total 7\n"), "{text}");
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
        assert!(text.contains("# HELP colo_age_seconds How \"old\"\\\\\n"), "{text}");
    }

    #[test]
    fn a_scraper_gets_what_it_asks_for() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        assert_eq!(Format::accepted("text/html,*/*"), Format::Text);
        assert_eq!(Format::accepted(""), Format::Text);
    }

    #[test]
    fn odd_numbers_have_their_words() {
        let words = [f64::NAN, f64::INFINITY, -f64::INFINITY, 1e-9, 1e21, -0.5].map(number);
        assert_eq!(words, ["NaN", "+Inf", "-Inf", "0.000000001", "1000000000000000000000", "-0.5"]);
    }
}
