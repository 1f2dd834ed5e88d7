//! Whether a command shows what the document says, whatever differs from run to run.

use regex::Regex;

/// What differs between what the document says and what was shown; `whole`: nothing else was shown.
pub(super) fn difference(said: &[String], seen: &[String], whole: bool) -> Option<String> {
    let mut said = plain(said);
    let seen = plain(seen);
    if !whole {
        said.insert(0, "…".into());
        said.push("…".into());
    }
    let mut furthest = 0;
    let same = matches(&said, &seen, 0, &mut furthest);
    let stopped = said.get(furthest).map_or("(its end)", String::as_str);
    (!same).then(|| {
        let (said, seen) = (said.join("\n"), seen.join("\n"));
        format!("is not shown from `{stopped}` on\n--- said\n{said}\n--- shown\n{seen}")
    })
}

/// A line `…` stands for any lines.
fn matches(said: &[String], seen: &[String], at: usize, furthest: &mut usize) -> bool {
    *furthest = (*furthest).max(at);
    match said.get(at) {
        None => seen.is_empty(),
        Some(line) if line.trim() == "…" => {
            (0..=seen.len()).any(|skipped| matches(said, &seen[skipped..], at + 1, furthest))
        }
        Some(line) => match seen.split_first() {
            Some((first, rest)) => line_matches(line, first) && matches(said, rest, at + 1, furthest),
            None => false,
        },
    }
}

/// `…` in a line stands for any text.
fn line_matches(said: &str, seen: &str) -> bool {
    let pieces: Vec<String> = said.split('…').map(regex::escape).collect();
    Regex::new(&format!("^{}$", pieces.join(".*"))).is_ok_and(|pattern| pattern.is_match(seen))
}

/// Lines without what every run has of its own; blank lines are left out.
fn plain(lines: &[String]) -> Vec<String> {
    let rules: Vec<(Regex, &str)> =
        RULES.iter().map(|(pattern, name)| (Regex::new(pattern).unwrap(), *name)).collect();
    let line = |line: &String| {
        let mut line = line.clone();
        for (pattern, name) in &rules {
            line = pattern.replace_all(&line, *name).into_owned();
        }
        line.trim_end().to_owned()
    };
    lines.iter().map(line).filter(|line| !line.is_empty()).collect()
}

/// In this order.
const RULES: [(&str, &str); 15] = [
    (r"sha256:[0-9a-f]{12,64}", "sha256:HASH"),
    (r"\b[0-9a-f]{12}\b", "HASH"),
    (r"\b(i|sg)-[0-9a-f]{17}\b", "$1-ID"),
    (r"\bip(-\d{1,3}){4}\b", "ip-ADDRESS"),
    (r"\b[1-9]\d{0,2}(\.\d{1,3}){3}\b", "ADDRESS"),
    (r"\[ *\d+\.\d+s\]", "[TIME]"),
    (r"\b\d+\.\d+s\b", "TIME"),
    (r"\b\d+[dhm] +\d+[hms]\b", "AGE"),
    (r"\b(About an?|Less than a|\d+) (second|minute)s?\b", "AGE"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(,\d+|Z)?", "DATE"),
    (r"\d\d/[A-Z][a-z]{2}/\d{4} \d\d:\d\d:\d\d", "DATE"),
    (r"\b\d+(\.\d+)? [kMG]?B\b", "SIZE"),
    // Whether an earlier run has left an image in the registry, or an instance that has ended.
    (
        r"# because (no image of source HASH exists, here or in the registry|the source changed from HASH to HASH)",
        "# built because",
    ),
    (r"# (because nothing is launched there|i-ID is terminated \(.*\))", "# launched because"),
    // Columns are as wide as what stands in them.
    (r"(\S)  +", "$1  "),
];

#[test]
fn what_differs_from_run_to_run_is_no_difference_and_all_else_is() {
    let of = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let said = of("[  0.4s] tag s2 … done (0.0s)\n…\nPlan: 3 to add.\n");
    let seen = |count: usize| of(&format!("[ 10.1s] tag s2 … done (2.3s)\n\na\nb\nPlan: {count} to add.\n"));
    assert_eq!(difference(&said, &seen(3), true), None);
    assert!(difference(&said, &seen(4), true).unwrap().contains("from `Plan: 3 to add.` on"));
    let mut longer = seen(3);
    longer.push("more".into());
    assert!(difference(&said, &longer, true).is_some());
    assert_eq!(difference(&said, &longer, false), None);
}
