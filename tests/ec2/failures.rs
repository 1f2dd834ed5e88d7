//! What connecting says when something is wrong, each with its message and help.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use a3::ec2::{Cloud, CloudError};
use a3::explain::Explain as _;
use a3::spec::Ec2;

use crate::{Variables, in_child, key, wire};

/// A key, and an endpoint that is asked once.
fn endpoint(url: impl Into<String>) -> Variables {
    let more = [("AWS_ENDPOINT_URL", url.into()), ("AWS_MAX_ATTEMPTS", "1".to_owned())];
    key().into_iter().chain(more).collect()
}

/// Answers every request with an error of STS; its URL.
fn refuse(code: &'static str, message: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten().take(8) {
            let _ = stream.read(&mut [0; 8192]);
            let body = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
                 </Error></ErrorResponse>"
            );
            let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n", body.len());
            let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
        }
    });
    url
}

async fn failed(ec2: Ec2) -> (CloudError, String, String) {
    let error = Cloud::connect(&ec2).await.unwrap_err();
    let cause = error.cause();
    assert!(!format!("{error:?}{cause:?}").contains("very-secret"));
    (error, cause.message, cause.help.expect("a help"))
}

fn in_us_west_2() -> Ec2 {
    Ec2 { region: Some("us-west-2".into()), ..wire::ec2() }
}

#[test]
fn no_credentials() {
    in_child("failures::no_credentials", Variables::new, async {
        let (error, message, help) = failed(in_us_west_2()).await;
        assert!(
            error.is_unreachable() && message.starts_with("no AWS credential could be loaded"),
            "{message}"
        );
        assert!(help.starts_with("aws configure, or export AWS_ACCESS_KEY_ID"), "{help}");
        let (_, message, help) = failed(Ec2 { profile: Some("nobody".into()), ..in_us_west_2() }).await;
        assert!(message.contains("for profile `nobody`"), "{message}");
        assert!(help.contains("aws configure --profile nobody"), "{help}");
    });
}

#[test]
fn no_region() {
    in_child("failures::no_region", key, async {
        let (_, message, help) = failed(wire::ec2()).await;
        assert_eq!(message, "no region is set for EC2");
        assert!(help.contains("ec2.region"));
    });
}

#[test]
fn unreachable_endpoint() {
    in_child("failures::unreachable_endpoint", || endpoint("http://127.0.0.1:9"), async {
        let (error, message, help) = failed(in_us_west_2()).await;
        assert!(error.is_unreachable());
        assert!(message.starts_with("STS in us-west-2 did not answer GetCallerIdentity: "), "{message}");
        assert!(message.contains("onnect"), "{message}");
        assert!(help.contains("AWS_ENDPOINT_URL"));
        let (_, _, help) = failed(Ec2 { region: Some("us-wset-2".into()), ..wire::ec2() }).await;
        assert!(help.contains("did you mean `us-west-2`"), "{help}");
    });
}

#[test]
fn expired_token() {
    in_child(
        "failures::expired_token",
        || endpoint(refuse("ExpiredToken", "The security token included in the request is expired")),
        async {
            let (error, message, help) = failed(in_us_west_2()).await;
            assert_eq!(error.code(), Some("ExpiredToken"));
            assert!(
                message.contains("GetCallerIdentity in us-west-2 failed: The security token"),
                "{message}"
            );
            assert!(help.contains("aws sso login"));
        },
    );
}

#[test]
fn region_not_enabled() {
    in_child(
        "failures::region_not_enabled",
        || endpoint(refuse("InvalidClientTokenId", "The security token included in the request is invalid.")),
        async {
            let (_, _, help) = failed(Ec2 { region: Some("af-south-1".into()), ..wire::ec2() }).await;
            assert!(help.contains("aws account enable-region --region-name af-south-1"), "{help}");
        },
    );
}

#[test]
fn access_denied() {
    in_child(
        "failures::access_denied",
        || {
            endpoint(refuse(
                "AccessDenied",
                "User: u is not authorized to perform: sts:GetCallerIdentity because no",
            ))
        },
        async {
            let (_, message, help) = failed(in_us_west_2()).await;
            assert_eq!(message, "the caller may not sts:GetCallerIdentity in us-west-2");
            assert!(help.contains("`sts:GetCallerIdentity`"));
        },
    );
}
