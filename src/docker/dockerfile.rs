//! Finds where in a Dockerfile a build step comes from: BuildKit names a step by its instruction, and
//! says no line.

/// The line (counted from 1) where the instruction of a step begins, given the step's name,
/// `[build 2/5] RUN make`. `None` for a step that is no instruction (`[internal] …`), for one that
/// occurs twice, and where variables or here-documents changed its text.
pub(crate) fn line_of(dockerfile: &str, step: &str) -> Option<usize> {
    let wanted = normal(instruction(step)?);
    let mut found = instructions(dockerfile).into_iter().filter(|(_, text)| normal(text) == wanted);
    let (line, _) = found.next()?;
    found.next().is_none().then_some(line)
}

/// `RUN make` of `[build 2/5] RUN make`; `None` where the brackets hold no step number.
pub(crate) fn instruction(step: &str) -> Option<&str> {
    let (place, instruction) = step.strip_prefix('[')?.split_once("] ")?;
    let (at, of) = place.rsplit(' ').next()?.split_once('/')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(at) && number(of)).then_some(instruction)
}

/// One space between words, the instruction's name in capitals.
fn normal(text: &str) -> String {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default().to_uppercase();
    words.fold(name, |text, word| text + " " + word)
}

/// Every instruction with the line that it begins on, continued lines joined
/// (<https://docs.docker.com/reference/dockerfile/#format>).
pub(super) fn instructions(dockerfile: &str) -> Vec<(usize, String)> {
    let escape = escape_of(dockerfile);
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut continued = false;
    for (index, line) in dockerfile.lines().enumerate() {
        let line = line.trim();
        // Comments and blank lines may stand between continued lines, too.
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (text, goes_on) = match line.strip_suffix(escape) {
            Some(text) => (text, true),
            None => (line, false),
        };
        match found.last_mut() {
            Some((_, instruction)) if continued => {
                instruction.push(' ');
                instruction.push_str(text);
            }
            _ => found.push((index + 1, text.to_owned())),
        }
        continued = goes_on;
    }
    found
}

/// A backslash, unless a directive on top says a backtick.
fn escape_of(dockerfile: &str) -> char {
    let directives = dockerfile.lines().map_while(|line| line.trim().strip_prefix('#'));
    let said = directives.filter_map(|line| line.split_once('=')).find(|(name, _)| name.trim() == "escape");
    match said {
        Some((_, value)) if value.trim() == "`" => '`',
        _ => '\\',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKERFILE: &str = "# syntax=docker/dockerfile:1\n\nFROM base AS build\nRUN apt-get update \\\n  # why\n\n  && apt-get install -y make\ncopy . /src\nRUN make\nFROM base\nRUN true\nRUN true\n";

    #[test]
    fn the_line_of_a_step() {
        let table = [
            ("[build 2/4] RUN apt-get update   && apt-get install -y make", Some(4)),
            ("[build 3/4] COPY . /src", Some(8)),
            ("[build 4/4] RUN make", Some(9)),
            ("[stage-1 2/3] RUN true", None),
            ("[internal] load build definition from Dockerfile", None),
            ("[2/2] RUN make", Some(9)),
            ("RUN make", None),
        ];
        for (step, line) in table {
            assert_eq!(line_of(DOCKERFILE, step), line, "{step}");
        }
    }

    #[test]
    fn a_backtick_can_continue_a_line() {
        let text = "#escape=`\nFROM a\nRUN x `\n y\n";
        assert_eq!(line_of(text, "[2/2] RUN x y"), Some(3));
    }
}
