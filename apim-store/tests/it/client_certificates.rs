//! Certificates by which clients may call an API: kept with it, carried by its revisions, told to gateways.

use apim_core::model::{Api, KeyType};
use apim_store::service::client_certificate::Certificate;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use crate::place::{Door, Place, Reply};
use crate::publish::{deployed, id, made, pets, served};

/// A certificate in PEM, valid until so many days after the tests' today.
fn certificate(name: &str, days: i64) -> rcgen::Certificate {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let day = 24 * 3600;
    let today = 1_800_000_000 / day * day;
    let at = |days: i64| {
        (std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(today + days * day).unwrap()))
            .into()
    };
    (params.not_before, params.not_after) = (at(-10), at(days));
    params.self_signed(&KeyPair::generate().unwrap()).unwrap()
}

fn with_schemes(schemes: &[&str]) -> Value {
    let mut document = pets();
    document["securityScheme"] = json!(schemes);
    document
}

async fn upload(publisher: &Door<'_>, path: &str, alias: &str, pem: &str) -> Reply {
    let parts = [("certificate@", pem), ("alias", alias), ("tier", "Gold")];
    publisher.form("POST", path, &parts).await
}

fn aliases(served: &Api) -> Vec<&str> {
    let accepted = served.client_certificates.as_ref().unwrap();
    accepted.pinned.iter().map(|pin| pin.alias.as_str()).collect()
}

#[tokio::test]
async fn a_certificate_is_uploaded_listed_read_replaced_and_deleted() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let api = made(&publisher, pets()).await;
        let path = format!("/apis/{}/client-certificates", id(&api));
        let first = certificate("partner", 30);
        let reply = upload(&publisher, &path, "partner one", &first.pem()).await.is(200);
        assert_eq!(reply.json(), json!({"alias": "partner one", "apiId": id(&api), "tier": "Gold"}));
        let location = reply.header("location").to_owned();
        assert!(location.ends_with("/client-certs/PRODUCTION/partner%20one"), "{location}");
        upload(&publisher, &path, "another", &certificate("another", 30).pem()).await.is(200);

        let all = publisher.get(&path).await.is(200).json();
        assert_eq!((&all["count"], &all["pagination"]["total"]), (&json!(2), &json!(2)));
        assert_eq!(all["certificates"][0]["alias"], "another");
        let page = publisher.get(&format!("{path}?limit=1&offset=1")).await.is(200).json();
        assert_eq!(page["certificates"], json!([reply.json()]));
        let found = publisher.get(&format!("{path}?alias=another")).await.is(200).json();
        assert_eq!(found["count"], 1);

        let one = format!("{path}/partner%20one");
        let info = publisher.get(&one).await.is(200).json();
        assert_eq!(
            info,
            json!({
                "status": "Active", "version": "V3", "subject": info["subject"],
                "validity": {"from": "05-01-2027", "to": "14-02-2027"},
            })
        );
        assert!(info["subject"].as_str().unwrap().contains("CN=partner"), "{info}");
        let content = publisher.get(&format!("{one}/content")).await.is(200);
        assert_eq!(Certificate::read(&content.body).unwrap().der, first.der().as_ref());
        assert!(content.header("content-disposition").contains("partner%20one.crt"));

        let second = certificate("replaced", 60);
        publisher.form("PUT", &one, &[("tier", "Silver")]).await.is(200);
        let reply = publisher.form("PUT", &one, &[("certificate@", &second.pem())]).await.is(200);
        assert_eq!(reply.json()["tier"], "Silver");
        let content = publisher.get(&format!("{one}/content")).await.is(200);
        assert_eq!(Certificate::read(&content.body).unwrap().der, second.der().as_ref());

        publisher.delete(&one).await.is(200);
        publisher.get(&one).await.refused(404, 900401);
        publisher.delete(&one).await.refused(404, 900401);
        publisher.form("PUT", &one, &[("tier", "Gold")]).await.refused(404, 900401);
        assert_eq!(publisher.get(&path).await.is(200).json()["count"], 1);
    }
}

#[tokio::test]
async fn certificates_of_the_two_endpoints_stand_apart_and_share_their_names() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let api = made(&publisher, pets()).await;
        let at = |rest: &str| format!("/apis/{}/{rest}", id(&api));
        let sandbox = certificate("sandbox", 30).pem();
        upload(&publisher, &at("client-certs/SANDBOX"), "try", &sandbox).await.is(200);
        publisher.get(&at("client-certs/SANDBOX/try")).await.is(200);
        for other in ["client-certificates/try", "client-certs/PRODUCTION/try"] {
            publisher.get(&at(other)).await.refused(404, 900401);
        }
        let another = certificate("another", 30).pem();
        upload(&publisher, &at("client-certificates"), "try", &another).await.refused(409, 409);
        upload(&publisher, &at("client-certs/STAGING"), "x", &another).await.refused(400, 900346);
        upload(&publisher, &at("client-certs/PRODUCTION"), "real", &another).await.is(200);
        publisher.get(&at("client-certificates/real")).await.is(200);
    }
}

#[tokio::test]
async fn what_is_no_good_certificate_is_refused() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let api = made(&publisher, pets()).await;
        let path = format!("/apis/{}/client-certificates", id(&api));
        let good = certificate("good", 30).pem();
        let key = KeyPair::generate().unwrap().serialize_pem();
        for bad in [
            certificate("old", -1).pem(),
            format!("{good}{good}"),
            good.replace("CERTIFICATE", "CERTIFICATE REQUEST"),
            good.replacen("MII", "AAA", 1),
            key,
            "hello".to_owned(),
            "x".repeat(70_000),
            String::new(),
        ] {
            let reply = upload(&publisher, &path, "bad", &bad).await.refused(400, 900346).json();
            assert!(reply["description"].as_str().unwrap().contains("certificate"), "{reply}");
        }
        for alias in ["", "..", "a/b", "a\"b", &"x".repeat(31)] {
            upload(&publisher, &path, alias, &good).await.refused(400, 900346);
        }
        let unknown = [("certificate@", &*good), ("alias", "good"), ("tier", "Platinum")];
        publisher.form("POST", &path, &unknown).await.refused(400, 900305);
        publisher.form("POST", &path, &unknown[..2]).await.refused(400, 900346);
        upload(&publisher, &path, "good", &good).await.is(200);
        upload(&publisher, &path, "good", &certificate("more", 30).pem()).await.refused(409, 409);
        upload(&publisher, &path, "twin", &good).await.refused(409, 409);
        publisher.form("PUT", &format!("{path}/good"), &[("certificate@", "no")]).await.refused(400, 900346);
        publisher.form("PUT", &format!("{path}/good"), &[("other", "x")]).await.refused(400, 900346);
        upload(&publisher, "/apis/none/client-certificates", "good", &good).await.refused(404, 900308);
        let reader = publisher.clone().by("ann:apim:api_view");
        reader.get(&path).await.is(200);
        upload(&reader, &path, "x", &good).await.refused(401, 900910);
        let strangers = publisher.clone().by("ann:apim:subscribe");
        strangers.get(&path).await.refused(401, 900910);
        assert_eq!(publisher.get(&path).await.json()["count"], 1);
    }
}

#[tokio::test]
async fn a_certificate_may_be_sent_in_der() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let api = made(&publisher, pets()).await;
        let path = format!("/apis/{}/client-certificates", id(&api));
        let der = certificate("partner", 30).der().to_vec();
        let part = |name: &str| format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        let form = |der: &[u8]| {
            [
                part("alias").as_bytes(),
                b"partner\r\n",
                part("tier").as_bytes(),
                b"Gold\r\n",
                part("certificate").as_bytes(),
                der,
                b"\r\n--XX--\r\n",
            ]
            .concat()
        };
        let send = |body: Vec<u8>| publisher.call("POST", &path, "multipart/form-data; boundary=XX", body);
        send(form(&[&der[..], b"more"].concat())).await.refused(400, 900346);
        send(form(&der[..der.len() - 1])).await.refused(400, 900346);
        send(form(&der)).await.is(200);
        let content = publisher.get(&format!("{path}/partner/content")).await.is(200);
        assert!(content.body.starts_with(b"-----BEGIN CERTIFICATE-----\n"));
        assert_eq!(Certificate::read(&content.body).unwrap().der, der);
    }
}

#[tokio::test]
async fn the_schemes_of_a_document_become_what_gateways_demand() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        for (number, (schemes, expected)) in [
            (&["mutualssl"][..], (false, false, false)),
            (&["mutualssl", "oauth_basic_auth_api_key_mandatory"], (false, false, false)),
            (&["mutualssl", "mutualssl_mandatory"], (false, true, false)),
            (&["oauth2", "mutualssl"], (true, false, false)),
            (&["oauth2", "mutualssl", "oauth_basic_auth_api_key_mandatory"], (true, false, true)),
            (
                &["oauth2", "mutualssl", "mutualssl_mandatory", "oauth_basic_auth_api_key_mandatory"],
                (true, true, true),
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let mut document = with_schemes(schemes);
            document["name"] = format!("pets{number}").into();
            document["context"] = format!("/pets{number}").into();
            let api = made(&publisher, document).await;
            let path = format!("/apis/{}/client-certs/SANDBOX", id(&api));
            let pem = certificate("partner", 30).pem();
            upload(&publisher, &path, "partner", &pem).await.is(200);
            deployed(&publisher, id(&api)).await;
            let all = served(&place).await;
            let served = all.iter().find(|served| served.id.as_str() == id(&api)).unwrap();
            let accepted = served.client_certificates.as_ref().unwrap();
            assert!(served.schemes.mutual_tls);
            let told = (served.schemes.oauth2, accepted.mandatory, accepted.credential_mandatory);
            assert_eq!(told, expected, "{schemes:?}");
            let pin = &accepted.pinned[0];
            assert_eq!((pin.alias.as_str(), pin.key_type), ("partner", Some(KeyType::Sandbox)));
            assert_eq!(pin.tier.as_ref().unwrap().as_str(), "Gold");
            assert_eq!(
                Certificate::read(pin.certificate.as_bytes()).unwrap(),
                Certificate::read(pem.as_bytes()).unwrap()
            );
        }
        // Certificates of an API that does not ask for any are kept, and not told.
        let api = made(&publisher, pets()).await;
        let path = format!("/apis/{}/client-certificates", id(&api));
        upload(&publisher, &path, "partner", &certificate("partner", 30).pem()).await.is(200);
        deployed(&publisher, id(&api)).await;
        let all = served(&place).await;
        assert!(
            all.iter().any(|served| served.id.as_str() == id(&api) && served.client_certificates.is_none())
        );
    }
}

#[tokio::test]
async fn an_api_that_would_let_nobody_in_by_certificate_is_not_deployed() {
    let place = Place::each_seeded().await.remove(0);
    let publisher = place.publisher();
    for (number, schemes) in [&["mutualssl"][..], &["oauth2", "mutualssl_mandatory"]].into_iter().enumerate()
    {
        let mut document = with_schemes(schemes);
        document["name"] = format!("pets{number}").into();
        document["context"] = format!("/pets{number}").into();
        let api = made(&publisher, document).await;
        let path = format!("/apis/{}", id(&api));
        let revision = publisher.post(&format!("{path}/revisions"), json!({})).await.is(201).json();
        let deploy = format!("{path}/deploy-revision?revisionId={}", id(&revision));
        let reply = publisher.post(&deploy, json!([{"name": "Default"}])).await.refused(400, 900346).json();
        assert!(reply["description"].as_str().unwrap().contains("/securityScheme"), "{reply}");
    }
}

#[tokio::test]
async fn a_revision_carries_the_certificates_that_the_draft_had_then() {
    for place in Place::each_seeded().await {
        let publisher = place.publisher();
        let api = made(&publisher, with_schemes(&["oauth2", "mutualssl"])).await;
        let path = format!("/apis/{}/client-certificates", id(&api));
        upload(&publisher, &path, "one", &certificate("one", 30).pem()).await.is(200);
        let first = deployed(&publisher, id(&api)).await;
        upload(&publisher, &path, "two", &certificate("two", 30).pem()).await.is(200);
        publisher.delete(&format!("{path}/one")).await.is(200);
        assert_eq!(aliases(&served(&place).await[0]), ["one"]);
        deployed(&publisher, id(&api)).await;
        assert_eq!(aliases(&served(&place).await[0]), ["two"]);

        let restore = format!("/apis/{}/restore-revision?revisionId={first}", id(&api));
        publisher.post(&restore, Value::Null).await.is(201);
        let all = publisher.get(&path).await.is(200).json();
        assert_eq!((&all["count"], &all["certificates"][0]["alias"]), (&json!(1), &json!("one")));

        let copy = format!("/apis/copy-api?apiId={}&newVersion=2.0.0", id(&api));
        let copy = publisher.post(&copy, Value::Null).await.is(201).json();
        deployed(&publisher, id(&copy)).await;
        assert_eq!(aliases(&served(&place).await[1]), ["one"]);

        // What was deleted takes its certificates along, and leaves the others theirs.
        publisher.delete(&format!("/apis/{}/revisions/{first}", id(&api))).await.is(200);
        publisher.delete(&format!("/apis/{}", id(&api))).await.is(200);
        publisher.get(&path).await.refused(404, 900308);
        publisher.get(&format!("/apis/{}/client-certificates/one", id(&copy))).await.is(200);
        assert_eq!(place.changes().await.len(), place.reopened().await.changes().await.len());
    }
}
