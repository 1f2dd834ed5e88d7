//! From which address this machine's connections come.

use std::net::IpAddr;
use std::time::Duration;

/// Answers with the caller's address as plain text; AWS's own service.
const DEFAULT_URL: &str = "https://checkip.amazonaws.com";

/// Of one try; there are two.
const TIMEOUT: Duration = Duration::from_secs(5);

/// An address as text is at most 45 bytes.
const LONGEST: usize = 64;

/// The look-up service gave no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum AddressError {
    #[error("{url} did not say this machine's address")]
    NoAnswer {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url} answered something that is no address")]
    NoAddress { url: String },
}

/// This machine's address as others see it, as a CIDR of that one address.
pub(super) async fn look_up(url: Option<&str>) -> Result<String, AddressError> {
    let url = url.unwrap_or(DEFAULT_URL);
    let answer = match ask(url).await {
        Ok(answer) => answer,
        Err(_) => ask(url).await.map_err(|source| AddressError::NoAnswer { url: url.to_owned(), source })?,
    };
    to_cidr(&answer).ok_or_else(|| AddressError::NoAddress { url: url.to_owned() })
}

async fn ask(url: &str) -> Result<String, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).build()?;
    let mut answer = client.get(url).send().await?.error_for_status()?;
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        text.extend_from_slice(&chunk);
        if text.len() > LONGEST {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn to_cidr(text: &str) -> Option<String> {
    let address: IpAddr = text.trim().parse().ok()?;
    Some(match address {
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(address) => format!("{address}/128"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_is_one() {
        assert_eq!(to_cidr("192.0.2.7\n").as_deref(), Some("192.0.2.7/32"));
        assert_eq!(to_cidr("2001:db8::1").as_deref(), Some("2001:db8::1/128"));
        assert_eq!(to_cidr("<html>"), None);
        assert_eq!(to_cidr(""), None);
    }
}
