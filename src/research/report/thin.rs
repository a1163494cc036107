//! Fewer points of a curve, its peaks among them.

/// Places of the points that stay: of each stretch the lowest, the highest, the last, and what stands on either side of a hole; at most about `most`, and three a hole.
pub(super) fn thinned(curve: &[Option<f64>], most: usize) -> Vec<usize> {
    let stretch = (curve.len() * 3).div_ceil(most.max(4)).max(1);
    if curve.len() <= most {
        return (0..curve.len()).collect();
    }
    let mut kept = Vec::with_capacity(most + 4);
    for (n, part) in curve.chunks(stretch).enumerate() {
        let by = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
        let known = || part.iter().enumerate().filter_map(|(k, v)| Some((k, (*v)?)));
        let peaks = [known().min_by(by), known().max_by(by)].into_iter().flatten().map(|(k, _)| k);
        kept.extend(peaks.chain([part.len() - 1]).map(|k| n * stretch + k));
    }
    // A curve that breaks off begins again where it does, and so does the whole of it.
    let breaks = (0..curve.len()).filter(|k| *k == 0 || curve[*k].is_some() != curve[*k - 1].is_some());
    kept.extend(breaks.flat_map(|k| [k.saturating_sub(1), k]));
    kept.sort_unstable();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_holes_and_both_ends_stay() {
        let mut curve: Vec<Option<f64>> = (0..100_000).map(|k| Some(f64::from(k % 7))).collect();
        (curve[31_337], curve[70_000], curve[50_000]) = (Some(99.0), Some(-99.0), None);
        let kept = thinned(&curve, 3_000);
        assert!(kept.len() <= 3_010 && kept.is_sorted_by(|a, b| a < b), "{}", kept.len());
        for k in [0, 31_337, 70_000, 49_999, 50_000, 50_001, 99_999] {
            assert!(kept.contains(&k), "{k}");
        }
        assert_eq!(thinned(&curve[..10], 3_000), (0..10).collect::<Vec<_>>());
        assert_eq!(thinned(&[], 3_000), [0usize; 0]);
    }
}
