//! One question to a registry and its answer: finding out how it is reached, convincing it, trying
//! again where that helps, and giving every refusal its own name.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use tokio::time::Instant;

use super::admission::Fresh;
use super::auth::{Challenge, Right};
use super::credential::Credential;
use super::error::RegistryError;
use super::{target, tls};
use crate::wait::{self, Found, Pace, WaitError};

/// Nothing that a3 asks for is bigger: manifests may have 4 MiB (distribution-spec), a configuration
/// is some kilobytes.
const LARGEST: usize = 8 << 20;

/// Tries in all, as long as the trouble may pass.
const TRIES: u32 = 3;

/// Between two tries where the registry does not say.
const REST: Duration = Duration::from_millis(500);

/// A registry that wants a longer rest gets it from the person.
const LONGEST_REST: u64 = 10;

/// For so long a failure to connect answers those who wait for the same connection.
const FAILURE_HOLDS: Duration = Duration::from_secs(3);

/// A registry as it can be spoken to.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) server: String,
    pub(super) credential: Option<Credential>,
    /// Where the credential comes from, for messages.
    pub(super) origin: String,
    pub(super) http: tls::Http,
    endpoint: tokio::sync::Mutex<Known>,
    /// By scope.
    pub(super) tokens: Mutex<BTreeMap<String, SecretString>>,
}

#[derive(Debug)]
enum Known {
    NotYet,
    Reached(Endpoint),
    Failed(Instant, RegistryError),
}

/// How it is reached.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// `https://HOST[:PORT]/v2/`.
    base: reqwest::Url,
    /// `None`: it lets everybody in, so far.
    challenge: Option<Challenge>,
    /// Its clock when it was reached, seconds since 1970.
    pub(super) date: Option<u64>,
}

/// How often a question was asked, and when it may be asked again.
struct Patience {
    tries: u32,
    rest_until: Instant,
    trouble: String,
}

impl Patience {
    /// The trouble that is sat out just now.
    fn resting(&self) -> Option<String> {
        (Instant::now() < self.rest_until).then(|| self.trouble.clone())
    }

    /// Rests after `error` and says why, or hands it on where asking again cannot help.
    fn again(&mut self, error: RegistryError) -> Result<String, RegistryError> {
        self.tries += 1;
        match rest(&error) {
            Some(rest) if self.tries < TRIES && error.is_transient() => {
                self.rest_until = Instant::now() + rest;
                self.trouble = error.to_string();
                Ok(self.trouble.clone())
            }
            _ => Err(error),
        }
    }
}

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    /// Whose right it takes.
    pub(super) repository: String,
    pub(super) right: Right,
    /// Below `/v2/`, or a whole URL of the same server.
    pub(super) path: String,
    pub(super) accept: Option<&'static str>,
    /// Content and its type.
    pub(super) body: Option<(String, Bytes)>,
}

/// An answer that is neither a refusal nor trouble: 2xx, 404 or 405.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The registry's own words with a leading `: `
    /// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>); else empty.
    pub(super) fn detail(&self) -> String {
        let text = serde_json::from_slice::<serde_json::Value>(&self.body).ok().and_then(|json| {
            let error = &json["errors"][0];
            let code = error["code"].as_str().unwrap_or_default();
            let message = error["message"].as_str().unwrap_or_default();
            Some(format!("{code} {message}").trim().to_owned()).filter(|text| !text.is_empty())
        });
        // What strangers say is shown as one short line without control characters.
        let clean = |text: String| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
        text.map(|text| format!(": {}", clean(text))).unwrap_or_default()
    }
}

/// A `Date` header (RFC 9110, 5.6.7) as seconds since 1970.
fn date(text: &str) -> Option<u64> {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let parsed = time::PrimitiveDateTime::parse(text, format).ok()?;
    u64::try_from(parsed.assume_utc().unix_timestamp()).ok()
}

impl Wire {
    pub(super) fn new(server: &str, credential: Option<Credential>) -> Result<Self, RegistryError> {
        Ok(Self {
            server: server.to_owned(),
            credential,
            origin: "`registry.password` or the Docker configuration".to_owned(),
            http: tls::Http::new(server, target::is_loopback(server))?,
            endpoint: tokio::sync::Mutex::new(Known::NotYet),
            tokens: Mutex::default(),
        })
    }

    /// Asks, and asks again after 5xx, 429 and broken connections.
    ///
    /// # Errors
    /// Everything in [`RegistryError`] that is about reaching the registry or being let in.
    pub(super) async fn ask(&self, question: &Question) -> Result<Answer, RegistryError> {
        let pace = Pace { deadline: tls::WHOLE, interval: Duration::from_millis(100) };
        let patience = Mutex::new(Patience { tries: 0, rest_until: Instant::now(), trouble: String::new() });
        let patience = || patience.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = wait::until(&self.server, pace, &|_| {}, || async {
            if let Some(trouble) = patience().resting() {
                return Ok(Found::NotYet(trouble));
            }
            match self.once(question).await {
                Ok(answer) => Ok(Found::Ready(answer)),
                Err(error) => patience().again(error).map(Found::NotYet),
            }
        });
        waited.await.map_err(|error| match error {
            WaitError::Ended(error) => error,
            WaitError::TimedOut { after, last, .. } => {
                let last = if last.is_empty() { last } else { format!(" ({last})") };
                RegistryError::TimedOut { server: self.server.clone(), seconds: after.as_secs(), last }
            }
        })
    }

    async fn once(&self, question: &Question) -> Result<Answer, RegistryError> {
        let endpoint = self.endpoint().await?;
        let scope = question.right.scope(&question.repository);
        let mut header = match &endpoint.challenge {
            Some(challenge) => self.convince(challenge, question, Fresh::No).await?,
            None => None,
        };
        let mut challenge = endpoint.challenge.clone();
        let mut answer = self.send(&endpoint, question, header.clone()).await?;
        // A token that has run out in the meantime, or a registry that guards only some of its paths.
        if answer.status == StatusCode::UNAUTHORIZED
            && let Some(again) = Challenge::of(&answer.headers)
            && !(again == Challenge::Basic && header.is_some())
        {
            self.tokens().remove(&scope);
            header = self.convince(&again, question, Fresh::Yes).await?;
            challenge = Some(again);
            answer = self.send(&endpoint, question, header).await?;
        }
        self.judge(answer, question, challenge.as_ref())
    }

    /// Gives refusals and trouble their names.
    fn judge(
        &self,
        answer: Answer,
        question: &Question,
        challenge: Option<&Challenge>,
    ) -> Result<Answer, RegistryError> {
        let status = answer.status;
        match status.as_u16() {
            200..=299 | 404 | 405 => Ok(answer),
            401 if matches!(challenge, Some(Challenge::Basic)) => Err(self.not_let_in(question)),
            401 | 403 => Err(self.denied(question, answer.detail(), challenge)),
            _ => {
                let asked = format!("{} {}", question.method, question.path);
                Err(trouble(&self.server, &answer).unwrap_or_else(|| self.unexpected(asked, &answer)))
            }
        }
    }

    pub(super) fn unexpected(&self, question: String, answer: &Answer) -> RegistryError {
        let (server, status) = (self.server.clone(), answer.status.as_u16());
        RegistryError::Unexpected { server, question, status, detail: answer.detail() }
    }

    /// Found out once; a failure answers for a few seconds those who waited for the same.
    pub(super) async fn endpoint(&self) -> Result<Endpoint, RegistryError> {
        let mut known = self.endpoint.lock().await;
        match &*known {
            Known::Reached(endpoint) => return Ok(endpoint.clone()),
            Known::Failed(when, error) if !error.is_transient() && when.elapsed() < FAILURE_HOLDS => {
                return Err(error.clone());
            }
            Known::NotYet | Known::Failed(..) => {}
        }
        let found = self.reach().await;
        *known = match &found {
            Ok(endpoint) => Known::Reached(endpoint.clone()),
            Err(error) => Known::Failed(Instant::now(), error.clone()),
        };
        found
    }

    async fn reach(&self) -> Result<Endpoint, RegistryError> {
        let host = target::api_host(&self.server);
        let mut url = self.url(&format!("https://{host}/v2/"))?;
        let http = self.http.client().await?;
        let mut sent = http.get(url.clone()).send().await;
        if target::is_loopback(&self.server) && sent.as_ref().is_err_and(tls::is_plain_text) {
            url = self.url(&format!("http://{host}/v2/"))?;
            sent = http.get(url.clone()).send().await;
        }
        let answer = self.read(sent.map_err(|error| tls::no_answer(&self.server, error))?).await?;
        let not_a_registry =
            || RegistryError::NotARegistry { server: self.server.clone(), status: answer.status.as_u16() };
        let challenge = match answer.status.as_u16() {
            200 => None,
            401 => Some(Challenge::of(&answer.headers).ok_or_else(not_a_registry)?),
            _ => return Err(trouble(&self.server, &answer).unwrap_or_else(not_a_registry)),
        };
        let date = answer.header("date").and_then(date);
        Ok(Endpoint { base: url, challenge, date })
    }

    fn url(&self, text: &str) -> Result<reqwest::Url, RegistryError> {
        text.parse().map_err(|_| RegistryError::BadReference {
            server: self.server.clone(),
            reference: text.to_owned(),
            why: "not a host name with an optional port".to_owned(),
        })
    }

    async fn send(
        &self,
        endpoint: &Endpoint,
        question: &Question,
        header: Option<HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let url = endpoint.base.join(&question.path).ok();
        // A location that the registry gave may be elsewhere; the credential goes nowhere else.
        let url = url.filter(|url| url.origin() == endpoint.base.origin());
        let url = url.ok_or_else(|| RegistryError::Corrupt {
            server: self.server.clone(),
            what: question.path.clone(),
            why: "it is on another server".to_owned(),
        })?;
        let mut request = self.http.client().await?.request(question.method.clone(), url);
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        if let Some(accept) = question.accept {
            request = request.header("accept", accept);
        }
        if let Some((kind, content)) = &question.body {
            request = request.header(CONTENT_TYPE, kind).body(content.clone());
        }
        self.read(request.send().await.map_err(|error| tls::no_answer(&self.server, error))?).await
    }

    pub(super) async fn read(&self, mut response: reqwest::Response) -> Result<Answer, RegistryError> {
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        let broken = |error| tls::no_answer(&self.server, error);
        while let Some(piece) = response.chunk().await.map_err(broken)? {
            if body.len() + piece.len() > LARGEST {
                return Err(RegistryError::Corrupt {
                    server: self.server.clone(),
                    what: response.url().path().to_owned(),
                    why: format!("it is bigger than {} MiB", LARGEST >> 20),
                });
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, headers, body: body.into() })
    }
}

/// 5xx and 429.
pub(super) fn trouble(server: &str, answer: &Answer) -> Option<RegistryError> {
    let server = server.to_owned();
    // Seconds only: the other form, a date, is no form for a short rest.
    let retry_after = answer.header(RETRY_AFTER.as_str()).and_then(|text| text.trim().parse().ok());
    match answer.status.as_u16() {
        429 => Some(RegistryError::Busy { server, retry_after }),
        status @ 500..=599 => {
            Some(RegistryError::Fault { server, status, detail: answer.detail(), retry_after })
        }
        _ => None,
    }
}

/// How long to rest before the next try; `None`: too long to wait.
fn rest(error: &RegistryError) -> Option<Duration> {
    match error {
        RegistryError::Busy { retry_after: Some(seconds), .. }
        | RegistryError::Fault { retry_after: Some(seconds), .. } => {
            (*seconds <= LONGEST_REST).then(|| Duration::from_secs(*seconds))
        }
        _ => Some(REST),
    }
}
