//! Finds the route whose pattern is most similar to a path, for a 404 in development.

/// The longest path that is compared, in characters. The work grows with its square.
const LONGEST: usize = 200;

/// Returns the most similar pattern; `None` if more than half of the path would have to change.
pub(super) fn nearest<'p>(path: &str, patterns: impl Iterator<Item = &'p str>) -> Option<&'p str> {
    let wanted = path.chars().count();
    if wanted > LONGEST {
        return None;
    }
    let near = patterns
        .map(|pattern| (distance(path, &filled(pattern, path)), pattern))
        .min_by_key(|(distance, pattern)| (*distance, pattern.len()))?;
    (near.0 <= wanted / 2).then_some(near.1)
}

/// Returns the pattern with its parameters replaced by the segments at the same places of a path. A
/// parameter without such a segment is empty.
fn filled(pattern: &str, path: &str) -> String {
    let mut given = path.split('/');
    let segments = pattern.split('/').map(|segment| {
        let own = given.next().unwrap_or_default();
        if segment.contains('{') { own } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Returns the number of characters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (number, a) in a.chars().enumerate() {
        let mut diagonal = number;
        let mut left = number + 1;
        let (first, rest) = row.split_at_mut(1);
        first.fill(left);
        for (above, b) in rest.iter_mut().zip(&b) {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = *above;
            left = replaced.min(*above + 1).min(left + 1);
            *above = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_route_is_named_and_none_if_all_are_different() {
        let patterns = ["/wss/demo", "/wss/echo", "/wss/rooms/{room}", "/"];
        for (path, expected) in [
            ("/wss/demoo", Some("/wss/demo")),
            ("/ws/echo", Some("/wss/echo")),
            ("/wss/room/lobby", Some("/wss/rooms/{room}")),
            ("/wss/rooms/a-very-long-name-of-a-room/", Some("/wss/rooms/{room}")),
            ("/wss/rooms", Some("/wss/rooms/{room}")),
            ("/nothing-like-it", None),
            ("", None),
        ] {
            let found = nearest(path, patterns.into_iter());
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(nearest(&"x".repeat(LONGEST + 1), [&*"x".repeat(LONGEST)].into_iter()), None);
    }

    #[test]
    fn distances_are_counted_in_characters() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("ä", "a", 1)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
