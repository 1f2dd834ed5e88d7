//! What relative and `~` paths mean on a machine.

/// Makes a path of the spec absolute: relative to `base` (the ssh user's home, or on `local` the
/// spec's folder), `~` is `home`. Lexical: `.` goes, `..` climbs, links are not followed.
pub fn resolve(path: &str, base: &str, home: &str) -> String {
    let joined = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
        _ if path.starts_with('/') => path.to_owned(),
        _ => format!("{base}/{path}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Whether `folder` is `path` or a folder above it; both absolute and resolved.
pub fn covers(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || folder == "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute() {
        assert_eq!(resolve("./music", "/home/u", "/home/u"), "/home/u/music");
        assert_eq!(resolve("~/x/../y/", "/srv", "/home/u"), "/home/u/y");
        assert_eq!(resolve("/data//a/.", "/srv", "/home/u"), "/data/a");
        assert_eq!(resolve("~user/x", "/srv", "/home/u"), "/srv/~user/x");
    }

    #[test]
    fn a_folder_covers_what_is_below_it() {
        assert!(covers("/a/b", "/a/b/c"));
        assert!(covers("/a/b", "/a/b"));
        assert!(covers("/", "/a"));
        assert!(!covers("/a/b", "/a/bc"));
    }
}
