//! Charts as SVG: curves over the day, with their axes. No script, so a file of them opens anywhere.

use std::fmt::Write as _;

/// Width and height, and the room at the left and at the bottom for words.
const SIZE: (f64, f64) = (720.0, 240.0);
const LEFT: f64 = 84.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;

/// A curve.
pub(super) struct Curve {
    /// What it is called.
    pub(super) name: String,
    /// Class of its colour: `c0` to `c3`.
    pub(super) class: &'static str,
    /// Time and value.
    pub(super) points: Vec<(i64, i64)>,
}

/// How values stand on the axis.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// Evenly.
    Even,
    /// By their logarithm: for latencies.
    Log,
}

/// Text within an element or an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn lifted(v: i64, scale: Scale) -> f64 {
    match scale {
        Scale::Even => v as f64,
        Scale::Log => (v.max(1) as f64).log10(),
    }
}

/// Curves over time; `value` and `time` write the axes' words. Empty where there is nothing to draw.
pub(super) fn lines(
    title: &str,
    curves: &[Curve],
    scale: Scale,
    value: impl Fn(i64) -> String,
    time: impl Fn(i64) -> String,
) -> String {
    let all = || curves.iter().flat_map(|c| c.points.iter());
    let (Some(first), Some(last)) = (all().map(|p| p.0).min(), all().map(|p| p.0).max()) else {
        return String::new();
    };
    let low = all().map(|p| p.1).min().unwrap_or(0);
    let high = all().map(|p| p.1).max().unwrap_or(0);
    let (bottom, top) = (lifted(low, scale), lifted(high, scale));
    let (width, height) = (SIZE.0 - LEFT - 10.0, SIZE.1 - TOP - BOTTOM);
    let x =
        |t: i64| LEFT + width * (t.saturating_sub(first)) as f64 / last.saturating_sub(first).max(1) as f64;
    let y = |lift: f64| {
        let share = if top > bottom { (lift - bottom) / (top - bottom) } else { 0.5 };
        TOP + height * (1.0 - share)
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\"><title>{}</title>",
        SIZE.0,
        SIZE.1,
        escaped(title),
        escaped(title)
    );
    // Writing to a string does not fail.
    for step in 0..=4 {
        let lift = bottom + (top - bottom) * f64::from(step) / 4.0;
        let at = y(lift);
        let word = value(match scale {
            Scale::Even => lift as i64,
            Scale::Log => 10f64.powf(lift) as i64,
        });
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
            SIZE.0 - 10.0
        );
        let _ = write!(
            svg,
            "<text class=\"y\" x=\"{}\" y=\"{:.1}\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            escaped(&word)
        );
        if top <= bottom {
            break;
        }
    }
    for (at, anchor) in [(first, "start"), (i64::midpoint(first, last), "middle"), (last, "end")] {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            x(at),
            SIZE.1 - 6.0,
            escaped(&time(at))
        );
    }
    for c in curves {
        let points: Vec<String> =
            c.points.iter().map(|(t, v)| format!("{:.1},{:.1}", x(*t), y(lifted(*v, scale)))).collect();
        if let [only] = points.as_slice() {
            let (cx, cy) = only.split_once(',').unwrap_or_default();
            let _ = write!(svg, "<circle class=\"{}\" cx=\"{cx}\" cy=\"{cy}\" r=\"3\"/>", c.class);
        } else {
            let _ = write!(svg, "<polyline class=\"{}\" points=\"{}\"/>", c.class, points.join(" "));
        }
    }
    svg.push_str("</svg><p class=\"key\">");
    for c in curves {
        let _ = write!(svg, "<span class=\"{}\">{}</span> ", c.class, escaped(&c.name));
    }
    svg.push_str("</p>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(points: Vec<(i64, i64)>, scale: Scale) -> String {
        let curve = Curve { name: "<b>".into(), class: "c0", points };
        lines("a & b", &[curve], scale, |v| v.to_string(), |t| t.to_string())
    }

    #[test]
    fn nothing_of_others_leaves_its_place() {
        assert_eq!(escaped("<a href='x'>\"&\u{1b}"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;\u{fffd}");
        let svg = drawn(vec![(0, 1), (10, 5)], Scale::Even);
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;b&gt;") && !svg.contains("<b>"), "{svg}");
    }

    #[test]
    fn every_point_is_drawn_within_the_picture() {
        for scale in [Scale::Even, Scale::Log] {
            for points in [
                vec![(0, 7)],
                vec![(5, 3), (5, 3)],
                vec![(0, -4), (1, 0), (9, i64::MAX)],
                vec![(i64::MAX, i64::MIN)],
            ] {
                let svg = drawn(points, scale);
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                let (_, at) = svg.split_once("points=\"").or_else(|| svg.split_once("cx=\"")).unwrap();
                let x: f64 = at.split([',', '"']).next().unwrap().parse().unwrap();
                assert!((LEFT..=SIZE.0).contains(&x), "{svg}");
            }
        }
        assert_eq!(lines("", &[], Scale::Even, |v| v.to_string(), |t| t.to_string()), "");
    }
}
