//! Debian's docker-registry, started for one test on a loopback port of its own and ended with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use a3::id::Digest;
use serde_json::{Value, json};

/// `me:hunter2` as htpasswd writes it with bcrypt.
const HTPASSWD: &str = "me:$2y$05$5cvftSCBHoYT8U1fpoOpUumrI4ZFx3Qlw38jRaqNkTPPXv5oksENS\n";

/// How it is guarded.
#[derive(Clone, Copy, Default)]
pub(crate) struct Guard {
    pub(crate) password: bool,
    pub(crate) tls: bool,
}

pub(crate) struct Registry {
    pub(crate) server: String,
    pub(crate) folder: tempfile::TempDir,
    child: Child,
    guard: Guard,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Registry {
    pub(crate) async fn start(guard: Guard) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.61.2:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut config = json!({
            "version": "0.1",
            "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("data") } },
            "http": { "addr": server },
        });
        if guard.password {
            std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
            config["auth"] =
                json!({ "htpasswd": { "realm": "test", "path": folder.path().join("htpasswd") } });
        }
        if guard.tls {
            let (certificate, key) = certificate(folder.path());
            config["http"]["tls"] = json!({ "certificate": certificate, "key": key });
        }
        // JSON is YAML.
        std::fs::write(folder.path().join("config.yml"), config.to_string()).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is needed: apt-get install docker-registry");
        let registry = Self { server, folder, child, guard };
        registry.wait().await;
        registry
    }

    async fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(&self.server).is_err() {
            assert!(Instant::now() < end, "docker-registry did not start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.server)
    }

    /// The CA's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Uploads that were begun and neither finished nor cancelled. (docker-registry leaves the empty folder
    /// of a cancelled one.)
    pub(crate) fn open_uploads(&self, repository: &str) -> usize {
        let path = self.folder.path().join("data/docker/registry/v2/repositories").join(repository);
        let uploads = std::fs::read_dir(path.join("_uploads")).unwrap();
        uploads.filter(|upload| upload.as_ref().unwrap().path().join("startedat").exists()).count()
    }

    /// The file of a blob.
    pub(crate) fn blob_file(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let blobs = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }

    fn http(&self) -> reqwest::Client {
        let mut builder = reqwest::Client::builder().no_proxy();
        if self.guard.tls {
            let pem = std::fs::read(self.ca()).unwrap();
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(&pem).unwrap());
        }
        builder.build().unwrap()
    }

    fn request(&self, method: reqwest::Method, url: &str) -> reqwest::RequestBuilder {
        let request = self.http().request(method, url);
        if self.guard.password { request.basic_auth("me", Some("hunter2")) } else { request }
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.guard.tls { "https" } else { "http" };
        format!("{scheme}://{}/v2/{path}", self.server)
    }

    async fn push_blob(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let begin = self.request(reqwest::Method::POST, &self.url(&format!("{repository}/blobs/uploads/")));
        let begun = begin.send().await.unwrap().error_for_status().unwrap();
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let joint = if location.contains('?') { '&' } else { '?' };
        let put = self.request(reqwest::Method::PUT, &format!("{location}{joint}digest={digest}"));
        put.body(content.to_vec()).send().await.unwrap().error_for_status().unwrap();
        digest
    }

    /// Puts a manifest under a tag or, without one, under its digest.
    pub(crate) async fn put(&self, repository: &str, tag: Option<&str>, manifest: &Value) -> Digest {
        let text = manifest.to_string();
        let digest = Digest::of(text.as_bytes());
        let version = tag.map_or(digest.to_string(), str::to_owned);
        let put = self.request(reqwest::Method::PUT, &self.url(&format!("{repository}/manifests/{version}")));
        let put = put.header("content-type", manifest["mediaType"].as_str().unwrap());
        put.body(text).send().await.unwrap().error_for_status().unwrap();
        digest
    }

    /// An image with one layer; returns its manifest's and configuration's digest.
    pub(crate) async fn push_image(
        &self,
        repository: &str,
        tag: Option<&str>,
        arch: &str,
        labels: Value,
    ) -> (Digest, Digest) {
        let config = json!({ "os": "linux", "architecture": arch, "config": { "Labels": labels } });
        let config = config.to_string();
        let layer = b"not really a layer";
        let config_digest = self.push_blob(repository, config.as_bytes()).await;
        let layer_digest = self.push_blob(repository, layer).await;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(),
                "digest": config_digest,
            },
            "layers": [{
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": layer.len(),
                "digest": layer_digest,
            }],
        });
        (self.put(repository, tag, &manifest).await, config_digest)
    }

    /// An index of images and, as BuildKit makes it, an attestation.
    pub(crate) async fn push_index(&self, repository: &str, tag: &str, images: &[(&str, &Digest)]) -> Digest {
        let entry = |platform: Value, digest: &Digest, annotations: Value| {
            json!({
                "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "size": std::fs::metadata(self.blob_file(digest)).unwrap().len(),
                "digest": digest,
                "platform": platform,
                "annotations": annotations,
            })
        };
        let mut entries = vec![entry(
            json!({ "os": "unknown", "architecture": "unknown" }),
            images[0].1,
            json!({ "vnd.docker.reference.type": "attestation-manifest" }),
        )];
        for (arch, digest) in images {
            entries.push(entry(json!({ "os": "linux", "architecture": arch }), digest, json!({})));
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": entries,
        });
        self.put(repository, Some(tag), &index).await
    }
}

/// A throwaway CA and a certificate for 127.0.61.2.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let openssl = |line: &str| {
        let output = Command::new("openssl").args(line.split(' ')).current_dir(folder).output();
        let output = output.expect("openssl is needed: apt-get install openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {curve} -keyout ca.key -out ca.crt -days 2 -subj /CN=throwaway"));
    openssl(&format!("req {curve} -keyout server.key -out server.csr -subj /CN=registry"));
    std::fs::write(folder.join("ext"), "subjectAltName=IP:127.0.61.2\n").unwrap();
    openssl(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.crt",
    );
    (folder.join("server.crt"), folder.join("server.key"))
}
