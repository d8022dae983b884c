//! AWS Signature Version 4 ("Signing AWS API requests" in the IAM user guide).

use apim_core::Timestamp;
use apim_core::model::BackendSecret;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;

use super::digest::hex;
use crate::rescue::date;

/// Signs requests to one service in one region.
pub(in super::super) struct Signer {
    pub(in super::super) access_key: String,
    pub(in super::super) secret_key: BackendSecret,
    pub(in super::super) region: String,
    pub(in super::super) service: &'static str,
}

/// What is signed of a request without a query.
pub(in super::super) struct Signed<'a> {
    pub(in super::super) method: &'a str,
    /// As it is sent.
    pub(in super::super) path: &'a str,
    /// In alphabetical order, names in lower case, values trimmed; `x-amz-date` among them.
    pub(in super::super) headers: &'a [(&'a str, &'a str)],
    pub(in super::super) body: &'a [u8],
}

impl Signer {
    /// The value of `Authorization`. The moment is that of `x-amz-date`.
    pub(in super::super) fn sign(&self, request: &Signed<'_>, at: Timestamp) -> String {
        let moment = date::compact(at);
        let day = &moment[..8];
        let (region, service) = (&self.region, self.service);
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let names = request.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let headers: String =
            request.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!(
            "{}\n{}\n\n{headers}\n{names}\n{}",
            request.method,
            encoded_again(request.path),
            sha256(request.body)
        );
        let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let signature = hex(keyed(self.key(day).as_ref(), text.as_bytes()).as_ref());
        let access_key = &self.access_key;
        format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
    }

    fn key(&self, day: &str) -> hmac::Tag {
        let secret = format!("AWS4{}", self.secret_key.expose());
        let key = keyed(secret.as_bytes(), day.as_bytes());
        let key = keyed(key.as_ref(), self.region.as_bytes());
        let key = keyed(key.as_ref(), self.service.as_bytes());
        keyed(key.as_ref(), b"aws4_request")
    }
}

fn keyed(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

/// Every service but S3 signs the path encoded once more than it is sent.
fn encoded_again(path: &str) -> String {
    path.replace('%', "%25")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-08-30T12:36:00Z, the moment of AWS's test suite.
    const MOMENT: Timestamp = Timestamp::from_secs(1_440_938_160);

    fn signer(service: &'static str) -> Signer {
        Signer {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            region: "us-east-1".to_owned(),
            service,
        }
    }

    fn signature(method: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
        let request = Signed { method, path: "/", headers, body };
        signer("service").sign(&request, MOMENT)
    }

    #[test]
    fn the_vectors_of_aws_come_out() {
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        assert_eq!(
            signature("GET", &headers, b""),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        let posted = signature("POST", &headers, b"");
        assert!(
            posted.ends_with("5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            "{posted}"
        );
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("host", "example.amazonaws.com"),
            ("x-amz-date", "20150830T123600Z"),
        ];
        let form = signature("POST", &headers, b"Param1=value1");
        assert!(form.ends_with("ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"), "{form}");
    }

    #[test]
    fn the_key_of_the_guide_comes_out() {
        let key = signer("iam").key("20150830");
        assert_eq!(hex(key.as_ref()), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    }
}
