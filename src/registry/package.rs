//! Where a person sees what was pushed.

use crate::plan::names;

/// The web page of a package on GHCR, where its visibility is shown and set; `None` for other registries.
///
/// The page under `/users/` redirects for an organisation
/// (<https://docs.github.com/packages/learn-github-packages/viewing-packages>). A new package is private.
pub fn package_page(reference: &str) -> Option<String> {
    let repository = names::repository(reference);
    let name = repository.strip_prefix("ghcr.io/")?;
    let (owner, package) = name.split_once('/')?;
    let package = package.replace('/', "%2F");
    Some(format!("https://github.com/users/{owner}/packages/container/package/{package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ghcr_has_a_page() {
        let page = package_page("ghcr.io/me/s2-standalone:v0.75").unwrap();
        assert_eq!(page, "https://github.com/users/me/packages/container/package/s2-standalone");
        let nested = package_page("ghcr.io/me/a/b@sha256:00").unwrap();
        assert_eq!(nested, "https://github.com/users/me/packages/container/package/a%2Fb");
        assert_eq!(package_page("r.test:5000/me/s2:v1"), None);
    }
}
