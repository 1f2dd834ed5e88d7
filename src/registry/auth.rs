//! How a registry wants to be convinced: basic, or a token from the server that it names
//! (<https://distribution.github.io/distribution/spec/auth/token/>).

use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret as _, SecretString};

use super::credential::Credential;

/// The answer of a registry that wants to know who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with every request.
    Basic,
    /// A token from `realm`.
    Bearer {
        /// Where tokens come from.
        realm: String,
        /// Whom they are for.
        service: Option<String>,
    },
}

impl Challenge {
    /// The challenge of an answer with status 401. Bearer wins, as in Docker.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let all = headers.get_all(WWW_AUTHENTICATE).iter();
        let mut found: Vec<Self> = all.filter_map(|value| Self::parse(value.to_str().ok()?)).collect();
        let bearer = found.iter().position(|challenge| matches!(challenge, Self::Bearer { .. }));
        if found.is_empty() { None } else { Some(found.swap_remove(bearer.unwrap_or(0))) }
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut realm = None;
        let mut service = None;
        for (name, value) in parameters(rest) {
            match name.as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                _ => {}
            }
        }
        Some(Self::Bearer { realm: realm?, service })
    }
}

/// `name="value"` pairs; a value may hold commas and escaped quotes (RFC 9110, 11.2).
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let mut value = String::new();
        let name = name.trim_matches([',', ' ']).to_ascii_lowercase();
        let mut characters = after.char_indices();
        let quoted = after.starts_with('"');
        let mut end = after.len();
        if quoted {
            characters.next();
        }
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' if quoted => value.extend(characters.next().map(|(_, escaped)| escaped)),
                '"' if quoted => {
                    end = at + 1;
                    break;
                }
                ',' if !quoted => {
                    end = at;
                    break;
                }
                other => value.push(other),
            }
        }
        pairs.push((name, value));
        rest = &after[end..];
    }
    pairs
}

/// What a question needs the right for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Read.
    Pull,
    /// Read and write.
    Push,
}

impl Right {
    /// The scope of a token for `repository`.
    pub(super) fn scope(self, repository: &str) -> String {
        let actions = match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        };
        format!("repository:{repository}:{actions}")
    }

    /// As in "does not let this credential …".
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push to",
        }
    }
}

/// The header for a user and password.
pub(super) fn basic(credential: &Credential) -> Option<HeaderValue> {
    use base64::Engine as _;
    let pair = format!("{}:{}", credential.username, credential.password.expose_secret());
    let text = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    sensitive(&text)
}

/// The header for a token.
pub(super) fn bearer(token: &SecretString) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.expose_secret()))
}

/// Sensitive values show nothing in `Debug`.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A token server's answer.
#[derive(serde::Deserialize)]
pub(super) struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl TokenAnswer {
    /// The token, under whichever name it came.
    pub(super) fn token(self) -> Option<SecretString> {
        self.token.or(self.access_token).filter(|token| !token.is_empty()).map(SecretString::from)
    }
}

/// The request for a token with the right `scope`. An identity token (`docker login` stores one for
/// some registries) is exchanged by POST (<https://distribution.github.io/distribution/spec/auth/oauth/>).
pub(super) fn token_request(
    http: &reqwest::Client,
    realm: &str,
    service: Option<&str>,
    scope: &str,
    credential: Option<&Credential>,
) -> reqwest::RequestBuilder {
    let service = service.map(|service| ("service", service));
    match credential {
        Some(credential) if credential.is_identity_token() => {
            let mut form = vec![("grant_type", "refresh_token"), ("client_id", "a3"), ("scope", scope)];
            form.extend(service);
            form.push(("refresh_token", credential.password.expose_secret()));
            let text = form.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
            let body = text.collect::<Vec<_>>().join("&");
            http.post(realm).header("content-type", "application/x-www-form-urlencoded").body(body)
        }
        _ => {
            let mut query = vec![("scope", scope)];
            query.extend(service);
            let request = http.get(realm).query(&query);
            match credential.and_then(basic) {
                Some(header) => request.header("authorization", header),
                None => request,
            }
        }
    }
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(values: &[&'static str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        Challenge::of(&headers)
    }

    #[test]
    fn ghcr_names_its_token_server() {
        let ghcr =
            r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:user/image:pull""#;
        let want =
            Challenge::Bearer { realm: "https://ghcr.io/token".into(), service: Some("ghcr.io".into()) };
        assert_eq!(challenge(&[ghcr]), Some(want));
    }

    #[test]
    fn bearer_wins_over_basic_and_unknown_schemes_do_not_count() {
        assert_eq!(challenge(&[r#"Basic realm="x""#]), Some(Challenge::Basic));
        assert_eq!(challenge(&["basic"]), Some(Challenge::Basic));
        let both = challenge(&[r#"Basic realm="x""#, "Bearer realm=https://t.test/token"]);
        assert_eq!(both, Some(Challenge::Bearer { realm: "https://t.test/token".into(), service: None }));
        assert_eq!(challenge(&["Negotiate"]), None);
        assert_eq!(challenge(&["Bearer service=\"x\""]), None);
    }

    #[test]
    fn values_may_hold_commas_and_quotes() {
        let got = parameters(r#"realm="a,b\"c", service = plain ,error="""#);
        let want = [("realm", "a,b\"c"), ("service", " plain "), ("error", "")];
        assert_eq!(got, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_header_never_shows_what_is_in_it() {
        let password = SecretString::from("hunter2");
        let credential = Credential { server: "r.test".into(), username: "me".into(), password };
        assert_eq!(format!("{:?}", basic(&credential).unwrap()), "Sensitive");
        assert_eq!(basic(&credential).unwrap(), "Basic bWU6aHVudGVyMg==");
    }

    #[test]
    fn forms_are_encoded() {
        assert_eq!(encoded("a b/c:d-e"), "a%20b%2Fc%3Ad-e");
    }
}
