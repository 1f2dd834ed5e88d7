//! What connecting says when something is wrong, each with its message and help.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use a3::ec2::{Cloud, CloudError};
use a3::explain::Explain as _;
use a3::spec::Ec2;

use crate::{run, wire};

const KEY: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "very-secret")];

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

fn run_failure(name: &str, variables: &[(&str, &str)]) {
    run(&format!("failures::child_{name}"), variables);
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
    run_failure("no_credentials", &[]);
}

#[tokio::test]
#[ignore = "run by its namesake"]
async fn child_no_credentials() {
    let (error, message, help) = failed(in_us_west_2()).await;
    assert!(error.is_unreachable() && message.starts_with("no AWS credential could be loaded"), "{message}");
    assert!(help.starts_with("aws configure, or export AWS_ACCESS_KEY_ID"), "{help}");
    let (_, message, help) = failed(Ec2 { profile: Some("nobody".into()), ..in_us_west_2() }).await;
    assert!(message.contains("for profile `nobody`"), "{message}");
    assert!(help.contains("aws configure --profile nobody"), "{help}");
}

#[test]
fn no_region() {
    run_failure("no_region", &KEY);
}

#[tokio::test]
#[ignore = "run by its namesake"]
async fn child_no_region() {
    let (_, message, help) = failed(wire::ec2()).await;
    assert_eq!(message, "no region is set for EC2");
    assert!(help.contains("ec2.region"));
}

#[test]
fn unreachable_endpoint() {
    let variables = [KEY[0], KEY[1], ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_MAX_ATTEMPTS", "1")];
    run_failure("unreachable_endpoint", &variables);
}

#[tokio::test]
#[ignore = "run by its namesake"]
async fn child_unreachable_endpoint() {
    let (error, message, help) = failed(in_us_west_2()).await;
    assert!(error.is_unreachable());
    assert!(message.starts_with("STS in us-west-2 did not answer GetCallerIdentity: "), "{message}");
    assert!(message.contains("onnect"), "{message}");
    assert!(help.contains("AWS_ENDPOINT_URL"));
    let (_, _, help) = failed(Ec2 { region: Some("us-wset-2".into()), ..wire::ec2() }).await;
    assert!(help.contains("did you mean `us-west-2`"), "{help}");
}

#[test]
fn expired_token() {
    let url = refuse("ExpiredToken", "The security token included in the request is expired");
    run_failure("expired_token", &[KEY[0], KEY[1], ("AWS_ENDPOINT_URL", &url), ("AWS_MAX_ATTEMPTS", "1")]);
}

#[tokio::test]
#[ignore = "run by its namesake"]
async fn child_expired_token() {
    let (error, message, help) = failed(in_us_west_2()).await;
    assert_eq!(error.code(), Some("ExpiredToken"));
    assert!(message.contains("GetCallerIdentity in us-west-2 failed: The security token"), "{message}");
    assert!(help.contains("aws sso login"));
}

#[test]
fn region_not_enabled() {
    let url = refuse("InvalidClientTokenId", "The security token included in the request is invalid.");
    let variables = [KEY[0], KEY[1], ("AWS_ENDPOINT_URL", &url), ("AWS_MAX_ATTEMPTS", "1")];
    run_failure("region_not_enabled", &variables);
}

#[tokio::test]
#[ignore = "run by its namesake"]
async fn child_region_not_enabled() {
    let (_, _, help) = failed(Ec2 { region: Some("af-south-1".into()), ..wire::ec2() }).await;
    assert!(help.contains("aws account enable-region --region-name af-south-1"), "{help}");
}

#[test]
fn access_denied() {
    let denied =
        "User: arn:aws:iam::1:user/u is not authorized to perform: sts:GetCallerIdentity because no policy";
    let url = refuse("AccessDenied", denied);
    run_failure("access_denied", &[KEY[0], KEY[1], ("AWS_ENDPOINT_URL", &url), ("AWS_MAX_ATTEMPTS", "1")]);
}

#[tokio::test]
#[ignore = "run by its namesake"]
async fn child_access_denied() {
    let (_, message, help) = failed(in_us_west_2()).await;
    assert_eq!(message, "the caller may not sts:GetCallerIdentity in us-west-2");
    assert!(help.contains("`sts:GetCallerIdentity`"));
}
