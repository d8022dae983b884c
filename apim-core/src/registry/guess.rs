//! What somebody may have meant by a name that does not exist.

/// Names longer than this are not typing mistakes.
const LONGEST: usize = 64;

/// The known name that is nearest to a wrong one, if one is near: at most a third of its letters differ.
pub(super) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_ascii_lowercase().replace('_', "-");
    if wrong.len() > LONGEST {
        return None;
    }
    let allowed = |name: &str| name.len().div_ceil(3);
    known
        .into_iter()
        .map(|name| (distance(&wrong, &name.replace('_', "-")), name))
        .filter(|(distance, name)| *distance <= allowed(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The wrong name's neighbours as the end of a sentence; nothing where there is none.
pub(super) fn hint<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// How many letters must be put in, left out, replaced, or exchanged with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            row[j + 1] = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood_and_another_word_is_not() {
        let known = ["cors", "set-header", "timeout", "throttle"];
        for (wrong, meant) in [
            ("timeuot", Some("timeout")),
            ("Throttle", Some("throttle")),
            ("set_header", Some("set-header")),
            ("setheader", Some("set-header")),
            ("cor", Some("cors")),
            ("compression", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, known), meant, "{wrong}");
        }
    }
}
